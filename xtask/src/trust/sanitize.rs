//! The subcommand `sanitize`: the tests of the libraries with each access checked against what was allocated.
//!
//! This needs no toolchain but the one that there is, and reaches what Miri is too slow for: kernel and host, whose tests
//! drive simulated machines by millions of steps.

use std::process::Command;

use anyhow::{Context as _, Result, bail};

use super::is_chosen;
use crate::cli::SanitizeOptions;
use crate::fuzz::SANITIZER;
use crate::{failure, process, toolchain, workspace};

/// What the program is told. Tests let things live for ever, which is no leak to find.
const OPTIONS: &str = "detect_leaks=0";

/// The libraries.
const PACKAGES: [&str; 6] = ["cmm", "arch", "boot", "drivers", "kernel", "host"];

/// The subcommand.
pub(crate) fn command(options: &SanitizeOptions) -> Result<()> {
    let chosen = PACKAGES.into_iter();
    let chosen: Vec<_> = chosen
        .filter(|name| is_chosen(name, options.package.as_deref()))
        .collect();
    if chosen.is_empty() {
        let all = PACKAGES.join(", ");
        return Err(failure::unusable(format!("libraries are {all}")));
    }
    let mut command = Command::new("cargo");
    process::sanitize(&mut command);
    let root = workspace::root();
    command
        .current_dir(&root)
        // Flags of the compiler that are not promised to stay. With a target, they are not for what runs while building.
        .env("RUSTC_BOOTSTRAP", "1")
        .env("RUSTFLAGS", SANITIZER)
        .env("ASAN_OPTIONS", OPTIONS)
        .args(["test", "--quiet", "--lib", "--no-fail-fast", "--target"])
        .arg(toolchain::host_triple())
        .arg("--target-dir")
        .arg(root.join(workspace::target()).join("sanitize"));
    for package in chosen {
        command.args(["--package", package]);
    }
    command.arg("--").args(&options.passed_on);
    let status = command.status().context("cannot run cargo")?;
    if !status.success() {
        bail!("tests fail with the address sanitizer: it is said above why");
    }
    Ok(())
}
