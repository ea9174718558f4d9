//! The host as each hypervisor that it can pass for: what a guest finds there that looks closely, that the kernel's work
//! is right under all of them, and what becomes of a guest that counts on discard faults where there are none.

mod program;

use libtest_mimic::{Failed, Trial};
use xtask::events::{Discards, Status};

use crate::check;
use crate::files;
use crate::paging::{everything_is_given_back, last_of_each};
use crate::runs::leak;
use crate::support::{Run, Verdict, folder, run, trial};
use program::Program;

/// All of them.
const ALL: [&str; 4] = ["model", "kvm", "kvm-new", "zvm"];

/// Two guests on less than they see, and a disk for what must be kept.
const SHORT: &str = "--guests 2 --guest-memory 12M --memory 8M --paging 64M --evict lru";

/// What guests do, each of it under each personality.
struct Job {
    work: &'static str,
    /// Options that are not as for the others.
    options: &'static str,
    shows: Shows,
}

/// What a good end of it shows.
#[derive(PartialEq, Eq)]
enum Shows {
    /// Bytes have been compared, and where nothing is discarded pages have been written meanwhile.
    Compared,
    /// Work that counts no bytes has compared what it had to.
    Done,
}

const fn job(work: &'static str, options: &'static str, shows: Shows) -> Job {
    Job {
        work,
        options,
        shows,
    }
}

/// Tasks with half as much memory again as one guest has, who has two thirds of what it sees: more memory is more pages
/// to move, and nothing else.
const SWAP: &str = "--guests 1 --guest-memory 6M --memory 4M";
/// A guest that is hinted nothing, and a balloon device.
const REPORTING: &str = "--hinting none --balloon";
/// What has to allocate by the thousand.
const PAGES: &str = "--guests 1 --guest-memory 64M --memory 64M";

const JOBS: [Job; 9] = [
    job("verify", "", Shows::Compared),
    job("churn", "--append g.steps=60", Shows::Compared),
    job("serve", "--memory 4M", Shows::Compared),
    job("swap", SWAP, Shows::Compared),
    job("disks", "", Shows::Done),
    job("reporting", REPORTING, Shows::Done),
    job("idle", "", Shows::Done),
    job("measure", "", Shows::Done),
    job("pages", PAGES, Shows::Done),
];

pub(crate) fn tests() -> Vec<Trial> {
    let mut tests = Vec::new();
    for name in ALL {
        let test = |what: &str| format!("personalities::{}_{what}", name.replace('-', "_"));
        tests.push(trial(test("as_a_guest_finds_it"), || found(name)));
        tests.push(trial(test("when_memory_is_short"), || paged_out(name)));
        for job in &JOBS {
            tests.push(trial(test(job.work), move || works(name, job)));
        }
    }
    for name in ["kvm", "kvm-new"] {
        let test = format!("personalities::{}_loses_forced", name.replace('-', "_"));
        tests.push(trial(test, || loses(name)));
    }
    let lengths = "personalities::of_an_execute_whose_target_has_gone";
    tests.push(trial(lengths, execute));
    tests
}

fn is_kvm(name: &str) -> bool {
    name.starts_with("kvm")
}

/// What a program of one guest has found, six bytes.
fn results(program: Program, options: &str) -> Result<[u8; 6], Failed> {
    let folder = folder();
    let path = folder.path().join("guest.img");
    std::fs::write(&path, program.image()).map_err(|error| error.to_string())?;
    let path = leak(path.to_str().ok_or("a directory name that is no text")?);
    let common = [
        "--guest",
        path,
        "--guests",
        "1",
        "--files",
        files::directory(),
    ];
    let options: Vec<_> = options.split(' ').collect();
    let run = run(&[&common[..], &options].concat())?;
    run.must_be_good()?;
    let reason = run.host()?.guests[0].reason.clone().unwrap_or_default();
    let found = program::found(&reason);
    found.ok_or_else(|| format!("it ended otherwise: {reason}").into())
}

/// States, exceptions, and what is not there, one after the other on the same page.
fn found(name: &'static str) -> Verdict {
    let options = format!("--personality {name} --evict lru --guest-memory 4M");
    let found = results(program::states(), &options)?;
    // Set unused after a query, a load, set volatile, a load after its content was released, an address of no page,
    // the request that needs a facility.
    let expected = match name {
        "kvm" => [0x03, 0x00, 0x04, 0x00, 0x85, 0x86],
        "kvm-new" => [0x02, 0x00, 0x04, 0x00, 0x10, 0x86],
        _ => [0x03, 0x85, 0x07, 0x9a, 0x85, 0x86],
    };
    check!(found == expected, "{found:x?}, not {expected:x?}");
    Ok(())
}

