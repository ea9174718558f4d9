//! One run: from options to a machine, and from its lines to an outcome.

mod left;
pub(crate) mod scenario;

use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Result;
use serde::de::IgnoredAny;

use crate::cli::QemuOptions;
use crate::collect::{Collector, Expected, Seen};
use crate::events::{Event, Outcome, Status};
use crate::images::{self, Images, Variant};
use crate::machine::{self, End, Pieces, Source, debugger};
use crate::progress::{Display, Viewer};
use crate::record::{Folder, Recorder};
use crate::setup::{self, Setup};
use crate::table::{self, grouped};
use crate::watch::{Dashboard, terminal};
use crate::{calls, failure, files, process, trace, workspace};

pub use scenario::Scenario;

/// What is known when a run is over.
#[derive(Debug)]
pub struct Finished {
    /// All that the images said.
    pub collector: Collector,
    /// How it ended.
    pub outcome: Outcome,
    /// How QEMU ended.
    pub end: End,
    /// Where the lines are.
    pub folder: PathBuf,
    /// From the start of QEMU to its end.
    pub wall: Duration,
    /// From the start of QEMU to the first line of work that arrived.
    pub until_work: Option<Duration>,
}

/// What a run shows on the standard output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Show {
    /// Text, progress and tables.
    People,
    /// Only JSON lines.
    Json,
    /// Nothing.
    Nothing,
}

/// The subcommand `qemu`.
pub(crate) fn command(options: &QemuOptions, json: bool) -> Result<()> {
    let show = if json { Show::Json } else { Show::People };
    let options = &QemuOptions {
        watch: terminal::is_wanted(options.watch, json)?,
        ..options.clone()
    };
    let finished = execute(options, show)?;
    if show == Show::People {
        process::say(table::guests(&finished.collector).trim_end())?;
        if options.trace.is_some() {
            let (left, lost) = finished.collector.traces().counts();
            process::say(&format!(
                "{} of {} events in {}: open it in ui.perfetto.dev",
                grouped(left),
                grouped(left + lost),
                finished.folder.join(trace::FILE).display(),
            ))?;
        }
    }
    conclude(&finished, show)
}

/// What machines need that does not depend on their options.
#[derive(Clone, Debug)]
pub struct Ready {
    qemu: PathBuf,
    images: Images,
    packed: PathBuf,
}

impl Ready {
    /// The same, with copies of the images in a folder: what is built meanwhile does not change them.
    ///
    /// # Errors
    /// They cannot be copied.
    pub fn kept_in(mut self, folder: &Path) -> Result<Self> {
        std::fs::create_dir_all(folder)?;
        for image in [&mut self.images.kernel, &mut self.images.host] {
            let name = image.stripped.file_name().unwrap_or_default();
            let copy = folder.join(name);
            std::fs::copy(&image.stripped, &copy)?;
            image.stripped = copy;
        }
        Ok(self)
    }
}

/// Sets up, builds and packs.
///
/// # Errors
/// Something is missing, or does not build.
pub fn prepare(options: &QemuOptions, show: Show) -> Result<Ready> {
    let Setup { qemu, toolchain } = setup::set_up(&options.setup)?;
    let library = toolchain.library_sources();
    let packed = match &options.image {
        Some(image) => image.clone(),
        None => files::packed(options.files.as_deref().unwrap_or(&library))?,
    };
    let variant = Variant {
        controls: options.control.is_some(),
        plain: options.plain,
        small: options.small,
        inlines: false,
        quiet: show != Show::People,
    };
    let images = images::build(&toolchain, variant)?;
    Ok(Ready {
        qemu,
        images,
        packed,
    })
}

/// Sets up, builds, packs, boots, and waits for the end.
///
/// # Errors
/// The run could not take place, or its lines could not be written. A run that took place and
/// failed is not an error here: see [`Finished::outcome`].
pub fn execute(options: &QemuOptions, show: Show) -> Result<Finished> {
    boot(options, show, None, || prepare(options, show))
}

