//! Runs `xtask` and reads what it printed.

use std::env;
use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, OnceLock};
use std::thread;

use libtest_mimic::{Failed, Trial};
use rustix::process::{Pid, Signal, kill_process};

use crate::hercules::both_ways;
use tempfile::TempDir;
use xtask::events::{self, Event, Guest, Host, Outcome, Status};
use xtask::failure::INTERRUPTED;
use xtask::packages::{self, Permission};
use xtask::testing::PROGRAM_VARIABLE;
use xtask::workspace::{self, find_program};

/// What a test function returns.
pub(crate) type Verdict = Result<(), Failed>;

/// Makes a test of a function.
pub(crate) fn trial(
    name: impl Into<String>,
    test: impl FnOnce() -> Verdict + Send + 'static,
) -> Trial {
    let (back_end, name) = both_ways::named(name.into());
    Trial::test(name, move || {
        both_ways::redirect(back_end);
        let verdict = test();
        both_ways::redirect(None);
        verdict
    })
}

/// Fails the test with a text unless `condition` holds.
#[macro_export]
macro_rules! check {
    ($condition:expr, $($text:tt)+) => {
        if !$condition {
            return Err(libtest_mimic::Failed::from(format!($($text)+)));
        }
    };
}

/// The program to test: the one that runs us, or else built now.
fn program() -> PathBuf {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    let build = || {
        let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let root = workspace::root();
        let built = Command::new(cargo)
            .current_dir(root)
            .args(["build", "-q", "-p", "xtask"])
            .status();
        assert!(
            built.is_ok_and(|status| status.success()),
            "xtask does not build"
        );
        workspace::root()
            .join(workspace::target())
            .join("debug/xtask")
    };
    let given = || env::var_os(PROGRAM_VARIABLE).map(PathBuf::from);
    PROGRAM
        .get_or_init(|| given().unwrap_or_else(build))
        .clone()
}

/// A command line of `xtask`, to be completed; stack traces are asked for, so that it shows if an
/// expected failure prints one.
pub(crate) fn xtask(arguments: &[&str]) -> Command {
    let mut command = Command::new(program());
    command
        .args(arguments)
        .env("RUST_BACKTRACE", "1")
        .stdin(Stdio::null());
    // Relative to the checkout wherever the harness runs.
    command.current_dir(workspace::root());
    command
}

/// Sees to it that a program is there, which is in a package of its name; `why` says what it is for.
pub(crate) fn require(program: &str, why: &str) -> Result<(), Failed> {
    // Two that install at the same time would be in each other's way.
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _turn = ONE_AT_A_TIME.lock();
    if find_program(program).is_some() {
        return Ok(());
    }
    let choose = || vec![program.to_owned()];
    packages::install(choose, why, Permission::Install)
        .map_err(|error| Failed::from(format!("{error:#}")))
}

/// What a command left.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) status: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Done {
    /// The one line that an expected failure prints, and nothing else on either output.
    pub(crate) fn only_error(&self) -> Result<&str, Failed> {
        let mut lines = self.stderr.lines();
        match (lines.next(), lines.next()) {
            (Some(line), None) if line.starts_with("error: ") => Ok(line),
            _ => Err(format!("not one line of error: {self:#?}").into()),
        }
    }
}

/// Runs a command to its end.
pub(crate) fn finish(mut command: Command) -> Result<Done, Failed> {
    let output = command
        .output()
        .map_err(|error| format!("{command:?}: {error}"))?;
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    Ok(Done {
        status: output.status.code(),
        stdout,
        stderr,
    })
}

/// Interrupts a command as its user would, who presses Ctrl-C; it must end as one that was interrupted.
pub(crate) fn interrupt(child: Child) -> Verdict {
    // A program for it is not on every machine.
    kill_process(Pid::from_child(&child), Signal::INT).map_err(|error| error.to_string())?;
    let output = child
        .wait_with_output()
        .map_err(|error| error.to_string())?;
    check!(
        output.status.code() == Some(i32::from(INTERRUPTED)),
        "{output:?}"
    );
    Ok(())
}

/// A run of `cargo xtask qemu`, read.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) done: Done,
    pub(crate) events: Vec<Event>,
    pub(crate) outcome: Outcome,
}

/// Runs `cargo xtask qemu --json` in a directory of its own and reads every line.
pub(crate) fn run(arguments: &[&str]) -> Result<Run, Failed> {
    run_in(&folder(), arguments)
}

/// As [`run`], in a directory that the caller keeps.
pub(crate) fn run_in(folder: &TempDir, arguments: &[&str]) -> Result<Run, Failed> {
    match both_ways::redirected(arguments, "120") {
        Some(run) => run,
        None => read_run(folder, qemu(folder, arguments)),
    }
}

/// As [`run_in`], doing something else meanwhile, whose failure comes first.
pub(crate) fn run_while(
    folder: &TempDir,
    arguments: &[&str],
    meanwhile: impl FnOnce() -> Verdict,
) -> Result<Run, Failed> {
    thread::scope(|scope| {
        let run = scope.spawn(|| run_in(folder, arguments));
        let verdict = meanwhile();
        let run = run.join().expect("a run does not panic");
        match (verdict, run) {
            (Ok(()), run) => run,
            (Err(failed), run) => Err(format!("{failed:?}\n{run:#?}").into()),
        }
    })
}

/// As [`run`], with a time limit in seconds.
pub(crate) fn run_within(timeout: &str, arguments: &[&str]) -> Result<Run, Failed> {
    if let Some(run) = both_ways::redirected(arguments, timeout) {
        return run;
    }
    let folder = folder();
    read_run(&folder, qemu_within(&folder, timeout, arguments))
}

