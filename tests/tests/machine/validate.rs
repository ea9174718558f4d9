//! The suite that says what ESSA does on a machine, on the machines that there are here.

use std::fs;

use libtest_mimic::{Failed, Trial};
use xtask::events::{self, Event, Validation, Verdict as Is};

use crate::check;
use crate::support::{Done, Verdict, finish, folder, trial, xtask};

/// How many cases the host may not bring about in time, on a build machine that has much else to do: pages that are to
/// be paged out when a check needs one may have been brought in by then.
const MOST_NOT_OBSERVED: usize = 20;

pub(crate) fn tests() -> Vec<Trial> {
    vec![
        trial("validate::the_host_is_the_model", || whole("model")),
        trial("validate::the_host_passes_for_kvm", || whole("kvm")),
        trial("validate::the_host_passes_for_kvm_new", || whole("kvm-new")),
        trial("validate::the_host_passes_for_zvm", || whole("zvm")),
        trial(
            "validate::a_bare_machine_has_no_essa_and_passes_nothing_of_it",
            bare,
        ),
        trial(
            "validate::one_cpu_and_little_memory_skip_checks_by_name",
            small,
        ),
        trial(
            "validate::a_machine_that_stops_is_started_again_behind_it",
            stops,
        ),
        trial("validate::the_log_of_a_machine_elsewhere_is_read", log),
        trial("validate::bad_input", bad_input),
    ]
}

fn validate(arguments: &[&str]) -> Result<(Done, Vec<Validation>), Failed> {
    let folder = folder();
    let out = folder.path().to_string_lossy();
    let words = [&["validate", "--json", "--out", &out], arguments].concat();
    let done = finish(xtask(&words))?;
    let mut cases = Vec::new();
    for line in done.stdout.lines() {
        match events::parse(line)? {
            Event::Validation(case) => cases.push(case),
            other => return Err(format!("{other:?} among cases").into()),
        }
    }
    Ok((done, cases))
}

fn count(cases: &[Validation], verdict: Is) -> usize {
    cases.iter().filter(|case| case.verdict == verdict).count()
}

/// Every case that can be observed is, is as recorded, and, unless documents leave it open, as they say.
fn whole(personality: &str) -> Verdict {
    let (done, cases) = validate(&["--personality", personality])?;
    check!(done.status == Some(0), "{}", done.stderr);
    let (same, leaks) = (count(&cases, Is::Same), count(&cases, Is::Leak));
    let missing = count(&cases, Is::NotObserved);
    check!(
        same > 340 && leaks > 0 && missing <= MOST_NOT_OBSERVED,
        "{same} same, {leaks} leaks, {missing} not observed"
    );
    check!(
        same + leaks + missing == cases.len(),
        "some of {} are none of these",
        cases.len()
    );
    // A check that is not the model's own answer is told by its name.
    let leaks = cases.iter().filter(|case| case.verdict == Is::Leak);
    check!(
        leaks.into_iter().all(|case| case.name == "TPROT"),
        "other leaks"
    );
    check!(
        cases.iter().all(|case| !case.sources.is_empty()),
        "no sources"
    );
    Ok(())
}

fn bare() -> Verdict {
    let (done, cases) = validate(&["--bare"])?;
    check!(done.status == Some(0), "{}", done.stderr);
    // What is the same is that every form of the instruction is an operation exception, beside what devices do with
    // a page that is there.
    let by_devices = |case: &&Validation| (326..=333).contains(&case.check);
    let same = cases.iter().filter(|case| case.verdict == Is::Same);
    let same = same.filter(|case| !by_devices(case));
    check!(
        same.clone().count() > 30 && same.clone().all(|case| case.observed.starts_with("0001")),
        "{cases:#?}"
    );
    let skipped = cases.iter().filter(|case| case.verdict == Is::Skipped);
    let has_none = |what: &str| skipped.clone().all(|case| case.observed.contains(what));
    check!(
        skipped.clone().count() > 200 && has_none(": no "),
        "{cases:#?}"
    );
    let by_devices = cases.iter().filter(by_devices);
    check!(
        by_devices
            .clone()
            .any(|case| case.verdict == Is::Same && case.observed == "done >none"),
        "{cases:#?}"
    );
    Ok(())
}

