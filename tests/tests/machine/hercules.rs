//! The same images on another emulator, from the very files that `cargo xtask image` writes: started
//! in ESA/390 mode by a load list or from a card reader, with messages for the console in EBCDIC,
//! storage keys as the architecture has them, and DIAGNOSE X'250' of somebody else's.

mod back_ends;
pub(crate) mod both_ways;

use std::fs::{self, File};
use std::io::Write as _;
use std::process::Command;

use libtest_mimic::{Completion, Failed, Trial};
use tempfile::TempDir;
use xtask::events::{self, Event, Guest};
use xtask::machine::Pieces;

use crate::check;
use crate::files;
use crate::runs::disk_has;
use crate::support::{Verdict, finish, folder, require, xtask};

/// How long a machine may take, in seconds.
const LIMIT: &str = "100";

pub(crate) fn tests() -> Vec<Trial> {
    type Case = (&'static str, fn() -> Verdict);
    let all: [Case; 9] = [
        (
            "the_kernel_starts_in_esa390_mode_from_a_load_list",
            load_list,
        ),
        (
            "the_kernel_starts_from_a_card_reader_and_verifies_on_one_to_eight_cpus",
            cpus,
        ),
        ("a_deck_that_ends_early_is_noticed", short_deck),
        ("the_kernel_reads_a_disk_by_diag250", disk),
        ("the_control_program_executes_commands", commands),
        ("the_kernel_runs_tasks", tasks),
        ("the_host_discards_pages_of_its_guests", host),
        ("the_host_divides_disks_among_its_guests", guest_disks),
        ("the_host_runs_tasks_that_are_paged_out", || {
            guest_tasks("trap", "1")
        }),
    ];
    let tests = all.map(|(name, test)| hercules_trial(name, test));
    let tests = tests.into_iter().chain(back_ends::tests());
    tests.chain(both_ways::tests()).collect()
}

/// A test that needs the emulator.
fn hercules_trial(name: &str, test: impl FnOnce() -> Verdict + Send + 'static) -> Trial {
    Trial::ignorable_test(format!("hercules::{name}"), move || {
        if let Err(error) = require(
            "hercules",
            "it starts the images as other machines than QEMU do",
        ) {
            return Ok(Completion::ignored_with(
                error.message().unwrap_or_default(),
            ));
        }
        test().map(|()| Completion::Completed)
    })
}

fn text(error: impl ToString) -> Failed {
    Failed::from(error.to_string())
}

/// Writes images with options as for `qemu`, into a folder that goes away with the test; they read the
/// book.
fn images(options: &[&str]) -> Result<TempDir, Failed> {
    images_of(&[], options)
}

/// As [`images`]; they read other files.
fn images_of(files: &[&str], options: &[&str]) -> Result<TempDir, Failed> {
    let folder = folder();
    let mut command = xtask(&["image", "--machine", "hercules", "--json"]);
    command.args(files).arg("--out").arg(folder.path());
    command.arg("--").args(options);
    let done = finish(command)?;
    check!(done.status == Some(0), "{done:#?}");
    Ok(folder)
}

/// What a machine printed, and whether its script says that all was well.
struct Ran {
    log: String,
    good: bool,
    /// Lines for programs, of guests too.
    events: Vec<Event>,
}

/// Runs the script that lies beside the images.
fn run(folder: &TempDir, image: &str, from: &str, cpus: u16) -> Result<Ran, Failed> {
    let (log, good) = run_script(folder, image, from, cpus, LIMIT)?;
    let events = events_of(&lines_of(&log))?;
    Ok(Ran { log, good, events })
}

/// As [`run`], in at most so many seconds; returns what was printed, and whether the script says that all was well.
fn run_script(
    folder: &TempDir,
    image: &str,
    from: &str,
    cpus: u16,
    seconds: &str,
) -> Result<(String, bool), Failed> {
    let folder = folder.path().join("hercules");
    let mut command = Command::new("timeout");
    command
        .args([seconds, "./run.sh", image, from])
        .env("CPUS", cpus.to_string())
        .env("MEMORY", if image == "kernel" { "24" } else { "" });
    command.current_dir(&folder);
    let done = finish(command)?;
    let log = fs::read(folder.join("run.log")).map_err(text)?;
    let log = String::from_utf8_lossy(&log).into_owned();
    Ok((log, done.status == Some(0)))
}

/// The lines that an image has printed, put together.
fn lines_of(log: &str) -> Vec<String> {
    let mut pieces = Pieces::default();
    let lines = log.lines().map(without_color);
    let lines = lines.filter_map(|line| pieces.join(line));
    lines.filter(|line| line.starts_with("{\"kind\"")).collect()
}

/// What they say, and those of guests that they hold.
fn events_of(lines: &[String]) -> Result<Vec<Event>, Failed> {
    let mut found = Vec::new();
    for line in lines {
        let event = events::parse(line).map_err(|error| format!("{error}: {line}"))?;
        if let Event::Console(console) = &event
            && console.line.starts_with('{')
        {
            found.push(events::parse(&console.line).map_err(text)?);
        }
        found.push(event);
    }
    Ok(found)
}

/// A line as it was printed: Hercules says in front of some in which color to show them.
fn without_color(line: &str) -> &str {
    let is_colored = line.starts_with("<pnl");
    let end = line.find('>').filter(|_| is_colored);
    end.map_or(line, |end| &line[end + 1..])
}

impl Ran {
    /// The lines of all guests.
    fn printed(&self) -> Vec<String> {
        let lines = self.events.iter().filter_map(|event| match event {
            Event::Console(console) => Some(console.line.clone()),
            _ => None,
        });
        lines.collect()
    }

    /// The kernels' own outcomes, of which there must be so many good ones.
    fn guests(&self, count: usize) -> Result<Vec<&Guest>, Failed> {
        check!(self.good, "it did not end well:\n{}", self.log);
        let guests: Vec<_> = self
            .events
            .iter()
            .filter_map(|event| match event {
                Event::Guest(guest) => Some(guest),
                _ => None,
            })
            .collect();
        check!(
            guests.len() == count,
            "{} outcomes:\n{}",
            guests.len(),
            self.log
        );
        for guest in &guests {
            check!(guest.mismatches == 0, "{guest:?}");
            let is_compared = guest.bytes_verified > 0 || guest.work == "disks";
            check!(is_compared, "{guest:?}");
        }
        Ok(guests)
    }
}

fn load_list() -> Verdict {
    let images = images_of(&["--files", files::directory()], &["--bare"])?;
    let ran = run(&images, "kernel", "list", 1)?;
    let guests = ran.guests(1)?;
    let all = files::TOTAL;
    check!(guests[0].bytes_verified >= all, "{:?}", guests[0]);
    let switched = ran.log.contains("architecture mode set to ESA/390")
        && ran.log.contains("architecture mode set to z/Arch");
    check!(switched, "it did not start in ESA/390 mode:\n{}", ran.log);
    let in_lines = |event: &Event| matches!(event, Event::Boot(boot) if boot.console == "line");
    check!(ran.events.iter().any(in_lines), "no line-mode console");
    Ok(())
}

fn cpus() -> Verdict {
    let images = images(&["--bare"])?;
    for cpus in [1, 2, 4, 8] {
        let ran = run(&images, "kernel", "reader", cpus)?;
        ran.guests(1)?;
        let used =
            |event: &Event| matches!(event, Event::Boot(boot) if boot.cpus_used == u64::from(cpus));
        check!(
            ran.events.iter().any(used),
            "not on {cpus} CPUs:\n{}",
            ran.log
        );
    }
    Ok(())
}

/// The loader counts cards: it neither starts half an image nor waits for ever.
fn short_deck() -> Verdict {
    let images = images(&["--bare"])?;
    let deck = images.path().join("hercules/kernel.deck");
    let length = fs::metadata(&deck).map_err(text)?.len();
    let file = File::options().write(true).open(&deck).map_err(text)?;
    file.set_len(length - 80).map_err(text)?;
    let ran = run(&images, "kernel", "reader", 1)?;
    let stopped = ran.log.contains("PSW=000A0000 80000BAD");
    check!(!ran.good && stopped && ran.events.is_empty(), "{}", ran.log);
    Ok(())
}

/// Commands before and behind the work; the last one ends the machine. Where nobody takes them it says so.
fn commands() -> Verdict {
    let images = images(&["--bare", "--append", "cp=version;devlist cp-end=quit"])?;
    let refused = run(&images, "kernel", "list", 1)?;
    let reason = "cp=version: nobody takes commands here";
    check!(
        !refused.good && refused.log.contains(reason),
        "{}",
        refused.log
    );
    let configuration = images.path().join("hercules/hercules.cnf");
    let file = File::options().append(true).open(configuration);
    let added = file.and_then(|mut file| writeln!(file, "DIAG8CMD ENABLE"));
    added.map_err(text)?;
    let ran = run(&images, "kernel", "list", 1)?;
    let answers: Vec<_> = ran
        .events
        .iter()
        .filter_map(|event| match event {
            Event::ControlProgram(answer) => Some(answer),
            _ => None,
        })
        .collect();
    let [version, devices, ..] = &answers[..] else {
        return Err(format!("{} answers:\n{}", answers.len(), ran.log).into());
    };
    check!(
        (&*version.command, version.code) == ("version", 0),
        "{version:?}"
    );
    check!(version.response.contains("Version 3."), "{version:?}");
    check!(devices.response.contains("3215"), "{devices:?}");
    let is_over = ran
        .events
        .iter()
        .any(|event| matches!(event, Event::Guest(_)));
    check!(is_over && !ran.log.contains("PSW=000"), "{}", ran.log);
    Ok(())
}

/// Adds disks of fixed blocks to the machine: number and file.
fn attach(images: &TempDir, image: &str, disks: &[(u16, &str)]) -> Verdict {
    let script = images.path().join(format!("hercules/{image}-list.rc"));
    let mut lines = String::new();
    for (number, file) in disks {
        lines += &format!("attach {number:04x} 3370 {file}\n");
    }
    lines += &fs::read_to_string(&script).map_err(text)?;
    fs::write(script, lines).map_err(text)
}

/// Makes disks that may be written.
fn scratch(images: &TempDir) -> Result<[(u16, &'static str); 2], Failed> {
    let disks = [(0x0101, "guest.img"), (0x0102, "swap.img")];
    for (_, name) in disks {
        let path = images.path().join("hercules").join(name);
        let made = File::create(path).and_then(|file| file.set_len(32 << 20));
        made.map_err(text)?;
    }
    Ok(disks)
}

fn disk() -> Verdict {
    let images = images(&["--bare", "--append", "disk=diag250"])?;
    let packed = xtask::files::packed(files::directory().as_ref()).map_err(text)?;
    let packed = std::path::absolute(packed).map_err(text)?;
    fs::copy(packed, images.path().join("hercules/files.img")).map_err(text)?;
    attach(&images, "kernel", &[(0x0100, "files.img")])?;
    let ran = run(&images, "kernel", "list", 2)?;
    ran.guests(1)?;
    let by_call = |event: &Event| matches!(event, Event::Boot(boot) if boot.disk == "diag250");
    check!(ran.events.iter().any(by_call), "{}", ran.log);
    Ok(())
}

/// Tasks map, write, fork and cut files, with the keys and change bits of the architecture.
fn tasks() -> Verdict {
    let append = "disk=memory steps=12";
    let options = ["--bare", "--work", "churn", "--append", append];
    let images = images(&options)?;
    attach(&images, "kernel", &scratch(&images)?)?;
    run(&images, "kernel", "list", 2)?.guests(1).map(drop)
}

fn host() -> Verdict {
    let options = [
        "--evict",
        "steal",
        "--memory",
        "24M",
        "--guest-memory",
        "16M",
    ];
    let images = images_of(&["--files", files::directory()], &options)?;
    let ran = run(&images, "host", "reader", 2)?;
    let guests = ran.guests(2)?;
    for guest in &guests {
        check!(guest.made_volatile > 0, "{guest:?}");
    }
    let faults: u64 = guests.iter().map(|guest| guest.discard_faults).sum();
    let lost: u64 = guests.iter().map(|guest| guest.stable_failures).sum();
    check!(faults > 0 && lost > 0, "nothing was discarded: {guests:?}");
    Ok(())
}

/// Each guest has its part of the machine's disks, which somebody else's X'250' reads and writes: seen from outside.
fn guest_disks() -> Verdict {
    let guests = ["--guest-memory", "8M", "--memory", "16M"];
    let images = images(&[&["--work", "disks", "--seed", "70"], &guests[..]].concat())?;
    let disks = scratch(&images)?;
    attach(&images, "host", &disks)?;
    run(&images, "host", "list", 1)?.guests(2)?;
    for (number, file) in disks {
        let image = fs::read(images.path().join("hercules").join(file)).map_err(text)?;
        disk_has(&image, &format!("{number:04x}"), 2)?;
    }
    Ok(())
}

/// Everything at once on a host that has less memory than its guest sees and takes all that it may: what is stable goes
/// to a device, what the tasks write to disks of the guest's.
fn guest_tasks(back_end: &str, cpus: &str) -> Verdict {
    let append = format!("g.steps=12 backend={back_end}");
    let work = ["--work", "churn", "--append", &append];
    let guest = ["--guests", "1", "--guest-memory", "6M", "--memory", "4M"];
    let host = ["--evict", "steal", "--paging", "model:8M"];
    let cpus_of = ["--cpus", cpus, "--machine-cpus", cpus];
    let images = images(&[&work[..], &guest, &host, &cpus_of].concat())?;
    attach(&images, "host", &scratch(&images)?)?;
    let ran = run(&images, "host", "list", cpus.parse().map_err(text)?)?;
    let guests = ran.guests(1)?;
    let moved = guests[0].swapped_in > 0 && guests[0].pages_written > 0;
    check!(moved && guests[0].discard_faults > 0, "{:?}", guests[0]);
    let paged = ran.events.iter().any(|event| match event {
        Event::Host(host) => host.guests[0].page_writes > 0 && host.guests[0].page_reads > 0,
        _ => false,
    });
    check!(paged, "no page was written and read:\n{}", ran.log);
    Ok(())
}
