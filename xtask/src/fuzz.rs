//! The subcommand `fuzz`: builds the targets with libFuzzer and runs them for a while.
//!
//! What `cargo fuzz` would do, with the stable compiler and without another program to install: coverage is counted
//! by a pass of the compiler's, and libFuzzer is compiled from its crate, for which a C++ compiler has to be there.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use tempfile::TempDir;
use wait_timeout::ChildExt as _;

use crate::cli::FuzzOptions;
use crate::packages::{self, Permission};
use crate::toolchain;
use crate::workspace::{self, find_program};
use crate::{failure, process};

/// What the compiler adds to the code: counters of edges, where they are, and what is compared with what.
const COVERAGE: [&str; 6] = [
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    "-Ccodegen-units=1",
];
/// Finds wrong addresses; where the machine's compiler cannot link it, targets are built without.
pub(crate) const SANITIZER: &str = "-Zsanitizer=address";
/// Longest input that is made, in bytes.
const LONGEST: u32 = 20_000;
/// Longest time of one input, in seconds.
const LONGEST_TIME: u32 = 10;
/// How much longer than asked for a target may run, in seconds: it starts, and reads its corpus.
const GRACE: u64 = 120;

/// The targets, by the folder of their programs.
///
/// # Errors
/// The folder cannot be read.
pub fn targets() -> Result<Vec<String>> {
    let folder = package().join("fuzz_targets");
    let files = fs::read_dir(&folder).with_context(|| folder.display().to_string())?;
    let mut names: Vec<_> = files
        .filter_map(|file| Some(file.ok()?.path().file_stem()?.to_str()?.to_owned()))
        .collect();
    names.sort();
    Ok(names)
}

fn package() -> PathBuf {
    workspace::root().join("fuzz")
}

/// The subcommand.
pub(crate) fn command(options: &FuzzOptions) -> Result<()> {
    let all = targets()?;
    let chosen = match &options.target {
        Some(name) if !all.contains(name) => {
            let list = all.join(", ");
            return Err(failure::unusable(format!(
                "no target {name}: there are {list}"
            )));
        }
        Some(name) => vec![name.clone()],
        None => all,
    };
    let failed = run(&chosen, options)?;
    if !failed.is_empty() {
        bail!(
            "{} failed: what the inputs are is said above",
            failed.join(", ")
        );
    }
    Ok(())
}

/// Builds and runs targets one after the other; returns those that failed.
///
/// # Errors
/// They cannot be built or started.
pub(crate) fn run(names: &[String], options: &FuzzOptions) -> Result<Vec<String>> {
    find_compiler(options.setup.permission())?;
    let folder = build(names, options.sanitizer)?;
    let mut failed = Vec::new();
    for name in names {
        let (is_good, text) = try_target(&folder, name, options)?;
        process::say(&format!("{name:18}{text}"))?;
        if !is_good {
            failed.push(name.clone());
        }
    }
    Ok(failed)
}

/// A C++ compiler is found, or installed.
fn find_compiler(permission: Permission) -> Result<()> {
    let is_there = || {
        ["c++", "g++", "clang++"]
            .iter()
            .any(|name| find_program(name).is_some())
    };
    if is_there() {
        return Ok(());
    }
    let why = "libFuzzer is C++";
    packages::install(|| vec!["g++".to_owned()], why, permission)
}

/// Builds the programs; returns the folder that they are in.
fn build(names: &[String], has_sanitizer: bool) -> Result<PathBuf> {
    let target = toolchain::host_triple();
    let kind = if has_sanitizer {
        "fuzz-address"
    } else {
        "fuzz"
    };
    let folder = workspace::root().join(workspace::target()).join(kind);
    let mut command = Command::new("cargo");
    process::sanitize(&mut command);
    let flags = COVERAGE.iter().chain(has_sanitizer.then_some(&SANITIZER));
    let flags: Vec<_> = flags.copied().collect();
    command
        .current_dir(workspace::root())
        .env("RUSTC_BOOTSTRAP", "1")
        .env("CARGO_ENCODED_RUSTFLAGS", flags.join("\x1f"))
        // Or every counter would be one of another module.
        .env("CARGO_INCREMENTAL", "0")
        .args(["build", "--quiet", "--package", "fuzz", "--profile", "fuzz"])
        .args([
            "--features",
            "libfuzzer",
            "--target",
            &target,
            "--target-dir",
        ])
        .arg(&folder);
    for name in names {
        command.args(["--bin", name]);
    }
    let status = command
        .stdin(Stdio::null())
        .status()
        .context("cannot run cargo")?;
    if !status.success() {
        let line = process::shell_line(&command);
        return Err(failure::unusable(format!(
            "the targets do not build: `{line}`"
        )));
    }
    Ok(folder.join(target).join("fuzz"))
}