/// As [`execute`], of what is ready when the options have been looked at; a `viewer` sees the lines instead of the
/// user.
///
/// # Errors
/// As for [`execute`].
pub fn boot(
    options: &QemuOptions,
    show: Show,
    viewer: Option<&mut dyn Viewer>,
    ready: impl FnOnce() -> Result<Ready>,
) -> Result<Finished> {
    let guest = scenario::foreign_guest(options)?;
    let script = scenario::script(options)?;
    let folder = options
        .out
        .clone()
        .unwrap_or_else(|| workspace::target().join("run"));
    let folder = Folder::create(&folder)?;
    let ready = ready()?;
    let scenario = Scenario {
        options,
        images: &ready.images,
        guest,
        script,
        packed: &ready.packed,
    };
    follow(&scenario, &ready.qemu, folder, show, viewer)
}

/// Boots the machine of a scenario and follows it to its end.
fn follow(
    scenario: &Scenario<'_>,
    qemu: &Path,
    mut folder: Folder,
    show: Show,
    viewer: Option<&mut dyn Viewer>,
) -> Result<Finished> {
    let options = scenario.options;
    let machine = scenario.machine(qemu, &mut folder)?;
    let script = debugger_script(scenario, &mut folder)?;
    let mut recorder = Recorder::start(folder)?;
    let mut command = machine.command();
    if show == Show::People {
        process::say(&format!("$ {}", process::shell_line(&command)))?;
    }
    if let Some(script) = script {
        eprintln!("attach with: {}", debugger::line(&script));
    }

    let expected = scenario.expected();
    let mut collector = Collector::new(expected);
    let Audience { mut viewer, input } = audience(options, expected, show, viewer)?;
    let (start, mut until_work) = (Instant::now(), None);
    let timeout = (!options.gdb).then(|| Duration::from_secs(options.timeout));
    let mut pieces = Pieces::default();
    let end = machine::operate(
        &mut command,
        input,
        timeout,
        &options.freeze,
        &mut |source, printed| {
            let whole = match source {
                Source::Console => pieces.join(printed),
                Source::Emulator => Some(printed.to_owned()),
            };
            let Some(line) = whole.as_deref() else {
                return Ok(());
            };
            recorder.log(line)?;
            let line = if options.has_operator() {
                without_echo(line)
            } else {
                line
            };
            if is_json(source, line) {
                recorder.event(line)?;
                if show == Show::Json {
                    process::say(line)?;
                }
            }
            let seen = collector.line(source, line);
            if let Seen::Event(_, event) = &seen
                && matches!(**event, Event::WorkStart(_))
            {
                until_work = until_work.or(Some(start.elapsed()));
            }
            viewer.see(&seen)
        },
    )?;
    let wall = start.elapsed();
    drop(viewer);

    let mut outcome = collector.outcome(end, options.timeout);
    outcome.reason = outcome.reason.map(|reason| {
        let image = scenario.image_that_failed(&reason);
        calls::located(&reason, &image.with_symbols)
    });
    if outcome.status == Status::Ok {
        outcome.reason = left::complaint(&collector, &machine.disks, expected.guests)?;
        if outcome.reason.is_some() {
            outcome.status = Status::Failed;
        }
    }
    let line = Event::Outcome(outcome.clone()).to_line();
    recorder.event(&line)?;
    if show == Show::Json {
        process::say(&line)?;
    }
    if options.trace.is_some() {
        recorder.add(trace::FILE, |path| collector.traces().write(path))?;
    }
    let folder = recorder.finish()?;
    Ok(Finished {
        collector,
        outcome,
        end,
        folder,
        wall,
        until_work,
    })
}

/// Who sees the lines of a run, and who types at its console.
struct Audience<'a> {
    viewer: Box<dyn Viewer + 'a>,
    input: Option<Box<dyn Read + Send>>,
}

