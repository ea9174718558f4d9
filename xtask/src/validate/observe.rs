//! Getting the observations: of a machine here, or from the console log of one elsewhere.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};

use super::{Observation, catalogue};
use crate::cli::{QemuOptions, ValidateOptions, Word as _};
use crate::collect::{Collector, Expected, Guest};
use crate::events::Status;
use crate::machine::{End, Pieces, Source};
use crate::run::{self, Finished, Show};
use crate::{failure, process, workspace};

/// Number of the first check that a machine may not survive, of which each is announced.
const LAST_ONES: u16 = 901;
/// How often a machine may stop.
const MOST_STOPS: usize = 8;
/// How much less memory the host has than its guest, in bytes, so that there is pressure.
const LESS: u64 = 6 << 20;

/// All that a machine shows, over as many starts as it needs.
///
/// # Errors
/// A run that did not come to its end for another reason than an announced check.
pub(super) fn run(options: &ValidateOptions, aloud: bool) -> Result<Vec<Observation>> {
    let mut from = options.from;
    let mut all = Vec::new();
    for _ in 0..=MOST_STOPS {
        let finished = run::execute(&machine(options, from)?, Show::Nothing)?;
        let guest = &finished.collector.guests()[&0];
        all.extend(observations(guest));
        if finished.outcome.status == Status::Ok {
            return Ok(all);
        }
        let Some(stopped) = stopped_in(guest) else {
            return Err(bad_run(&finished));
        };
        if aloud {
            process::say(&format!(
                "the machine stops in check {stopped}; on behind it"
            ))?;
        }
        stop(&mut all, stopped);
        from = stopped + 1;
    }
    Err(failure::with_status(
        failure::FAILED,
        "the machine stops again and again",
    ))
}

/// What a machine elsewhere has shown, once or over several starts, by the lines of its console.
///
/// # Errors
/// The file cannot be read, has no line of a check, or lines are missing in it.
pub(super) fn read(log: &Path) -> Result<Vec<Observation>> {
    let text = fs::read_to_string(log)
        .with_context(|| format!("cannot read {}", log.display()))
        .map_err(failure::as_unusable)?;
    let mut all = Vec::new();
    for lines in starts(&text) {
        let mut collector = Collector::new(Expected {
            host: false,
            guests: 1,
            our_kernel: true,
        });
        for line in lines {
            collector.line(Source::Console, &line);
        }
        let guest = &collector.guests()[&0];
        all.extend(observations(guest));
        let reason = collector.outcome(End::Exit(Some(0)), 0).reason;
        match (stopped_in(guest), reason) {
            (Some(stopped), _) => stop(&mut all, stopped),
            (None, Some(reason)) => {
                return Err(failure::unusable(format!("{}: {reason}", log.display())));
            }
            (None, None) => {}
        }
    }
    if all.is_empty() {
        let reason = format!("{} has no line of a check", log.display());
        return Err(failure::unusable(reason));
    }
    Ok(all)
}

/// The kernel's lines of each start, which its first line begins.
fn starts(text: &str) -> Vec<Vec<String>> {
    let mut starts: Vec<Vec<String>> = Vec::new();
    let mut pieces = Pieces::default();
    for line in text.lines().filter_map(|line| pieces.join(line)) {
        if line.starts_with("{\"kind\":\"boot\"") || starts.is_empty() {
            starts.push(Vec::new());
        }
        starts
            .last_mut()
            .into_iter()
            .for_each(|start| start.push(line.clone()));
    }
    // What stands before the first start is somebody else's.
    starts.retain(|lines| lines.iter().any(|line| line.starts_with('{')));
    starts
}

fn observations(guest: &Guest) -> impl Iterator<Item = Observation> {
    guest.checks.iter().map(|check| Observation {
        check: check.check,
        case: check.case.clone(),
        text: check.observed.clone(),
    })
}

/// Notes that the machine stops in a check.
fn stop(all: &mut Vec<Observation>, check: u16) {
    all.retain(|seen| seen.check != check);
    all.push(Observation {
        check,
        case: catalogue::case_of_last(check).to_owned(),
        text: "stops".to_owned(),
    });
}

