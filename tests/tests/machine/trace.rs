//! What a run has recorded, beside what its images have counted.

use std::collections::BTreeMap;
use std::fs;

use libtest_mimic::{Failed, Trial};
use serde_json::Value;
use xtask::events::{Counts, Event};

use crate::check;
use crate::runs::small;
use crate::support::{Run, Verdict, folder, run_in, trial};

pub(crate) fn tests() -> Vec<Trial> {
    vec![
        trial("trace::has_what_was_counted", counted),
        trial("trace::keeps_the_latest_events", latest),
        trial("trace::that_has_no_room", no_room),
    ]
}

/// Runs with a recorder of so many events; returns the run, and those of the file that have a time.
fn record(events: &str, arguments: &[&'static str]) -> Result<(Run, Vec<Value>), Failed> {
    let folder = folder();
    let trace = format!("--trace={events}");
    let arguments = [&[trace.as_str()], &small(arguments)[..]].concat();
    let run = run_in(&folder, &arguments)?;
    run.must_be_good()?;
    let text = fs::read_to_string(folder.path().join("run/trace.json"))
        .map_err(|error| format!("no trace.json: {error}"))?;
    let file: Value = serde_json::from_str(&text).map_err(|error| error.to_string())?;
    let events = file["traceEvents"].as_array().ok_or("no events")?;
    let of_time = |event: &&Value| event["ph"] != "M";
    Ok((run, events.iter().filter(of_time).cloned().collect()))
}

/// How often each name occurs in a guest's process, on the tracks of the host or on those of tasks.
fn names(events: &[Value], guest: u64, of_tasks: bool) -> BTreeMap<&str, u64> {
    let mut counts = BTreeMap::new();
    for event in events {
        let is_of_tasks = event["tid"].as_u64().is_some_and(|track| track >= 10);
        if event["pid"] == guest + 2 && is_of_tasks == of_tasks {
            *counts
                .entry(event["name"].as_str().unwrap_or_default())
                .or_default() += 1;
        }
    }
    counts
}

/// Nothing is missing as long as there is room, and nothing is there twice.
fn counted() -> Verdict {
    let tight = [
        "--memory",
        "4M",
        "--paging",
        "model:32M",
        "--evict",
        "random:20000",
    ];
    let (run, events) = record("130000", &tight)?;
    let lost = run
        .events
        .iter()
        .any(|event| matches!(event, Event::Trace(trace) if trace.lost > 0));
    check!(!lost, "the recorder is too small for this test");
    for (guest, kernel) in run.host()?.guests.iter().zip(&run.outcome.guests) {
        let of_host = names(&events, guest.id, false);
        let of_kernel = names(&events, guest.id, true);
        let told = |name: &str| of_host.get(name).copied().unwrap_or(0);
        let sum = |counts: &Counts| counts.values().sum::<u64>();
        let essa: u64 = cmm::Orc::ALL.iter().map(|orc| told(orc.name())).sum();
        let unused = guest.evicted.get("Ur").copied().unwrap_or(0);
        // A wait has a beginning and an end.
        let waits = told("waits for a page") + told("waits for a frame");
        let pairs = [
            ("discards", told("discard"), guest.discards),
            ("unused pages taken", told("drop"), unused),
            (
                "discard faults",
                told("discard fault"),
                guest.discard_faults,
            ),
            ("zeroes", told("zeroes"), guest.zero_fills),
            ("pages out", told("page out"), guest.paged_out),
            ("pages in", told("page in"), guest.page_reads),
            ("waits", waits, 2 * guest.page_waits),
            ("ESSA", essa, sum(&guest.essa)),
            (
                "kernel's discard faults",
                of_kernel["discard fault"],
                kernel.discard_faults,
            ),
        ];
        for (what, recorded, counted) in pairs {
            check!(
                recorded == counted,
                "{what}: {recorded} recorded, {counted} counted"
            );
        }
        check!(
            guest.discards > 100 && guest.paged_out > 100,
            "nothing happened: {guest:?}"
        );
    }
    Ok(())
}

/// Of more events than there is room for the latest ones are there, and the times of all images are one clock's.
fn latest() -> Verdict {
    let (run, events) = record("500", &[])?;
    let mut lost = 0;
    for event in &run.events {
        if let Event::Trace(trace) = event {
            lost = lost.max(trace.lost);
        }
    }
    check!(lost > 500, "{lost} lost");
    check!(
        events.len() > 500 && events.len() <= 1500,
        "{} events",
        events.len()
    );
    let times = events.iter().filter_map(|event| event["ts"].as_f64());
    let last = times.fold(0.0, f64::max) as u64;
    // The latest events of two guests that work at the same time are no more than a run apart.
    check!(
        last < 60_000_000,
        "{last} µs from the first event to the last"
    );
    Ok(())
}

fn no_room() -> Verdict {
    let run = run_in(&folder(), &small(&["--trace=1048576"]))?;
    run.must_fail(&["trace: no room for so many events"])
}
