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
    tests
}

/// Every access found what it must, and what was left on the disk is there.
fn churned(more: &[&str]) -> Result<(), libtest_mimic::Failed> {
    let common = [
        "--bare", "--memory", "8M", "--work", "churn", "--passes", "1",
    ];
    let files = ["--files", files::directory()];
    let run = run(&[&common[..], &files[..], more].concat())?;
    run.must_be_good()?;
    let left = run.files_left();
    check!(left >= 2, "{left} files");
    for guest in run.guests() {
        check!(guest.bytes_verified > 100_000, "{guest:?}");
        // Without a host that discards, no page of the cache is gone when it is copied from.
        check!(
            guest.user_copies > 500 && guest.user_copy_faults > 100,
            "{guest:?}"
        );
        check!(guest.user_copy_fix_ups == 0, "{guest:?}");
        check!(
            guest.swapped_in > 100 && guest.pages_written > 100,
            "{guest:?}"
        );
        check!(
            guest.write_errors + guest.swap_full + guest.mismatches == 0,
            "{guest:?}"
        );
    }
    Ok(())
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
        check!(guest.bytes_verified > 300_000, "{guest:?}");
        check!(
            guest.swapped_in > 500 && guest.pages_written > 500,
            "{guest:?}"
        );
        check!(
            guest.copies_on_write > 500 && guest.pages_reused > 500,
            "{guest:?}"
        );
        check!(
            guest.write_errors + guest.swap_full + guest.mismatches == 0,
            "{guest:?}"
        );
    }
    Ok(run)
}