/// Runs a command that leaves its lines in `run/` below `folder`, and reads them.
pub(crate) fn read_run(folder: &TempDir, command: Command) -> Result<Run, Failed> {
    let done = finish(command)?;
    let file = fs::read_to_string(folder.path().join("run/run.jsonl"))
        .map_err(|error| format!("no run.jsonl ({error}): {done:#?}"))?;
    check!(
        file == done.stdout,
        "--json prints something else than run.jsonl holds"
    );
    let events = read(&file).map_err(|error| format!("{error}\n{done:#?}"))?;
    match events.last() {
        Some(Event::Outcome(outcome)) => Ok(Run {
            done,
            outcome: outcome.clone(),
            events,
        }),
        _ => Err(format!("the last line is no result: {done:#?}").into()),
    }
}

/// The command line of a run that leaves its lines in `run/` below `folder`.
pub(crate) fn qemu(folder: &TempDir, arguments: &[&str]) -> Command {
    qemu_within(folder, "120", arguments)
}

/// As [`qemu`], with a time limit in seconds.
pub(crate) fn qemu_within(folder: &TempDir, timeout: &str, arguments: &[&str]) -> Command {
    let mut command = xtask(&["qemu", "--json", "--out"]);
    command
        .arg(folder.path().join("run"))
        .args(["--timeout", timeout])
        .args(arguments);
    command
}

/// A directory that goes away with the test.
pub(crate) fn folder() -> TempDir {
    tempfile::tempdir().expect("there is room for an empty directory")
}

/// Reads lines, and those that guests printed inside them.
fn read(text: &str) -> Result<Vec<Event>, String> {
    let mut events = Vec::new();
    for line in text.lines() {
        let event = events::parse(line).map_err(|error| format!("{error}: {line}"))?;
        if let Event::Console(console) = &event
            && console.line.starts_with('{')
        {
            let inner = &console.line;
            events.push(events::parse(inner).map_err(|error| format!("{error}: {inner}"))?);
        }
        events.push(event);
    }
    Ok(events)
}

impl Run {
    /// Fails unless the run was a good one.
    pub(crate) fn must_be_good(&self) -> Verdict {
        let good = self.outcome.status == Status::Ok && self.done.status == Some(0);
        check!(good, "{:?}\n{}", self.outcome, self.done.stderr);
        check!(
            self.outcome.reason.is_none(),
            "a good run has a reason: {:?}",
            self.outcome
        );
        for guest in &self.outcome.guests {
            check!(guest.mismatches == 0, "{guest:?}");
        }
        for guest in self.guests() {
            let accounted = guest.frames_free
                + guest.frames_cached
                + guest.frames_anonymous
                + guest.frames_kernel
                + guest.frames_reserved
                + guest.sign_off_waiting
                + guest.ballooned_pages;
            check!(accounted == guest.frames, "{guest:?}");
            check!(guest.page_descriptor_bytes == 64, "{guest:?}");
        }
        Ok(())
    }

    /// Fails unless the run failed with status 1 for a reason that contains one of `words`.
    pub(crate) fn must_fail(&self, words: &[&str]) -> Verdict {
        let reason = self.outcome.reason.clone().unwrap_or_default();
        let failed = self.outcome.status == Status::Failed && self.done.status == Some(1);
        check!(
            failed,
            "it should have failed: {:?}\n{}",
            self.outcome,
            self.done.stderr
        );
        check!(
            words.iter().any(|word| reason.contains(word)),
            "failed, but by: {reason}"
        );
        let error = self.done.only_error()?;
        check!(error.contains(&reason), "{error} does not say {reason}");
        Ok(())
    }

    /// The kernels' own outcomes.
    pub(crate) fn guests(&self) -> impl Iterator<Item = &Guest> {
        self.events.iter().filter_map(|event| match event {
            Event::Guest(guest) => Some(guest),
            _ => None,
        })
    }

    /// How often something could have happened, and did, that a kernel tells under a name with these words.
    pub(crate) fn tally(&self, wanted: &str) -> Result<(u64, u64), Failed> {
        let told = self.events.iter().find_map(|event| match event {
            Event::Tally(tally) if tally.name.contains(wanted) => Some((tally.count, tally.events)),
            _ => None,
        });
        told.ok_or_else(|| format!("no kernel tells {wanted}").into())
    }

    /// The host's outcome.
    pub(crate) fn host(&self) -> Result<&Host, Failed> {
        let host = self.events.iter().find_map(|event| match event {
            Event::Host(host) => Some(host),
            _ => None,
        });
        host.ok_or_else(|| Failed::from("the host printed no outcome"))
    }

    /// What the host found when it started.
    pub(crate) fn host_boot(&self) -> Result<&events::HostBoot, Failed> {
        let boot = self.events.iter().find_map(|event| match event {
            Event::HostBoot(boot) => Some(boot),
            _ => None,
        });
        boot.ok_or_else(|| Failed::from("the host printed nothing when it started"))
    }

    /// How many files the kernels say they have left on disks.
    pub(crate) fn files_left(&self) -> usize {
        let is_file = |event: &&Event| matches!(event, Event::FileLeft(_));
        self.events.iter().filter(is_file).count()
    }

    /// What the kernels found when they started.
    pub(crate) fn boots(&self) -> impl Iterator<Item = &events::Boot> {
        self.events.iter().filter_map(|event| match event {
            Event::Boot(boot) => Some(boot),
            _ => None,
        })
    }
}
