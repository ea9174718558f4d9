//! Child processes: a clean environment for inner builds, and one-line failures.

use std::env;
use std::ffi::OsStr;
use std::io::{self, Write as _};
use std::process::{Command, Output, Stdio};

use anyhow::{Context as _, Result, bail};

/// Variables that say where cargo's own files are and how it reaches the network: a nested
/// cargo needs them. All others would change what it builds.
const KEPT: [&str; 6] = [
    "CARGO_HOME",
    "RUSTUP_HOME",
    "CARGO_HTTP_",
    "CARGO_NET_",
    "CARGO_REGISTR",
    "CARGO_TERM_",
];

/// Where the system looks for shared libraries first.
const LIBRARY_PATH: &str = "LD_LIBRARY_PATH";

/// Whether an outer cargo, or the user's settings for the outer build, would leak through `name`.
fn leaks(name: &OsStr) -> bool {
    let name = name.to_string_lossy();
    (name.starts_with("CARGO") || name.starts_with("RUST"))
        && !KEPT.iter().any(|kept| name.starts_with(kept))
}

/// Takes everything out of the environment that would steer a nested cargo or rustc.
pub fn sanitize(command: &mut Command) {
    for (name, _) in env::vars_os().filter(|(name, _)| leaks(name)) {
        command.env_remove(name);
    }
    forget_outer_libraries(command);
}

/// Takes the libraries of the outer toolchain out of the search path, where rustup and cargo put
/// them: another compiler would load them and then take itself for that one.
pub fn forget_outer_libraries(command: &mut Command) {
    if let Some(list) = env::var_os(LIBRARY_PATH) {
        let rest = env::split_paths(&list).filter(|folder| !folder.join("rustlib").is_dir());
        if let Ok(rest) = env::join_paths(rest) {
            command.env(LIBRARY_PATH, rest);
        }
    }
}

/// The command line as a shell would take it.
#[must_use]
pub fn shell_line(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words
        .map(|word| quote(&word.to_string_lossy()))
        .collect::<Vec<_>>()
        .join(" ")
}

/// A word as a shell takes it.
#[must_use]
pub fn quote(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=,:+@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

/// Runs a command to its end and returns what it printed.
///
/// # Errors
/// It could not be started, or ended with a failure; the last line it printed is the reason.
pub fn output(command: &mut Command) -> Result<String> {
    let Output {
        status,
        stdout,
        stderr,
    } = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot run {}", command.get_program().to_string_lossy()))?;
    if !status.success() {
        bail!(
            "`{}` failed: {}",
            shell_line(command),
            last_line(&stderr, &stdout)
        );
    }
    Ok(String::from_utf8_lossy(&stdout).into_owned())
}

/// Whether a command can be started and ends well; what it prints is thrown away.
pub fn succeeds(command: &mut Command) -> bool {
    let quiet = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    matches!(quiet.status(), Ok(status) if status.success())
}

fn last_line(stderr: &[u8], stdout: &[u8]) -> String {
    let text = |bytes| String::from_utf8_lossy(bytes).trim().to_owned();
    let all = [text(stderr), text(stdout)];
    let line = all.iter().find_map(|text| text.lines().next_back());
    line.unwrap_or("it printed nothing").to_owned()
}

/// Prints lines on the standard output.
///
/// # Errors
/// Nobody reads it any more, or it is a full disk.
pub fn say(text: &str) -> Result<()> {
    writeln!(io::stdout(), "{text}").context("cannot write to the standard output")
}

/// Says what a write that failed means for the user: a full disk is the usual reason.
#[must_use]
pub fn explain_write(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            format!("{error}: make room there or choose another directory with --out")
        }
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_outer_cargo_sets_does_not_reach_the_inner_one() {
        for name in [
            "CARGO",
            "CARGO_MANIFEST_DIR",
            "RUSTC",
            "RUSTFLAGS",
            "RUSTUP_TOOLCHAIN",
        ] {
            assert!(leaks(OsStr::new(name)), "{name}");
        }
        for name in [
            "CARGO_HOME",
            "RUSTUP_HOME",
            "CARGO_NET_OFFLINE",
            "PATH",
            "HOME",
        ] {
            assert!(!leaks(OsStr::new(name)), "{name}");
        }
    }

    #[test]
    fn the_echoed_line_can_be_typed() {
        let mut command = Command::new("qemu");
        command.args(["-m", "64M", "-append", "a=1 b=2", "it's"]);
        assert_eq!(
            shell_line(&command),
            r"qemu -m 64M -append 'a=1 b=2' 'it'\''s'"
        );
    }

    #[test]
    fn a_failing_command_gives_its_last_line() {
        let error = output(Command::new("sh").args(["-c", "echo one >&2; echo two >&2; exit 3"]));
        assert!(error.unwrap_err().to_string().ends_with("failed: two"));
    }
}
