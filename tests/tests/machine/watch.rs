//! The live view under a pseudo terminal: what it shows, what its keys make the host do, and the terminal afterwards.

use std::io::{Read, Write};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use libtest_mimic::{Failed, Trial};
use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};
use tempfile::TempDir;
use xtask::events::{self, Event, Operator, Status};
use xtask::failure::INTERRUPTED;
use xtask::farm::store::RESULT;

use crate::check;
use crate::files;
use crate::support::{Verdict, finish, folder, trial, xtask};

/// How long something may take to be seen; the images may have to be built before.
const PATIENCE: Duration = Duration::from_secs(240);
/// How often is looked.
const POLL: Duration = Duration::from_millis(50);
/// The size of the terminal.
const SIZE: PtySize = PtySize {
    rows: 24,
    cols: 80,
    pixel_width: 0,
    pixel_height: 0,
};
/// What a terminal is told to leave the alternate screen, and to show its cursor.
const LEAVE: &str = "\x1b[?1049l";
const SHOW_CURSOR: &str = "\x1b[?25h";

pub(crate) fn tests() -> Vec<Trial> {
    vec![
        trial("watch::keys_change_what_the_host_does", keys),
        trial("watch::the_end_is_that_of_a_run_without_it", end),
        trial("watch::control_c_ends_it", interrupted),
        trial("watch::a_run_that_fails_leaves_a_clean_terminal", failing),
        trial("watch::without_a_terminal_there_are_lines", plain),
        trial("watch::lines_for_programs_are_something_else", json),
        trial("watch::a_farm", farm),
    ]
}

/// A command on a terminal of its own.
struct Session {
    child: Box<dyn Child + Send + Sync>,
    master: Box<dyn MasterPty + Send>,
    keys: Box<dyn Write + Send>,
    /// All that it has written, and the screen that comes of it.
    seen: Arc<Mutex<(Vec<u8>, vt100::Parser)>>,
    reader: Option<thread::JoinHandle<()>>,
}

impl Session {
    fn start(arguments: &[&str], folder: &TempDir) -> Result<Self, Failed> {
        let pair = native_pty_system().openpty(SIZE).map_err(text)?;
        let like = xtask(arguments);
        let mut command = CommandBuilder::new(like.get_program());
        command.args(like.get_args());
        command.arg("--out");
        command.arg(folder.path().join("run"));
        if let Some(directory) = like.get_current_dir() {
            command.cwd(directory);
        }
        command.env("TERM", "xterm-256color");
        command.env_remove("CI");
        let child = pair.slave.spawn_command(command).map_err(text)?;
        drop(pair.slave);
        let mut output = pair.master.try_clone_reader().map_err(text)?;
        let parser = vt100::Parser::new(SIZE.rows, SIZE.cols, 0);
        let seen = Arc::new(Mutex::new((Vec::new(), parser)));
        let filled = Arc::clone(&seen);
        let reader = thread::spawn(move || {
            let mut bytes = [0; 4096];
            // A terminal whose other side is gone is an error here.
            while let Ok(length @ 1..) = output.read(&mut bytes) {
                let mut seen = filled.lock().expect("nobody panics with it");
                seen.0.extend_from_slice(&bytes[..length]);
                seen.1.process(&bytes[..length]);
            }
        });
        Ok(Self {
            child,
            keys: pair.master.take_writer().map_err(text)?,
            master: pair.master,
            seen,
            reader: Some(reader),
        })
    }

    fn screen(&self) -> String {
        let seen = self.seen.lock().expect("nobody panics with it");
        seen.1.screen().contents()
    }

    /// Waits until the screen is as wanted.
    fn wait_for(&mut self, what: &str, is_so: impl Fn(&str) -> bool) -> Verdict {
        let begin = Instant::now();
        while !is_so(&self.screen()) {
            let is_over = self.child.try_wait()?.is_some();
            check!(
                !is_over && begin.elapsed() < PATIENCE,
                "{what} was not seen on:\n{}",
                self.screen()
            );
            thread::sleep(POLL);
        }
        Ok(())
    }

    fn wait_for_words(&mut self, words: &str) -> Verdict {
        self.wait_for(words, |screen| screen.contains(words))
    }

    fn press(&mut self, keys: &str) -> Verdict {
        self.keys.write_all(keys.as_bytes())?;
        Ok(())
    }

