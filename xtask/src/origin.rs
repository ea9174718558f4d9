//! Where a result comes from: machine, versions, commit.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;
use std::thread;

use serde::{Deserialize, Serialize};

use crate::setup::Setup;
use crate::{process, workspace};

/// The build machine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Machine {
    /// Name of its processor, as the system tells it.
    pub processor: String,
    /// Its CPUs.
    pub cpus: u64,
    /// Its memory in bytes.
    pub memory: u64,
}

/// The build machine.
#[must_use]
pub fn machine() -> Machine {
    let line = |path: &str, names: &[&str]| {
        let text = fs::read_to_string(path).unwrap_or_default();
        let found = names.iter().find_map(|name| {
            let mut lines = text.lines();
            let line = lines.find(|line| line.starts_with(name))?;
            Some(line.split_once(':')?.1.trim().to_owned())
        });
        found.unwrap_or_default()
    };
    let memory = line("/proc/meminfo", &["MemTotal"]);
    let kib = memory.split(' ').next().and_then(|word| word.parse().ok());
    Machine {
        processor: line("/proc/cpuinfo", &["model name", "vendor_id"]),
        cpus: thread::available_parallelism().map_or(0, |count| count.get() as u64),
        memory: kib.unwrap_or(0_u64) << 10,
    }
}

/// Versions of what matters.
#[must_use]
pub fn versions(setup: &Setup) -> BTreeMap<String, String> {
    let first_line = |command: &mut Command| {
        let text = process::output(command).unwrap_or_default();
        text.lines().next().unwrap_or_default().to_owned()
    };
    let version = |program| first_line(Command::new(program).arg("--version"));
    [
        ("project", env!("CARGO_PKG_VERSION").to_owned()),
        ("qemu", version(setup.qemu.as_os_str())),
        ("rustc", version(setup.toolchain.rustc.as_os_str())),
    ]
    .map(|(name, version)| (name.to_owned(), version))
    .into()
}

/// The commit of the checkout, with `+` behind it if files were changed since.
#[must_use]
pub fn commit() -> Option<String> {
    let git = |words: &[&str]| {
        let mut command = Command::new("git");
        process::output(command.arg("-C").arg(workspace::root()).args(words)).ok()
    };
    let commit = git(&["rev-parse", "HEAD"])?.trim().to_owned();
    let changes = git(&["status", "--porcelain", "--untracked-files=no"])?;
    let mark = if changes.trim().is_empty() { "" } else { "+" };
    Some(commit + mark)
}