fn small() -> Verdict {
    let (done, cases) = validate(&["--cpus", "1", "--guest-memory", "4M"])?;
    check!(done.status == Some(0), "{}", done.stderr);
    let skipped = cases.iter().filter(|case| case.verdict == Is::Skipped);
    let skipped: Vec<_> = skipped
        .map(|case| (case.check, &case.observed as &str))
        .collect();
    const OF_TWO: [u16; 10] = [501, 502, 503, 504, 505, 506, 601, 602, 904, 905];
    check!(
        skipped == OF_TWO.map(|check| (check, "skipped: one CPU")),
        "{skipped:?}"
    );
    let (same, missing) = (count(&cases, Is::Same), count(&cases, Is::NotObserved));
    check!(
        same > 250 && missing > 0,
        "{same} same, {missing} not observed"
    );
    Ok(())
}

/// A host that discards all that it may at every exit takes the prefix area, too.
fn stops() -> Verdict {
    let (done, cases) = validate(&["--from", "901", "--evict", "steal"])?;
    check!(done.status == Some(1), "{done:#?}");
    let error = done.only_error()?;
    check!(error.contains("902 prefix, 903 prefix"), "{error}");
    let observed: Vec<_> = cases
        .iter()
        .map(|case| (case.check, &case.observed as &str))
        .collect();
    let first = [(901, "Sr, then Pr"), (902, "stops"), (903, "stops")];
    check!(observed.starts_with(&first), "{observed:?}");
    // It is still tried what is behind them.
    let last = observed
        .last()
        .is_some_and(|(check, text)| *check == 907 && text.contains("Sr>Sr"));
    check!(last, "{observed:?}");
    Ok(())
}

/// The console's lines are all that is needed; a lost one is noticed.
fn log() -> Verdict {
    let folder = folder();
    let path = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    let (out, profile, cut) = (path("run"), path("here.json"), path("cut"));
    let recorded = finish(xtask(&[
        "validate", "--bare", "--out", &out, "--record", &profile,
    ]))?;
    check!(recorded.status == Some(0), "{recorded:#?}");
    let log = path("run/run.log");
    let (done, cases) = validate(&["--log", &log, "--profile", &profile])?;
    check!(
        done.status == Some(0) && count(&cases, Is::Same) > 30,
        "{done:#?}"
    );
    let text = fs::read_to_string(&log)?;
    let lines: Vec<&str> = text.lines().collect();
    let lost = lines.iter().position(|line| line.contains("\"check\":205"));
    let lost = lost.ok_or("no line of check 205")?;
    fs::write(
        &cut,
        [&lines[..lost], &lines[lost + 1..]].concat().join("\n"),
    )?;
    let (done, _) = validate(&["--log", &cut, "--profile", &profile])?;
    check!(done.status == Some(2), "{done:#?}");
    check!(
        done.only_error()?.contains("is missing before"),
        "{done:#?}"
    );
    Ok(())
}

fn bad_input() -> Verdict {
    let folder = folder();
    let old = folder
        .path()
        .join("old.json")
        .to_string_lossy()
        .into_owned();
    fs::write(&old, r#"{"machine":"here","suite":0,"checks":{}}"#)?;
    let nowhere = folder
        .path()
        .join("no/where.json")
        .to_string_lossy()
        .into_owned();
    for (arguments, reason) in [
        (
            &["--profile", "vax"] as &[_],
            "there is no profile vax; known are ",
        ),
        (&["--profile", &old], "version 0 of the suite"),
        (&["--log", "/dev/null"], "--profile"),
        (
            &["--log", "/dev/null", "--profile", "tcg"],
            "no line of a check",
        ),
        (&["--cpus", "0"], "--cpus"),
        (&["--evict", "never"], "give lru"),
        (&["--bare", "--record", &nowhere], "cannot write"),
    ] {
        let (done, _) = validate(arguments)?;
        check!(done.status == Some(2), "{arguments:?}: {done:#?}");
        check!(
            done.only_error()?.contains(reason),
            "{arguments:?}: {}",
            done.stderr
        );
    }
    Ok(())
}
