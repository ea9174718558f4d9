//! Figures of serving files: what hinting costs, and what it costs where nothing is hinted.

use anyhow::Result;

use super::{figure, run_quietly};
use crate::cli::BenchOptions;
use crate::events::{Figure, Measure, Tally};
use crate::run::Finished;
use crate::setup::{self, Setup};

/// One guest that has all the files in its cache, with memory to spare.
const GUEST: &[&str] = &[
    "--work",
    "serve",
    "--icount",
    "--memory-disk",
    "--guests",
    "1",
    "--memory",
    "48M",
    "--guest-memory",
    "32M",
    "--evict",
    "lru",
    "--passes",
    "20",
];
/// The same without a host.
const BARE: &[&str] = &[
    "--bare",
    "--work",
    "serve",
    "--icount",
    "--memory-disk",
    "--memory",
    "32M",
    "--passes",
    "20",
];
/// Paths of a kernel that is not to hint.
const PATHS: &[&str] = &["--bare", "--work", "measure", "--icount", "--memory-disk"];
/// State changes of a hit that returned a stable reference, at most.
const CHANGES: f64 = 0.5;
/// What hinting costs in all, at most, as a part of serving without it.
const HINTING: f64 = 1.01;
/// What hinting costs that is turned off by a parameter, at most, and in instructions of a hit.
const OFF: (f64, f64) = (1.015, 4.0);

/// Takes them all.
pub(super) fn figures(options: &BenchOptions) -> Result<Vec<Figure>> {
    // Some eighty files of all sizes, the same as long as the toolchain is.
    let Setup { toolchain, .. } = setup::set_up(&options.setup)?;
    let files = toolchain.library_sources().join("alloc");
    let files = files.to_string_lossy();
    let take = |arguments: &[&str], more: &[&str]| {
        run_quietly(options, &[arguments, &["--files", &files], more].concat())
    };
    let on = take(GUEST, &["--hinting", "full"])?;
    let none = take(GUEST, &["--hinting", "none"])?;
    let off = take(BARE, &["--hinting", "none"])?;
    let plain = take(BARE, &["--hinting", "none", "--plain"])?;
    let mut figures: Vec<_> = tallies(&on).iter().map(part).collect();
    for copy in ["fault-tolerant", "optimistic", "stable"] {
        let name = format!("serve, {copy} copy: a request");
        let bound = |most: f64| (copy != "stable").then_some(most);
        let ratio = |one: &Finished, other: &Finished| {
            Some(instructions(one, &name)? / instructions(other, &name)?)
        };
        figures.extend(ratio(&on, &none).map(|value| {
            let name = format!("{name}, hinting on ÷ off, host included");
            figure(name, value, "times", bound(HINTING))
        }));
        figures.extend(ratio(&off, &plain).map(|value| {
            let name = format!("{name}, hinting off ÷ not built in");
            figure(name, value, "times", Some(OFF.0))
        }));
    }
    let off = take(PATHS, &["--hinting", "none"])?;
    let plain = take(PATHS, &["--hinting", "none", "--plain"])?;
    for copy in ["a stable reference", "a fault-tolerant copy of 64 bytes"] {
        let name = format!("page-cache hit by {copy}");
        let more = instructions(&off, &name).zip(instructions(&plain, &name));
        figures.extend(more.map(|(off, plain)| {
            let name = format!("path: {name}, hinting off − not built in");
            figure(name, off - plain, "instructions", Some(OFF.1))
        }));
    }
    Ok(figures)
}

fn tallies(finished: &Finished) -> &[Tally] {
    &finished.collector.guests()[&0].tallies
}

/// Instructions of one time.
fn instructions(finished: &Finished, name: &str) -> Option<f64> {
    let measures: &[Measure] = &finished.collector.guests()[&0].measures;
    let measure = measures.iter().find(|measure| measure.name == name)?;
    Some(measure.instructions as f64 / measure.count.max(1) as f64)
}

fn part(tally: &Tally) -> Figure {
    let value = tally.events as f64 / tally.count.max(1) as f64;
    let (unit, bound) = match tally.name.as_str() {
        name if !name.ends_with("state changes of a hit") => ("", None),
        name if name.contains("stable copy") => ("ESSA", Some(CHANGES)),
        _ => ("ESSA", Some(0.0)),
    };
    figure(tally.name.clone(), value, unit, bound)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn state_changes_are_bounded_by_the_way_of_copying() {
        let bound = |name: &str| {
            let tally = Tally {
                seq: 0,
                name: name.to_owned(),
                count: 10,
                events: 4,
            };
            part(&tally).bound
        };
        assert_eq!(
            bound("serve, stable copy: state changes of a hit"),
            Some(CHANGES)
        );
        assert_eq!(
            bound("serve, optimistic copy: state changes of a hit"),
            Some(0.0)
        );
        assert_eq!(
            bound("serve, stable copy: pages that wait to become volatile"),
            None
        );
    }
}
