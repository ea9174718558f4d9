//! The subcommand `deny`: what we build from, by licence, source and version, as far as it can be told without a network.

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use serde::Deserialize;
use spdx::{Expression, LicenseItem, Licensee};

use crate::toolchain::{self, TARGET};
use crate::{process, table, workspace};

/// Licences that go with ours, by their SPDX names.
const ALLOWED: [&str; 9] = [
    "0BSD",
    "Apache-2.0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "ISC",
    "MIT",
    "Unicode-3.0",
    "Zlib",
];
/// For the fuzzer alone, which is compiled from sources of LLVM's.
const ALLOWED_ONCE: [(&str, &str); 1] = [("libfuzzer-sys", "NCSA")];
/// Versions that are known to be unsound: name, the first one that is not, and why.
const UNSOUND: [(&str, [u64; 3], &str); 2] = [
    ("linked_list_allocator", [0, 10, 2], "writes out of bounds"),
    ("spin", [0, 12, 3], "locks that were not locks"),
];

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    workspace_members: Vec<String>,
}

#[derive(Deserialize)]
struct Package {
    id: String,
    name: String,
    version: String,
    license: Option<String>,
    source: Option<String>,
    dependencies: Vec<Requirement>,
}

#[derive(Deserialize)]
struct Requirement {
    name: String,
    req: String,
    path: Option<PathBuf>,
}

/// A cargo in the checkout.
fn cargo() -> Command {
    let cargo = env::var_os("CARGO").map_or_else(|| PathBuf::from("cargo"), PathBuf::from);
    let mut command = Command::new(cargo);
    process::sanitize(&mut command);
    command.current_dir(workspace::root());
    command
}

impl Metadata {
    /// What cargo knows for a target, from what is on this machine.
    fn read(target: &str, is_whole: bool) -> Result<Self> {
        let mut command = cargo();
        command.args(["metadata", "--locked", "--format-version", "1"]);
        command.args(["--filter-platform", target]);
        command.arg(if is_whole {
            "--all-features"
        } else {
            "--offline"
        });
        serde_json::from_str(&process::output(&mut command)?).context("what cargo metadata prints")
    }
}

/// Whether a licence is one of those that go with ours, or lets one choose such a one.
fn is_allowed(name: &str, licence: &str) -> Result<bool> {
    // What is written with a slash is old for `OR`.
    let expression = Expression::parse_mode(licence, spdx::ParseMode::LAX)
        .with_context(|| format!("{name}: the licence {licence:?}"))?;
    let once = ALLOWED_ONCE.iter().filter(|(package, _)| *package == name);
    let names = ALLOWED.iter().chain(once.map(|(_, licence)| licence));
    let allowed: Vec<_> = names
        .map(|name| Licensee::parse(name))
        .collect::<Result<_, _>>()?;
    Ok(expression.evaluate(|requirement| {
        // An exception takes nothing away.
        let is_known = |licensee: &Licensee| match &requirement.license {
            LicenseItem::Spdx { id, .. } => licensee.satisfies(&spdx::LicenseReq::from(*id)),
            LicenseItem::Other { .. } => false,
        };
        allowed.iter().any(is_known)
    }))
}

fn version(text: &str) -> Option<[u64; 3]> {
    let plain = text.split(['-', '+']).next()?;
    let mut numbers = plain.split('.').map(str::parse);
    let mut next = || numbers.next()?.ok();
    Some([next()?, next()?, next()?])
}

/// A requirement that names a whole version.
fn is_pinned(requirement: &str) -> bool {
    version(requirement.trim_start_matches(['^', '='])).is_some()
}

/// What is wrong with the packages that cargo knows for a target: a line each.
fn faults(metadata: &Metadata) -> Result<Vec<String>> {
    let mut faults = Vec::new();
    let mut sources = BTreeSet::new();
    for package in &metadata.packages {
        let Package {
            name,
            version: number,
            license,
            source,
            ..
        } = package;
        if !is_allowed(name, license.as_deref().unwrap_or(""))? {
            faults.push(format!("{name} has the licence {license:?}"));
        }
        let known = UNSOUND.iter().find(|(unsound, ..)| unsound == name);
        if let Some((_, good, why)) = known
            && version(number).is_none_or(|number| number < *good)
        {
            faults.push(format!("{name} {number} {why}"));
        }
        if metadata.workspace_members.contains(&package.id) {
            faults.extend(loose(package));
        } else {
            match source {
                Some(source) if source.starts_with("registry+") => drop(sources.insert(source)),
                _ => faults.push(format!("{name} is of no registry: {source:?}")),
            }
        }
    }
    if sources.len() > 1 {
        faults.push(format!("packages are of several registries: {sources:?}"));
    }
    Ok(faults)
}

/// Dependencies of a package of ours that are not told to the last number, or lie elsewhere.
fn loose(package: &Package) -> impl Iterator<Item = String> {
    let is_loose = |one: &&Requirement| match &one.path {
        Some(path) => !path.starts_with(workspace::root()),
        None => !is_pinned(&one.req),
    };
    let loose = package.dependencies.iter().filter(is_loose);
    loose.map(|one| {
        format!(
            "{} wants {} {} {:?}",
            package.name, one.name, one.req, one.path
        )
    })
}

