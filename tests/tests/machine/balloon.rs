//! The balloon device: free page reporting in place of ESSA, and a balloon that follows its target.

use std::fs;

use libtest_mimic::{Failed, Trial};
use serde_json::json;
use tempfile::TempDir;
use xtask::events::Guest;

use crate::check;
use crate::files;
use crate::monitor::Monitor;
use crate::runs::all_verified;
use crate::support::{Run, Verdict, folder, run, run_in, run_while, trial};

/// Memory of the machine, here: too little for all files.
const MEMORY: u64 = 12 << 20;
/// As an option.
const SIZE: &str = "12M";
/// Pages of it that are left when the balloon has all it can get, at the most: kernel, heap, and those
/// 2 MiB that inflating leaves.
const LEFT: u64 = 5 << 8;

pub(crate) fn tests() -> Vec<Trial> {
    vec![
        trial("balloon::free_pages_are_reported", reported),
        trial("balloon::several_cpus_allocate_what_is_reported", contended),
        trial("balloon::nothing_is_reported_unless_it_is_wanted", unwanted),
        trial("balloon::what_is_reported_loses_its_content", content),
        trial("balloon::without_reports_the_content_stays", no_reports),
        trial("balloon::the_target_is_reached", target),
        trial("balloon::the_balloon_follows_its_target", follow),
        trial("balloon::memory_of_tasks_makes_room", swapped),
        trial("balloon::the_device_goes_away", lost),
        trial("balloon::enough_memory_is_left", greedy),
        trial("balloon::memory_that_is_short_comes_back", || {
            short("deflate-on-oom=on", true)
        }),
        trial("balloon::a_device_may_keep_what_it_has", || {
            short("deflate-on-oom=off", false)
        }),
        trial("balloon::a_device_that_takes_no_reports", || {
            without("free-page-reporting=off", &["takes no reports"])
        }),
        trial("balloon::a_device_of_an_old_kind", || {
            without("max_revision=0", &["older than version 1"])
        }),
        trial("balloon::no_device", no_device),
        trial("balloon::parameters_out_of_range", out_of_range),
    ]
}

