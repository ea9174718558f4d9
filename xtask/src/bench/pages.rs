//! Figures of free pages in a guest: state changes, clears that are skipped, what comes back resident.

use anyhow::Result;

use super::{figure, run_quietly};
use crate::cli::BenchOptions;
use crate::events::{Figure, Measure, Tally};
use crate::workspace;

/// One guest with 64 MiB, half of which is free.
const PAGES: &[&str] = &[
    "--work",
    "pages",
    "--icount",
    "--memory-disk",
    "--guests",
    "1",
    "--memory",
    "128M",
    "--guest-memory",
    "64M",
];
/// Hosts, and the figures that are theirs: one leaves pages alone, one takes all that is unused at once,
/// one takes some pages at a time.
const HOSTS: [(&str, &[&str]); 3] = [
    ("lru", &["state changes", "half-full"]),
    ("steal", &["clears"]),
    ("random:6000", &["resident"]),
];
/// State changes of a pair of churn, at most.
const CHURN: f64 = 0.125;
/// Of the clears that can be skipped, at least.
const CLEARS: f64 = 0.99;
/// Resident pages handed out to those that chance would bring, at least.
const RESIDENT: f64 = 1.5;

/// Takes them all.
pub(super) fn figures(options: &BenchOptions) -> Result<Vec<Figure>> {
    let files = workspace::root().join("cmm");
    let files = files.to_string_lossy();
    let mut figures = Vec::new();
    for (policy, its) in HOSTS {
        let more = ["--evict", policy, "--files", &files];
        let finished = run_quietly(options, &[PAGES, &more].concat())?;
        let guest = &finished.collector.guests()[&0];
        let wanted = |name: &str| its.iter().any(|prefix| name.starts_with(prefix));
        let tallies = guest.tallies.iter().filter(|tally| wanted(&tally.name));
        figures.extend(tallies.map(part));
        let measures = guest.measures.iter().filter(|one| wanted(&one.name));
        figures.extend(measures.map(each));
    }
    Ok(figures)
}

fn part(tally: &Tally) -> Figure {
    let value = tally.events as f64 / tally.count.max(1) as f64;
    let (unit, bound) = match tally.name.as_str() {
        name if name.contains("churn") => ("ESSA", Some(CHURN)),
        name if name.starts_with("clears") => ("part", Some(CLEARS)),
        name if name.starts_with("resident") => ("times", Some(RESIDENT)),
        _ => ("ESSA", None),
    };
    figure(format!("pages: {}", tally.name), value, unit, bound)
}

/// Instructions of guest and host, hinting on.
fn each(measure: &Measure) -> Figure {
    let value = measure.instructions as f64 / measure.count.max(1) as f64;
    let name = format!("pages: {}, hinting on, host included", measure.name);
    figure(name, value, "instructions", None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_bounded_by_what_they_are() {
        let tally = |name: &str| Tally {
            seq: 0,
            name: name.to_owned(),
            count: 4,
            events: 1,
        };
        let churn = part(&tally("state changes of half-full random churn, a pair"));
        assert_eq!((churn.value, churn.bound), (0.25, Some(CHURN)));
        assert_eq!(part(&tally("clears skipped")).bound, Some(CLEARS));
        assert_eq!(part(&tally("state changes of an idle flush")).bound, None);
    }
}