/// The latest check that was announced: what a machine does not survive to its end is that one, even if it
/// still told what it saw.
fn stopped_in(guest: &Guest) -> Option<u16> {
    let lived = guest.outcome.is_some();
    guest
        .check_begun
        .filter(|begun| *begun >= LAST_ONES && !lived)
}

fn bad_run(finished: &Finished) -> anyhow::Error {
    let reason = finished.outcome.reason.as_deref();
    let reason = reason.unwrap_or("no reason known");
    let log = finished.folder.join("run.log");
    failure::with_status(
        failure::FAILED,
        format!(
            "the suite did not come to its end: {reason} (see {})",
            log.display()
        ),
    )
}

/// The options of the run, as a user would type them.
fn machine(options: &ValidateOptions, from: u16) -> Result<QemuOptions> {
    let out = options.out.clone();
    let out = out.unwrap_or_else(|| workspace::target().join("validate"));
    let (out, files) = (out.to_string_lossy(), workspace::root().join("cmm"));
    let (files, cpus) = (files.to_string_lossy(), options.cpus.to_string());
    let personality = options.personality.word();
    let (memory, seconds) = (options.guest_memory, options.timeout.to_string());
    let hosted = memory
        .saturating_sub(LESS)
        .max(memory.min(LESS))
        .to_string();
    let memory = memory.to_string();
    let mut words = vec!["--out", &out, "--files", &files];
    words.extend(["--work", "validate", "--cpus", &cpus, "--timeout", &seconds]);
    let from = if options.bare {
        words.extend(["--bare", "--memory", &memory]);
        format!("from={from}")
    } else {
        words.extend(["--guests", "1", "--machine-cpus", &cpus]);
        words.extend(["--personality", &personality]);
        words.extend(["--evict", &options.evict, "--guest-memory", &memory]);
        words.extend(["--memory", &hosted, "--paging", "32M"]);
        format!("disks=virtio g.from={from}")
    };
    words.extend(["--append", &from]);
    QemuOptions::typed(&words, &options.setup)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOOT: &str = r#"{"kind":"boot","seq":0,"image":"kernel","version":"0.1.0","memory":25165824,"cpus":4,"cpus_used":2,"console":"ascii","essa":true,"discards":"not probed","hinting":"full","back_end":"essa","disk":"diag250","files":3,"bytes":4097,"pfault":true}"#;

    fn log(lines: &[&str]) -> Result<Vec<Observation>> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("log");
        fs::write(&file, lines.join("\n")).unwrap();
        read(&file)
    }

    #[test]
    fn a_machine_that_stops_in_an_announced_check_is_read_over_its_starts() {
        let check = |seq, check, text: &str| {
            format!(
                r#"{{"kind":"check","seq":{seq},"check":{check},"case":"prefix","observed":"{text}"}}"#
            )
        };
        let begin = |seq, check| format!(r#"{{"kind":"check_begin","seq":{seq},"check":{check}}}"#);
        let (first, second) = (check(2, 901, "Sr, then Pr"), begin(3, 902));
        let again = [begin(1, 903), begin(2, 904)];
        let mut lines = vec!["HHC ready", BOOT];
        let begins = begin(1, 901);
        lines.extend([&begins as &str, &first, &second, "CP entered", BOOT]);
        lines.extend([&again[0] as &str]);
        let seen = log(&lines).unwrap();
        let texts: Vec<_> = seen
            .iter()
            .map(|one| (one.check, &one.text as &str))
            .collect();
        assert_eq!(
            texts,
            [(901, "Sr, then Pr"), (902, "stops"), (903, "stops")]
        );
    }

    #[test]
    fn a_line_that_the_console_lost_is_noticed() {
        let check = |seq| {
            format!(r#"{{"kind":"check","seq":{seq},"check":101,"case":"Sr","observed":"Sr>Sr"}}"#)
        };
        let error = log(&[BOOT, &check(1), &check(3)]).unwrap_err();
        assert!(error.to_string().contains("line 2 is missing"), "{error}");
        let error = log(&["nothing of ours"]).unwrap_err();
        assert_eq!(failure::status_of(&error), failure::UNUSABLE);
    }
}
