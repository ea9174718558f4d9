//! Several CPUs: threads on all of them, CPUs that go off and on, and numbers of CPUs that cannot be.

use libtest_mimic::Trial;

use crate::check;
use crate::files;
use crate::support::{Run, Verdict, run, trial};
use xtask::events::Event;

pub(crate) fn tests() -> Vec<Trial> {
    let mut tests = vec![
        trial("cpus::bare_fewer_than_the_machine_has", fewer),
        trial("cpus::bare_taken_off_and_on", hotplug),
        trial("cpus::one_that_never_answers_is_named", || {
            let guest = [
                "--guests",
                "1",
                "--cpus",
                "2",
                "--files",
                files::directory(),
            ];
            let run = run(&[&guest[..], &["--control", "mute-cpu"]].concat())?;
            run.must_fail(&["guest 0: CPU 1 does not answer order 0x0b"])
        }),
        trial("cpus::one_without_ticks_for_long_says_so", late),
        trial("cpus::none_is_refused", || {
            refused(&["--append", "cpus=0"], "cpus=0: this machine has 1")
        }),
        trial("cpus::more_than_the_machine_has_are_refused", || {
            refused(
                &["--cpus", "3", "--machine-cpus", "2"],
                "cpus=3: this machine has 2",
            )
        }),
    ];
    for policy in ["steal", "lru"] {
        let name = format!("cpus::guest_taken_off_and_on_evict_{policy}");
        tests.push(trial(name, move || guest_hotplug(policy)));
    }
    for cpus in ["2", "4", "8"] {
        let name = format!("cpus::bare_{cpus}");
        tests.push(trial(name, move || bare(cpus)));
    }
    tests
}

fn small(more: &[&str]) -> Result<Run, libtest_mimic::Failed> {
    let common = [
        "--bare",
        "--memory",
        "8M",
        "--passes",
        "3",
        "--files",
        files::directory(),
    ];
    run(&[&common, more].concat())
}

/// Every byte was verified, on so many CPUs.
fn good_on(run: &Run, cpus: u64) -> Verdict {
    run.must_be_good()?;
    for boot in run.boots() {
        check!(boot.cpus_used == cpus, "{boot:?}");
    }
    for guest in run.guests() {
        check!(guest.bytes_verified >= 3 * files::TOTAL, "{guest:?}");
        check!(guest.switches >= cpus, "every CPU has a thread: {guest:?}");
    }
    Ok(())
}

fn bare(cpus: &'static str) -> Verdict {
    good_on(&small(&["--cpus", cpus])?, cpus.parse()?)
}

fn fewer() -> Verdict {
    let run = small(&["--cpus", "2", "--machine-cpus", "4"])?;
    good_on(&run, 2)?;
    check!(run.boots().all(|boot| boot.cpus == 4), "{:?}", run.events);
    Ok(())
}

fn hotplug() -> Verdict {
    let run = small(&["--cpus", "4", "--hotplug"])?;
    good_on(&run, 4)?;
    for guest in run.guests() {
        check!(guest.cpus_taken_off > 0, "{guest:?}");
    }
    Ok(())
}

/// Under a host that discards, CPUs of the guest go off and on while all of them read.
fn guest_hotplug(policy: &'static str) -> Verdict {
    let mut arguments = vec!["--guests", "1", "--cpus", "4", "--machine-cpus", "4"];
    arguments.extend(["--guest-memory", "8M", "--memory", "6M", "--passes", "4"]);
    arguments.extend([
        "--hotplug",
        "--evict",
        policy,
        "--files",
        files::directory(),
    ]);
    let run = run(&arguments)?;
    run.must_be_good()?;
    for guest in run.guests() {
        check!(guest.bytes_verified >= 4 * files::TOTAL, "{guest:?}");
        check!(guest.cpus_taken_off > 0, "{guest:?}");
        check!(
            guest.sign_off_pages > 0 && guest.sign_off_waiting == 0,
            "{guest:?}"
        );
    }
    Ok(())
}

/// A CPU that the host leaves alone for two seconds notices, says so once, and goes on.
fn late() -> Verdict {
    let mut arguments = vec!["--guests", "1", "--passes", "4", "--control", "late-cpu"];
    arguments.extend(["--guest-memory", "8M", "--memory", "6M", "--evict", "steal"]);
    arguments.extend(["--files", files::directory()]);
    let run = run(&arguments)?;
    run.must_be_good()?;
    let words = "WARN: CPU 0 took no tick for ";
    let said =
        |event: &&Event| matches!(event, Event::Console(console) if console.line.contains(words));
    check!(
        run.events.iter().filter(said).count() == 1,
        "{:?}",
        run.events
    );
    for guest in run.guests() {
        check!(guest.ticks_lost >= 190, "{guest:?}");
    }
    Ok(())
}

fn refused(arguments: &[&str], words: &str) -> Verdict {
    small(arguments)?.must_fail(&[words])
}
