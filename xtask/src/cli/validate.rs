//! What `validate` can be told.

use std::path::PathBuf;

use clap::Args;

use super::qemu::{policy, size};
use super::{Personality, SetupOptions, Word as _};
use crate::failure;

/// Form of what `validate` prints.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// A table for people.
    Table,
    /// Test Anything Protocol.
    Tap,
}

/// Options of `validate`.
#[derive(Clone, Debug, Args)]
pub struct ValidateOptions {
    #[command(flatten)]
    pub(crate) setup: SetupOptions,
    /// Try the bare machine, without our host.
    #[arg(long)]
    pub bare: bool,
    /// Whom our host passes for: also the machine that this claims to be.
    #[arg(long, value_enum, default_value_t, conflicts_with_all = ["bare", "log"])]
    pub personality: Personality,
    /// The machine that this is: a profile in docs/profiles, or a file. [default: what --personality says;
    /// with --bare, tcg]
    #[arg(long, value_name = "NAME|FILE")]
    pub profile: Option<String>,
    /// Compare with nothing: write what was observed to this file, as the profile that --profile names.
    #[arg(long, value_name = "FILE")]
    pub record: Option<PathBuf>,
    /// Boot nothing: read what the console of a machine printed elsewhere, with `work=validate`.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["bare", "from"])]
    pub log: Option<PathBuf>,
    /// Start with this check of those that a machine may not survive (901 and above).
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub from: u16,
    /// What to print. [default: table]
    #[arg(long, value_enum)]
    pub format: Option<Format>,
    /// CPUs of the machine and of the kernel; checks that need two are skipped on one.
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=64))]
    pub cpus: u16,
    /// How the host chooses pages: as for `qemu`.
    #[arg(long, value_name = "POLICY", default_value = "lru", value_parser = policy, conflicts_with = "bare")]
    pub evict: String,
    /// Memory of the kernel's machine; the host has 6 MiB less, or as much if it is less than 16M.
    #[arg(long, value_name = "SIZE", default_value = "16M", value_parser = size)]
    pub guest_memory: u64,
    /// Where to leave run.jsonl and run.log. [default: target/validate]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Give up after this many seconds, each time that the machine is started.
    #[arg(long, value_name = "SECONDS", default_value_t = 120, value_parser = clap::value_parser!(u64).range(1..))]
    pub timeout: u64,
    /// Write the page of results from the profiles in the tree, and nothing else.
    #[arg(long, hide = true)]
    pub page: bool,
}

impl ValidateOptions {
    /// Name of the machine that it claims to be.
    ///
    /// # Errors
    /// It is a log of a machine that nobody has named.
    pub fn claimed(&self) -> anyhow::Result<String> {
        let default = match (&self.log, self.bare) {
            (Some(_), _) => None,
            (None, true) => Some("tcg".to_owned()),
            (None, false) => Some(self.personality.word()),
        };
        self.profile
            .clone()
            .or(default)
            .ok_or_else(|| failure::unusable("say which machine printed the log: --profile NAME"))
    }
}
