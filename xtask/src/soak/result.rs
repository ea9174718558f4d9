//! What a soak leaves: each run as it ends, and the result of all of them, whole or cut off.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

use super::judge::{Kind, Wrong};
use crate::events::Counts;
use crate::{failure, process};

/// Name of the result.
pub const RESULT: &str = "soak.json";
/// Name of the file that has a line for each run.
pub const RUNS: &str = "runs.jsonl";
/// Version of the form of the result.
pub const FORMAT: u32 = 1;

/// One run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Run {
    /// The seed that its configuration comes from.
    pub seed: u64,
    /// The command line that repeats it.
    pub command: String,
    /// How long it took.
    pub seconds: f64,
    /// What is wrong with it.
    pub wrong: Option<Wrong>,
    /// What it could not do because a disk failed that should.
    pub endured: Option<String>,
    /// What has happened.
    pub counts: Counts,
}

/// A smaller configuration that fails.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Smaller {
    /// Its command line.
    pub command: String,
    /// What is wrong with it.
    pub wrong: Wrong,
    /// Whether nothing smaller was left to try; else tries or time were at an end.
    pub is_smallest: bool,
}

/// A run that failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Failed {
    /// The seed that its configuration comes from.
    pub seed: u64,
    /// The command line that repeats it.
    pub command: String,
    /// What is wrong with it.
    pub wrong: Wrong,
    /// Where its lines are.
    pub folder: PathBuf,
    /// Runs that the search for a smaller one took so far.
    pub tries: u32,
    /// How often it was run again to see whether it fails again, and how often it did.
    pub again: (u32, u32),
    /// The smallest that was found.
    pub smaller: Option<Smaller>,
}

/// All of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Soak {
    /// Version of this form.
    pub format: u32,
    /// Whether it came to its end; else it was cut off, and this is what there was.
    pub complete: bool,
    /// The commit that was run, if it is known.
    pub commit: Option<String>,
    /// Seed of the first configuration.
    pub seed: u64,
    /// Time so far.
    pub seconds: f64,
    /// Runs that have ended.
    pub runs: u64,
    /// Those with nothing wrong.
    pub passed: u64,
    /// Those of them that could not do all because a disk failed.
    pub endured: u64,
    /// What was wrong, how often.
    pub wrong: BTreeMap<Kind, u64>,
    /// What has happened in all runs together.
    pub counts: Counts,
    /// How many runs had which option.
    pub options: BTreeMap<String, u64>,
    /// Those that failed.
    pub failed: Vec<Failed>,
}

impl Soak {
    /// Nothing yet.
    #[must_use]
    pub fn new(seed: u64, commit: Option<String>) -> Self {
        Self {
            format: FORMAT,
            complete: false,
            commit,
            seed,
            seconds: 0.0,
            runs: 0,
            passed: 0,
            endured: 0,
            wrong: BTreeMap::new(),
            counts: Counts::new(),
            options: BTreeMap::new(),
            failed: Vec::new(),
        }
    }

    /// Counts a run with these words in its command line.
    pub fn add(&mut self, run: &Run, words: &[String]) {
        self.runs += 1;
        match &run.wrong {
            None => self.passed += 1,
            Some(wrong) => *self.wrong.entry(wrong.kind).or_default() += 1,
        }
        self.endured += u64::from(run.endured.is_some() && run.wrong.is_none());
        for (name, count) in &run.counts {
            *self.counts.entry(name.clone()).or_default() += count;
        }
        for option in options(words) {
            *self.options.entry(option).or_default() += 1;
        }
    }

