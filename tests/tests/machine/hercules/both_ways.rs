//! The host's own tests on Hercules, by either back end: the same functions, whose runs are redirected.
//!
//! A disk in memory takes the place of that with files, storage that is as slow as a disk that of the paging device. A
//! short set is run always, all of them with `MATRIX=all` in the environment, but for those that are left out by name.

use std::cell::Cell;
use std::fs;

use libtest_mimic::{Failed, Trial};
use xtask::collect::{Collector, Expected};
use xtask::events::{Event, Status};
use xtask::machine::{End, Source};
use xtask::workspace;

use super::back_ends::BACK_ENDS;
use super::{attach, images_of, run_script, scratch};
use crate::check;
use crate::support::{Done, Run, Verdict, trial};

thread_local! {
    /// By which back end the runs of this thread are on Hercules, if they are.
    static BACK_END: Cell<Option<&'static str>> = const { Cell::new(None) };
}

/// Tests that are left out: the beginnings of their names, with the back end in front if it is about that, and why.
#[rustfmt::skip]
pub(super) const LEFT_OUT: &[(&str, &str)] = &[
    ("balloon::", "balloons are virtio devices"),
    ("rival::", "the same, and instructions are counted, which QEMU alone does"),
    ("guest_disks::", "disks of guests are virtio devices"),
    ("io_errors::", "disks that fail are QEMU's"),
    ("paging::a_page_cannot_be", "the same"),
    ("paging::refused_no_disk", "storage takes the place of the disk"),
    ("paging::refused_read_only", "the same"),
    ("requests::a_block_that_cannot_be_read", "disks that fail are QEMU's"),
    ("requests::an_entry_of_a_list_that_cannot_be_read", "the same"),
    ("controls::", "images with deliberate mistakes are built for QEMU alone"),
    ("paging::a_page_by_another_name", "the same"),
    ("cpus::one_that_never_answers_is_named", "the same"),
    ("cpus::one_without_ticks_for_long_says_so", "the same"),
    ("emulation::", "compared with QEMU alone; the back ends are compared with each other"),
    ("runs::instructions_are_counted_exactly", "QEMU alone counts instructions"),
    ("runs::free_pages_are_seldom_hinted_and_not_cleared", "the same"),
    ("runs::a_pure_wait_counts_no_instructions", "the same"),
    ("runs::main_job", "what is read if nothing is said is less in an image"),
    ("paging::volatile_pages_are_kept_first", "the same"),
    ("runs::bare", "no host"),
    ("runs::the_bare_kernel_writes_its_disks", "no host"),
    ("runs::guests_write_their_own_parts_of_the_disks", "the run's folder is looked at afterwards"),
    ("operator::", "commands are typed at the ASCII console"),
    ("many::sixteen", "more than four guests"),
    ("registers::vector", "the machine has no vector registers"),
    ("tasks::no_memory_to_start_one", "the machine has eight CPUs at most"),
    ("sie::policies::steal_spare", "the host does not see the handler return to the instruction, so it spares the pages longer"),
    ("sie::shadow::tasks_with_little_room", "there are no shadow tables where the machine walks those of guests"),
    ("sie::shadow::more_tables_than_there_is_room_for", "the same"),
];

/// How much longer a run may take than by QEMU. The machine interprets, and its timers wake it late.
const SLOWER: u32 = 4;

/// Tests that are run always.
const SHORT: &[&str] = &[
    "runs::one_guest_alone",
    "vcpus::signals_evict_steal_on_2",
    "vcpus::orders_to_a_cpu_that_runs",
    "vcpus::timers_end_waits",
    "registers::floating_on_2",
    "news::cannot_come_without_a_monitor",
];

/// The tests of the host by both back ends.
pub(super) fn tests() -> Vec<Trial> {
    let all = std::env::var("MATRIX").is_ok_and(|value| value == "all");
    let mut tests = Vec::new();
    for back_end in BACK_ENDS {
        BACK_END.set(Some(back_end));
        tests.extend(of_the_host());
    }
    BACK_END.set(None);
    let is_chosen = |name: &str| all || SHORT.contains(&name);
    let is_left_out = |name: &str| {
        let back_end_first = name.trim_start_matches("hercules::");
        LEFT_OUT.iter().any(|(left_out, _)| {
            plain_name(name).starts_with(left_out) || back_end_first.starts_with(left_out)
        })
    };
    tests.retain(|test| is_chosen(plain_name(test.name())) && !is_left_out(test.name()));
    let name = "hercules::what_is_left_out_is_in_the_book";
    tests.push(trial(name, left_out_in_the_book));
    tests
}

fn left_out_in_the_book() -> Verdict {
    let book = workspace::root().join("docs/interpretive-execution.md");
    let book = fs::read_to_string(book).map_err(|error| error.to_string())?;
    let rows = LEFT_OUT.iter();
    let rows: String = rows
        .map(|(name, why)| format!("| `{name}` | {why} |\n"))
        .collect();
    let table = format!("| tests | why |\n| --- | --- |\n{rows}");
    check!(book.ends_with(&table), "it should end with:\n{table}");
    Ok(())
}

