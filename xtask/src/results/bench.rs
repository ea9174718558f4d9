//! The figures of `cargo xtask bench` as they are kept: `docs/results/bench.json`, and what pages say of them.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::Result;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{lines, short, write};
use crate::events::Figure;
use crate::origin::{self, Machine};
use crate::setup::Setup;
use crate::{failure, table, workspace};

/// The name of the file.
pub(super) const FILE: &str = "bench.json";
/// Version of its format; a reader refuses others.
const FORMAT: u32 = 1;

/// The file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bench {
    /// Version of the format: 1.
    format: u32,
    /// Where the figures were taken.
    machine: Machine,
    /// Versions, by name: `project`, `qemu`, `rustc`.
    versions: BTreeMap<String, String>,
    /// The commit, with `+` behind it if files were changed since; none outside of a repository.
    commit: Option<String>,
    /// The figures, in the order in which they are printed.
    figures: Vec<Figure>,
}

/// What README.md says, by the figure's name.
const SHOWN: [(&str, &str); 14] = [
    ("kernel image", "kernel image, stripped"),
    (
        "kernel image of the size profile",
        "kernel image, size profile",
    ),
    (
        "guest memory in which that one verifies all files",
        "size profile: guest memory of a verified run",
    ),
    ("both images", "both images"),
    (
        "from the kernel's first instruction to its first line of work",
        "bare kernel: first instruction to work",
    ),
    (
        "memory in use of a kernel of 32 MiB that is idle",
        "bare kernel: memory in use at idle",
    ),
    ("main job", "main job: wall time"),
    ("page descriptor", "page descriptor"),
    ("tick", "path: tick, nothing discarded"),
    (
        "page allocated and freed again",
        "allocator, ours: half-full random churn",
    ),
    (
        "the same by `buddy_system_allocator`",
        "allocator, buddy_system_allocator: half-full random churn",
    ),
    (
        "the same by `talc`, at page boundaries",
        "allocator, talc, at page boundaries: half-full random churn",
    ),
    (
        "read of a file on one CPU",
        "verify, 1 virtual CPUs on one: instructions a read",
    ),
    (
        "read of a file on each of eight CPUs",
        "verify, 8 virtual CPUs on one: instructions a read",
    ),
];

/// The allocators that are compared, with their versions, by the names of their figures.
const ALLOCATORS: [(&str, &str); 9] = [
    ("ours", "ours"),
    ("ours without lists of CPUs", "ours without lists of CPUs"),
    (
        "linked_list_allocator 0.10, anywhere",
        "linked_list_allocator, anywhere",
    ),
    (
        "linked_list_allocator 0.10, at page boundaries",
        "linked_list_allocator, at page boundaries",
    ),
    (
        "good_memory_allocator 0.1, anywhere",
        "good_memory_allocator, anywhere",
    ),
    (
        "good_memory_allocator 0.1, at page boundaries",
        "good_memory_allocator, at page boundaries",
    ),
    ("talc 5.1, anywhere", "talc, anywhere"),
    ("talc 5.1, at page boundaries", "talc, at page boundaries"),
    (
        "buddy_system_allocator 0.13, `FrameAllocator`",
        "buddy_system_allocator",
    ),
];

/// Keeps figures that were taken now, in the checkout.
///
/// # Errors
/// They cannot be written.
pub(crate) fn record(setup: &Setup, figures: Vec<Figure>) -> Result<()> {
    let bench = Bench {
        format: FORMAT,
        machine: origin::machine(),
        versions: origin::versions(setup),
        commit: origin::commit(),
        figures,
    };
    let path = workspace::root().join(super::FOLDER).join(FILE);
    write(&path, &lines::text(&bench)?)
}

