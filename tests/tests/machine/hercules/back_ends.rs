//! Both ways to let a guest run, on the one machine here that has both: each instruction that the host emulates by one
//! of them does by the other what it does by the first, but for differences that are listed by name.

use std::collections::BTreeMap;
use std::fs;

use libtest_mimic::{Failed, Trial};
use xtask::events::{self, Event, Verdict as Is};

use super::{guest_tasks, hercules_trial, images_of, run};
use crate::check;
use crate::emulation::differences::{Difference, any, parts};
use crate::emulation::{case, compare, must_be_lost, results};
use crate::files;
use crate::runs::leak;
use crate::support::{Verdict, finish, folder, xtask};

/// The words of the parameter.
pub(super) const BACK_ENDS: [&str; 2] = ["trap", "sie"];

/// Instructions that look at keys whoever executes them.
const WITH_KEYS: &[&str] = &["MVCK", "MVCP", "MVCS", "MVCSK", "MVCDK"];

/// Where interpretive execution may differ from trap and emulate, and why.
#[rustfmt::skip]
const DIFFERENCES: &[Difference] = &[
    parts(&[], "", &["exception access id", "other access ids"], "the machine tells registers with translation exceptions, and access registers are not used"),
    any(&[], "protected by its key", "keys protect storage from the guest, as on any machine"),
    parts(WITH_KEYS, "by key", &["translation-exception identification"], "the machine tells the address of what a key protects"),
    parts(&["ESSA"], "", &["program-interruption length", "program-interruption code"], "the machine stores them before it leaves the exception to the host"),
    parts(&["LPSW"], "", &["program-interruption length", "program old PSW"], "the machine loads an invalid PSW and then refuses it"),
    any(&["IPTE"], "misaligned where nothing is", "the machine translates the address of the table"),
    any(&["IVSK"], "", "the machine wants DAT to be on"),
    any(&["STRAG"], "", "the machine does not want DAT to be on"),
    parts(&["MVPG"], "low address", &["storage"], "a page with what loaders and the clock leave"),
    parts(&["MVCOS"], "in two pages", &["other access ids", "storage"], "the machine stores a part before the exception"),
];

pub(super) fn tests() -> Vec<Trial> {
    vec![
        hercules_trial("instructions_do_the_same_by_both_back_ends", same),
        hercules_trial("operands_in_a_discarded_page_by_both_back_ends", discarded),
        hercules_trial("the_kernel_observes_the_model_by_both_back_ends", validate),
        hercules_trial("the_machine_interprets_tasks_that_are_paged_out", || {
            guest_tasks("sie", "1")
        }),
        hercules_trial("the_machine_interprets_tasks_on_two_cpus", || {
            guest_tasks("sie", "2")
        }),
        hercules_trial("the_host_names_a_machine_without_sie", missing),
    ]
}

fn same() -> Verdict {
    let cases = case::all();
    let image = case::image(&cases);
    let [trap, sie] = BACK_ENDS.map(|back_end| hosted(&image, back_end, "lru"));
    let trap = results(trap?, cases.len())?;
    compare(&cases, &trap, &results(sie?, cases.len())?, DIFFERENCES)
}

fn discarded() -> Verdict {
    let cases = case::lost();
    let image = case::image_of_lost(&cases);
    for back_end in BACK_ENDS {
        let results = results(hosted(&image, back_end, "steal")?, cases.len())?;
        must_be_lost(&cases, &results)?;
    }
    Ok(())
}

/// What the suite may observe that is not the profile's, which QEMU has answered: check, case, and why.
const OBSERVED: &[(&str, &str, &str)] = &[
    (
        "TPROT",
        "",
        "of QEMU the profile has a leak, which tells what the host has not mapped",
    ),
    (
        "RRBE",
        "Sp",
        "the paging device is the CPU here, so a page that it reads is referenced",
    ),
];

/// The check that no guest survives; those behind it are made when the machine is started again.
const STOPS: u16 = 904;
/// Checks that need a disk which may be written, and this machine has none.
const DISKS: std::ops::RangeInclusive<u16> = 326..=333;

