//! Packages of the system: installed with apt where that is possible and allowed, else the
//! commands to type are the error.

pub mod unpacked;

use std::process::Command;

use anyhow::Result;

use crate::failure;
use crate::process;
use crate::workspace::find_program;

/// Whether missing things may be installed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Permission {
    /// Install what is missing, after a line that says what and why.
    Install,
    /// Only say what is missing, and the commands that would install it.
    Tell,
}

/// How commands that need root are run on this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Privilege {
    Root,
    Sudo,
    None,
}

fn privilege() -> Privilege {
    let user = process::output(Command::new("id").arg("-u")).unwrap_or_default();
    if user.trim() == "0" {
        Privilege::Root
    } else if process::succeeds(Command::new("sudo").args(["-n", "true"])) {
        Privilege::Sudo
    } else {
        Privilege::None
    }
}

fn apt_get(privilege: Privilege, arguments: &[&str]) -> Command {
    let mut command = Command::new(if privilege == Privilege::Sudo {
        "sudo"
    } else {
        "apt-get"
    });
    if privilege == Privilege::Sudo {
        command.args(["-n", "DEBIAN_FRONTEND=noninteractive", "apt-get"]);
    }
    command
        .env("DEBIAN_FRONTEND", "noninteractive")
        // Somebody else may be installing something just now.
        .args(["-o", "DPkg::Lock::Timeout=120"])
        .args(arguments);
    command
}

/// Whether apt offers a package of this name that can be installed.
#[must_use]
pub fn is_offered(package: &str) -> bool {
    let policy = process::output(Command::new("apt-cache").args(["policy", package]));
    policy.is_ok_and(|text| has_candidate(&text))
}

fn has_candidate(policy: &str) -> bool {
    let candidate = policy
        .lines()
        .find_map(|line| line.trim().strip_prefix("Candidate:"));
    candidate.is_some_and(|version| version.trim() != "(none)")
}

/// Installs the packages that `choose` names, or says how to.
///
/// `choose` is asked again after the package lists were brought up to date; `why` says what the
/// packages are for.
///
/// # Errors
/// Installing is not permitted or not possible here: the error holds the exact commands and
/// ends with status 2. Or apt failed, with its last line.
pub fn install(choose: impl Fn() -> Vec<String>, why: &str, permission: Permission) -> Result<()> {
    let by_hand = || {
        let list = choose().join(" ");
        failure::unusable(format!(
            "missing: {list} ({why}); type `sudo apt-get update && sudo apt-get install -y \
             --no-install-recommends {list}`"
        ))
    };
    if permission == Permission::Tell || find_program("apt-get").is_none() {
        return Err(by_hand());
    }
    let privilege = privilege();
    if privilege == Privilege::None {
        return Err(by_hand());
    }
    // Lists that cannot be refreshed (no network) may still name a package that is at hand.
    process::succeeds(&mut apt_get(privilege, &["update", "-qq"]));
    let packages = choose();
    eprintln!("installing {} with apt-get: {why}", packages.join(" "));
    let mut arguments = vec![
        "install",
        "-y",
        "-qq",
        "--no-install-recommends",
        "--no-remove",
    ];
    arguments.extend(packages.iter().map(String::as_str));
    process::output(&mut apt_get(privilege, &arguments))
        .map(drop)
        .map_err(|error| failure::unusable(format!("{error:#}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_virtual_package_is_not_offered() {
        assert!(!has_candidate(
            "qemu-system-s390x:\n  Installed: (none)\n  Candidate: (none)\n"
        ));
        assert!(has_candidate(
            "lld-22:\n  Installed: (none)\n  Candidate: 1:22.1.8\n"
        ));
        assert!(!has_candidate(""));
    }

    #[test]
    fn without_permission_the_commands_to_type_are_the_error() {
        let choose = || vec!["some-package".to_owned()];
        let error = install(choose, "the test needs it", Permission::Tell).unwrap_err();
        assert_eq!(failure::status_of(&error), failure::UNUSABLE);
        let text = failure::one_line(&error);
        assert!(text.contains("sudo apt-get install -y --no-install-recommends some-package"));
    }
}
