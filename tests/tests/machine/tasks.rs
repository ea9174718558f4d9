//! Tasks in the problem state: spaces of their own, more memory than there is, children.

use libtest_mimic::Trial;

use crate::check;
use crate::files;
use crate::support::{Run, run, trial};

pub(crate) fn tests() -> Vec<Trial> {
    let mut tests = vec![trial(
        "tasks::beyond_memory_while_cpus_go_off_and_on",
        || swapped(&["--cpus", "3", "--machine-cpus", "3", "--hotplug"]).map(drop),
    )];
    for cpus in ["1", "2", "4"] {
        let name = format!("tasks::beyond_memory_on_{cpus}");
        tests.push(trial(name, move || {
            swapped(&["--cpus", cpus, "--machine-cpus", cpus]).map(drop)
        }));
    }
    for cpus in ["1", "2", "4"] {
        let name = format!("tasks::everything_at_once_on_{cpus}");
        tests.push(trial(name, move || {
            churned(&["--cpus", cpus, "--machine-cpus", cpus, "--seed", cpus])
        }));
    }
    tests.push(trial(
        "tasks::everything_at_once_while_cpus_go_off_and_on",
        || churned(&["--cpus", "2", "--machine-cpus", "2", "--hotplug"]),
    ));
    tests.push(trial(
        "tasks::reading_beside_them_takes_no_whole_time_slices",
        beside,
    ));
    tests.push(trial("tasks::no_memory_to_start_one", no_memory_to_start));
    for (name, more) in HOSTED {
        let name = format!("tasks::everything_at_once_in_a_guest_{name}");
        tests.push(trial(name, move || churned_in_a_guest(more)));
    }
    tests
}

/// More tasks than there is memory for: those that were started come to their ends, and the kernel says
/// who has what.
fn no_memory_to_start() -> Result<(), libtest_mimic::Failed> {
    let run = run(&[
        "--bare",
        "--memory",
        "4M",
        "--cpus",
        "32",
        "--work",
        "swap",
        "--passes",
        "20",
        "--files",
        files::directory(),
    ])?;
    run.must_fail(&["a task cannot start: out of memory, and nothing can go"])?;
    for guest in run.guests() {
        check!(guest.bytes_verified > 0, "no task has run: {guest:?}");
        check!(guest.frames_anonymous == 0, "{guest:?}");
    }
    Ok(())
}

/// Policies, hints and numbers of CPUs that tasks run under.
const HOSTED: [(&str, &[&str]); 7] = [
    ("evict_steal_on_1", &["--evict", "steal"]),
    (
        "evict_steal_on_8_by_2",
        &["--evict", "steal", "--cpus", "8", "--machine-cpus", "2"],
    ),
    (
        "evict_random_on_2",
        &["--evict", "random:2000", "--cpus", "2"],
    ),
    (
        "evict_lru_on_4_by_2",
        &["--evict", "lru", "--cpus", "4", "--machine-cpus", "2"],
    ),
    (
        "hinting_unused_on_2",
        &["--hinting", "unused", "--cpus", "2"],
    ),
    ("hinting_none_on_1", &["--hinting", "none"]),
    (
        "evict_random_without_parts_of_the_scheme",
        &[
            "--evict",
            "random:2000",
            "--append",
            "g.without=swap-cache,writable,minor-faults,mlock",
        ],
    ),
];

/// The same in a guest, whose pages are discarded wherever they may be.
fn churned_in_a_guest(more: &[&str]) -> Result<(), libtest_mimic::Failed> {
    let guest = ["--guests", "1", "--guest-memory", "8M", "--memory", "8M"];
    let run = churn(&[&guest[..], more].concat())?;
    let discards = run.host()?.guests[0].discards;
    let discarded = more
        .iter()
        .any(|word| *word == "steal" || word.starts_with("random"));
    check!((discards > 1000) == discarded, "{discards} discards");
    for guest in run.guests() {
        check!((guest.user_copy_fix_ups > 0) == discarded, "{guest:?}");
    }
    Ok(())
}

fn churned(more: &[&str]) -> Result<(), libtest_mimic::Failed> {
    let run = churn(&[&["--bare", "--memory", "8M"][..], more].concat())?;
    for guest in run.guests() {
        // Without a host that discards, no page of the cache is gone when it is copied from.
        check!(guest.user_copy_fix_ups == 0, "{guest:?}");
        check!(
            guest.writes_skipped > 0 && guest.read_ahead_used > 0,
            "{guest:?}"
        );
    }
    Ok(())
}

/// Whoever reads the archive beside the tasks does so by one file at a time, of which the largest is read in a time
/// slice many times over.
fn beside() -> Result<(), libtest_mimic::Failed> {
    let run = churn(&["--bare", "--memory", "12M"])?;
    let (files, yields) = run.tally("files read beside tasks")?;
    check!(
        files > files::COUNT,
        "{files} files: each of them once at least"
    );
    check!(yields >= files, "{files} files, {yields} yields");
    Ok(())
}

/// Every access found what it must, and what was left on the disk is there.
fn churn(more: &[&str]) -> Result<Run, libtest_mimic::Failed> {
    let common = ["--work", "churn", "--passes", "1"];
    let files = ["--files", files::directory()];
    let run = run(&[&common[..], &files[..], more].concat())?;
    run.must_be_good()?;
    let left = run.files_left();
    check!(left >= 2, "{left} files");
    for guest in run.guests() {
        check!(guest.bytes_verified > 100_000, "{guest:?}");
        check!(
            guest.user_copies > 500 && guest.user_copy_faults > 100,
            "{guest:?}"
        );
        check!(
            guest.swapped_in > 100 && guest.pages_written > 100,
            "{guest:?}"
        );
        check!(
            guest.pages_remapped > 50 && guest.non_linear_steps > 1000,
            "{guest:?}"
        );
    }
    nothing_failed(&run)?;
    Ok(run)
}

/// Every page was what its task had made it, and pages went to the swap disk and came back.
fn swapped(more: &[&str]) -> Result<Run, libtest_mimic::Failed> {
    let common = [
        "--bare", "--memory", "8M", "--work", "swap", "--passes", "2",
    ];
    let files = ["--files", files::directory()];
    let run = run(&[&common[..], &files[..], more].concat())?;
    run.must_be_good()?;
    for guest in run.guests() {
        // Where memory is short, a child may not be made.
        check!(guest.bytes_verified > 200_000, "{guest:?}");
        check!(
            guest.swapped_in > 500 && guest.pages_written > 500,
            "{guest:?}"
        );
        check!(
            guest.copies_on_write > 500 && guest.pages_reused > 500,
            "{guest:?}"
        );
    }
    nothing_failed(&run)?;
    Ok(run)
}

/// No write has failed, the swap area was large enough, and nothing was wrong.
fn nothing_failed(run: &Run) -> Result<(), libtest_mimic::Failed> {
    for guest in run.guests() {
        check!(
            guest.write_errors + guest.swap_full + guest.mismatches == 0,
            "{guest:?}"
        );
    }
    Ok(())
}
