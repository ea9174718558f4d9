//! Thin command-line front of the `xtask` library.

use std::process::ExitCode;

use clap::Parser as _;
use clap::error::ErrorKind;

fn main() -> ExitCode {
    let arguments = match xtask::cli::Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error)
            if error.use_stderr()
                && error.kind() != ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand =>
        {
            // The first line says what is wrong; the help, which clap would print as well, is long.
            let text = error.to_string();
            let first = text.lines().next().unwrap_or("error: unusable arguments");
            eprintln!("{first}; `--help` lists what there is");
            return ExitCode::from(xtask::failure::UNUSABLE);
        }
        // `--help` and `--version`, and help where nothing was asked for.
        Err(error) => error.exit(),
    };
    match xtask::run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {}", xtask::failure::one_line(&error));
            ExitCode::from(xtask::failure::status_of(&error))
        }
    }
}
