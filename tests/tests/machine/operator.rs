//! The host's operator: commands from a script, and typed at either console.

use std::fs::{self, File};

use libtest_mimic::{Failed, Trial};
use tempfile::TempDir;
use xtask::events::{Event, Operator, Status};

use crate::check;
use crate::files;
use crate::support::{Run, Verdict, finish, folder, qemu, read_run, run, run_in, trial, xtask};

pub(crate) fn tests() -> Vec<Trial> {
    let mut tests = vec![
        trial("operator::a_script", a_script),
        trial("operator::in_the_command_line", in_the_command_line),
        trial("operator::a_guest_is_stopped", a_guest_is_stopped),
        trial("operator::settings_are_changed", settings),
        trial("operator::who_is_paused_for_ever_is_stopped", || {
            let run = scripted("op=wait 200\nop=pause\n", LONG)?;
            run.must_fail(&["guest 0: stopped by the operator"])
        }),
        trial("operator::what_is_typed", || typed("ascii")),
        trial("operator::what_is_typed_in_line_mode", || typed("line")),
    ];
    for (name, script, words) in REFUSED {
        let name = format!("operator::refused_{name}");
        tests.push(trial(name, move || refused(script, words)));
    }
    tests
}

/// Volatile pages come and go with the hints that count, and guests shrink to what is not withheld.
fn settings() -> Verdict {
    let script = "op=wait 300\nop=states\nop=map\n\
                  op=hinting unused\nop=evict\nop=wait 300\nop=states\n\
                  op=hinting full\nop=policy steal:20\nop=wait 300\nop=states\n\
                  op=withhold 1500\nop=withhold 99999\nop=wait 500\nop=list\n";
    let more = [
        "--memory",
        "8M",
        "--guest-memory",
        "12M",
        "--paging",
        "model:32M:1:1",
    ];
    let run = scripted(script, &[COUNTED, &more].concat())?;
    run.must_be_good()?;
    let states = answers(&run, "states");
    check!(states.len() == 6, "{states:?}");
    let volatile = |answers: &[&Operator]| -> u64 {
        let pages = |answer: &Operator| ["Vr", "Pr"].map(|state| answer.counts[state]);
        answers.iter().flat_map(|answer| pages(answer)).sum()
    };
    let [before, unused, full] = [0, 2, 4].map(|first| volatile(&states[first..first + 2]));
    check!(
        before > 0 && unused == 0 && full > 0,
        "volatile: {before}, {unused} while they do not count, {full} again"
    );
    for map in answers(&run, "map") {
        let text = map.text.as_deref().unwrap_or_default();
        check!(text.len() == 512 && map.counts["pages"] == 6, "{map:?}");
        check!(text.contains('S') && text.contains('V'), "{text}");
    }
    let refused = answers(&run, "withhold");
    let refused = refused
        .iter()
        .filter(|answer| answer.status == Status::Failed);
    check!(refused.count() == 1, "more was withheld than there is");
    let resident = answers(&run, "list")
        .iter()
        .map(|answer| answer.counts["resident"])
        .sum::<u64>();
    check!(
        resident <= 2048 - 1500,
        "{resident} pages are resident of 548 frames"
    );
    Ok(())
}

/// A script without a file.
fn in_the_command_line() -> Verdict {
    let script = ["--script", "op=wait 50;op=list;op=states 0"];
    let run = run(&[&work()[..], &script].concat())?;
    run.must_be_good()?;
    check!(
        answers(&run, "list").len() == 2,
        "{:?}",
        answers(&run, "list")
    );
    check!(
        answers(&run, "states").len() == 1,
        "{:?}",
        answers(&run, "states")
    );
    let done = finish(xtask(&["qemu", "--script", "op=list;op=halt"]))?;
    let error = done.only_error()?;
    check!(
        done.status == Some(2) && error.contains("line 2: halt"),
        "{done:#?}"
    );
    Ok(())
}

/// Scripts that are none, and what is said of them.
const REFUSED: [(&str, &str, &str); 3] = [
    ("word", "op=list\nop=halt\n", "line 2: halt: expected"),
    ("line", "pause 1\n", "line 1: pause 1: expected op="),
    ("pause", "op=wait for ever\n", "milliseconds"),
];

/// Enough work for an operator to come before its end.
const LONG: &[&str] = &["--passes", "40"];
/// The same by a clock that counts instructions, so that the work has got as far when the operator comes however
/// busy the build machine is.
const COUNTED: &[&str] = &["--passes", "12", "--icount", "--memory-disk"];

fn work() -> Vec<&'static str> {
    vec!["--files", files::directory(), "--evict", "lru"]
}

fn scripted(script: &str, more: &[&str]) -> Result<Run, Failed> {
    let folder = folder();
    let path = write(&folder, script);
    run_in(&folder, &[&work()[..], &["--script", &path], more].concat())
}

