//! The subcommand `miri`: the tests of the libraries under an interpreter that notices undefined behaviour, for this
//! machine and for a big-endian one.

use std::process::Command;

use anyhow::{Context as _, Result, bail};

use super::is_chosen;
use crate::cli::MiriOptions;
use crate::workspace::{self, find_program};
use crate::{failure, process, toolchain};

/// The big-endian machine.
const BIG_ENDIAN: &str = "s390x-unknown-linux-gnu";
/// Tests read files and clocks, and addresses of storage are numbers; how few cases a property is tried with, for each takes
/// a thousand times as long here.
const FLAGS: &str = "-Zmiri-disable-isolation -Zmiri-permissive-provenance";
const CASES: &str = "3";

/// Packages, and tests of theirs that are left out here for the time they take.
const PACKAGES: [(&str, &[&str]); 3] = [
    ("cmm", &[]),
    // Thousands of checksums of pages.
    (
        "boot",
        &[
            "every_flipped_byte_of_the_vector",
            "every_truncation_of_the_vector",
        ],
    ),
    ("drivers", &[]),
];

/// A toolchain of rustup's that has Miri: the newest one.
fn find() -> Result<String> {
    let missing = || {
        failure::unusable(
            "no nightly toolchain with Miri: type `rustup toolchain install nightly --component miri,rust-src`",
        )
    };
    let rustup = find_program("rustup").ok_or_else(missing)?;
    let list = process::output(Command::new(&rustup).args(["toolchain", "list"]))?;
    let names = list
        .lines()
        .filter_map(|line| line.split_whitespace().next());
    let mut found: Vec<_> = names
        .filter(|name| name.starts_with("nightly"))
        .filter(|name| {
            let mut which = Command::new(&rustup);
            process::succeeds(which.args(["which", "--toolchain", name, "miri"]))
        })
        .collect();
    found.sort_unstable();
    found.pop().map(str::to_owned).ok_or_else(missing)
}

/// The subcommand.
pub(crate) fn command(options: &MiriOptions) -> Result<()> {
    let name = find()?;
    let here = toolchain::host_triple();
    let targets = match &options.target {
        Some(target) => vec![target.clone()],
        None => vec![here, BIG_ENDIAN.to_owned()],
    };
    let chosen: Vec<_> = PACKAGES
        .iter()
        .filter(|(name, _)| is_chosen(name, options.package.as_deref()))
        .collect();
    if chosen.is_empty() {
        let all = PACKAGES.map(|(name, _)| name).join(", ");
        return Err(failure::unusable(format!("Miri runs on {all} only")));
    }
    for target in targets {
        for (package, left_out) in &chosen {
            process::say(&format!("{package} for {target}"))?;
            test(&name, &target, package, left_out, &options.passed_on)?;
        }
    }
    Ok(())
}

fn test(name: &str, target: &str, package: &str, left_out: &[&str], more: &[String]) -> Result<()> {
    let mut command = Command::new("cargo");
    process::sanitize(&mut command);
    let folder = workspace::root().join(workspace::target()).join("miri");
    command
        .current_dir(workspace::root())
        .env("RUSTUP_TOOLCHAIN", name)
        .env("MIRIFLAGS", FLAGS)
        .env("PROPTEST_CASES", CASES)
        .args(["miri", "test", "--quiet", "--lib", "--tests"])
        .args(["--package", package, "--target", target, "--target-dir"])
        .arg(folder)
        .arg("--");
    for test in left_out {
        command.args(["--skip", test]);
    }
    let status = command.args(more).status().context("cannot run cargo")?;
    if !status.success() {
        bail!("{package} fails under Miri for {target}: it is said above why");
    }
    Ok(())
}
