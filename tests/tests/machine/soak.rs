//! The soak: on real machines, with a deliberate mistake that it must find and make small, and on machines that are
//! none, interrupted.
//!
//! The suite soaks for a minute, always with the same seeds; with `MATRIX=all` in the environment it does so for ten,
//! with others each time.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use libtest_mimic::{Failed, Trial};
use xtask::failure::{FAILED, UNUSABLE};
use xtask::soak::judge::Kind;
use xtask::soak::result::{RESULT, Soak};

use crate::check;
use crate::fake::write_script;
use crate::files;
use crate::support::{Done, Verdict, finish, folder, interrupt, run, trial, xtask};

pub(crate) fn tests() -> Vec<Trial> {
    vec![
        trial("soak::until_the_time_is_up", || {
            let all = std::env::var("MATRIX").is_ok_and(|value| value == "all");
            soak(if all {
                &["--minutes", "10"]
            } else {
                &["--seconds", "60", "--seed", "1", "--machines", "1"]
            })
        }),
        trial("soak::finds_a_mistake_and_what_it_takes", finds),
        trial("soak::lists_what_it_would_run", lists),
        trial("soak::of_machines_that_say_nothing", silent),
        trial("soak::interrupted_leaves_what_there_is", interrupted),
        trial("soak::refuses_what_it_cannot_write", refused),
        trial("soak::a_machine_that_stood_still_goes_on", frozen),
    ]
}

/// A soak that leaves its result in a folder.
fn command(out: &Path, more: &[&str]) -> Command {
    let out = out.to_string_lossy();
    xtask(&[&["soak", "--json", "--out", &out], more].concat())
}

/// The result in a folder.
fn read(out: &Path) -> Result<Soak, Failed> {
    let text = fs::read_to_string(out.join(RESULT)).map_err(|error| error.to_string())?;
    serde_json::from_str(&text).map_err(|error| format!("{error}: {text}").into())
}

fn soak(more: &[&str]) -> Verdict {
    let folder = folder();
    let done = finish(command(folder.path(), more))?;
    let soak = read(folder.path())?;
    let is_good = done.status == Some(0) && soak.complete && soak.failed.is_empty();
    check!(is_good, "{soak:#?}\n{}", done.stderr);
    check!(soak.runs == soak.passed && soak.runs >= 5, "{soak:#?}");
    check!(soak.counts["mismatches"] == 0, "{soak:#?}");
    let did = |name: &str| soak.counts.get(name).is_some_and(|count| *count > 0);
    check!(did("bytes_verified") && did("discards"), "{soak:#?}");
    let printed: Soak = serde_json::from_str(&done.stdout).map_err(|error| error.to_string())?;
    check!(printed == soak, "--json prints something else");
    Ok(())
}

/// A host that loses stable pages is found, and what is left of the command line fails as well.
fn finds() -> Verdict {
    let folder = folder();
    let arguments = [
        "--control",
        "discard-stable",
        "--seed",
        "3",
        "--count",
        "60",
        "--failures",
        "1",
        "--tries",
        "60",
        "--timeout",
        "30",
    ];
    let done = finish(command(folder.path(), &arguments))?;
    check!(done.status == Some(i32::from(FAILED)), "{done:#?}");
    let soak = read(folder.path())?;
    let smaller = soak.failed.iter().find_map(|failed| {
        let smaller = failed.smaller.as_ref()?;
        let is_damage = smaller.wrong.kind.is_like(Kind::Mismatch);
        (is_damage && failed.again.1 > 0).then_some((failed, smaller))
    });
    let (failed, smaller) = smaller.ok_or_else(|| format!("it is not found: {soak:#?}"))?;
    let words = |line: &str| line.split(' ').count();
    check!(
        words(&smaller.command) <= words(&failed.command)
            && smaller.command.contains("--guests 1 "),
        "{failed:#?}"
    );
    check!(failed.folder.join("run.jsonl").exists(), "{failed:#?}");
    // As somebody types it.
    let line = smaller
        .command
        .strip_prefix("cargo xtask ")
        .unwrap_or_default();
    let typed: Vec<&str> = line
        .split(' ')
        .map(|word| word.trim_matches('\''))
        .collect();
    for _ in 0..3 {
        let out = folder.path().join("again");
        let again = finish(xtask(
            &[&typed[..], &["--out", &out.to_string_lossy()]].concat(),
        ))?;
        if again.status == Some(i32::from(FAILED)) {
            return Ok(());
        }
    }
    Err(format!("it does not fail again: {failed:#?}").into())
}

