//! The page of results: all profiles in the tree, side by side.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, Result};

use super::{Machine, Profile, SUITE, catalogue, expected, pattern, profile};
use crate::{process, workspace};

fn path() -> PathBuf {
    workspace::root().join("docs/validation.md")
}

/// Writes the page.
pub(super) fn write() -> Result<()> {
    fs::write(path(), render()?).context("cannot write the page")?;
    process::say("docs/validation.md is written")
}

/// The page as it must be.
fn render() -> Result<String> {
    let names = profile::names()?;
    let profiles: Vec<Profile> = names
        .iter()
        .map(|name| Profile::find(name))
        .collect::<Result<_>>()?;
    let mut text = HEAD.replace("SUITE", &SUITE.to_string());
    let cases: BTreeSet<(u16, &str)> = profiles
        .iter()
        .flat_map(Profile::cases)
        .map(|(check, case, _)| (check, case))
        .collect();
    let _ = writeln!(text, "| check | case | {} |", names.join(" | "));
    let _ = writeln!(text, "| --- | --- |{}", " --- |".repeat(names.len()));
    let mut before = 0;
    for (check, case) in cases {
        let name = if check == before {
            String::new()
        } else {
            format!("**{check}** {}", catalogue::name(check))
        };
        before = check;
        let cells: Vec<String> = profiles
            .iter()
            .map(|profile| cell(profile, check, case))
            .collect();
        let _ = writeln!(text, "| {name} | {case} | {} |", cells.join(" | "));
    }
    Ok(text)
}

fn cell(profile: &Profile, check: u16, case: &str) -> String {
    let Some(observed) = profile.get(check, case) else {
        return String::new();
    };
    let said = expected::of(Machine::named(&profile.machine), check, case);
    match said {
        Some(said) if !pattern::matches(&said, observed) => format!("`{observed}` (*`{said}`*)"),
        _ => format!("`{observed}`"),
    }
}

const HEAD: &str = "\
# What ESSA does

<!-- Written by `cargo xtask validate --page` from docs/profiles; a test fails if it is stale. -->

Answers of the machines in `docs/profiles`, as `cargo xtask validate` has observed them (version SUITE of the suite).
`model`, `kvm`, `kvm-new` and `zvm` are this project's host with the personality of that name: what the documents say,
executed, and no machine of that name. `tcg` is QEMU without our host. An empty cell: not observed there.
In brackets: what the documents say of the machine, where it is something else; `*` is for what they leave open.

`Sr>Vr` is the state that ESSA told and the one afterwards. A number of four digits is a program-interruption code
(`001a` is the discard fault), with the PSW before or behind the instruction or at the page, the instruction-length
code, and what was stored at 0xA8 and 0xA0, if anything was.

";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_is_up_to_date() {
        let page = fs::read_to_string(path()).unwrap();
        assert!(
            page == render().unwrap(),
            "docs/validation.md is stale: cargo xtask validate --page"
        );
    }
}
