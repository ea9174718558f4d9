//! The subcommand `bench`: the figures, as a table for people or as JSON lines.

mod allocators;
mod cpus;
mod exits;
mod pages;
mod serve;
mod small;
mod source;
mod steps;

use anyhow::{Context as _, Result};

use crate::cli::{BenchOptions, QemuOptions};
use crate::events::{Event, Figure, Measure, Status, Tally};
use crate::images::{self, Variant};
use crate::run::{self, Finished, Show};
use crate::setup::{self, Setup};
use crate::{failure, process, results, table, workspace};

/// The run that shows how fast the kernel starts.
const BOOT: &[&str] = &["--bare", "--passes", "1"];
/// Kernels that have nothing to do, alone and as a guest.
const BARE_IDLE: &[&str] = &["--bare", "--work", "idle"];
const IDLE: &[&str] = &[
    "--work",
    "idle",
    "--guests",
    "1",
    "--evict",
    "lru",
    "--append",
    "sample=100",
];
/// The runs that count instructions, in memory: see [`POLICIES`].
const MEASURE: &[&str] = &[
    "--work",
    "measure",
    "--icount",
    "--memory-disk",
    "--guests",
    "1",
];
/// The run that counts the kernel's own instructions.
const BARE_MEASURE: &[&str] = &["--bare", "--work", "measure", "--icount", "--memory-disk"];
/// One host leaves pages alone while it has frames, the other discards at every exit, so that the
/// path of a discard fault is taken whenever it is asked for. A figure is that of the first that has it.
const POLICIES: [&str; 2] = ["lru", "steal"];

/// Takes all figures and prints them; the last ones need a minute or so.
pub(crate) fn command(options: &BenchOptions, json: bool) -> Result<()> {
    let mut figures = sizes(options)?;
    figures.extend(source::figures()?);
    figures.extend(small::figures(options)?);
    figures.extend(boot(options)?);
    figures.extend(idle(options)?);
    figures.extend(main_job(options)?);
    figures.extend(paths(options)?);
    figures.extend(exits::figures(options)?);
    figures.extend(cpus::figures(options)?);
    figures.extend(allocators::figures(options)?);
    figures.extend(steps::figures()?);
    figures.extend(pages::figures(options)?);
    figures.extend(serve::figures(options)?);
    if options.record {
        results::bench::record(&setup::set_up(&options.setup)?, figures.clone())?;
        results::show()?;
    }
    if json {
        for figure in figures {
            process::say(&Event::Figure(figure).to_line())?;
        }
    } else {
        process::say(render(&figures).trim_end())?;
    }
    Ok(())
}

fn figure(name: impl Into<String>, value: f64, unit: &str, bound: Option<f64>) -> Figure {
    Figure {
        name: name.into(),
        value,
        unit: unit.to_owned(),
        bound,
    }
}

fn sizes(options: &BenchOptions) -> Result<Vec<Figure>> {
    let Setup { toolchain, .. } = setup::set_up(&options.setup)?;
    let images = images::build(
        &toolchain,
        Variant {
            quiet: true,
            ..Variant::default()
        },
    )?;
    let (kernel, host) = (images.kernel.size as f64, images.host.size as f64);
    Ok(vec![
        figure("kernel image, stripped", kernel, "bytes", None),
        figure("host image, stripped", host, "bytes", None),
        figure("both images", kernel + host, "bytes", Some(512.0 * 1024.0)),
    ])
}

fn boot(options: &BenchOptions) -> Result<Vec<Figure>> {
    let finished = run_quietly(options, BOOT)?;
    let guest = &finished.collector.guests()[&0];
    let entry = guest
        .work
        .as_ref()
        .map(|work| work.since_entry_us as f64 / 1e6);
    let wall = finished.until_work.map(|wall| wall.as_secs_f64());
    let descriptor = guest
        .outcome
        .as_ref()
        .map(|outcome| outcome.page_descriptor_bytes as f64);
    let figures = [
        entry.map(|value| {
            figure(
                "bare kernel: first instruction to work",
                value,
                "s",
                Some(0.3),
            )
        }),
        wall.map(|value| figure("bare kernel: start of QEMU to work", value, "s", None)),
        descriptor.map(|value| figure("page descriptor", value, "bytes", Some(64.0))),
    ];
    Ok(figures.into_iter().flatten().collect())
}

/// Memory that a kernel has in use when it has nothing to do, and what an idle guest has of its host's.
fn idle(options: &BenchOptions) -> Result<Vec<Figure>> {
    let finished = run_quietly(options, BARE_IDLE)?;
    let guest = finished.collector.guests()[&0].outcome.as_ref();
    let guest = guest.context("the kernel has not said what it uses")?;
    let used = guest.frames - guest.frames_free;
    let finished = run_quietly(options, IDLE)?;
    let sample = finished.collector.samples().last();
    let sample = sample.context("the host has not said what its guests have")?;
    let resident = sample
        .states
        .iter()
        .filter(|(state, _)| state.ends_with('r'));
    let resident = resident.map(|(_, pages)| pages).sum();
    // Pages of 4 KiB.
    let figure = |name, pages: u64| figure(name, (pages * 4) as f64, "KiB", None);
    Ok(vec![
        figure("bare kernel: memory in use at idle", used),
        figure(
            "idle guest of 24 MiB: frames that the host gives it",
            resident,
        ),
    ])
}

