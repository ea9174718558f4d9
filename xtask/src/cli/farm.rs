//! Options of `farm`.

use std::path::PathBuf;

use clap::Args;

use super::SetupOptions;
use crate::farm::point::{Clock, Mode};

/// Options of `farm`.
#[derive(Clone, Debug, Args)]
pub struct FarmOptions {
    #[command(flatten)]
    pub(crate) setup: SetupOptions,
    /// Few guests and requests, one seed, no sweep: for a look, in three minutes.
    #[arg(long)]
    pub quick: bool,
    /// Numbers of guests, with commas. [default: 1,2,3,4,6,8,12,16; with --quick, 2,6]
    #[arg(long, value_name = "N,…", value_delimiter = ',', conflicts_with = "overcommit",
          value_parser = clap::value_parser!(u16).range(1..=64))]
    pub guests: Vec<u16>,
    /// The same as memory that guests see, divided by that of the host: 0.5 is one guest.
    #[arg(long, value_name = "RATIO,…", value_delimiter = ',', value_parser = ratio)]
    pub overcommit: Vec<f64>,
    /// Modes, with commas. [default: all]
    #[arg(long, value_name = "MODE,…", value_delimiter = ',', value_enum)]
    pub modes: Vec<Mode>,
    /// Seeds of the requests, with commas. [default: 1,2,3; with --quick or --clock wall, 1]
    #[arg(long, value_name = "N,…", value_delimiter = ',')]
    pub seeds: Vec<u64>,
    /// Count by instructions, which is exact and repeatable, or by the time of day.
    #[arg(long, value_enum, default_value = "virtual")]
    pub clock: Clock,
    /// Only the experiments that these targets have of their own, by number, with commas; 0 is the main one.
    /// [default: 0 and all that there are; with --quick, 0]
    #[arg(long, value_name = "N,…", value_delimiter = ',')]
    pub experiment: Vec<u32>,
    /// Settings of the balloon's monitor instead of the best of a sweep (MS:STEP:FLOOR).
    #[arg(long, value_name = "MS:STEP:FLOOR")]
    pub monitor: Option<String>,
    /// Settings of free page reporting instead of the best of a sweep: order of a block, milliseconds.
    #[arg(long, value_name = "ORDER:MS")]
    pub reporting: Option<String>,
    /// Where to leave farm.json and points.jsonl. [default: target/farm]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Go on with what --out has: points that are there are not run again.
    #[arg(long)]
    pub resume: bool,
    /// Show a dashboard on the terminal: how far it is, and the machines that run. Without a terminal, the usual lines.
    #[arg(long)]
    pub watch: bool,
    /// Give up on a point after this many seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 1800, value_parser = clap::value_parser!(u64).range(1..))]
    pub timeout: u64,
    /// Requests of each guest, instead of what the experiments say.
    #[arg(long, value_name = "N", hide = true)]
    pub requests: Option<u64>,
}

fn ratio(text: &str) -> Result<f64, String> {
    let ratio = text.parse().ok();
    ratio
        .filter(|ratio| (0.5..=32.0).contains(ratio))
        .ok_or_else(|| "give ratios from 0.5 to 32".to_owned())
}