fn lists() -> Verdict {
    let list = |seed: &str| -> Result<Vec<String>, Failed> {
        let done = finish(xtask(&["soak", "--list", "--count", "3", "--seed", seed]))?;
        check!(done.status == Some(0), "{done:#?}");
        Ok(done.stdout.lines().map(str::to_owned).collect())
    };
    let (one, other) = (list("5")?, list("6")?);
    let is_command = |line: &String| line.starts_with("cargo xtask qemu ");
    check!(one.len() == 3 && one.iter().all(is_command), "{one:?}");
    check!(one == list("5")?, "not the same again: {one:?}");
    check!(one[1..] == other[..2], "{one:?} {other:?}");
    Ok(())
}

/// Makes a script QEMU, which leaves its process number in `pids`.
fn fake(folder: &Path, what: &str) -> Verdict {
    let help = "[ \"$1 $2\" = '-machine help' ] && echo s390-ccw-virtio && exit 0";
    let pids = folder.join("pids");
    let text = format!("{help}\necho $$ >> {}\n{what}", pids.display());
    write_script(&folder.join("qemu"), &text)
}

fn silent() -> Verdict {
    let folder = folder();
    fake(folder.path(), "exit 0")?;
    let mut soak = command(
        folder.path(),
        &["--count", "2", "--seed", "9", "--tries", "30"],
    );
    soak.env("QEMU", folder.path().join("qemu"));
    let done: Done = finish(soak)?;
    check!(done.status == Some(i32::from(FAILED)), "{done:#?}");
    check!(
        done.only_error()?.contains("2 of 2 runs failed"),
        "{done:#?}"
    );
    let soak = read(folder.path())?;
    check!(soak.wrong.get(&Kind::Lines) == Some(&2), "{soak:#?}");
    for failed in &soak.failed {
        let smaller = failed.smaller.as_ref().ok_or("nothing smaller is found")?;
        check!(smaller.command.contains("--passes 1 "), "{failed:#?}");
    }
    Ok(())
}

/// Two machines that hang, and somebody who does not want to wait.
fn interrupted() -> Verdict {
    let folder = folder();
    fake(folder.path(), "exec sleep 100")?;
    let mut soak = command(folder.path(), &["--machines", "2", "--seed", "9"]);
    soak.env("QEMU", folder.path().join("qemu"));
    let child = soak.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let child = child.map_err(|error| error.to_string())?;
    let deadline = Instant::now() + Duration::from_secs(120);
    let pids = || fs::read_to_string(folder.path().join("pids")).unwrap_or_default();
    while pids().is_empty() {
        check!(Instant::now() < deadline, "no machine starts");
        thread::sleep(Duration::from_millis(50));
    }
    thread::sleep(Duration::from_millis(300));
    interrupt(child)?;
    let soak = read(folder.path())?;
    check!(!soak.complete && soak.runs == 0, "{soak:#?}");
    for pid in pids().lines() {
        check!(
            !Path::new("/proc").join(pid).exists(),
            "machine {pid} lives on"
        );
    }
    let left = fs::read_dir(folder.path()).map_err(|error| error.to_string())?;
    let is_machine = |name: &str| name.starts_with("machine-") || name == "images";
    for entry in left.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        check!(!is_machine(&name), "{name} is left");
    }
    Ok(())
}

fn refused() -> Verdict {
    let done = finish(command(Path::new("/dev/null/soak"), &["--count", "1"]))?;
    let error = done.only_error()?;
    check!(
        done.status == Some(i32::from(UNUSABLE)) && error.contains("--out /dev/null/soak"),
        "{done:#?}"
    );
    Ok(())
}

/// Its clocks have gone on meanwhile: ticks are lost, and nothing else.
fn frozen() -> Verdict {
    let run = run(&[
        "--bare",
        "--memory",
        "8M",
        "--passes",
        "40",
        "--files",
        files::directory(),
        "--freeze",
        "500:1500",
    ])?;
    run.must_be_good()?;
    for guest in run.guests() {
        check!(guest.ticks_lost >= 100, "{guest:?}");
    }
    Ok(())
}
