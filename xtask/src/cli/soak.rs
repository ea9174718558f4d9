//! Options of `soak`, and what `qemu` is told for it.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::{Control, SetupOptions};
use crate::machine::Freeze;

/// Options of `soak`.
#[derive(Clone, Debug, Args)]
pub struct SoakOptions {
    #[command(flatten)]
    pub(crate) setup: SetupOptions,
    /// Begin no run after so many minutes. [default: 10, unless --seconds or --count is given]
    #[arg(long, value_name = "M", value_parser = clap::value_parser!(u64).range(1..=10_000))]
    pub minutes: Option<u64>,
    /// The same in seconds.
    #[arg(long, value_name = "S", conflicts_with = "minutes", value_parser = clap::value_parser!(u64).range(1..=600_000))]
    pub seconds: Option<u64>,
    /// End after so many runs.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub count: Option<u64>,
    /// Begin no run after so many have failed.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub failures: Option<u64>,
    /// Seed of the first configuration; each further one has the next seed. [default: by the clock]
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// CPUs to keep busy: a machine takes as many of them as it has itself. [default: 2, or 1 if this
    /// computer has no more]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=64))]
    pub machines: Option<u16>,
    /// A run that takes so many seconds hangs.
    #[arg(long, value_name = "SECONDS", default_value_t = 300, value_parser = clap::value_parser!(u64).range(1..))]
    pub timeout: u64,
    /// Most runs for making a configuration that fails smaller; 0 leaves it as it is.
    #[arg(long, value_name = "N", default_value_t = 80)]
    pub tries: u32,
    /// How often a configuration is run before it counts as one that does not fail.
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub repeats: u32,
    /// Only print the command lines, of --count configurations. [default: 10 of them]
    #[arg(long, conflicts_with_all = ["minutes", "seconds"])]
    pub list: bool,
    /// Where to leave soak.json, runs.jsonl, and logs of runs that failed. [default: target/soak]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// A deliberate mistake.
    #[arg(long, value_enum, hide = true)]
    pub control: Option<Control>,
}

/// Longest time that a machine may be frozen, and after which it may be, in milliseconds: an hour.
const LONGEST: u64 = 3_600_000;

/// What `--freeze` names.
pub(super) fn freeze(text: &str) -> Result<Freeze, String> {
    let number = |word: &str| word.parse().ok().filter(|number| *number <= LONGEST);
    let parse = || {
        let (at, time) = text.split_once(':')?;
        Some(Freeze {
            at: Duration::from_millis(number(at)?),
            time: Duration::from_millis(number(time)?),
        })
    };
    parse().ok_or_else(|| {
        format!("give milliseconds, {LONGEST} at most: AT:TIME, such as 500:1000, with commas")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_freeze_is_two_numbers() {
        let found = freeze("500:1000").unwrap();
        assert_eq!((found.at.as_millis(), found.time.as_millis()), (500, 1000));
        for bad in ["", "5", "5:", ":5", "5:5:5", "a:5", "3600001:1"] {
            assert!(freeze(bad).is_err(), "{bad}");
        }
    }
}