/// Runs a target; returns whether it found nothing, and what is to be said about it.
fn try_target(folder: &Path, name: &str, options: &FuzzOptions) -> Result<(bool, String)> {
    let corpus = package().join("corpus").join(name);
    let crashes = workspace::root()
        .join(workspace::target())
        .join("fuzz-crashes")
        .join(name);
    fs::create_dir_all(&crashes)?;
    // New inputs are thrown away unless somebody wants them.
    let scratch = TempDir::new()?;
    let found = if options.keep {
        corpus.clone()
    } else {
        scratch.path().to_path_buf()
    };
    let mut prefix = OsString::from(&crashes);
    prefix.push("/");
    let mut command = Command::new(folder.join(name));
    let log = scratch.path().join("log");
    command
        .arg(found)
        .args((!options.keep).then_some(&corpus))
        .arg(format!("-max_total_time={}", options.seconds))
        .arg(format!("-max_len={LONGEST}"))
        .arg(format!("-timeout={LONGEST_TIME}"))
        .args(["-print_final_stats=1", "-verbosity=1"])
        .arg(format!("-artifact_prefix={}", prefix.to_string_lossy()))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(fs::File::create(&log)?);
    let mut child = command
        .spawn()
        .with_context(|| format!("cannot run {name}"))?;
    let limit = Duration::from_secs(options.seconds + GRACE);
    let status = child.wait_timeout(limit)?;
    if status.is_none() {
        child.kill()?;
        child.wait()?;
    }
    if options.keep {
        minimise(&folder.join(name), &corpus)?;
    }
    let text = String::from_utf8_lossy(&fs::read(&log)?).into_owned();
    Ok(match status {
        Some(status) if status.success() => (true, summary(&text)),
        Some(_) => (false, blame(&text)),
        None => (false, "it has no end".to_owned()),
    })
}

/// Leaves of the inputs that the fuzzer has named, by a digest, as few as reach all that the whole corpus does. What
/// somebody has named stays.
fn minimise(program: &Path, corpus: &Path) -> Result<()> {
    let few = TempDir::new()?;
    let mut command = Command::new(program);
    command
        .arg("-set_cover_merge=1")
        .arg(format!("-max_len={LONGEST}"));
    process::output(command.args([few.path(), corpus]))?;
    for file in fs::read_dir(corpus)? {
        let file = file?;
        let name = file.file_name();
        let is_named = name.to_string_lossy().contains('-');
        if !is_named && !few.path().join(&name).exists() {
            fs::remove_file(file.path())?;
        }
    }
    Ok(())
}

/// What was done, of what libFuzzer prints in the end.
fn summary(log: &str) -> String {
    let number = |key: &str| {
        let line = log.lines().rev().find(|line| line.starts_with(key));
        line.and_then(|line| line.split_whitespace().last()?.parse::<u64>().ok())
    };
    let inputs = number("stat::number_of_executed_units:").unwrap_or(0);
    let edges = log.lines().rev().find_map(|line| {
        let (_, rest) = line.split_once(" cov: ")?;
        rest.split_whitespace().next()?.parse::<u64>().ok()
    });
    format!("{inputs:>12} inputs, {:>6} edges", edges.unwrap_or(0))
}

/// What went wrong, and where the input is.
fn blame(log: &str) -> String {
    let after = |mark: &str| {
        let at = log.lines().position(|line| line.contains(mark))?;
        Some(log.lines().skip(at).take(3).collect::<Vec<_>>().join(" "))
    };
    let what = after("panicked at").or_else(|| after("ERROR: "));
    let input = log
        .lines()
        .find_map(|line| line.split_once("Test unit written to "));
    let input = input.map_or("no input was left", |(_, path)| path);
    format!("{}; {input}", what.as_deref().unwrap_or("it ended"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "#2\tINITED cov: 11 ft: 12 corp: 1/1b\n#9\tDONE   cov: 35 ft: 60 corp: 9/99b\n\
                        stat::number_of_executed_units: 1234\n";
    const BAD: &str = "thread '<unnamed>' panicked at fuzz/src/x.rs:1:2:\nno good\nmore\n\
                       artifact_prefix='x/'; Test unit written to x/crash-1\n";

    #[test]
    fn what_the_fuzzer_prints_becomes_a_line() {
        assert_eq!(summary(GOOD), "        1234 inputs,     35 edges");
        let line = blame(BAD);
        assert!(
            line.contains("x.rs:1:2: no good") && line.ends_with("; x/crash-1"),
            "{line}"
        );
    }

    #[test]
    fn targets_are_those_of_the_folder() {
        let all = targets().unwrap();
        assert!(
            all.len() >= 12 && all.contains(&"dat_walk".to_owned()),
            "{all:?}"
        );
    }
}