    /// Waits for the end; returns the status, and what is on the screen then. The terminal must be as it was.
    fn end(mut self) -> Result<(u32, String), Failed> {
        let begin = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait()? {
                break status.exit_code();
            }
            check!(begin.elapsed() < PATIENCE, "no end:\n{}", self.screen());
            thread::sleep(POLL);
        };
        #[cfg(unix)]
        {
            let mode = self.master.get_termios().ok_or("no terminal modes")?;
            let flags = format!("{:?}", mode.local_flags);
            check!(
                flags.contains("ICANON") && flags.contains("ECHO") && flags.contains("ISIG"),
                "the terminal is raw: {flags}"
            );
        }
        if let Some(reader) = self.reader.take() {
            reader.join().map_err(|_| "the reader panicked")?;
        }
        let seen = self.seen.lock().expect("nobody panics with it");
        let bytes = String::from_utf8_lossy(&seen.0);
        let screen = seen.1.screen();
        check!(
            bytes.contains(LEAVE) && bytes.contains(SHOW_CURSOR),
            "it was not left: {bytes:?}"
        );
        check!(
            !screen.alternate_screen() && !screen.hide_cursor(),
            "{bytes:?}"
        );
        Ok((status, screen.contents()))
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn text(error: impl std::fmt::Display) -> Failed {
    error.to_string().into()
}

/// A run of two guests that goes on until somebody ends it.
fn run(folder: &TempDir, more: &[&str]) -> Result<Session, Failed> {
    let files = files::directory();
    let arguments = ["qemu", "--watch", "--files", files, "--timeout", "300"];
    Session::start(&[&arguments, more].concat(), folder)
}

const ENDLESS: [&str; 4] = ["--passes", "100000", "--evict", "lru"];

/// The host's answers, in their order.
fn answers(folder: &TempDir) -> Result<Vec<Operator>, Failed> {
    let text = std::fs::read_to_string(folder.path().join("run/run.jsonl"))?;
    let events: Result<Vec<Event>, String> = text.lines().map(events::parse).collect();
    let answer = |event| match event {
        Event::Operator(answer) => Some(answer),
        _ => None,
    };
    Ok(events?.into_iter().filter_map(answer).collect())
}

fn keys() -> Verdict {
    let folder = folder();
    let mut session = run(&folder, &ENDLESS)?;
    session.wait_for_words("policy lru  h hinting full")?;
    // A map with volatile pages, of both guests, and rates.
    session.wait_for("a map", |screen| {
        screen.contains("VVVVVV") && screen.contains("guest 1 runs") && screen.contains("ESSA S ")
    })?;
    session.press("o")?;
    session.wait_for_words("policy random:6000  h")?;
    session.press("O")?;
    session.wait_for_words("policy lru  h")?;
    session.press("++")?;
    session.wait_for_words("withheld 1,280 (12 %)")?;
    // No new volatile pages; those that are go.
    session.press("he")?;
    session.wait_for_words("hinting unused  +")?;
    session.wait_for("a map without volatile pages", |screen| {
        !screen.contains("VVV") && screen.contains("SSSSSS")
    })?;
    session.press("j")?;
    session.wait_for_words("▶ guest 0")?;
    session.press("p")?;
    session.wait_for_words("guest 0 paused")?;
    session.press("p")?;
    session.wait_for_words("guest 0 runs")?;
    session.press("?")?;
    session.wait_for_words("withhold more, fewer, no frames")?;
    session.press("?h 0")?;
    session.wait_for_words("FROZEN")?;
    session.press(" ")?;
    session.wait_for_words("hinting full  + - withheld 0 (0 %)")?;
    session.press("q")?;
    let (status, screen) = session.end()?;
    check!(status == u32::from(INTERRUPTED), "{status}: {screen}");
    check!(screen.contains("error: interrupted"), "{screen}");

    let answers = answers(&folder)?;
    check!(
        answers.iter().all(|answer| answer.status == Status::Ok),
        "{answers:?}"
    );
    let others: Vec<_> = answers
        .iter()
        .filter(|answer| !["list", "map"].contains(&&*answer.command))
        .map(|answer| (&*answer.command, answer.guest))
        .collect();
    let expected = [
        ("policy", None),
        ("policy", None),
        ("withhold", None),
        ("withhold", None),
        ("hinting", None),
        ("evict", Some(0)),
        ("evict", Some(1)),
        ("pause", Some(0)),
        ("resume", Some(0)),
        ("hinting", None),
        ("withhold", None),
    ];
    check!(others == expected, "{others:?}");
    Ok(())
}

fn end() -> Verdict {
    let folder = folder();
    let session = run(&folder, &["--passes", "2"])?;
    let (status, screen) = session.end()?;
    check!(status == 0, "{status}: {screen}");
    for words in ["ESSA 3 set volatile", "ok: ", " bytes verified"] {
        check!(screen.contains(words), "{words}: {screen}");
    }
    Ok(())
}

fn interrupted() -> Verdict {
    let folder = folder();
    let mut session = run(&folder, &ENDLESS)?;
    session.wait_for_words("guest 1 runs")?;
    session.press("\x03")?;
    let (status, screen) = session.end()?;
    check!(status == u32::from(INTERRUPTED), "{status}: {screen}");
    Ok(())
}

fn failing() -> Verdict {
    let folder = folder();
    let script = folder.path().join("script");
    std::fs::write(&script, "op=wait 1000\nop=stop 1\nop=stop 0\n")?;
    let script = script.to_string_lossy();
    let session = run(&folder, &[&ENDLESS[..], &["--script", &script]].concat())?;
    let (status, screen) = session.end()?;
    check!(status == 1, "{status}: {screen}");
    check!(screen.contains("stopped by the operator"), "{screen}");
    Ok(())
}

fn plain() -> Verdict {
    let folder = folder();
    let out = folder.path().join("run");
    let files = files::directory();
    let line = |watch: &[&str]| {
        let mut command = xtask(&[&["qemu"], watch].concat());
        command
            .args(["--files", files, "--passes", "1", "--out"])
            .arg(&out);
        finish(command)
    };
    let [with, without] = [line(&["--watch"])?, line(&[])?];
    check!(
        with.status == Some(0) && without.status == Some(0),
        "{with:#?}"
    );
    check!(!with.stdout.contains('\x1b'), "{}", with.stdout);
    // The machine is the same, and what is told of it: but for counts, which depend on the time.
    let first = |text: &str| text.lines().next().map(str::to_owned);
    check!(
        first(&with.stdout) == first(&without.stdout),
        "{}\n{}",
        with.stdout,
        without.stdout
    );
    let names = |text: &str| -> Vec<String> {
        let rows = text.lines().filter(|line| line.contains("  "));
        rows.filter_map(|row| row.split("  ").next().map(str::to_owned))
            .collect()
    };
    check!(names(&with.stdout) == names(&without.stdout), "{with:#?}");
    Ok(())
}

fn json() -> Verdict {
    for command in ["qemu", "farm"] {
        let done = finish(xtask(&[command, "--watch", "--json"]))?;
        let line = done.only_error()?;
        check!(
            done.status == Some(2) && line.contains("--watch and --json"),
            "{done:#?}"
        );
    }
    Ok(())
}

fn farm() -> Verdict {
    let folder = folder();
    // The second run has no terminal, and so the usual lines.
    let arguments = [
        "farm",
        "--watch",
        "--quick",
        "--guests",
        "6",
        "--modes",
        "none,full",
        "--requests",
        "600",
    ];
    let mut session = Session::start(&arguments, &folder)?;
    session.wait_for_words("curve-full-g6-s1")?;
    session.wait_for("both machines and their states", |screen| {
        screen.contains("curve-none-g6-s1")
            && screen.contains("SSSS")
            && screen.contains("own clock")
    })?;
    session.wait_for_words("of 2 points")?;
    let (status, screen) = session.end()?;
    check!(status == 0, "{status}: {screen}");
    check!(screen.contains("report.html"), "{screen}");
    // Who looks does not change what is measured.
    let unseen = crate::support::folder();
    let mut command = xtask(&arguments);
    let out = unseen.path().join("run");
    command.arg("--out").arg(&out);
    let done = finish(command)?;
    check!(done.status == Some(0), "{done:#?}");
    let [with, without] =
        [folder.path().join("run"), out].map(|out| std::fs::read(out.join(RESULT)));
    check!(with? == without?, "another result than without --watch");
    Ok(())
}
