//! What must be there before anything runs: a QEMU and a toolchain with library sources.

use std::path::PathBuf;

use anyhow::Result;

use crate::cli::SetupOptions;
use crate::emulator;
use crate::process;
use crate::toolchain::{self, Toolchain};

/// What was found, or installed and then found.
#[derive(Clone, Debug)]
pub struct Setup {
    /// A QEMU that emulates s390x.
    pub qemu: PathBuf,
    /// A toolchain that builds the images.
    pub toolchain: Toolchain,
}

/// Finds all that is needed; installs what is missing if that is permitted.
///
/// # Errors
/// Something is missing and stays so; the error says what to type.
pub fn set_up(options: &SetupOptions) -> Result<Setup> {
    let permission = options.permission();
    let qemu = emulator::find(permission)?;
    let toolchain = toolchain::find(options.toolchain, permission)?;
    Ok(Setup { qemu, toolchain })
}

/// The subcommand `setup`.
pub(crate) fn command(options: &SetupOptions) -> Result<()> {
    let Setup { qemu, toolchain } = set_up(options)?;
    let found = [
        ("QEMU", qemu),
        ("compiler", toolchain.rustc.clone()),
        ("sources", toolchain.library_sources()),
        (
            "linker",
            toolchain.linker.unwrap_or_else(|| "rust-lld".into()),
        ),
    ];
    for (what, path) in found {
        process::say(&format!("{what:8}  {}", path.display()))?;
    }
    Ok(())
}
