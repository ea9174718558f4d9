//! What an image is on the build machine: a way to `cargo xtask qemu`, so that `cargo run` runs it.

use std::env;
use std::process::{Command, ExitCode};

/// Status of what could not be tried.
const UNUSABLE: u8 = 2;

/// Runs `cargo xtask qemu` with `options` and with what this program was given; ends as that does.
pub fn qemu(options: &[&str]) -> ExitCode {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let workspace = concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml");
    let status = Command::new(cargo)
        .args(["run", "--quiet", "--manifest-path", workspace])
        .args(["--package", "xtask", "--", "qemu"])
        .args(options)
        .args(env::args_os().skip(1))
        .status();
    match status {
        Ok(status) => {
            let code = status.code().and_then(|code| u8::try_from(code).ok());
            code.map_or(ExitCode::FAILURE, ExitCode::from)
        }
        Err(error) => {
            eprintln!("error: cannot run cargo: {error}");
            ExitCode::from(UNUSABLE)
        }
    }
}