/// A stable page and a volatile one that other pages have driven out.
fn paged_out(name: &'static str) -> Verdict {
    let options =
        format!("--personality {name} --evict lru --guest-memory 16M --memory 4M --paging 32M");
    let found = results(program::driven_out(), &options)?;
    // The volatile one: what the request for it to be stable unless it was discarded tells, and its state then. The
    // stable one: its state, what the request to make it resident tells, its state then, and its content.
    let expected = if is_kvm(name) {
        [0x0e, 0x0e, 0x02, 0x02, 0x02, 0x5a]
    } else {
        [0x0f, 0x0f, 0x02, 0x02, 0x00, 0x5a]
    };
    check!(found == expected, "{found:x?}, not {expected:x?}");
    Ok(())
}

/// Behind an EXECUTE its target is not what the length of the instruction is, nor where it ends.
fn execute() -> Verdict {
    let found = results(program::execute(), "--evict lru --guest-memory 4M")?;
    // The interruption's code; how far behind the instruction the old PSW is, and the length: of both instructions
    // with a target in an unused page, then of one with a volatile one.
    let expected = [0x85, 0x44, 0x85, 0x66, 0x9a, 0x04];
    check!(found == expected, "{found:x?}, not {expected:x?}");
    Ok(())
}

/// A run of what guests do, on little memory.
fn pressed(name: &str, work: &str, more: &[&str]) -> Result<Run, Failed> {
    let short: Vec<_> = SHORT.split(' ').collect();
    let common = [
        "--files",
        files::directory(),
        "--personality",
        name,
        "--work",
        work,
    ];
    run(&last_of_each(&[&short[..], &common, more].concat()))
}

/// All data is right. Where no discard fault will ever come, the kernel finds that out and calls no page volatile.
fn works(name: &'static str, job: &Job) -> Verdict {
    let more: Vec<_> = job.options.split_whitespace().collect();
    let run = pressed(name, job.work, &[&["--passes", "1"], &more[..]].concat())?;
    run.must_be_good()?;
    check!(
        run.host_boot()?.personality == name,
        "{:?}",
        run.host_boot()?
    );
    let (discards, hinting) = if is_kvm(name) {
        (Discards::Zero, "unused")
    } else {
        (Discards::Faults, "full")
    };
    for boot in run.boots() {
        let is_as_expected = match boot.essa {
            true => boot.discards == discards && boot.hinting == hinting,
            false => job.options.contains("--hinting none"),
        };
        check!(is_as_expected, "{boot:?}");
    }
    let compares = job.shows == Shows::Compared;
    for guest in run.guests() {
        let is_compared = guest.bytes_verified > 0 || !compares;
        check!(guest.mismatches == 0 && is_compared, "{guest:?}");
    }
    for guest in &run.host()?.guests {
        if is_kvm(name) {
            let faults = guest.discard_faults + guest.addressing_faults;
            check!(guest.discards + faults == 0, "{guest:?}");
            check!(guest.page_writes > 0 || !compares, "{guest:?}");
        }
    }
    everything_is_given_back(run.host()?)
}

/// A kernel that is made to count on discard faults reads zeroes instead: of a page that was made stable, paged out, and
/// made volatile again, nothing is left, and nobody says so. The kernel compares all that it reads, and finds it.
fn loses(name: &'static str) -> Verdict {
    const SEEDS: [&str; 4] = ["1", "2", "3", "4"];
    let mut found = Vec::new();
    for seed in SEEDS {
        let options = ["--passes", "12", "--seed", seed, "--append", "g.cmma=force"];
        let run = pressed(name, "verify", &options)?;
        for guest in &run.host()?.guests {
            check!(guest.discard_faults == 0, "{guest:?}");
        }
        if run.outcome.status == Status::Failed {
            return run.must_fail(&["mismatch"]);
        }
        found.push(
            run.host()?
                .guests
                .iter()
                .map(|guest| guest.page_reads)
                .sum::<u64>(),
        );
    }
    Err(format!("nothing was lost; pages read: {found:?}").into())
}