fn main_job(options: &BenchOptions) -> Result<Vec<Figure>> {
    let finished = run_quietly(options, &[])?;
    let guests = &finished.outcome.guests;
    let sum = |count: fn(&crate::events::GuestOutcome) -> u64| -> f64 {
        guests.iter().map(count).sum::<u64>() as f64
    };
    Ok(vec![
        figure(
            "main job: wall time",
            finished.wall.as_secs_f64(),
            "s",
            Some(40.0),
        ),
        figure(
            "main job: discards",
            sum(|guest| guest.discards),
            "pages",
            None,
        ),
        figure(
            "main job: discard faults",
            sum(|guest| guest.discard_faults),
            "faults",
            Some(1000.0),
        ),
        figure(
            "main job: mismatches",
            sum(|guest| guest.mismatches),
            "ranges",
            Some(0.0),
        ),
        figure(
            "main job: verified",
            sum(|guest| guest.bytes_verified),
            "bytes",
            None,
        ),
    ])
}

/// Instructions a path, counted by the machine's clock: one instruction a nanosecond. The files
/// are in memory, because the clock does not stop for a disk.
fn paths(options: &BenchOptions) -> Result<Vec<Figure>> {
    let files = workspace::root().join("cmm");
    let files = files.to_string_lossy();
    let mut figures = tick(options, &files)?;
    for policy in POLICIES {
        let arguments = [MEASURE, &["--evict", policy, "--files", &files]].concat();
        let finished = run_quietly(options, &arguments)?;
        let guest = &finished.collector.guests()[&0];
        let counted = guest.tallies.iter().map(changes);
        for figure in guest.measures.iter().map(per_time).chain(counted) {
            if figures.iter().all(|known| known.name != figure.name) {
                figures.push(figure);
            }
        }
    }
    Ok(figures)
}

/// What a tick costs the kernel alone: under a host it would be the host's cost.
fn tick(options: &BenchOptions, files: &str) -> Result<Vec<Figure>> {
    let arguments = [BARE_MEASURE, &["--files", files]].concat();
    let finished = run_quietly(options, &arguments)?;
    let measures = &finished.collector.guests()[&0].measures;
    let tick = measures
        .iter()
        .find(|measure| measure.name.starts_with("tick"));
    Ok(tick
        .map(|measure| Figure {
            bound: Some(1000.0),
            ..per_time(measure)
        })
        .into_iter()
        .collect())
}

fn per_time(measure: &Measure) -> Figure {
    let each = measure.instructions as f64 / measure.count.max(1) as f64;
    figure(
        format!("path: {}", measure.name),
        each,
        "instructions",
        None,
    )
}

/// Changes of page states and keys that a path may take: as its name says.
fn changes(tally: &Tally) -> Figure {
    let each = tally.events as f64 / tally.count.max(1) as f64;
    let bound = match tally.name.as_str() {
        "ESSA, first writable mapping" => 1.0,
        "key instructions, first writable mapping" => 2.0,
        "key instructions, last unmap of a writable page" => 1.0,
        "ESSA, last unmap of a writable page that was written" => 1.0,
        "key instructions, last unmap of a writable page that was written" => 2.0,
        _ => 0.0,
    };
    figure(format!("path: {}", tally.name), each, "a time", Some(bound))
}

/// The options that a user would have after typing `arguments`.
fn options_of(options: &BenchOptions, arguments: &[&str]) -> Result<QemuOptions> {
    let out = workspace::target().join("bench");
    let out = out.to_string_lossy();
    let words = [&["--out", &out], arguments].concat();
    QemuOptions::typed(&words, &options.setup)
}

fn run_quietly(options: &BenchOptions, arguments: &[&str]) -> Result<Finished> {
    let qemu = options_of(options, arguments)?;
    let finished = run::execute(&qemu, Show::Nothing)?;
    match (finished.outcome.status, &finished.outcome.reason) {
        (Status::Ok, _) => Ok(finished),
        (Status::Failed, reason) => {
            let reason = reason.as_deref().unwrap_or("no reason known");
            let run = arguments.join(" ");
            Err(failure::with_status(
                failure::FAILED,
                format!("the run `qemu {run}` failed: {reason}"),
            ))
        }
    }
}

fn render(figures: &[Figure]) -> String {
    let header = ["figure", "value", "bound", ""].map(str::to_owned);
    let rows: Vec<_> = figures
        .iter()
        .map(|figure| {
            let bound = figure.bound.map(number).unwrap_or_default();
            vec![
                figure.name.clone(),
                number(figure.value),
                bound,
                figure.unit.clone(),
            ]
        })
        .collect();
    table::layout(&header, &rows)
}

/// Whole numbers in groups, others with three digits behind the point.
fn number(value: f64) -> String {
    if value.fract() == 0.0 && value >= 0.0 {
        table::grouped(value as u64)
    } else {
        format!("{value:.3}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_per_time() {
        let measure = Measure {
            seq: 0,
            name: "essa".to_owned(),
            count: 4,
            instructions: 10,
        };
        assert_eq!(
            per_time(&measure),
            figure("path: essa", 2.5, "instructions", None)
        );
    }

    #[test]
    fn the_runs_are_what_a_user_could_type() {
        let setup = crate::cli::SetupOptions {
            no_install: true,
            toolchain: crate::toolchain::Choice::Debian,
        };
        let options = BenchOptions {
            setup,
            record: false,
        };
        for arguments in [BOOT, MEASURE, &[]] {
            let qemu = options_of(&options, arguments).unwrap();
            assert!(qemu.setup.no_install && qemu.out.is_some());
            assert_eq!(qemu.icount, arguments == MEASURE);
        }
    }

    #[test]
    fn numbers_are_readable() {
        assert_eq!(number(524_288.0), "524,288");
        assert_eq!(number(0.12345), "0.123");
    }
}