fn validate() -> Verdict {
    let trap = validated("trap")?;
    must_be_the_model(&trap)?;
    // By interpretive execution a guest is ended as soon as it is entered with a prefix area that cannot be had, which is what
    // some of the last checks try. All those before observe the same.
    let (all, some) = (observations(&trap)?, observations(&validated("sie")?)?);
    check!(some.len() > 370, "{} cases", some.len());
    for (case, observed) in &some {
        let by_trap = all
            .get(case)
            .ok_or_else(|| format!("trap has no {case:?}"))?;
        let was_missed = [observed, by_trap]
            .iter()
            .any(|text| *text == "not observed");
        check!(
            was_missed || observed == by_trap,
            "{case:?}: {observed}, by trap {by_trap}"
        );
    }
    Ok(())
}

/// What the suite prints in a guest.
fn validated(back_end: &str) -> Result<Vec<String>, Failed> {
    let append = format!("backend={back_end}");
    let work = ["--work", "validate", "--cpus", "2", "--guests", "1"];
    let memory = [
        "--guest-memory",
        "16M",
        "--memory",
        "10M",
        "--paging",
        "model:32M",
    ];
    let how = ["--machine-cpus", "2", "--evict", "lru", "--append", &append];
    let images = images_of(&["--files", "cmm"], &[&work[..], &memory, &how].concat())?;
    Ok(run(&images, "host", "list", 2)?.printed())
}

/// What was observed, by check and case.
fn observations(printed: &[String]) -> Result<BTreeMap<(u16, String), String>, Failed> {
    let mut all = BTreeMap::new();
    for line in printed.iter().filter(|line| line.starts_with('{')) {
        if let Event::Check(check) = events::parse(line)? {
            all.insert((check.check, check.case), check.observed);
        }
    }
    Ok(all)
}

fn must_be_the_model(printed: &[String]) -> Verdict {
    let folder = folder();
    let log = folder.path().join("console.txt");
    // The guest is stopped by a check that it does not survive, which is what is expected of that one.
    fs::write(&log, printed.join("\n")).map_err(|error| error.to_string())?;
    let log = log.to_string_lossy();
    let done = finish(xtask(&[
        "validate",
        "--json",
        "--profile",
        "model",
        "--log",
        &log,
    ]))?;
    let mut count = 0;
    for line in done.stdout.lines() {
        let Event::Validation(case) = events::parse(line)? else {
            continue;
        };
        count += 1;
        let is_known =
            |known: &&(&str, &str, &str)| case.name == known.0 && case.case.starts_with(known.1);
        check!(
            matches!(case.verdict, Is::Same | Is::NotObserved)
                || DISKS.contains(&case.check) && case.verdict == Is::Skipped
                || (case.check > STOPS && case.observed == "missing")
                || OBSERVED.iter().find(is_known).is_some(),
            "{case:?}"
        );
    }
    check!(count > 340, "{count} cases: {}", done.stderr);
    Ok(())
}

/// What an image prints inside the host.
fn hosted(image: &[u8], back_end: &str, policy: &str) -> Result<Vec<String>, Failed> {
    let folder = folder();
    let path = folder.path().join("guest.img");
    fs::write(&path, image).map_err(|error| error.to_string())?;
    let path = leak(path.to_str().ok_or("a directory name that is no text")?);
    let append = format!("backend={back_end}");
    let guest = ["--guests", "1", "--guest-memory", "16M", "--guest", path];
    let how = ["--console", "ascii", "--evict", policy, "--append", &append];
    let images = images_of(
        &["--files", files::directory()],
        &[&guest[..], &how[..]].concat(),
    )?;
    let ran = run(&images, "host", "list", 1)?;
    let is_so = |event: &Event| matches!(event, Event::HostBoot(boot) if boot.backend == back_end);
    check!(
        ran.events.iter().any(is_so),
        "another back end:\n{}",
        ran.log
    );
    Ok(ran.printed())
}

/// QEMU's emulator has no interpretive execution.
fn missing() -> Verdict {
    let run = crate::support::run(&["--append", "backend=sie", "--files", files::directory()])?;
    run.must_fail(&["backend=sie: this machine has no START INTERPRETIVE EXECUTION"])
}
