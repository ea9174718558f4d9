//! The compiler of the images and the sources of `core` and `alloc` that it builds them from.
//!
//! No compiled libraries are published for the target, so they are built from source. The
//! sources are looked for in the toolchain in use, then asked of rustup, then of Debian.

mod debian;
mod rustup;

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};
use clap::ValueEnum;

use crate::packages::Permission;
use crate::workspace::find_program;
use crate::{failure, process};

/// The target of the images.
pub const TARGET: &str = "s390x-unknown-none-softfloat";
/// The first stable compiler that has the target, as (major, minor).
const OLDEST: (u32, u32) = (1, 95);

/// Which toolchain a user wants.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Choice {
    /// The one in use, else Debian's.
    #[default]
    Auto,
    /// The one in use; its sources come with it or from rustup.
    Rustup,
    /// Debian's packages rustc-web, cargo-web, rust-web-src and lld-22.
    Debian,
}

/// A toolchain that can build the images.
#[derive(Clone, Debug)]
pub struct Toolchain {
    /// Short name, used in directory names.
    pub name: &'static str,
    /// The cargo to run.
    pub cargo: PathBuf,
    /// The compiler to run.
    pub rustc: PathBuf,
    /// Where the compiler has its libraries.
    pub sysroot: PathBuf,
    /// The linker, where the compiler would not find its own `rust-lld`.
    pub linker: Option<PathBuf>,
}

impl Toolchain {
    /// The sources of the Rust libraries, which the images are built from.
    #[must_use]
    pub fn library_sources(&self) -> PathBuf {
        self.sysroot.join("lib/rustlib/src/rust/library")
    }

    fn has_sources(&self) -> bool {
        self.library_sources().join("core/src/lib.rs").is_file()
    }
}

/// Finds a toolchain for the images; installs what is missing if that is permitted.
///
/// # Errors
/// Neither place delivers one; the error says what to type.
pub fn find(choice: Choice, permission: Permission) -> Result<Toolchain> {
    match choice {
        Choice::Debian => debian::find(permission),
        Choice::Rustup => rustup::find(permission),
        Choice::Auto => rustup::find(permission).or_else(|first| {
            if permission == Permission::Install {
                eprintln!("{}; trying Debian's packages", failure::one_line(&first));
            }
            debian::find(permission)
                .map_err(|second| failure::unusable(format!("{first:#}; or {second:#}")))
        }),
    }
}

/// The compiler and cargo that the user has in use.
fn in_use() -> Result<Toolchain> {
    let cargo = env::var_os("CARGO")
        .map(PathBuf::from)
        .or_else(|| find_program("cargo"));
    // The cargo that runs us names the toolchain: its compiler lies beside it.
    let beside = cargo.as_ref().map(|cargo| cargo.with_file_name("rustc"));
    let rustc = beside
        .filter(|path| path.is_file())
        .or_else(|| find_program("rustc"));
    let (Some(cargo), Some(rustc)) = (cargo, rustc) else {
        return Err(failure::unusable("no cargo or rustc on PATH"));
    };
    check_compiler(&rustc)?;
    let sysroot = sysroot(&rustc)?;
    // rustup's proxies choose a toolchain by environment and directory: name the real programs.
    let real = |name: &str, found: PathBuf| {
        Some(sysroot.join("bin").join(name))
            .filter(|path| path.is_file())
            .unwrap_or(found)
    };
    let (cargo, rustc) = (real("cargo", cargo), real("rustc", rustc));
    let linker = linker(&sysroot)?;
    Ok(Toolchain {
        name: "rustup",
        cargo,
        rustc,
        sysroot,
        linker,
    })
}

fn sysroot(rustc: &Path) -> Result<PathBuf> {
    let text = ask(rustc, &["--print", "sysroot"])?;
    Ok(PathBuf::from(text.trim()))
}

fn ask(rustc: &Path, arguments: &[&str]) -> Result<String> {
    let mut command = Command::new(rustc);
    process::forget_outer_libraries(&mut command);
    process::output(command.args(arguments))
}

/// Checks that a compiler is new enough and has the target.
fn check_compiler(rustc: &Path) -> Result<()> {
    let version = ask(rustc, &["--version"])?;
    let number = parse_version(&version)
        .with_context(|| format!("{} has no version: {}", rustc.display(), version.trim()))?;
    let targets = ask(rustc, &["--print", "target-list"])?;
    if number < OLDEST || !targets.lines().any(|line| line == TARGET) {
        return Err(failure::unusable(format!(
            "{} is {}, but the target {TARGET} needs Rust {}.{} or later: type `rustup update stable`",
            rustc.display(),
            version.trim(),
            OLDEST.0,
            OLDEST.1,
        )));
    }
    Ok(())
}

fn parse_version(text: &str) -> Option<(u32, u32)> {
    let mut numbers = text.split_whitespace().nth(1)?.split(['.', '-']);
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

/// The linker to name, or `None` if the compiler finds `rust-lld` by itself.
fn linker(sysroot: &Path) -> Result<Option<PathBuf>> {
    let own = sysroot
        .join("lib/rustlib")
        .join(host_triple())
        .join("bin/rust-lld");
    if own.is_file() || find_program("rust-lld").is_some() {
        return Ok(None);
    }
    let versioned = (18..40).rev().map(|version| format!("ld.lld-{version}"));
    let names = versioned.chain(["ld.lld".to_owned()]);
    let found = names.into_iter().find_map(|name| find_program(&name));
    found.map(Some).ok_or_else(|| {
        failure::unusable("no rust-lld and no ld.lld: type `sudo apt-get install -y lld-22`")
    })
}

/// The target that this program was built for.
#[must_use]
pub fn host_triple() -> String {
    format!(
        "{}-unknown-linux-{}",
        env::consts::ARCH,
        if cfg!(target_env = "musl") {
            "musl"
        } else {
            "gnu"
        }
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_all_channels_are_read() {
        assert_eq!(
            parse_version("rustc 1.95.0 (59807616e 2026-04-14)"),
            Some((1, 95))
        );
        assert_eq!(
            parse_version("rustc 1.99.0-nightly (abc 2026-10-30)"),
            Some((1, 99))
        );
        assert_eq!(
            parse_version("rustc 1.96.0 (built from a source tarball)"),
            Some((1, 96))
        );
        assert_eq!(parse_version("clang"), None);
    }
}
