//! Figures of the page allocator beside those of others, all in one image: see `allocators/`.

use std::env;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use super::figure;
use crate::cli::BenchOptions;
use crate::collect::{Collector, Expected};
use crate::events::{Figure, Measure};
use crate::machine::{self, End, Machine, Pieces, Source};
use crate::setup::{self, Setup};
use crate::{images, process, workspace};

/// Memory for the descriptors of 16 GiB, and for arenas.
const MEMORY_MIB: u64 = 1536;
/// How long counting may take.
const PATIENCE: Duration = Duration::from_secs(300);
/// Instructions that a pair of ours may take.
const PAIR: f64 = 100.0;
/// Instructions that one operation of ours may take: 256, and 32 for each of the four pages that it
/// moves between a CPU's list and the buddy allocator.
const WORST: f64 = 256.0 + 32.0 * 4.0;
/// The least that two CPUs do, to one.
const TWO_TO_ONE: f64 = 1.8;

/// Of a hundred pages that are looked at, so many were referenced; what that may take to resetting all.
const SCANS: [(u32, Option<f64>); 5] = [
    (0, Some(0.05)),
    (2, Some(0.05)),
    (10, None),
    (50, Some(0.6)),
    (100, None),
];

/// Takes them all.
pub(super) fn figures(options: &BenchOptions) -> Result<Vec<Figure>> {
    let mut figures = counted(options)?;
    figures.extend(scans(options)?);
    figures.extend(times()?);
    figures.extend(throughput()?);
    Ok(figures)
}

/// Instructions, by the clock of a machine that executes one a nanosecond.
fn counted(options: &BenchOptions) -> Result<Vec<Figure>> {
    Ok(image(options, "cmma=off", true)?
        .iter()
        .map(counts)
        .collect())
}

/// How long it takes to look for pages that were referenced, to how long it takes to reset the bit of each: all in one
/// run.
fn scans(options: &BenchOptions) -> Result<Vec<Figure>> {
    let measures = image(options, "cmma=off work=pages", false)?;
    let mut figures = Vec::new();
    for (ways, (share, bound)) in measures.chunks_exact(3).zip(SCANS) {
        let all = ways[0].instructions.max(1) as f64;
        let scans = [("only those reset", bound), ("translations taken", None)];
        for ((how, bound), way) in scans.into_iter().zip(&ways[1..]) {
            let name = format!("scan of pages, {share} % referenced, {how}: to every page reset");
            figures.push(figure(name, way.instructions as f64 / all, "times", bound));
        }
    }
    let all = &measures[0];
    let each = all.instructions as f64 / 4.096 / all.count.max(1) as f64;
    figures.push(figure("scan of pages, every page reset", each, "ns", None));
    Ok(figures)
}

/// What the image has measured.
fn image(options: &BenchOptions, parameters: &str, icount: bool) -> Result<Vec<Measure>> {
    let Setup { qemu, toolchain } = setup::set_up(&options.setup)?;
    let image = images::build_allocators(&toolchain)?;
    let machine = Machine {
        parameters: parameters.to_owned(),
        icount,
        ..Machine::plain(qemu, image.stripped, 1, MEMORY_MIB)
    };
    let mut collector = Collector::new(Expected {
        host: false,
        guests: 1,
        our_kernel: true,
    });
    let mut pieces = Pieces::default();
    let mut command = machine.command();
    let end = machine::run(&mut command, Some(PATIENCE), &mut |source, printed| {
        let whole = match source {
            Source::Console => pieces.join(printed),
            Source::Emulator => Some(printed.to_owned()),
        };
        if let Some(line) = whole {
            collector.line(source, &line);
        }
        Ok(())
    })?;
    if end != End::Exit(Some(0)) {
        let last: Vec<_> = collector.last_lines().collect();
        bail!("the allocators' image failed: {}", last.join(" | "));
    }
    Ok(collector.guests()[&0].measures.clone())
}

fn counts(measure: &Measure) -> Figure {
    let each = measure.instructions as f64 / measure.count.max(1) as f64;
    let name = measure.name.as_str();
    figure(name, each, "instructions", bound(name))
}

/// What ours must not exceed; the others may be what they are.
fn bound(name: &str) -> Option<f64> {
    let ours = name.strip_prefix("allocator, ours")?;
    match () {
        () if ours.starts_with(" without") => None,
        () if ours.ends_with("worst operation") => Some(WORST),
        () => Some(PAIR),
    }
}

/// Runs the allocators' program on this machine; returns what it has printed.
pub(super) fn program(arguments: &[&str]) -> Result<String> {
    let cargo = env::var_os("CARGO").map_or_else(|| PathBuf::from("cargo"), PathBuf::from);
    let mut command = Command::new(cargo);
    process::sanitize(&mut command);
    command.current_dir(workspace::root());
    command.args(["run", "--quiet", "--release", "--package"]);
    process::output(command.args(["bench-allocators", "--"]).args(arguments))
}

/// What an allocation and a free take of this machine's time.
fn times() -> Result<Vec<Figure>> {
    parse_times(&program(&["times"])?)
}

fn parse_times(printed: &str) -> Result<Vec<Figure>> {
    let parse = |line: &str| {
        let (name, time) = line.split_once('\t')?;
        let name = format!("allocator, {name}: half-full random churn, build machine");
        Some(figure(name, time.parse().ok()?, "ns", None))
    };
    let figures = printed
        .lines()
        .map(|line| parse(line).with_context(|| format!("no figure: {line}")));
    figures.collect()
}

/// What two CPUs do to one, which are threads of this machine.
fn throughput() -> Result<Vec<Figure>> {
    let printed = program(&[])?;
    let rates: Vec<f64> = printed
        .lines()
        .map(str::parse)
        .collect::<Result<_, _>>()
        .context("the allocators' program printed no numbers")?;
    let [one, two, apart] = rates[..] else {
        bail!("the allocators' program printed other numbers: {printed}");
    };
    let rate = |what: &str, value: f64| {
        let name = format!("allocator, ours, {what}: churn");
        figure(name, value.round(), "operations a second", None)
    };
    let times = |name: &str, value: f64, bound| figure(name, value, "times", bound);
    Ok(vec![
        rate("1 CPU", one),
        rate("2 CPUs", two),
        rate("2 CPUs with an allocator each", apart),
        times("allocator, ours: 2 CPUs to 1", two / one, Some(TWO_TO_ONE)),
        times("allocator, ours: 2 CPUs to 2 alone", two / apart, None),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_the_allocators_name() {
        let figures = parse_times("talc, anywhere\t12.5\nours\t7\n").unwrap();
        let name = "allocator, talc, anywhere: half-full random churn, build machine";
        assert_eq!(figures[0], figure(name, 12.5, "ns", None));
        assert_eq!(figures[1].value, 7.0);
        assert!(parse_times("talc").is_err());
    }

    #[test]
    fn only_ours_are_bounded() {
        assert_eq!(bound("allocator, ours: half-full random churn"), Some(PAIR));
        let worst = "allocator, ours, 64 MiB: holes, worst operation";
        assert_eq!(bound(worst), Some(WORST));
        assert_eq!(bound("allocator, ours without lists of CPUs: x"), None);
        assert_eq!(bound("allocator, talc: half-full random churn"), None);
        assert_eq!(bound("page cache, 64 MiB: page found"), None);
    }
}