fn write(folder: &TempDir, text: &str) -> String {
    let path = folder.path().join("script");
    fs::write(&path, text).expect("there is room for a script");
    path.to_string_lossy().into_owned()
}

/// The answers to one command, in their order.
fn answers<'a>(run: &'a Run, command: &str) -> Vec<&'a Operator> {
    let answer = |event: &'a Event| match event {
        Event::Operator(answer) => Some(answer),
        _ => None,
    };
    let all = run.events.iter().filter_map(answer);
    all.filter(|answer| answer.command == command).collect()
}

fn a_script() -> Verdict {
    let run = scripted(
        "# Look, take, look again.\n\
         op=wait 500\nop=pause 1\nop=list 1\nop=evict\nop=wait 300\nop=list 1\n\
         op=states\nop=dump 1\nop=dump 1 0x10000\nop=pause 7\nop=resume 1\n",
        COUNTED,
    )?;
    run.must_be_good()?;
    let count = |answer: &Operator, name: &str| answer.counts.get(name).copied();
    let [before, after] = answers(&run, "list")[..] else {
        return Err(format!("{:?}", answers(&run, "list")).into());
    };
    check!(after.text.as_deref() == Some("paused"), "{after:?}");
    check!(
        count(before, "cpu_us") == count(after, "cpu_us"),
        "it ran while it was paused: {before:?} {after:?}"
    );
    // What the kernel has done by then, as its host counted, and what was done to it.
    for name in ["essa1", "essa2", "essa3", "essa6"] {
        check!(count(before, name) > Some(0), "{name}: {before:?}");
    }
    check!(
        count(after, "discards") > count(before, "discards")
            && count(after, "essa3") == count(before, "essa3")
            && count(after, "page_writes") == Some(0),
        "{before:?} {after:?}"
    );
    let evicted = answers(&run, "evict");
    check!(evicted.len() == 2, "{evicted:?}");
    let taken = count(evicted[1], "pages").unwrap_or(0);
    let resident = [before, after].map(|answer| count(answer, "resident").unwrap_or(0));
    check!(
        taken > 0 && resident[0] == resident[1] + taken,
        "{taken} pages taken: {before:?} {after:?}"
    );
    let states = answers(&run, "states");
    check!(states.len() == 2, "{states:?}");
    for states in states {
        let pages: u64 = states.counts.values().sum();
        check!(
            states.counts.len() >= 8 && Some(pages) == count(after, "pages"),
            "{states:?}"
        );
    }
    let [registers, storage @ ..] = &answers(&run, "dump")[..] else {
        return Err("nothing is dumped".into());
    };
    let text = |answer: &Operator| answer.text.clone().unwrap_or_default();
    check!(
        text(registers).starts_with("cpu 0 operates: psw "),
        "{registers:?}"
    );
    check!(
        storage.len() == 8 && text(storage[0]).starts_with("0x10000: "),
        "{storage:?}"
    );
    let [one, nobody] = answers(&run, "pause")[..] else {
        return Err(format!("{:?}", answers(&run, "pause")).into());
    };
    check!(one.guest == Some(1), "{one:?}");
    check!(
        nobody.guest.is_none() && nobody.status == Status::Failed,
        "{nobody:?}"
    );
    Ok(())
}

fn a_guest_is_stopped() -> Verdict {
    let more = [LONG, &["--cpus", "2"]].concat();
    let run = scripted("op=wait 200\nop=stop 1\nop=resume 1\n", &more)?;
    run.must_fail(&["guest 1: stopped by the operator"])?;
    let other = &run.host()?.guests[0];
    check!(other.status == Status::Ok, "{other:?}");
    let refused = answers(&run, "resume");
    check!(
        refused.len() == 1 && refused[0].status == Status::Failed,
        "{refused:?}"
    );
    Ok(())
}

fn typed(console: &str) -> Verdict {
    let folder = folder();
    let keys = File::open(write(&folder, "halt\nl\np 1\nresume 1\nx 0\n"))
        .map_err(|error| error.to_string())?;
    let arguments = [&work()[..], LONG, &["--operator", "--console", console]].concat();
    let mut command = qemu(&folder, &arguments);
    command.stdin(keys);
    let run = read_run(&folder, command)?;
    run.must_fail(&["guest 0: stopped by the operator"])?;
    for (word, expected) in [
        ("", 1),
        ("list", 2),
        ("pause", 1),
        ("resume", 1),
        ("stop", 1),
    ] {
        let found = answers(&run, word);
        check!(found.len() == expected, "{word:?}: {found:?}");
    }
    Ok(())
}

fn refused(script: &str, words: &str) -> Verdict {
    let folder = folder();
    let done = finish(xtask(&["qemu", "--script", &write(&folder, script)]))?;
    let error = done.only_error()?;
    check!(
        done.status == Some(2) && error.contains(words) && error.contains("--script"),
        "{done:#?}"
    );
    Ok(())
}
