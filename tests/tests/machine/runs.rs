//! Runs that must go well: every policy with every hinting mode, without a host, the main job.

use libtest_mimic::Trial;
use xtask::events::Discards;

use crate::check;
use crate::files;
use crate::support::{Run, Verdict, run, trial};

pub(crate) fn tests() -> Vec<Trial> {
    let mut tests = vec![
        trial("runs::bare", bare),
        trial("runs::bare_in_memory", bare_in_memory),
        trial("runs::main_job", main_job),
        trial("runs::bare_in_line_mode", || line_mode(&["--bare"])),
        trial("runs::host_and_guests_in_line_mode", || line_mode(&[])),
        trial("runs::long_lines_in_line_mode", long_lines),
        trial("runs::one_guest_alone", one_guest_alone),
        trial("runs::tar_and_directory_are_the_same_files", tar),
        trial("runs::the_seed_decides_what_is_read", seeds),
        trial("runs::guests_write_their_own_parts_of_the_disks", || {
            disks(&["--guests", "2", "--hinting", "none"], 2)
        }),
        trial("runs::the_bare_kernel_writes_its_disks", || {
            disks(&["--bare"], 1)
        }),
        trial("runs::instructions_are_counted_exactly", measure),
        trial("runs::free_pages_are_seldom_hinted_and_not_cleared", pages),
        trial("runs::a_pure_wait_counts_no_instructions", pure_wait),
    ];
    for policy in ["lru", "random:2000", "steal"] {
        for hinting in ["none", "unused", "full"] {
            let name = format!("runs::evict_{}_hinting_{hinting}", policy.replace(':', "_"));
            tests.push(trial(name, move || policy_and_hinting(policy, hinting)));
        }
    }
    tests
}

/// Guest memory that cannot hold the small set of files, and so much for both that the host has
/// to evict something.
const SMALL: [&str; 8] = [
    "--guests",
    "2",
    "--guest-memory",
    "6M",
    "--passes",
    "2",
    "--files",
    "",
];

