//! The farm, made small: the same points twice, and once with an interruption in between.

use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use libtest_mimic::{Failed, Trial};
use xtask::failure::UNUSABLE;
use xtask::farm::point::{Farm, Measures, Mode, Point, Verdict as Judged};
use xtask::farm::store::{self, POINTS};

use crate::check;
use crate::support::{self, Verdict, finish, folder, trial, xtask};

/// Six guests, which see three times what the host has, and few requests.
const SMALL: [&str; 9] = [
    "farm",
    "--quick",
    "--guests",
    "6",
    "--modes",
    "none,balloon,full",
    "--requests",
    "600",
    "--json",
];
/// How long the first point may take; the images may have to be built before.
const PATIENCE: Duration = Duration::from_secs(150);
/// How often is looked.
const POLL: Duration = Duration::from_millis(20);

pub(crate) fn tests() -> Vec<Trial> {
    vec![
        trial(
            "farm::shows_what_hints_save_and_goes_on_when_cut_off",
            small,
        ),
        trial("farm::counts_what_a_page_costs_that_goes_and_comes", cycle),
        trial("farm::refuses_what_it_cannot_go_on_with", refused),
    ]
}

fn farm(folder: &Path, more: &[&str]) -> Command {
    let out = folder.to_string_lossy();
    xtask(&[&SMALL, more, &["--out", &out]].concat())
}

fn small() -> Verdict {
    let [whole, parts] = [folder(), folder()];
    let done = finish(farm(whole.path(), &[]))?;
    check!(done.status == Some(0), "{done:#?}");
    let result = read(whole.path())?;
    check!(
        result.complete && result.points.len() == 3,
        "{} points",
        result.points.len()
    );
    say_what_is_true(&result)?;

    interrupt(parts.path())?;
    let partial = read(parts.path())?;
    check!(
        !partial.complete && partial.planned == 3 && !partial.points.is_empty(),
        "cut off, and it has {} of {} points",
        partial.points.len(),
        partial.planned
    );
    let done = finish(farm(parts.path(), &["--resume"]))?;
    check!(done.status == Some(0), "{done:#?}");
    // Other machines, at another time, one of them after an interruption: the same to the last digit.
    let texts = [&whole, &parts].map(|folder| std::fs::read(folder.path().join(store::RESULT)));
    let [one, other] = texts;
    check!(one? == other?, "two runs are not the same");
    Ok(())
}

/// All modes have done the same work, and those that hint with less paging.
fn say_what_is_true(farm: &Farm) -> Verdict {
    let of = |mode: Mode| -> Result<(&Point, &Measures), Failed> {
        let mut points = farm.points.iter();
        let point = points.find(|point| point.mode == mode);
        let measures = point.and_then(|point| Some((point, point.measures.as_ref()?)));
        Ok(measures.ok_or(format!("{mode:?} has measured nothing"))?)
    };
    let ((_, none), (_, balloon), (point, full)) =
        (of(Mode::None)?, of(Mode::Balloon)?, of(Mode::Full)?);
    for its in [none, balloon, full] {
        check!(
            its.requests == 6 * 600 && its.bytes == full.bytes && its.mismatches == 0,
            "{its:?}"
        );
        check!(its.bytes_verified > 0 && its.fairness > 0.5, "{its:?}");
        let guests = its.guest_instructions.unwrap_or(0);
        let sum = guests + its.host_instructions.unwrap_or(0);
        check!(guests > 0 && Some(sum) == its.instructions, "{its:?}");
        check!(its.latency.p50 <= its.latency.p99, "{:?}", its.latency);
    }
    check!(full.discards > 0 && full.discard_faults > 0, "{full:?}");
    check!(
        none.discards == 0 && none.essa.is_empty() && none.hinting_ns == 0,
        "{none:?}"
    );
    check!(
        none.page_writes > 5 * full.page_writes,
        "pages written: {} without hints, {} with",
        none.page_writes,
        full.page_writes
    );
    check!(
        full.wake_ups == 0 && balloon.wake_ups > 0 && balloon.balloon_inflated > 0,
        "{balloon:?}"
    );
    let pages = point.guests * point.guest_pages;
    let counted = |states: &xtask::events::Counts| states.values().sum::<u64>();
    let is_whole = |sample: &xtask::farm::point::Sample| counted(&sample.states) == pages;
    check!(
        point.timeline.len() > 10 && point.timeline.iter().all(is_whole),
        "{:?}",
        point.timeline
    );
    Ok(())
}

/// Target 7 has an experiment of its own: what is taken while a guest rests comes back when it goes on.
fn cycle() -> Verdict {
    let folder = folder();
    let out = folder.path().to_string_lossy();
    let words = ["farm", "--quick", "--experiment", "7", "--json"];
    let done = finish(xtask(&[&words[..], &["--out", &out]].concat()))?;
    check!(done.status == Some(0), "{done:#?}");
    let result = read(folder.path())?;
    let of = |variant: &str, mode: Mode| -> Result<&Measures, Failed> {
        let is_it = |point: &&Point| point.variant == variant && point.mode == mode;
        let point = result.points.iter().find(is_it);
        let measures = point.and_then(|point| point.measures.as_ref());
        Ok(measures.ok_or(format!("{variant}, {mode:?}: nothing was measured"))?)
    };
    for mode in [Mode::None, Mode::Full] {
        let (left, taken) = (of("left", mode)?, of("taken", mode)?);
        let gone = |its: &Measures| its.discards + its.page_writes;
        check!(gone(left) == 0 && gone(taken) > 1000, "{mode:?}: {taken:?}");
        check!(left.bytes == taken.bytes, "{mode:?}: another work was done");
    }
    let (none, full) = (of("taken", Mode::None)?, of("taken", Mode::Full)?);
    check!(none.page_reads > 500 && none.discards == 0, "{none:?}");
    check!(
        full.reload_reads > 500 && full.page_writes < 100,
        "{full:?}"
    );
    let target = result.targets.iter().find(|target| target.number == 7);
    let target = target.ok_or("target 7 is not there")?;
    check!(
        target.verdict == Judged::Met && target.values.len() > 10,
        "{target:?}"
    );
    Ok(())
}

/// Starts the farm and interrupts it when it has a point.
fn interrupt(folder: &Path) -> Verdict {
    let child = farm(folder, &[]).spawn()?;
    let points = folder.join(POINTS);
    let begin = Instant::now();
    let has_one = || std::fs::read_to_string(&points).is_ok_and(|text| text.contains('\n'));
    while !has_one() && begin.elapsed() < PATIENCE {
        thread::sleep(POLL);
    }
    support::interrupt(child)
}

fn refused() -> Verdict {
    let folder = folder();
    let result = r#"{"format":0}"#;
    std::fs::write(folder.path().join(store::RESULT), result)?;
    let done = finish(farm(folder.path(), &["--resume"]))?;
    let line = done.only_error()?;
    check!(
        done.status == Some(i32::from(UNUSABLE)) && line.contains(store::RESULT),
        "{done:#?}"
    );
    let done = finish(farm(folder.path(), &["--reporting", "40:1"]))?;
    check!(done.only_error()?.contains("ORDER:MS"), "{done:#?}");
    Ok(())
}

fn read(folder: &Path) -> Result<Farm, Failed> {
    Ok(store::read(folder).map_err(|error| error.to_string())?)
}
