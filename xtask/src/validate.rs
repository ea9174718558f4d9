//! What ESSA and page states do on a machine, beside what the model, the documents and known machines say.
//!
//! The kernel observes (`work=validate`), one record a case. Here each is compared with the profile of the
//! machine that it claims to be. A machine that ends in one of the last, announced checks is started again
//! behind it.

mod catalogue;
mod expected;
mod observe;
mod page;
mod pattern;
mod print;
mod profile;

use anyhow::Result;

pub use expected::Machine;
pub use profile::Profile;

use crate::cli::ValidateOptions;
use crate::events::{Validation, Verdict};
use crate::failure;

/// Version of the checks: a number or a case means the same in all profiles of one version.
pub const SUITE: u32 = 2;

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
    let claimed = options.claimed()?;
    let profile = match &options.record {
        Some(_) => None,
        None => Some(Profile::find(&claimed)?),
    };
    let machine = Machine::named(
        profile
            .as_ref()
            .map_or(&claimed, |profile| &profile.machine),
    );
    let observations = match &options.log {
        Some(log) => observe::read(log)?,
        None => observe::run(options, options.format.is_none() && !json)?,
    };
    let judged = judge(&observations, machine, profile.as_ref(), options);
    print::all(&judged, options.format, json)?;
    if let Some(file) = &options.record {
        let profile = Profile::of(&claimed, &observations);
        return profile.write(file);
    }
    conclude(&judged, &claimed)
}

/// Puts what is expected beside what was observed.
fn judge(
    observations: &[Observation],
    machine: Machine,
    profile: Option<&Profile>,
    options: &ValidateOptions,
) -> Vec<Validation> {
    let is_hosted = !options.bare && options.log.is_none();
    let beside =
        |check: u16, case: &str, observed: &str, known: Option<&str>, verdict| Validation {
            check,
            case: case.to_owned(),
            name: catalogue::name(check),
            sources: catalogue::sources(check).to_owned(),
            model: expected::of(Machine::Model, check, case),
            documents: expected::of(machine, check, case),
            observed: observed.to_owned(),
            profile: known.map(str::to_owned),
            verdict,
        };
    let mut judged: Vec<Validation> = observations
        .iter()
        .map(|seen| {
            let known = profile.and_then(|profile| profile.get(seen.check, &seen.case));
            let verdict = verdict(seen, known, profile.is_some(), is_hosted);
            beside(seen.check, &seen.case, &seen.text, known, verdict)
        })
        .collect();
    // What the profile has and the machine did not show at all.
    let cases = profile.into_iter().flat_map(Profile::cases);
    let missing = cases
        .filter(|(check, ..)| *check >= options.from)
        .filter(|(check, case, _)| {
            let is_it = |seen: &Observation| seen.check == *check && seen.case == *case;
            !observations.iter().any(is_it)
        });
    judged.extend(
        missing.map(|(check, case, text)| {
            beside(check, case, "missing", Some(text), Verdict::Different)
        }),
    );
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