pub(crate) fn small(more: &[&'static str]) -> Vec<&'static str> {
    let mut arguments = SMALL.to_vec();
    arguments[7] = files::directory();
    arguments.extend(more);
    arguments
}

/// Every byte of every pass was compared.
pub(crate) fn all_verified(run: &Run, passes: u64) -> Verdict {
    for guest in &run.outcome.guests {
        let least = files::TOTAL * passes;
        check!(
            guest.bytes_verified >= least,
            "{least} bytes at least: {guest:?}"
        );
    }
    for boot in run.boots() {
        check!(
            (boot.files, boot.bytes) == (files::COUNT, files::TOTAL),
            "{boot:?}"
        );
    }
    Ok(())
}

fn policy_and_hinting(policy: &'static str, hinting: &'static str) -> Verdict {
    let mut arguments = small(&["--evict", policy, "--hinting", hinting]);
    if hinting == "full" {
        arguments.extend(["--memory", "8M"]);
    }
    let run = run(&arguments)?;
    run.must_be_good()?;
    all_verified(&run, 2)?;
    check!(
        run.guests().count() == 2,
        "two kernels report: {:?}",
        run.outcome
    );
    match hinting {
        "none" => nothing_hinted(&run),
        "unused" => only_unused(&run),
        _ => discards_survived(&run),
    }
}

fn nothing_hinted(run: &Run) -> Verdict {
    for guest in run.guests() {
        check!(
            guest.essa.is_empty() && guest.discard_faults == 0,
            "{guest:?}"
        );
    }
    for boot in run.boots() {
        check!(!boot.essa && boot.hinting == "off", "{boot:?}");
    }
    no_discards(run)
}

fn only_unused(run: &Run) -> Verdict {
    for guest in run.guests() {
        let used = |orc: &str| guest.essa.get(orc).is_some_and(|count| *count > 0);
        check!(
            used("1") && used("2"),
            "stable and unused are told: {guest:?}"
        );
        check!(
            !used("3") && !used("4") && guest.discard_faults == 0,
            "no more: {guest:?}"
        );
    }
    for boot in run.boots() {
        check!(boot.essa && boot.hinting == "unused", "{boot:?}");
    }
    no_discards(run)
}

fn no_discards(run: &Run) -> Verdict {
    for guest in &run.host()?.guests {
        check!(
            guest.discards == 0 && guest.discard_faults == 0,
            "{guest:?}"
        );
    }
    Ok(())
}

/// Both ways of noticing a discard were taken, and both sides count the same.
pub(crate) fn discards_survived(run: &Run) -> Verdict {
    for boot in run.boots() {
        check!(boot.essa && boot.discards == Discards::Faults, "{boot:?}");
    }
    for guest in run.guests() {
        check!(guest.discard_faults > 0, "no discard fault: {guest:?}");
        check!(
            guest.stable_failures > 0,
            "no failed make-stable: {guest:?}"
        );
        check!(guest.reloads > 0, "nothing read again: {guest:?}");
        check!(
            guest.fault_tolerant_copies > 0 && guest.stable_copies > 0,
            "{guest:?}"
        );
        for orc in ["1", "2", "3", "6"] {
            check!(
                guest.essa.contains_key(orc),
                "ORC {orc} is not used: {guest:?}"
            );
        }
    }
    let host = run.host()?;
    for guest in &run.outcome.guests {
        let Some(seen) = host.guests.iter().find(|seen| seen.id == guest.id) else {
            return Err(format!("the host does not know {guest:?}").into());
        };
        check!(guest.discards > 0, "nothing discarded: {guest:?}");
        // The host delivers a few more than the work takes: the probe at the start takes one.
        let surplus = seen.discard_faults.checked_sub(guest.discard_faults);
        check!(
            surplus.is_some_and(|surplus| surplus <= 1),
            "{guest:?} but {seen:?}"
        );
    }
    Ok(())
}

/// Every record of kernel and host arrives through line-mode messages, too.
fn line_mode(more: &[&'static str]) -> Verdict {
    let run = run(&small(&[&["--console", "line"], more].concat()))?;
    run.must_be_good()?;
    all_verified(&run, 2)?;
    let guests = run.outcome.guests.len();
    check!(run.boots().count() == guests, "{:?}", run.done.stdout);
    for boot in run.boots() {
        check!(boot.console == "line", "{boot:?}");
    }
    Ok(())
}

/// A record that is longer than a message comes in pieces, and is whole again.
fn long_lines() -> Verdict {
    let run = run(&[
        "--console",
        "line",
        "--hinting",
        "none",
        "--work",
        "idle",
        "--guests",
        "16",
        "--guest-memory",
        "4M",
        "--files",
        files::directory(),
    ])?;
    run.must_be_good()?;
    let longest = run.done.stdout.lines().map(str::len).max();
    check!(longest > Some(4004), "no record is long: {longest:?}");
    check!(run.host()?.guests.len() == 16, "{:?}", run.host()?);
    Ok(())
}

fn bare() -> Verdict {
    let arguments = ["--bare", "--memory", "6M", "--files", files::directory()];
    let run = run(&arguments)?;
    run.must_be_good()?;
    all_verified(&run, 2)?;
    check!(
        run.outcome.guests.len() == 1 && run.outcome.guests[0].id == 0,
        "{:?}",
        run.outcome
    );
    let guest = &run.outcome.guests[0];
    check!(
        guest.discards == 0 && guest.discard_faults == 0 && guest.essa.is_empty(),
        "{guest:?}"
    );
    for boot in run.boots() {
        check!(
            !boot.essa && boot.hinting == "off" && boot.disk == "virtio",
            "{boot:?}"
        );
        check!(boot.discards == Discards::NotProbed, "{boot:?}");
    }
    for guest in run.guests() {
        check!(
            guest.reclaimed > 0,
            "the page cache could hold everything: {guest:?}"
        );
    }
    Ok(())
}

fn bare_in_memory() -> Verdict {
    let arguments = [
        "--bare",
        "--memory-disk",
        "--memory",
        "16M",
        "--passes",
        "1",
        "--files",
        files::directory(),
    ];
    let run = run(&arguments)?;
    run.must_be_good()?;
    all_verified(&run, 1)?;
    check!(
        run.boots().all(|boot| boot.disk == "memory"),
        "{:?}",
        run.boots().next()
    );
    Ok(())
}

/// What `cargo xtask qemu` does without options, as the README promises it.
fn main_job() -> Verdict {
    let run = run(&[])?;
    run.must_be_good()?;
    discards_survived(&run)?;
    let faults: u64 = run
        .outcome
        .guests
        .iter()
        .map(|guest| guest.discard_faults)
        .sum();
    check!(
        faults >= 1000,
        "only {faults} discard faults: {:?}",
        run.outcome
    );
    check!(run.outcome.guests.len() == 2, "{:?}", run.outcome);
    Ok(())
}

fn one_guest_alone() -> Verdict {
    let run = run(&small(&["--guests", "1", "--memory", "5M"])[2..])?;
    run.must_be_good()?;
    check!(run.outcome.guests.len() == 1, "{:?}", run.outcome);
    discards_survived(&run)
}

fn tar() -> Verdict {
    let folder = crate::support::folder();
    let archive = folder.path().join("files.tar");
    let mut tar = std::process::Command::new("tar");
    tar.arg("-cf")
        .arg(&archive)
        .args(["-C", files::directory(), "."]);
    check!(
        tar.status().is_ok_and(|status| status.success()),
        "tar failed"
    );
    let archive = archive.to_str().ok_or("a directory name that is no text")?;
    let run = run(&[
        "--bare", "--memory", "8M", "--passes", "1", "--files", archive,
    ])?;
    run.must_be_good()?;
    all_verified(&run, 1)
}

fn seeds() -> Verdict {
    let hits = |seed| -> Result<u64, libtest_mimic::Failed> {
        let arguments = [
            "--bare",
            "--memory",
            "6M",
            "--seed",
            seed,
            "--files",
            files::directory(),
        ];
        let run = run(&arguments)?;
        run.must_be_good()?;
        Ok(run
            .guests()
            .map(|guest| guest.cache_hits + guest.bytes_verified)
            .sum())
    };
    let (first, again, other) = (hits("1")?, hits("1")?, hits("2")?);
    check!(
        first == again,
        "the same seed reads differently: {first}, {again}"
    );
    check!(first != other, "another seed reads the same: {first}");
    Ok(())
}

/// Arguments live as long as the program; a test has a handful of them.
pub(crate) fn leak(text: &str) -> &'static str {
    Box::leak(text.to_owned().into_boxed_str())
}

/// Each guest has an equal part of each disk that it may write, and no more: seen from outside.
fn disks(more: &[&'static str], guests: u64) -> Verdict {
    let folder = crate::support::folder();
    let mut arguments = vec!["--work", "disks", "--seed", "70", "--files"];
    arguments.push(files::directory());
    arguments.extend(more);
    crate::support::run_in(&folder, &arguments)?.must_be_good()?;
    for (number, name) in [("0101", "guest.img"), ("0102", "swap.img")] {
        let image = std::fs::read(folder.path().join("run").join(name));
        let image = image.map_err(|error| error.to_string())?;
        disk_has(&image, number, guests)?;
    }
    Ok(())
}

/// Each guest has written its part of a disk's image.
pub(crate) fn disk_has(image: &[u8], number: &str, guests: u64) -> Verdict {
    let part = image.len() as u64 / guests;
    for guest in 0..guests {
        for block in (0..19).chain([part / 512 - 1]) {
            let expected = format!("disk {number} block {block} seed {}\n", 70 + guest);
            let start = (guest * part + block * 512) as usize;
            check!(
                image[start..].starts_with(expected.as_bytes()),
                "guest {guest}: disk {number} has no {expected:?}"
            );
        }
    }
    Ok(())
}

/// What a run counted on each path: name, times, instructions.
fn counts(more: &[&'static str]) -> Result<Vec<(String, u64, u64)>, libtest_mimic::Failed> {
    let mut arguments = vec!["--work", "measure", "--icount", "--memory-disk"];
    arguments.extend(["--files", files::directory()]);
    arguments.extend(more);
    let run = run(&arguments)?;
    run.must_be_good()?;
    let measures = run.events.iter().filter_map(|event| match event {
        xtask::events::Event::Measure(measure) => {
            Some((measure.name.clone(), measure.count, measure.instructions))
        }
        _ => None,
    });
    Ok(measures.collect())
}

/// A host that takes all that is unused at once: whatever comes back reads as zero.
fn pages() -> Verdict {
    let mut arguments = vec!["--work", "pages", "--guests", "1", "--evict", "steal"];
    arguments.extend(["--memory", "128M", "--guest-memory", "64M"]);
    arguments.extend(["--memory-disk", "--files", files::directory()]);
    let run = run(&arguments)?;
    run.must_be_good()?;
    let (pairs, essa) = run.tally("half-full random churn")?;
    check!(
        essa > 0 && essa * 8 <= pairs,
        "{essa} ESSA in {pairs} pairs"
    );
    let (possible, skipped) = run.tally("clears skipped")?;
    check!(
        possible > 1000 && skipped == possible,
        "{skipped} of {possible}"
    );
    Ok(())
}

fn measure() -> Verdict {
    let hosted = || counts(&["--guests", "1", "--evict", "steal"]);
    let first = hosted()?;
    check!(first.len() > 3, "too few paths: {first:?}");
    check!(first == hosted()?, "counts differ from run to run");
    Ok(())
}

/// Without a host, whose own work at the end of a wait would count.
fn pure_wait() -> Verdict {
    let counts = counts(&["--bare"])?;
    let wait = counts.iter().find(|(name, ..)| name.contains("wait"));
    check!(
        wait.is_some_and(|(_, _, instructions)| *instructions == 0),
        "{wait:?}"
    );
    Ok(())
}