/// The figures that are kept in a folder.
///
/// # Errors
/// They cannot be read, or are of another format.
pub(super) fn read(folder: &Path) -> Result<Bench> {
    let path = folder.join(FILE);
    let unusable = |what: String| failure::unusable(format!("{}: {what}", path.display()));
    let text = fs::read_to_string(&path).map_err(|error| unusable(error.to_string()))?;
    // The format first: what is in a file of another one is not known.
    let any: Value = serde_json::from_str(&text).map_err(|error| unusable(error.to_string()))?;
    match any.get("format") {
        Some(format) if *format == FORMAT => {}
        Some(format) => return Err(unusable(format!("format {format}, not {FORMAT}"))),
        None => return Err(unusable("it names no format".to_owned())),
    }
    serde_json::from_value(any).map_err(|error| unusable(error.to_string()))
}

impl Bench {
    /// What README.md says.
    pub(super) fn shown(&self) -> Result<String> {
        let mut text = format!(
            "{}, {} CPUs, {}, {}, {}:\n\n| figure | |\n| --- | --- |",
            self.machine.processor,
            self.machine.cpus,
            self.version("qemu"),
            self.version("rustc"),
            short(self.commit.as_deref()),
        );
        for (what, name) in SHOWN {
            text += &format!("\n| {what} | {} |", value(self.figure(name)?));
        }
        Ok(text)
    }

    /// What docs/allocator.md says of allocators: instructions, and time.
    pub(super) fn allocators(&self) -> Result<String> {
        let mut text = "| allocator | churn, a pair | worst of churn | worst of holes | churn, a pair, build machine |\n\
                        | --- | --- | --- | --- | --- |"
            .to_owned();
        for (what, name) in ALLOCATORS {
            let figure = |of: &str| self.figure(&format!("allocator, {name}: {of}")).map(value);
            text += &format!(
                "\n| {what} | {} | {} | {} | {} |",
                figure("half-full random churn")?,
                figure("half-full random churn, worst operation")?,
                figure("holes of any size, worst operation")?,
                figure("half-full random churn, build machine")?,
            );
        }
        Ok(text.replace(" instructions |", " |"))
    }

    fn figure(&self, name: &str) -> Result<&Figure> {
        let figure = self.figures.iter().find(|figure| figure.name == name);
        figure.ok_or_else(|| {
            failure::unusable(format!(
                "{FILE} has no figure '{name}': type `cargo xtask bench --record`"
            ))
        })
    }

    /// A version without what stands in parentheses.
    fn version(&self, name: &str) -> String {
        let version = self.versions.get(name).map_or("", String::as_str);
        let words = version.split(" (").next().unwrap_or(version);
        words.replace("emulator version ", "")
    }
}

/// A value with its unit.
fn value(figure: &Figure) -> String {
    let whole = || table::grouped(figure.value.round() as u64);
    match figure.unit.as_str() {
        "s" if figure.value < 1.0 => format!("{:.0} ms", figure.value * 1000.0),
        "s" => format!("{:.0} s", figure.value),
        unit => format!("{} {unit}", whole()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_readable() {
        let figure = |value, unit: &str| Figure {
            name: String::new(),
            value,
            unit: unit.to_owned(),
            bound: None,
        };
        assert_eq!(value(&figure(0.0123, "s")), "12 ms");
        assert_eq!(value(&figure(19.6, "s")), "20 s");
        assert_eq!(value(&figure(97.6, "instructions")), "98 instructions");
        assert_eq!(value(&figure(262_144.0, "bytes")), "262,144 bytes");
    }

    #[test]
    fn versions_are_short() {
        let versions = [
            ("qemu", "QEMU emulator version 7.2.22 (Debian 1:7.2+dfsg-7)"),
            ("rustc", "rustc 1.95.0 (59807616e 2026-04-14)"),
        ];
        let bench = Bench {
            format: FORMAT,
            machine: origin::machine(),
            versions: versions
                .map(|(name, text)| (name.to_owned(), text.to_owned()))
                .into(),
            commit: None,
            figures: Vec::new(),
        };
        assert_eq!(bench.version("qemu"), "QEMU 7.2.22");
        assert_eq!(bench.version("rustc"), "rustc 1.95.0");
        let error = bench.shown().unwrap_err();
        assert!(error.to_string().contains("no figure"), "{error}");
    }
}
