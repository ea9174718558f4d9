//! The subcommand `mutants`: changes the code of memory management, one place at a time, and sees whether a test of the
//! libraries notices.
//!
//! What none notices has to be in a list, with the reason why it makes no difference.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use super::is_chosen;
use crate::cli::MutantsOptions;
use crate::workspace::{self, find_program};
use crate::{failure, process, toolchain};

/// The list, from the root: rows of a mutant, as it is printed but for its line, and the reason.
const LIST: &str = "docs/mutants.md";
/// What is changed if nothing is said: package and files.
const PLACES: [(&str, &[&str]); 3] = [
    ("cmm", &["cmm/src/**"]),
    ("kernel", &["kernel/src/mm/**"]),
    (
        "host",
        &[
            "host/src/mem/**",
            "host/src/paging/**",
            "host/src/evict/**",
            "host/src/evict.rs",
        ],
    ),
];
/// Exit status of `cargo mutants` when some were not noticed, or took too long.
const SOME_LEFT: [i32; 2] = [2, 3];

/// What runs tests: with so many seconds of CPU time, several times what any of them takes.
const LIMIT: &str = "prlimit --cpu=25";

/// A mutant without its line and column, which change with whatever is in front of it.
fn place(line: &str) -> Option<String> {
    let (file, rest) = line.trim().split_once(':')?;
    // Line and column, then what is changed, in which there are colons, too.
    let what = rest.trim_start_matches(|c: char| c.is_ascii_digit() || c == ':');
    let what = what.trim_start();
    Some(format!("{file}: {what}"))
}

/// The mutants that make no difference, and why.
fn equivalent(text: &str) -> BTreeMap<String, String> {
    let rows = text.lines().filter_map(|line| {
        let row = line.strip_prefix("| `")?.strip_suffix(" |")?;
        let (mutant, reason) = row.split_once("` | ")?;
        // A bar would end the cell.
        Some((mutant.replace("\\|", "|"), reason.trim().to_owned()))
    });
    rows.collect()
}

/// The subcommand.
pub(crate) fn command(options: &MutantsOptions) -> Result<()> {
    if find_program("cargo-mutants").is_none() {
        return Err(failure::unusable(
            "no cargo-mutants: type `cargo install --locked cargo-mutants`",
        ));
    }
    let root = workspace::root();
    let list = fs::read_to_string(root.join(LIST)).context(LIST)?;
    let known = equivalent(&list);
    let mut left = Vec::new();
    for (package, files) in PLACES {
        if is_chosen(package, options.package.as_deref()) {
            left.extend(survivors(&root, package, files, options)?);
        }
    }
    let new: Vec<_> = left
        .iter()
        .filter(|mutant| !known.contains_key(*mutant))
        .collect();
    let count = left.len() - new.len();
    process::say(&format!(
        "{} mutants were not noticed, {count} of them in {LIST}",
        left.len()
    ))?;
    if !new.is_empty() {
        for mutant in &new {
            process::say(mutant)?;
        }
        bail!(
            "{} mutants are neither noticed by a test nor in {LIST}",
            new.len()
        );
    }
    Ok(())
}

/// What no test of a package notices.
///
/// A test without end is one that has noticed. It is stopped by the CPU time that it uses: on a busy machine a good one may
/// take longer by the clock.
fn survivors(
    root: &Path,
    package: &str,
    files: &[&str],
    options: &MutantsOptions,
) -> Result<Vec<String>> {
    let out = workspace::target().join("mutants").join(package);
    let out = root.join(out);
    fs::create_dir_all(&out)?;
    let triple = toolchain::host_triple().replace('-', "_").to_uppercase();
    let mut command = Command::new("cargo");
    process::sanitize(&mut command);
    command
        .current_dir(root)
        .env(format!("CARGO_TARGET_{triple}_RUNNER"), LIMIT)
        .args(["mutants", "--package", package, "--no-shuffle", "--output"]);
    command.arg(&out);
    let chosen = options.file.iter().map(String::as_str);
    let all = files.iter().copied().filter(|_| options.file.is_none());
    for file in chosen.chain(all) {
        command.args(["--file", file]);
    }
    let status = command
        .args(&options.passed_on)
        .status()
        .context("cannot run cargo")?;
    let is_good = status.success() || status.code().is_some_and(|code| SOME_LEFT.contains(&code));
    if !is_good {
        bail!("cargo mutants failed on {package}: it has said why");
    }
    let missed = fs::read_to_string(out.join("mutants.out/missed.txt")).unwrap_or_default();
    Ok(missed.lines().filter_map(place).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mutant_is_known_by_file_and_change() {
        let line = "cmm/src/orc.rs:12:9: replace Orc::code -> u8 with 0";
        assert_eq!(
            place(line).unwrap(),
            "cmm/src/orc.rs: replace Orc::code -> u8 with 0"
        );
        let line = "cmm/src/orc.rs:12:9: replace == with != in Orc::f: g";
        assert_eq!(
            place(line).unwrap(),
            "cmm/src/orc.rs: replace == with != in Orc::f: g"
        );
    }

    #[test]
    fn rows_of_the_list_have_reasons_and_files() {
        let list = fs::read_to_string(workspace::root().join(LIST)).unwrap();
        for (mutant, reason) in equivalent(&list) {
            let (file, _) = mutant
                .split_once(": ")
                .unwrap_or_else(|| panic!("{mutant}"));
            assert!(workspace::root().join(file).is_file(), "{file}");
            assert!(reason.len() > 20, "{mutant}: {reason}");
        }
    }
}
