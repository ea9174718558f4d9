//! Debian's packages: a compiler that is newer than the distribution's own, kept for building
//! web browsers, its sources, and the linker.

use std::path::PathBuf;

use anyhow::Result;

use super::{Toolchain, check_compiler, linker, sysroot};
use crate::failure;
use crate::packages::{self, Permission};

/// What must be installed; their programs are `/usr/bin/rustc`, `/usr/bin/cargo`, `ld.lld-22`.
const PACKAGES: [&str; 4] = ["rustc-web", "cargo-web", "rust-web-src", "lld-22"];

/// Debian's toolchain, installed first if it is missing or too old.
pub(super) fn find(permission: Permission) -> Result<Toolchain> {
    if let Ok(toolchain) = installed() {
        return Ok(toolchain);
    }
    let choose = || PACKAGES.map(str::to_owned).to_vec();
    packages::install(
        choose,
        "they build core, alloc and the images for s390x",
        permission,
    )?;
    installed()
}

fn installed() -> Result<Toolchain> {
    let (cargo, rustc) = (
        PathBuf::from("/usr/bin/cargo"),
        PathBuf::from("/usr/bin/rustc"),
    );
    if !cargo.is_file() || !rustc.is_file() {
        return Err(failure::unusable(
            "Debian's rustc and cargo are not installed",
        ));
    }
    check_compiler(&rustc)?;
    let sysroot = sysroot(&rustc)?;
    let linker = linker(&sysroot)?;
    let toolchain = Toolchain {
        name: "debian",
        cargo,
        rustc,
        sysroot,
        linker,
    };
    if toolchain.has_sources() {
        Ok(toolchain)
    } else {
        Err(failure::unusable("Debian's rust-web-src is not installed"))
    }
}
