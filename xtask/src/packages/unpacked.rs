//! Packages unpacked into a folder of the checkout's, for what apt cannot install: where another package would have to
//! go for it, or nobody may be root. Nothing of the system changes.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};

use crate::{process, workspace};

/// Folders of an unpacked package that have shared libraries, with that of this machine's kind.
const LIBRARIES: [&str; 4] = ["usr/lib", "lib", "usr/lib/*-linux-gnu", "lib/*-linux-gnu"];

/// Where packages are unpacked.
fn folder() -> PathBuf {
    workspace::root().join(workspace::target()).join("packages")
}

/// The script that starts a program which has been unpacked.
fn starter(program: &str) -> PathBuf {
    folder().join(program)
}

/// A program that was unpacked before.
#[must_use]
pub fn find(program: &str) -> Option<PathBuf> {
    Some(starter(program)).filter(|path| path.is_file())
}

/// Fetches a package, and what it needs and this machine does not have, and makes its program ready to be
/// started from where they were unpacked.
///
/// # Errors
/// One cannot be fetched or unpacked, or does not bring the program.
pub fn unpack(package: &str, program: &str) -> Result<PathBuf> {
    let folder = folder();
    let archives = folder.join("archives");
    let tree = folder.join("tree");
    fs::create_dir_all(&archives).context("cannot make a folder for packages")?;
    let names = needed(package)?;
    eprintln!(
        "unpacking {} into {}: apt cannot install {package} here",
        names.join(" "),
        workspace::short(tree.clone()).display()
    );
    process::output(
        Command::new("apt-get")
            .args(["download", "-qq"])
            .args(&names)
            .current_dir(&archives),
    )?;
    for entry in fs::read_dir(&archives)? {
        let archive = entry?.path();
        process::output(Command::new("dpkg").arg("-x").args([&archive, &tree]))?;
    }
    fs::remove_dir_all(&archives).context("cannot remove archives that were unpacked")?;
    let binary = tree.join("usr/bin").join(program);
    anyhow::ensure!(binary.is_file(), "{package} has no {program}");
    let path = starter(program);
    write_starter(&path, &tree, &binary)
        .with_context(|| format!("cannot write {}", path.display()))?;
    Ok(path)
}

/// The package and all that would be installed with it.
fn needed(package: &str) -> Result<Vec<String>> {
    let plan = process::output(Command::new("apt-get").args([
        "install",
        "--simulate",
        "--no-install-recommends",
        package,
    ]))?;
    Ok(installed_by(&plan))
}

fn installed_by(plan: &str) -> Vec<String> {
    plan.lines()
        .filter_map(|line| line.strip_prefix("Inst ")?.split(' ').next())
        .map(str::to_owned)
        .collect()
}

/// A script that stays the process that it was started as, so that whoever ends it ends the program.
fn write_starter(path: &Path, tree: &Path, binary: &Path) -> std::io::Result<()> {
    let quoted = |path: &Path| process::quote(&path.to_string_lossy());
    let libraries = LIBRARIES.map(|folder| format!("{}/{folder}", quoted(tree)));
    let script = format!(
        "#!/bin/sh\n\
         for folder in {}; do\n    \
             LD_LIBRARY_PATH=\"$folder${{LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}}\"\n\
         done\n\
         export LD_LIBRARY_PATH\n\
         exec {} \"$@\"\n",
        libraries.join(" "),
        quoted(binary),
    );
    // Two that set up at the same time must not find half of it.
    let half = path.with_extension("half");
    fs::write(&half, script)?;
    fs::set_permissions(&half, fs::Permissions::from_mode(0o755))?;
    fs::rename(half, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_names_what_it_brings() {
        let plan = "Remv old [1]\nInst libone (1 Debian [amd64])\nInst two [1] (2 Debian [amd64])\nConf two (2)\n";
        assert_eq!(installed_by(plan), ["libone", "two"]);
    }

    #[test]
    fn a_program_is_started_with_the_libraries_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let tree = folder.path().join("a tree");
        fs::create_dir_all(tree.join("usr/lib/s390x-linux-gnu")).unwrap();
        fs::create_dir_all(tree.join("usr/bin")).unwrap();
        let binary = tree.join("usr/bin/program");
        fs::write(&binary, "#!/bin/sh\necho \"$LD_LIBRARY_PATH $1\"\nexit 3\n").unwrap();
        fs::set_permissions(&binary, fs::Permissions::from_mode(0o755)).unwrap();
        let path = folder.path().join("program");
        write_starter(&path, &tree, &binary).unwrap();
        let output = Command::new(&path).arg("one word").output().unwrap();
        assert_eq!(output.status.code(), Some(3));
        let printed = String::from_utf8(output.stdout).unwrap();
        assert!(
            printed.contains("a tree/usr/lib/s390x-linux-gnu"),
            "{printed}"
        );
        assert!(printed.trim_end().ends_with(" one word"), "{printed}");
    }
}