/// What is linked into the images: names and versions of all that kernel and host depend on, but for macros, which run in
/// the compiler.
fn linked() -> Result<BTreeSet<(String, String)>> {
    let mut command = cargo();
    command.args(["tree", "--offline", "--locked", "--target", TARGET]);
    command.args(["--package", "kernel", "--package", "host"]);
    command.args([
        "--edges",
        "normal,no-proc-macro",
        "--prefix",
        "none",
        "--format",
        "{p}",
    ]);
    let text = process::output(&mut command)?;
    let pairs = text.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        let name = words.next()?.to_owned();
        let version = words.next()?.strip_prefix('v')?.to_owned();
        Some((name, version))
    });
    Ok(pairs.collect())
}

/// Crates that are in an image in several versions.
fn doubles(linked: &BTreeSet<(String, String)>) -> Vec<String> {
    let mut versions = BTreeMap::<&str, Vec<&str>>::new();
    for (name, version) in linked {
        versions.entry(name).or_default().push(version);
    }
    let twice = versions.into_iter().filter(|(_, all)| all.len() > 1);
    twice
        .map(|(name, all)| format!("images have {name} {}", all.join(" and ")))
        .collect()
}

/// Checks all packages for the build machine and for the images; returns how many there are and how many of them are in
/// images. Unless it is to be the whole, what only features bring in, which may not be on this machine, is left out.
///
/// # Errors
/// What is wrong, or that cargo does not know.
pub fn check(is_whole: bool) -> Result<(usize, usize)> {
    let here = Metadata::read(&toolchain::host_triple(), is_whole)?;
    let linked = linked()?;
    let mut all = faults(&here)?;
    all.extend(doubles(&linked));
    if !all.is_empty() {
        bail!("{}", all.join("; "));
    }
    Ok((here.packages.len(), linked.len()))
}

/// The subcommand.
pub(crate) fn command() -> Result<()> {
    let (all, linked) = check(true)?;
    let all = table::grouped(all as u64);
    process::say(&format!(
        "{all} packages, {linked} of them in images: licences, sources and versions are as they should be"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_we_build_from_is_as_it_should_be() {
        let (all, linked) = check(false).unwrap();
        assert!(all > linked && linked > 10, "{all} {linked}");
    }

    #[test]
    fn licences_are_expressions() {
        for good in [
            "MIT",
            "MIT OR GPL-3.0-only",
            "MIT/Apache-2.0",
            "Zlib AND ISC",
            "Apache-2.0 WITH LLVM-exception",
        ] {
            assert!(is_allowed("any", good).unwrap(), "{good}");
        }
        for bad in [
            "GPL-3.0-only",
            "MIT AND GPL-2.0-only",
            "MIT AND NCSA",
            "LicenseRef-x",
        ] {
            assert!(!is_allowed("any", bad).unwrap(), "{bad}");
        }
        assert!(is_allowed("libfuzzer-sys", "(MIT OR Apache-2.0) AND NCSA").unwrap());
        assert!(is_allowed("any", "").is_err());
    }

    #[test]
    fn a_version_has_three_numbers() {
        assert!(is_pinned("^1.2.3") && is_pinned("=0.4.0-rc1"));
        assert!(!is_pinned("^0.2") && !is_pinned("*") && !is_pinned(">=1"));
        assert!(version("0.12.3") >= Some([0, 12, 3]) && version("0.9.8") < Some([0, 12, 3]));
    }

    /// A package of somebody else's, with something wrong.
    fn metadata(package: &str, member: &str) -> Metadata {
        let text = format!(r#"{{"packages":[{package}],"workspace_members":["{member}"]}}"#);
        serde_json::from_str(&text).unwrap()
    }

    fn package(name: &str, version: &str, source: &str, dependencies: &str) -> String {
        format!(
            r#"{{"id":"a","name":"{name}","version":"{version}","license":"MIT","source":{source},"dependencies":[{dependencies}]}}"#
        )
    }

    #[test]
    fn a_crate_in_two_versions_is_named() {
        let pair = |name: &str, version: &str| (name.to_owned(), version.to_owned());
        let all = BTreeSet::from([pair("a", "1.0.0"), pair("b", "1.0.0"), pair("b", "2.0.0")]);
        assert_eq!(doubles(&all), ["images have b 1.0.0 and 2.0.0"]);
    }

    #[test]
    fn what_is_wrong_is_named() {
        let other = |name, version, source| {
            faults(&metadata(&package(name, version, source, ""), "b"))
                .unwrap()
                .concat()
        };
        assert_eq!(other("good", "1.0.0", r#""registry+x""#), "");
        assert!(other("far", "1.0.0", r#""git+x""#).contains("of no registry"));
        assert!(other("near", "1.0.0", "null").contains("of no registry"));
        assert!(other("spin", "0.9.8", r#""registry+x""#).contains("locks"));
        let wants =
            r#"{"name":"b","req":"^0.2","path":null},{"name":"c","req":"*","path":"/elsewhere"}"#;
        let ours = metadata(&package("ours", "1.0.0", "null", wants), "a");
        assert_eq!(faults(&ours).unwrap().len(), 2);
    }
}
