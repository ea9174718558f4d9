//! Negative controls: deliberate mistakes that a run must notice.

use libtest_mimic::Trial;

use crate::check;
use crate::files;
use crate::paging::last_of_each;
use crate::support::{Verdict, run, run_within, trial};

pub(crate) fn tests() -> Vec<Trial> {
    vec![
        trial("controls::kernel_skips_make_stable", || {
            // The plain read of a discarded page is a discard fault where none may be.
            control("skip-make-stable", &["discard fault", "mismatch"])
        }),
        trial(
            "controls::a_mistake_of_an_image_is_told_by_file_and_line",
            located,
        ),
        trial("controls::kernel_ignores_the_discard_fault", || {
            control("ignore-discard-fault", &["mismatch"])
        }),
        trial("controls::host_discards_a_stable_page", || {
            control("discard-stable", &["mismatch"])
        }),
        trial(
            "controls::host_discards_a_changed_page",
            host_discards_a_changed_page,
        ),
        trial(
            "controls::host_keeps_the_copy_of_a_changed_page",
            host_keeps_the_copy_of_a_changed_page,
        ),
        trial("controls::kernel_skips_sign_off", skipped_sign_off),
        trial("controls::the_same_run_with_sign_off_is_good", || {
            run(&held(&["--passes", "40"]))?.must_be_good()
        }),
        trial("controls::are_off_in_the_usual_images", off),
        trial(
            "controls::the_same_images_without_a_mistake_are_good",
            sound,
        ),
    ]
}

fn arguments(more: &[&'static str]) -> Vec<&'static str> {
    let mut arguments = vec![
        "--files",
        files::directory(),
        "--guests",
        "1",
        "--passes",
        "2",
    ];
    arguments.extend([
        "--guest-memory",
        "6M",
        "--memory",
        "5M",
        "--evict",
        "random:5000",
    ]);
    arguments.extend(more);
    arguments
}

/// CPUs of one guest that all read the same few files, under a host that lets a CPU pause right after
/// its discard fault. A missing sign-off must show within a minute.
fn held(more: &[&'static str]) -> Vec<&'static str> {
    let mut arguments = vec!["--guests", "1", "--cpus", "4", "--machine-cpus", "4"];
    arguments.extend(["--guest-memory", "12M", "--memory", "12M"]);
    arguments.extend(["--evict", "hold", "--files", "cmm"]);
    if !more.contains(&"--passes") {
        arguments.extend(["--passes", "100000"]);
    }
    arguments.extend(more);
    arguments
}

/// It shows while the CPUs bring the files into their cache, if at all: a run that has got beyond that
/// finds what it needs there, undisturbed. So there are several, of a minute in all.
fn skipped_sign_off() -> Verdict {
    const SEEDS: [&str; 5] = ["1", "2", "3", "4", "5"];
    let mut outcome = Ok(());
    for seed in SEEDS {
        let arguments = held(&["--control", "skip-sign-off", "--seed", seed]);
        outcome = run_within("12", &arguments)?.must_fail(&[
            "somebody else's by now",
            "not in the page cache",
            "mismatch",
        ]);
        if outcome.is_ok() {
            break;
        }
    }
    outcome
}

fn host_discards_a_changed_page() -> Verdict {
    let more = ["--work", "churn", "--control", "discard-changed"];
    fails(&["not what was written", "mismatch"], &more)
}

/// The kernel's own pages are old, too: what it stumbles over first is anything.
fn host_keeps_the_copy_of_a_changed_page() -> Verdict {
    let more = ["--work", "swap", "--paging", "32M", "--evict", "lru"];
    fails(
        &["guest 0: "],
        &[&more[..], &["--control", "keep-copy"]].concat(),
    )
}

/// A run of other work that a mistake of the host's makes fail.
fn fails(reasons: &[&str], more: &[&'static str]) -> Verdict {
    run(&last_of_each(&arguments(more)))?.must_fail(reasons)
}

fn control(name: &'static str, reasons: &[&str]) -> Verdict {
    run(&arguments(&["--control", name]))?.must_fail(reasons)
}

/// Not only where it happened, which is a function that copies: also who had the page copied.
fn located() -> Verdict {
    let kernel = run(&arguments(&["--control", "skip-make-stable"]))?;
    kernel.must_fail(&["; called from arch/src/machine/storage.rs:"])?;
    kernel.must_fail(&["kernel/src/mm/cache.rs:"])
}

fn off() -> Verdict {
    let kernel = run(&arguments(&["--append", "g.control=skip-make-stable"]))?;
    kernel.must_fail(&["control"])?;
    let host = run(&arguments(&["--append", "control=discard-stable"]))?;
    host.must_fail(&["control"])
}

fn sound() -> Verdict {
    let run = run(&arguments(&[]))?;
    run.must_be_good()?;
    check!(
        run.outcome.guests[0].discard_faults > 0,
        "{:?}",
        run.outcome
    );
    Ok(())
}
