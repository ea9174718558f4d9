//! The subcommand `test`: the tests of the libraries, those of whole machines, and a while of each fuzz target.

use std::env;
use std::io::{BufRead as _, BufReader, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

use crate::cli::{FuzzOptions, SetupOptions, TestOptions};
use crate::fuzz;
use crate::images::{self, Variant};
use crate::setup::{self, Setup};
use crate::{process, workspace};

/// Variable that tells the machine tests which `xtask` to test.
pub const PROGRAM_VARIABLE: &str = "XTASK_PROGRAM";

/// How long each fuzz target runs.
const FUZZ_SECONDS: u64 = 3;

/// How many tests ended how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Tally {
    passed: u64,
    failed: u64,
    skipped: u64,
}

impl Tally {
    fn add(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }

    /// Reads a summary line as every test harness of cargo prints it.
    fn parse(line: &str) -> Option<Self> {
        let (_, counts) = line.strip_prefix("test result: ")?.split_once(". ")?;
        let count = |what: &str| {
            let part = counts
                .split(';')
                .find_map(|part| part.trim().strip_suffix(what))?;
            part.trim().parse().ok()
        };
        Some(Self {
            passed: count("passed")?,
            failed: count("failed")?,
            skipped: count("ignored")?,
        })
    }

    fn line(self) -> String {
        let Self {
            passed,
            failed,
            skipped,
        } = self;
        let skipped = if skipped > 0 {
            format!(", {skipped} skipped")
        } else {
            String::new()
        };
        format!("{passed} passed, {failed} failed{skipped}")
    }
}

/// Sets up, builds, runs all tests, and closes with one line of counts.
pub(crate) fn command(options: &TestOptions) -> Result<()> {
    let Setup { toolchain, .. } = setup::set_up(&options.setup)?;
    // Built once here: the machine tests run side by side and would wait for one another.
    for controls in [false, true] {
        images::build(
            &toolchain,
            Variant {
                controls,
                ..Variant::default()
            },
        )?;
    }
    let mut output = std::io::stdout();
    let mut tally = run(cargo_test(&["--no-fail-fast"], options), &mut output)?;
    let explore = [
        "--no-fail-fast",
        "--profile",
        "explore",
        "--package",
        "explore",
    ];
    tally.add(run(cargo_test(&explore, options), &mut output)?);
    let machines = cargo_test(&["--no-fail-fast", "--package", "tests"], options);
    tally.add(run(machines, &mut output)?);
    // Whoever names tests wants those.
    if options.passed_on.is_empty() {
        tally.add(fuzz(&options.setup)?);
    }
    process::say(&tally.line())?;
    if tally.failed > 0 {
        bail!("{} tests failed: they are named above", tally.failed);
    }
    Ok(())
}

/// Runs each fuzz target for a few seconds; each of them is a test.
fn fuzz(setup: &SetupOptions) -> Result<Tally> {
    let names = fuzz::targets()?;
    let options = FuzzOptions::for_a_while(setup.clone(), FUZZ_SECONDS);
    let failed = fuzz::run(&names, &options)?.len() as u64;
    Ok(Tally {
        passed: names.len() as u64 - failed,
        failed,
        skipped: 0,
    })
}

fn cargo_test(arguments: &[&str], options: &TestOptions) -> Command {
    let cargo = env::var_os("CARGO").map_or_else(|| PathBuf::from("cargo"), PathBuf::from);
    let mut command = Command::new(cargo);
    command
        .current_dir(workspace::root())
        .arg("test")
        .args(arguments);
    if !options.passed_on.is_empty() {
        command.arg("--").args(&options.passed_on);
    }
    if let Ok(program) = env::current_exe() {
        command.env(PROGRAM_VARIABLE, program);
    }
    command
}

/// Runs one `cargo test`, passes its output through and counts.
fn run(mut command: Command, output: &mut dyn Write) -> Result<Tally> {
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
    let mut child = child.context("cannot run cargo")?;
    let mut tally = Tally::default();
    for line in BufReader::new(child.stdout.take().expect("it is piped")).split(b'\n') {
        let line = line?;
        output.write_all(&line)?;
        output.write_all(b"\n")?;
        tally.add(Tally::parse(&String::from_utf8_lossy(&line)).unwrap_or_default());
    }
    let status = child.wait()?;
    if !status.success() && tally.failed == 0 {
        // Tests that do not even build, or a harness that crashed, are no success.
        tally.failed = 1;
    }
    Ok(tally)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summaries_of_cargo_are_counted() {
        let line = "test result: FAILED. 12 passed; 1 failed; 2 ignored; 0 measured; 0 filtered out; finished in 0.01s";
        assert_eq!(
            Tally::parse(line),
            Some(Tally {
                passed: 12,
                failed: 1,
                skipped: 2
            })
        );
        assert_eq!(Tally::parse("test result: ok. x"), None);
        assert_eq!(Tally::parse("running 3 tests"), None);
    }

    #[test]
    fn the_closing_line_is_short() {
        assert_eq!(
            Tally {
                passed: 3,
                failed: 0,
                skipped: 0
            }
            .line(),
            "3 passed, 0 failed"
        );
        assert_eq!(
            Tally {
                passed: 3,
                failed: 1,
                skipped: 2
            }
            .line(),
            "3 passed, 1 failed, 2 skipped"
        );
    }

    #[test]
    fn a_harness_that_crashes_is_a_failure() {
        let mut command = Command::new("sh");
        command.args([
            "-c",
            "echo 'test result: ok. 1 passed; 0 failed; 0 ignored; x'; exit 101",
        ]);
        let mut output = Vec::new();
        let tally = run(command, &mut output).unwrap();
        let expected = Tally {
            passed: 1,
            failed: 1,
            skipped: 0,
        };
        assert_eq!(tally, expected);
        assert!(
            output.starts_with(b"test result: ok."),
            "it is passed through"
        );
    }
}