fn audience<'a>(
    options: &QemuOptions,
    expected: Expected,
    show: Show,
    viewer: Option<&'a mut dyn Viewer>,
) -> Result<Audience<'a>> {
    if let Some(viewer) = viewer {
        return Ok(Audience {
            viewer: Box::new(viewer),
            input: None,
        });
    }
    if options.watch {
        let (dashboard, input) = Dashboard::start(expected.guests)?;
        return Ok(Audience {
            viewer: Box::new(dashboard),
            input: Some(Box::new(input)),
        });
    }
    let typed = || Box::new(io::stdin()) as Box<dyn Read + Send>;
    Ok(Audience {
        viewer: if show == Show::People {
            Box::new(Display::new(expected))
        } else {
            Box::new(())
        },
        input: options.operator.then(typed),
    })
}

/// Writes what a debugger is told, if one is waited for; returns where.
fn debugger_script(scenario: &Scenario<'_>, folder: &mut Folder) -> Result<Option<PathBuf>> {
    /// Its name in the run's folder.
    const NAME: &str = "debug.gdb";
    if !scenario.options.gdb {
        return Ok(None);
    }
    let (booted, guests) = scenario.symbols();
    let text = debugger::script(booted, guests);
    folder.add(NAME, |path| std::fs::write(path, text))?;
    Ok(Some(folder.path().join(NAME)))
}

/// A line of the host without what was typed meanwhile, which QEMU's console in line mode echoes behind it.
fn without_echo(line: &str) -> &str {
    let mut values = serde_json::Deserializer::from_str(line).into_iter::<IgnoredAny>();
    match values.next() {
        Some(Ok(_)) if line.starts_with('{') => &line[..values.byte_offset()],
        _ => line,
    }
}

/// Whether a line belongs into the file that holds nothing but JSON.
fn is_json(source: Source, line: &str) -> bool {
    source == Source::Console
        && line.starts_with('{')
        && serde_json::from_str::<serde_json::Value>(line).is_ok()
}

/// Says how a run ended; a bad end is an error with the exit status that goes with it.
fn conclude(finished: &Finished, show: Show) -> Result<()> {
    let folder = finished.folder.display();
    if let (Status::Failed, reason) = (finished.outcome.status, &finished.outcome.reason) {
        let status = match finished.end {
            End::TimedOut => failure::TIMED_OUT,
            End::Interrupted => failure::INTERRUPTED,
            End::Exit(_) => failure::FAILED,
        };
        if finished.end == End::TimedOut && show == Show::People {
            eprintln!("the last lines of the console:");
            finished
                .collector
                .last_lines()
                .for_each(|line| eprintln!("  {line}"));
        }
        let reason = reason.as_deref().unwrap_or("no reason known");
        return Err(failure::with_status(
            status,
            format!("{reason} (see {folder}/run.log)"),
        ));
    }
    if show == Show::People {
        process::say(&format!(
            "{}; events in {folder}/run.jsonl",
            summary(finished)
        ))?;
    }
    Ok(())
}

/// The outcome of a good run in one line.
fn summary(finished: &Finished) -> String {
    let guests = &finished.outcome.guests;
    let sum = |count: fn(&crate::events::GuestOutcome) -> u64| -> String {
        grouped(guests.iter().map(count).sum())
    };
    format!(
        "ok: {} bytes verified, {} pages discarded, {} discard faults survived, {} mismatches, {:.1} s",
        sum(|guest| guest.bytes_verified),
        sum(|guest| guest.discards),
        sum(|guest| guest.discard_faults),
        sum(|guest| guest.mismatches),
        finished.wall.as_secs_f64(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_echo_is_no_part_of_a_line() {
        for (line, expected) in [
            (r#"{"a":{}}pause 1"#, r#"{"a":{}}"#),
            (r#"{"a":1}"#, r#"{"a":1}"#),
            ("text {}", "text {}"),
            ("{ no JSON", "{ no JSON"),
            ("1 2", "1 2"),
        ] {
            assert_eq!(without_echo(line), expected);
        }
    }
}
