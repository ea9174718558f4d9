//! How a debugger gets at a machine that waits for it.
//!
//! Kernel and host lie at the same addresses, of which the host's are real and the kernel's those of
//! the tables that it runs under. So a debugger has the symbols of one of them at a time: of the one
//! whose instruction is next, as the PSW tells.

use std::path::Path;
use std::process::Command;

use crate::process::shell_line;

/// Name of the debugger that distributions have for foreign machines.
pub const PROGRAM: &str = "gdb-multiarch";

/// The script for a machine that boots the image with these symbols, and where it is a host one that
/// runs guests with those.
#[must_use]
pub fn script(booted: &Path, guests: Option<&Path>) -> String {
    let absolute = |path: &Path| {
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
        path.display().to_string().replace(' ', "\\ ")
    };
    let booted = absolute(booted);
    let mut text = format!("set confirm off\nset architecture s390:64-bit\nsymbol-file {booted}\n");
    if let Some(guests) = guests {
        text += &include_str!("debugger.gdb")
            .replace("{host}", &booted)
            .replace("{kernel}", &absolute(guests));
    }
    text += "target remote :1234\n";
    text
}

/// The command that attaches a debugger by a script.
#[must_use]
pub fn line(script: &Path) -> String {
    shell_line(Command::new(PROGRAM).arg("-x").arg(script))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_without_host_has_one_kind_of_symbols() {
        let text = script(Path::new("/a b/kernel"), None);
        assert!(text.contains("symbol-file /a\\ b/kernel\n"));
        assert!(!text.contains("hook-stop") && text.ends_with("target remote :1234\n"));
    }

    #[test]
    fn one_with_a_host_has_both() {
        let text = script(Path::new("/host"), Some(Path::new("/kernel")));
        assert!(text.contains("symbol-file /host\n") && text.contains("symbol-file /kernel\n"));
        assert!(text.contains("define hook-stop") && !text.contains('{'));
    }

    #[test]
    fn the_line_is_one_for_a_shell() {
        let line = line(Path::new("target/run/debug.gdb"));
        assert_eq!(line, "gdb-multiarch -x target/run/debug.gdb");
    }
}
