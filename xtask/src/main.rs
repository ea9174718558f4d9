//! Thin command-line front of the `xtask` library.

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    let arguments = xtask::cli::Arguments::parse();
    match xtask::run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {}", xtask::failure::one_line(&error));
            ExitCode::from(xtask::failure::status_of(&error))
        }
    }
}