/// Options of a bare machine with the small set of files.
fn bare(more: &[&'static str]) -> Vec<&'static str> {
    let mut arguments = vec!["--bare", "--memory", SIZE, "--files", files::directory()];
    arguments.extend(more);
    arguments
}

/// As that, with the device.
fn ballooned(more: &[&'static str]) -> Vec<&'static str> {
    let mut arguments = bare(&["--balloon"]);
    arguments.extend(more);
    arguments
}

/// Fails unless the run was good and the kernel says that this tells the host what is free.
fn good(run: &Run, back_end: &str) -> Verdict {
    run.must_be_good()?;
    for boot in run.boots() {
        check!(boot.back_end == back_end && !boot.essa, "{boot:?}");
    }
    Ok(())
}

/// The kernel's outcome.
fn guest(run: &Run) -> Result<&Guest, Failed> {
    let guest = run.guests().next();
    let guest = guest.ok_or_else(|| Failed::from("the kernel printed no outcome"))?;
    let classes = guest.frames_free + guest.ballooned_pages;
    check!(classes < guest.frames, "a page is in one class: {guest:?}");
    check!(guest.reported_pages >= guest.reported_blocks, "{guest:?}");
    Ok(guest)
}

fn reported() -> Verdict {
    let run = run(&ballooned(&["--passes", "2"]))?;
    good(&run, "reporting")?;
    all_verified(&run, 2)?;
    let guest = guest(&run)?;
    // At the start most of memory is free.
    check!(guest.reported_pages > guest.frames / 2, "{guest:?}");
    check!(guest.reported_blocks > 0, "{guest:?}");
    check!(
        guest.ballooned_pages == 0 && guest.essa.is_empty(),
        "{guest:?}"
    );
    Ok(())
}

/// Reports of blocks of all sizes, as fast as it goes, while CPUs that come and go fight for memory.
fn contended() -> Verdict {
    let mut arguments = vec!["--bare", "--balloon", "--files", files::directory()];
    arguments.extend(["--memory", "6M", "--passes", "20"]);
    arguments.extend(["--cpus", "4", "--hotplug"]);
    arguments.extend(["--append", "reporting-order=0 reporting-ms=1"]);
    let run = run(&arguments)?;
    good(&run, "reporting")?;
    all_verified(&run, 20)?;
    let guest = guest(&run)?;
    check!(guest.reclaimed > 0, "memory was never short: {guest:?}");
    // What was used is reported again, so that it is more than there is.
    check!(guest.reported_pages > guest.frames, "{guest:?}");
    Ok(())
}

fn unwanted() -> Verdict {
    let run = run(&ballooned(&["--passes", "1", "--append", "reporting=off"]))?;
    good(&run, "none")?;
    let guest = guest(&run)?;
    check!(guest.reported_blocks == 0, "{guest:?}");
    Ok(())
}

/// The kernel writes two blocks, frees one of them, and looks at both when it has been reported.
fn content() -> Verdict {
    let run = run(&ballooned(&["--work", "reporting"]))?;
    good(&run, "reporting")?;
    let guest = guest(&run)?;
    check!(guest.reported_pages > guest.frames / 2, "{guest:?}");
    Ok(())
}

/// The same work notices if nothing is reported.
fn no_reports() -> Verdict {
    let more = [
        "--work",
        "reporting",
        "--icount",
        "--append",
        "reporting=off",
    ];
    run(&ballooned(&more))?.must_fail(&["was not reported"])
}

/// Runs with a monitor. The machine waits before its first instruction until `meanwhile` starts it.
fn monitored(
    more: &[&str],
    meanwhile: impl FnOnce(&mut Monitor) -> Verdict,
) -> Result<Run, Failed> {
    monitored_in(&folder(), more, meanwhile)
}

/// As [`monitored`], in a directory that the caller keeps.
fn monitored_in(
    folder: &TempDir,
    more: &[&str],
    meanwhile: impl FnOnce(&mut Monitor) -> Verdict,
) -> Result<Run, Failed> {
    let socket = folder.path().join("qmp");
    let mut arguments: Vec<&str> = ballooned(&["--qmp"]);
    arguments.push(socket.to_str().expect("its name is ASCII"));
    arguments.extend(more);
    run_while(folder, &arguments, || {
        meanwhile(&mut Monitor::connect(&socket)?)
    })
}

/// The target is there before the machine starts: the balloon has it before the work begins.
fn target() -> Verdict {
    let run = monitored(&["--passes", "3"], |monitor| {
        monitor.set_memory(MEMORY / 2)?;
        monitor.start()
    })?;
    good(&run, "reporting")?;
    all_verified(&run, 3)?;
    let guest = guest(&run)?;
    check!(guest.ballooned_pages == MEMORY / 2 / 4096, "{guest:?}");
    // The files are as large as what is left.
    check!(guest.reclaimed > 0, "{guest:?}");
    Ok(())
}

/// The target changes while the work goes on.
fn follow() -> Verdict {
    let run = monitored(&["--passes", "300"], |monitor| {
        monitor.start()?;
        for target in [MEMORY / 2, MEMORY - (1 << 20), MEMORY / 2 + 4096, MEMORY] {
            monitor.set_memory(target)?;
            monitor.wait_until(&target, Monitor::memory)?;
        }
        statistics(monitor)
    })?;
    good(&run, "reporting")?;
    all_verified(&run, 300)?;
    let guest = guest(&run)?;
    check!(
        guest.ballooned_pages == 0 && guest.withdrawn_pages == 0,
        "{guest:?}"
    );
    Ok(())
}

/// The balloon takes memory of tasks, which goes to swap; none of what they have written is lost.
fn swapped() -> Verdict {
    let more = ["--work", "swap", "--cpus", "2"];
    let run = monitored(&more, |monitor| {
        monitor.set_memory(MEMORY / 2)?;
        monitor.start()
    })?;
    good(&run, "reporting")?;
    let guest = guest(&run)?;
    check!(guest.ballooned_pages == MEMORY / 2 / 4096, "{guest:?}");
    check!(guest.bytes_verified > 0 && guest.reclaimed > 0, "{guest:?}");
    Ok(())
}

/// A device that is unplugged: its pages are the kernel's again, and the work goes on.
fn lost() -> Verdict {
    let folder = folder();
    let more = [
        "--passes",
        "60",
        "--append",
        "reporting-ms=50 reporting-order=0",
    ];
    let run = monitored_in(&folder, &more, |monitor| {
        monitor.set_memory(MEMORY / 2)?;
        monitor.start()?;
        monitor.wait_until(&(MEMORY / 2), Monitor::memory)?;
        let unplugged = monitor.command("device_del", &json!({"id": "balloon"}));
        unplugged.map(drop)
    })?;
    good(&run, "reporting")?;
    all_verified(&run, 30)?;
    let guest = guest(&run)?;
    check!(guest.ballooned_pages == 0, "{guest:?}");
    let log = log(&folder)?;
    let told = log
        .lines()
        .filter(|line| line.contains("no reports from now on"));
    check!(told.count() == 1, "{log}");
    Ok(())
}

/// QEMU asks how memory is used, every second.
fn statistics(monitor: &mut Monitor) -> Verdict {
    let path = "/machine/peripheral/balloon";
    let interval = json!({"path": path, "property": "guest-stats-polling-interval", "value": 1});
    monitor.command("qom-set", &interval)?;
    monitor.wait_until(&Some(MEMORY), |monitor| {
        let what = json!({"path": path, "property": "guest-stats"});
        let answer = monitor.command("qom-get", &what)?;
        let stats = &answer["stats"];
        let value = |name: &str| stats[name].as_u64();
        if let (Some(free), Some(available)) =
            (value("stat-free-memory"), value("stat-available-memory"))
        {
            check!(free <= available && available <= MEMORY, "{stats}");
        }
        // What was never told reads as -1.
        Ok(stats["stat-total-memory"]
            .as_u64()
            .filter(|total| *total != u64::MAX))
    })
}

/// Whoever asks for everything gets what can be had, and the work goes on.
fn greedy() -> Verdict {
    let run = monitored(&["--passes", "2"], |monitor| {
        monitor.set_memory(4096)?;
        monitor.start()
    })?;
    good(&run, "reporting")?;
    all_verified(&run, 2)?;
    let guest = guest(&run)?;
    let least = guest.frames - LEFT;
    check!(
        guest.ballooned_pages >= least,
        "{least} at least: {guest:?}"
    );
    check!(guest.ballooned_pages < guest.frames - 512, "{guest:?}");
    Ok(())
}

/// The kernel needs two large blocks when nearly everything is in the balloon.
fn short(properties: &'static str, may_withdraw: bool) -> Verdict {
    let properties = format!("free-page-reporting=on,{properties}");
    let more = ["--work", "reporting", "--balloon-properties", &properties];
    let run = monitored(&more, |monitor| {
        monitor.set_memory(4096)?;
        monitor.start()
    })?;
    let withdrawn = guest(&run)?.withdrawn_pages;
    if may_withdraw {
        good(&run, "reporting")?;
        check!(withdrawn > 0, "{withdrawn}");
        return Ok(());
    }
    check!(withdrawn == 0, "{withdrawn}");
    run.must_fail(&["no memory for a block"])
}

/// What the console showed.
fn log(folder: &TempDir) -> Result<String, Failed> {
    Ok(fs::read_to_string(folder.path().join("run/run.log"))?)
}

/// Fails unless the run was good without reports, and said why in exactly one line.
fn without_reports(arguments: &[&str], words: &[&str]) -> Verdict {
    let folder = folder();
    let run = run_in(&folder, arguments)?;
    good(&run, "none")?;
    let guest = guest(&run)?;
    check!(
        guest.reported_blocks == 0 && guest.ballooned_pages == 0,
        "{guest:?}"
    );
    let log = log(&folder)?;
    let lines: Vec<_> = log.lines().filter(|line| line.contains("0110")).collect();
    let said = lines.len() == 1 && words.iter().all(|word| lines[0].contains(word));
    check!(said, "{words:?}: {lines:#?}");
    Ok(())
}

fn without(properties: &'static str, words: &[&str]) -> Verdict {
    let more = ["--passes", "1", "--balloon-properties", properties];
    without_reports(&ballooned(&more), words)
}

fn no_device() -> Verdict {
    let asked = bare(&["--passes", "1", "--append", "reporting=on"]);
    without_reports(&asked, &["no balloon device", "not reported"])?;
    // Who does not ask is not told.
    let folder = folder();
    good(&run_in(&folder, &bare(&["--passes", "1"]))?, "none")?;
    let log = log(&folder)?;
    check!(!log.contains("balloon device"), "{log}");
    Ok(())
}

fn out_of_range() -> Verdict {
    for (parameter, words) in [
        (
            "reporting-order=13",
            "reporting-order=13: the value is too large",
        ),
        ("reporting-ms=0", "reporting-ms=0: the value is too small"),
        ("balloon=half", "balloon=half: the value must be off|on"),
    ] {
        run(&ballooned(&["--append", parameter]))?.must_fail(&[words])?;
    }
    Ok(())
}
