//! The toolchain in use, and the sources that rustup adds to it.

use std::process::Command;

use anyhow::Result;

use super::{Toolchain, in_use};
use crate::packages::Permission;
use crate::workspace::find_program;
use crate::{failure, process};

/// Why the component is needed, for people.
const WHY: &str = "core and alloc for s390x are built from source";

/// The toolchain in use, its library sources added if they are missing.
pub(super) fn find(permission: Permission) -> Result<Toolchain> {
    let toolchain = in_use()?;
    if toolchain.has_sources() {
        return Ok(toolchain);
    }
    let name = toolchain
        .sysroot
        .file_name()
        .map(|name| name.to_string_lossy().into_owned());
    let managed = toolchain
        .sysroot
        .parent()
        .is_some_and(|folder| folder.ends_with("toolchains"));
    let (Some(name), true, Some(rustup)) = (name, managed, find_program("rustup")) else {
        return Err(failure::unusable(format!(
            "{} comes without the sources of its libraries (rust-src), and rustup does not manage it",
            toolchain.rustc.display()
        )));
    };
    let mut command = Command::new(rustup);
    process::sanitize(&mut command);
    command.args(["component", "add", "rust-src", "--toolchain", &name]);
    let by_hand = format!("rustup component add rust-src --toolchain {name}");
    if permission == Permission::Tell {
        return Err(failure::unusable(format!(
            "missing: rust-src ({WHY}); type `{by_hand}`"
        )));
    }
    eprintln!("installing rust-src with rustup: {WHY}");
    process::output(&mut command).map_err(|error| failure::unusable(format!("{error:#}")))?;
    if toolchain.has_sources() {
        Ok(toolchain)
    } else {
        Err(failure::unusable(format!("`{by_hand}` brought no sources")))
    }
}