    /// For people, in a few lines.
    #[must_use]
    pub fn summary(&self) -> String {
        let kinds = [
            (Kind::Mismatch, "mismatches"),
            (Kind::Leak, "leaks"),
            (Kind::Hang, "hangs"),
            (Kind::Panic, "panics"),
            (Kind::OutOfMemory, "out of memory"),
            (Kind::Lines, "bad lines"),
            (Kind::Status, "other failures"),
        ];
        let kinds = kinds.map(|(kind, name)| {
            let count = self.wrong.get(&kind).copied().unwrap_or_default();
            format!("{count} {name}")
        });
        let count = |name: &str| {
            let count = self.counts.get(name).copied().unwrap_or_default();
            crate::table::grouped(count)
        };
        format!(
            "{} runs in {:.0} s from seed {}: {} good ({} with a disk that failed them), {}\n\
             {} bytes verified, {} pages discarded, {} discard faults, {} pages written and {} read by hosts, \
             {} CPUs taken off, {} requests of failing disks endured",
            self.runs,
            self.seconds,
            self.seed,
            self.passed,
            self.endured,
            kinds.join(", "),
            count("bytes_verified"),
            count("discards"),
            count("discard_faults"),
            count("page_writes"),
            count("page_reads"),
            count("cpus_taken_off"),
            crate::table::grouped(
                ["write_errors", "page_read_errors", "page_write_errors"]
                    .iter()
                    .filter_map(|name| self.counts.get(*name))
                    .sum()
            ),
        )
    }
}

/// Options, and values of those that are words rather than amounts.
fn options(words: &[String]) -> Vec<String> {
    const WITH_VALUE: [&str; 5] = [
        "--work",
        "--hinting",
        "--personality",
        "--evict",
        "--guests",
    ];
    let mut all = Vec::new();
    for (at, word) in words.iter().enumerate() {
        let value = words.get(at + 1).map_or("", String::as_str);
        if WITH_VALUE.contains(&word.as_str()) {
            let value = value.split(':').next().unwrap_or_default();
            all.push(format!("{word} {value}"));
        } else if word.starts_with("--") {
            all.push(word.split('=').next().unwrap_or_default().to_owned());
        }
    }
    all
}

/// The folder of a soak.
#[derive(Debug)]
pub struct Store {
    folder: PathBuf,
    lines: File,
}

impl Store {
    /// Makes the folder; what an earlier soak has left there goes.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn create(folder: &Path) -> Result<Self> {
        let explain = |error: std::io::Error| {
            let reason = process::explain_write(&error);
            failure::unusable(format!("--out {}: {reason}", folder.display()))
        };
        fs::create_dir_all(folder).map_err(explain)?;
        for entry in fs::read_dir(folder).map_err(explain)?.flatten() {
            let name = entry.file_name();
            if name.to_string_lossy().starts_with(FAILED) {
                fs::remove_dir_all(entry.path()).map_err(explain)?;
            }
        }
        let _ = fs::remove_file(folder.join(RESULT));
        let lines = File::create(folder.join(RUNS)).map_err(explain)?;
        Ok(Self {
            folder: folder.to_owned(),
            lines,
        })
    }

    /// Where the lines of a run that failed are kept.
    #[must_use]
    pub fn failed(&self, seed: u64) -> PathBuf {
        self.folder.join(format!("{FAILED}{seed}"))
    }

    /// Adds a run.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn add(&mut self, run: &Run) -> Result<()> {
        let line = serde_json::to_string(run)? + "\n";
        self.lines
            .write_all(line.as_bytes())
            .with_context(|| self.cannot())
    }

    /// Writes the result, all at once: whoever reads it meanwhile has the one before.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn write(&self, soak: &Soak) -> Result<()> {
        let path = self.folder.join(RESULT);
        let unfinished = path.with_extension("tmp");
        let text = serde_json::to_string_pretty(soak)? + "\n";
        fs::write(&unfinished, text)
            .and_then(|()| fs::rename(&unfinished, &path))
            .with_context(|| self.cannot())
    }

    fn cannot(&self) -> String {
        format!("cannot write below {}", self.folder.display())
    }
}

/// What names of folders of failed runs begin with.
const FAILED: &str = "failed-";
