//! Figures of several CPUs: throughput, instructions a read, how long pages wait for sign-off.

use anyhow::{Context as _, Result};

use super::{figure, run_quietly};
use crate::cli::BenchOptions;
use crate::events::{Figure, Guest};
use crate::run::Finished;
use crate::toolchain;

/// Numbers of CPUs that are compared.
const CPUS: [&str; 4] = ["1", "2", "4", "8"];
/// Most that the instructions a read may grow from one CPU to eight.
const GROWTH: f64 = 1.1;

/// One guest that reads all files once, with memory for all that it sees.
const THROUGHPUT: &[&str] = &["--guests", "1", "--passes", "1", "--evict", "lru"];
/// The same on one CPU of the machine, from memory, each virtual CPU with files of its own.
const INSTRUCTIONS: &[&str] = &[
    "--guests",
    "1",
    "--passes",
    "2",
    "--evict",
    "lru",
    "--icount",
    "--memory-disk",
    "--machine-cpus",
    "1",
    "--append",
    "g.files=disjoint",
];
/// As many virtual CPUs as CPUs, under a host that discards all the time.
const SIGN_OFF: &[&str] = &[
    "--guests",
    "1",
    "--passes",
    "1",
    "--evict",
    "steal",
    "--memory",
    "20M",
    "--memory-disk",
    "--cpus",
    "2",
    "--machine-cpus",
    "2",
];

/// Takes them all.
pub(super) fn figures(options: &BenchOptions) -> Result<Vec<Figure>> {
    let mut figures = throughput(options)?;
    figures.extend(instructions(options)?);
    // Counted, the emulator runs one CPU at a time, for up to a tick; else they run side by side.
    figures.extend(sign_off(options, "counted", &["--icount"])?);
    figures.extend(sign_off(options, "side by side", &[])?);
    Ok(figures)
}

fn guest(finished: &Finished) -> Result<&Guest> {
    let guest = finished.collector.guests().get(&0);
    let outcome = guest.and_then(|guest| guest.outcome.as_ref());
    outcome.context("the guest reported no outcome")
}

/// Pieces copied out of the page cache.
fn reads(guest: &Guest) -> f64 {
    (guest.stable_copies + guest.fault_tolerant_copies + guest.optimistic_copies) as f64
}

fn throughput(options: &BenchOptions) -> Result<Vec<Figure>> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let mut figures = vec![figure("real cores", cores as f64, "cores", None)];
    for cpus in CPUS {
        let more = ["--cpus", cpus, "--machine-cpus", cpus];
        let finished = run_quietly(options, &[THROUGHPUT, &more].concat())?;
        let guest = guest(&finished)?;
        let rate = reads(guest) / (guest.work_us as f64 / 1e6);
        let name = format!("verify, {cpus} virtual CPUs on {cpus}: reads");
        figures.push(figure(name, rate.round(), "a second", None));
    }
    Ok(figures)
}

/// By the clock of a machine that executes an instruction a nanosecond, the host's included.
fn instructions(options: &BenchOptions) -> Result<Vec<Figure>> {
    let setup = &options.setup;
    let library = toolchain::find(setup.toolchain, setup.permission())?.library_sources();
    let files = library.join("alloc");
    let files = files.to_string_lossy();
    let (mut figures, mut first) = (Vec::new(), None);
    for cpus in CPUS {
        let more = ["--cpus", cpus, "--files", &files];
        let finished = run_quietly(options, &[INSTRUCTIONS, &more].concat())?;
        let guest = guest(&finished)?;
        let idle = finished.collector.host().map_or(0, |host| host.idle_us);
        let busy = guest.work_us.saturating_sub(idle) as f64 * 1000.0;
        let each = (busy / reads(guest)).round();
        let name = format!("verify, {cpus} virtual CPUs on one: instructions a read");
        let bound = first.map(|first: f64| (first * GROWTH).round());
        first = first.or(Some(each));
        figures.push(figure(name, each, "instructions", bound));
        let name = format!("verify, {cpus} virtual CPUs on one: idle");
        figures.push(figure(name, idle as f64, "us", None));
        let name = format!("verify, {cpus} virtual CPUs on one: waiting for other CPUs");
        figures.push(figure(name, guest.spin_us as f64, "us", None));
    }
    Ok(figures)
}

fn sign_off(options: &BenchOptions, how: &str, more: &[&str]) -> Result<Vec<Figure>> {
    let finished = run_quietly(options, &[SIGN_OFF, more].concat())?;
    let guest = guest(&finished)?;
    let waited = |part: f64| quantile(&guest.sign_off_ticks, part) as f64;
    let one = |name, value, unit, bound| {
        figure(format!("sign-off, CPUs {how}: {name}"), value, unit, bound)
    };
    let longest = guest.sign_off_longest as f64;
    Ok(vec![
        one("pages", guest.sign_off_pages as f64, "pages", None),
        one("median wait", waited(0.5), "ticks", Some(2.0)),
        one("99 of 100 waits", waited(0.99), "ticks", Some(3.0)),
        one("most pages at a time", longest, "pages", None),
    ])
}

/// The least number of ticks that so large a part of all pages did not wait longer than.
fn quantile(by_ticks: &[u64], part: f64) -> usize {
    let wanted = by_ticks.iter().sum::<u64>() as f64 * part;
    let mut sum = 0;
    let enough = by_ticks.iter().position(|pages| {
        sum += pages;
        sum as f64 >= wanted
    });
    enough.unwrap_or(by_ticks.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantile_is_where_enough_have_come() {
        let by_ticks = [50, 40, 9, 0, 1];
        assert_eq!(quantile(&by_ticks, 0.5), 0);
        assert_eq!(quantile(&by_ticks, 0.51), 1);
        assert_eq!(quantile(&by_ticks, 0.99), 2);
        assert_eq!(quantile(&by_ticks, 1.0), 4);
        assert_eq!(quantile(&[0, 0], 0.5), 0);
    }
}
