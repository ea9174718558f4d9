//! What ESSA and page states do on a machine, beside what the model, the documents and known machines say.
//!
//! The kernel observes (`work=validate`), one record a case. Here each is compared with the profile of the
//! machine that it claims to be. A machine that ends in one of the last, announced checks is started again
//! behind it.

mod catalogue;
mod expected;
mod page;
mod pattern;
mod print;
mod profile;

use anyhow::Result;

pub use expected::Machine;
pub use profile::Profile;

use crate::cli::{Arguments, Command, QemuOptions, ValidateOptions};
use crate::collect::Guest;
use crate::events::{Status, Validation, Verdict};
use crate::run::{self, Finished, Show};
use crate::{failure, process, workspace};

/// Version of the checks: a number or a case means the same in all profiles of one version.
pub const SUITE: u32 = 1;
/// Number of the first check that a machine may not survive, of which each is announced.
const LAST_ONES: u16 = 901;
/// How often a machine may stop.
const MOST_STOPS: usize = 8;

/// One case as it was observed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observation {
    /// Number of the check.
    pub check: u16,
    /// Its case.
    pub case: String,
    /// What was observed.
    pub text: String,
}

/// Runs the suite, prints what it found, and compares it with a profile.
pub(crate) fn command(options: &ValidateOptions, json: bool) -> Result<()> {
    if options.page {
        return page::write();
    }
    let claimed = options.claimed();
    let profile = match &options.record {
        Some(_) => None,
        None => Some(Profile::find(&claimed)?),
    };
    let machine = Machine::named(
        profile
            .as_ref()
            .map_or(&claimed, |profile| &profile.machine),
    );
    let observations = observe(options, options.format.is_none() && !json)?;
    let judged = judge(&observations, machine, profile.as_ref(), options);
    print::all(&judged, options.format, json)?;
    if let Some(file) = &options.record {
        let profile = Profile::of(&claimed, &observations);
        return profile.write(file);
    }
    conclude(&judged, &claimed)
}

/// All that the machine shows, over as many starts as it needs.
fn observe(options: &ValidateOptions, aloud: bool) -> Result<Vec<Observation>> {
    let mut from = options.from;
    let mut all = Vec::new();
    for _ in 0..=MOST_STOPS {
        let finished = run::execute(&machine(options, from)?, Show::Nothing)?;
        let guest = &finished.collector.guests()[&0];
        all.extend(guest.checks.iter().map(|check| Observation {
            check: check.check,
            case: check.case.clone(),
            text: check.observed.clone(),
        }));
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
        all.push(Observation {
            check: stopped,
            case: catalogue::PREFIX.to_owned(),
            text: "stops".to_owned(),
        });
        from = stopped + 1;
    }
    Err(failure::with_status(
        failure::FAILED,
        "the machine stops again and again",
    ))
}

/// The check that was announced and of which nothing was heard any more.
fn stopped_in(guest: &Guest) -> Option<u16> {
    let begun = guest.check_begun.filter(|begun| *begun >= LAST_ONES)?;
    let done = guest.checks.iter().any(|check| check.check == begun);
    (!done).then_some(begun)
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
    let seconds = options.timeout.to_string();
    let mut words = vec!["xtask", "qemu", "--out", &out, "--files", &files];
    words.extend(["--work", "validate", "--cpus", &cpus, "--timeout", &seconds]);
    let from = if options.bare {
        words.extend(["--bare", "--memory", "32M"]);
        format!("from={from}")
    } else {
        words.extend(["--guests", "1", "--machine-cpus", &cpus, "--evict", "lru"]);
        words.extend([
            "--guest-memory",
            "16M",
            "--memory",
            "10M",
            "--paging",
            "32M",
        ]);
        format!("g.from={from}")
    };
    words.extend(["--append", &from]);
    let Command::Qemu(qemu) = Arguments::parse_words(words)?.command else {
        unreachable!("the words say qemu")
    };
    let setup = options.setup.clone();
    Ok(QemuOptions { setup, ..*qemu })
}

/// Puts what is expected beside what was observed.
fn judge(
    observations: &[Observation],
    machine: Machine,
    profile: Option<&Profile>,
    options: &ValidateOptions,
) -> Vec<Validation> {
    let mut judged: Vec<Validation> = observations
        .iter()
        .map(|seen| {
            let known = profile.and_then(|profile| profile.get(seen.check, &seen.case));
            Validation {
                check: seen.check,
                case: seen.case.clone(),
                name: catalogue::name(seen.check),
                sources: catalogue::sources(seen.check).to_owned(),
                model: expected::of(Machine::Model, seen.check, &seen.case),
                documents: expected::of(machine, seen.check, &seen.case),
                observed: seen.text.clone(),
                profile: known.map(str::to_owned),
                verdict: verdict(seen, known, profile.is_some(), !options.bare),
            }
        })
        .collect();
    // What the profile has and the machine did not show at all.
    let cases = profile.into_iter().flat_map(Profile::cases);
    for (check, case, text) in cases.filter(|(check, ..)| *check >= options.from) {
        let is_seen = |seen: &Observation| seen.check == check && seen.case == case;
        if !observations.iter().any(is_seen) {
            judged.push(Validation {
                check,
                case: case.to_owned(),
                name: catalogue::name(check),
                sources: catalogue::sources(check).to_owned(),
                model: expected::of(Machine::Model, check, case),
                documents: expected::of(machine, check, case),
                observed: "missing".to_owned(),
                profile: Some(text.to_owned()),
                verdict: Verdict::Different,
            });
        }
    }
    judged
}

fn verdict(seen: &Observation, known: Option<&str>, compared: bool, hosted: bool) -> Verdict {
    if seen.text.starts_with("not observed") {
        return Verdict::NotObserved;
    }
    if seen.text.starts_with("skipped") {
        return Verdict::Skipped;
    }
    if hosted && catalogue::leaks(seen.check) {
        return Verdict::Leak;
    }
    match known {
        _ if !compared => Verdict::Recorded,
        Some(known) if known == seen.text => Verdict::Same,
        Some(_) => Verdict::Different,
        None => Verdict::New,
    }
}

/// The outcome: an error if the machine is not what it claims to be.
fn conclude(judged: &[Validation], claimed: &str) -> Result<()> {
    let differences: Vec<String> = judged
        .iter()
        .filter(|one| matches!(one.verdict, Verdict::Different | Verdict::New))
        .map(|one| format!("{} {}", one.check, one.case))
        .collect();
    if differences.is_empty() {
        return Ok(());
    }
    Err(failure::with_status(
        failure::FAILED,
        format!(
            "{} differences from the profile {claimed}: {}",
            differences.len(),
            differences.join(", ")
        ),
    ))
}