/// The name of a test without the machine that it is on.
fn plain_name(name: &str) -> &str {
    name.splitn(3, "::").nth(2).unwrap_or(name)
}

/// All tests that boot the host.
fn of_the_host() -> Vec<Trial> {
    let modules = [
        crate::balloon::tests,
        crate::containment::tests,
        crate::controls::tests,
        crate::cpus::tests,
        crate::emulation::tests,
        crate::foreign::tests,
        crate::guest_disks::tests,
        crate::io_errors::tests,
        crate::many::tests,
        crate::matrix::tests,
        crate::news::tests,
        crate::operator::tests,
        crate::paging::tests,
        crate::personalities::tests,
        crate::policies::tests,
        crate::registers::tests,
        crate::requests::tests,
        crate::rival::tests,
        crate::runs::tests,
        crate::shadow::tests,
        crate::streams::tests,
        crate::tasks::tests,
        crate::vcpus::tests,
    ];
    modules.into_iter().flat_map(|tests| tests()).collect()
}

/// Whether the tests that are made now are for Hercules.
pub(crate) fn is_on() -> bool {
    BACK_END.get().is_some()
}

/// The back end that this thread's runs are by, and the name of a test that is made now.
pub(crate) fn named(name: String) -> (Option<&'static str>, String) {
    let back_end = BACK_END.get();
    let name = match back_end {
        Some(back_end) => format!("hercules::{back_end}::{name}"),
        None => name,
    };
    (back_end, name)
}

/// From now on this thread's runs are on Hercules by this back end, if by any.
pub(crate) fn redirect(back_end: Option<&'static str>) {
    BACK_END.set(back_end);
}

/// Does on Hercules what `cargo xtask qemu` would do with these arguments, if the thread's runs are to be there.
pub(crate) fn redirected(arguments: &[&str], seconds: &str) -> Option<Result<Run, Failed>> {
    let back_end = BACK_END.get()?;
    Some(run(arguments, seconds, back_end))
}

/// The value of an option, taken out of the arguments.
fn take<'a>(words: &mut Vec<&'a str>, option: &str) -> Option<&'a str> {
    let at = words.iter().position(|word| *word == option)?;
    words.remove(at);
    Some(words.remove(at))
}

fn run(arguments: &[&str], seconds: &str, back_end: &str) -> Result<Run, Failed> {
    let mut words = arguments.to_vec();
    let files = take(&mut words, "--files");
    let files: Vec<_> = files
        .into_iter()
        .flat_map(|files| ["--files", files])
        .collect();
    let is_bare = words.contains(&"--bare");
    let cpus = |words: &[&str], option| {
        let at = words.iter().position(|word| *word == option)?;
        words.get(at + 1)?.parse().ok()
    };
    let guests = if is_bare {
        1
    } else {
        cpus(&words, "--guests").unwrap_or(2)
    };
    let own = if is_bare { "--cpus" } else { "--machine-cpus" };
    let machine_cpus = cpus(&words, "--machine-cpus")
        .or(cpus(&words, own))
        .unwrap_or(1);
    let is_ours = !words.contains(&"--guest");
    let mut append = take(&mut words, "--append").unwrap_or_default().to_owned();
    if !is_bare {
        append += &format!(" backend={back_end}");
    }
    // A disk of so many bytes is one in storage.
    let paging = take(&mut words, "--paging");
    let model = paging.map(|paging| {
        let is_size = paging.ends_with(['K', 'M', 'G']) && !paging.contains(':');
        if is_size {
            format!("model:{paging}")
        } else {
            paging.to_owned()
        }
    });
    words.extend(["--append", &append]);
    let with_paging = |model: &str| {
        let paging = ["--paging", model];
        images_of(&files, &[&words[..], &paging].concat())
    };
    let images = match &model {
        Some(model) => with_paging(model)?,
        // What is chosen where nothing is said may be a disk.
        None => images_of(&files, &words).or_else(|_| with_paging("model:64M"))?,
    };
    let image = if is_bare { "kernel" } else { "host" };
    let limit = seconds.parse().unwrap_or(0u32) * SLOWER;
    let limit = limit.to_string();
    attach(&images, image, &scratch(&images)?)?;
    let (log, good) = run_script(&images, image, "list", machine_cpus, &limit)?;
    let mut collector = Collector::new(Expected {
        host: !is_bare,
        guests,
        our_kernel: is_ours,
    });
    let lines = super::lines_of(&log);
    for line in &lines {
        collector.line(Source::Console, line);
    }
    let end = if log.contains("PSW=000") {
        End::Exit(Some(i32::from(!good)))
    } else {
        End::TimedOut
    };
    let outcome = collector.outcome(end, seconds.parse().unwrap_or_default());
    let mut events = super::events_of(&lines)?;
    events.push(Event::Outcome(outcome.clone()));
    let is_good = outcome.status == Status::Ok;
    let reason = outcome.reason.clone().unwrap_or_default();
    let done = Done {
        status: Some(i32::from(!is_good)),
        stdout: lines.join("\n"),
        stderr: if is_good {
            String::new()
        } else {
            format!("error: {reason}\n")
        },
    };
    Ok(Run {
        done,
        events,
        outcome,
    })
}
