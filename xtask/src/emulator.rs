//! Finds a QEMU that emulates s390x, or has it installed.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use crate::packages::{self, Permission, unpacked};
use crate::workspace::find_program;
use crate::{failure, process};

/// Name that distributions give to the program.
const PROGRAM: &str = "qemu-system-s390x";
/// The machine type that the images are for.
pub const MACHINE: &str = "s390-ccw-virtio";

/// Path of a QEMU that has the s390x machine; the variable `QEMU` overrides the search.
///
/// # Errors
/// There is none and it cannot be installed, or `QEMU` names something else.
pub fn find(permission: Permission) -> Result<PathBuf> {
    if let Some(chosen) = env::var("QEMU").ok().filter(|name| !name.is_empty()) {
        let path = find_program(&chosen).ok_or_else(|| {
            failure::unusable(format!(
                "QEMU={chosen}: no such program; unset QEMU to use {PROGRAM}"
            ))
        })?;
        return check(&path).map(|()| path);
    }
    let path = match installed() {
        Some(path) => path,
        None => install(permission)?,
    };
    check(&path).map(|()| path)
}

fn installed() -> Option<PathBuf> {
    find_program(PROGRAM).or_else(|| unpacked::find(PROGRAM))
}

/// Has it installed, or unpacked where apt will not do that without taking something else away.
fn install(permission: Permission) -> Result<PathBuf> {
    let outcome = packages::install(
        || vec![package()],
        &format!("{PROGRAM} runs the images"),
        permission,
    );
    match outcome {
        Ok(()) => find_program(PROGRAM).ok_or_else(|| {
            failure::unusable(format!("no {PROGRAM} on PATH: set QEMU to its path"))
        }),
        Err(error) if permission == Permission::Tell => Err(error),
        Err(error) => unpacked::unpack(&package(), PROGRAM).map_err(|unpacked| {
            failure::unusable(format!("{error:#}; nor can it be unpacked: {unpacked:#}"))
        }),
    }
}

/// The package that brings the program: of its own name where the distribution has split it
/// out, else the collection that Debian 12 has it in.
fn package() -> String {
    let offered = packages::is_offered(PROGRAM);
    if offered {
        PROGRAM.to_owned()
    } else {
        "qemu-system-misc".to_owned()
    }
}

fn check(path: &Path) -> Result<()> {
    let machines = process::output(Command::new(path).args(["-machine", "help"]));
    if machines.is_ok_and(|list| list.contains(MACHINE)) {
        return Ok(());
    }
    Err(failure::unusable(format!(
        "{} does not emulate s390x (it has no machine {MACHINE}): set QEMU to a {PROGRAM}",
        path.display()
    )))
}
