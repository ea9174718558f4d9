//! Runs a machine to its end: lines as they come, a deadline, and no process left behind.

use std::io::{self, BufRead as _, BufReader, Read, Write as _};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError, SyncSender};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use signal_hook::SigId;
use signal_hook::consts::{SIGINT, SIGTERM};
use wait_timeout::ChildExt as _;

use super::freeze::{Freeze, Freezer};

/// How often an interruption by the user is looked for.
const TICK: Duration = Duration::from_millis(100);
/// Longest line taken as one; an image that never ends its line must not fill our memory.
const LONGEST_LINE: u64 = 64 * 1024;
/// Lines that may wait for us; the machine is held up when there are more.
const LINES_WAITING: usize = 1024;

/// How a machine ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// QEMU ended with this status, or by a signal.
    Exit(Option<i32>),
    /// The time was up; QEMU was killed.
    TimedOut,
    /// The user interrupted us; QEMU was killed.
    Interrupted,
}

/// Who printed a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The machine's console.
    Console,
    /// QEMU itself, about the machine.
    Emulator,
}

/// A child process that does not outlive this value.
struct Reaped(Child);

impl Drop for Reaped {
    fn drop(&mut self) {
        // It may have ended by itself; then there is nothing to kill, but still to reap.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Notes SIGINT and SIGTERM instead of dying from them, as long as it exists.
struct Interruptions {
    seen: Arc<AtomicBool>,
    registered: Vec<SigId>,
}

impl Interruptions {
    fn watch() -> Result<Self> {
        let seen = Arc::new(AtomicBool::new(false));
        let register = |signal| signal_hook::flag::register(signal, Arc::clone(&seen));
        let registered = vec![register(SIGINT)?, register(SIGTERM)?];
        Ok(Self { seen, registered })
    }

    fn seen(&self) -> bool {
        self.seen.load(Ordering::Relaxed)
    }
}

impl Drop for Interruptions {
    fn drop(&mut self) {
        for id in self.registered.drain(..) {
            signal_hook::low_level::unregister(id);
        }
    }
}

/// Runs `command` and hands every line to `on_line`; without a `timeout` it may take forever.
///
/// # Errors
/// The command cannot be started, or `on_line` failed (the machine is killed then).
pub fn run(
    command: &mut Command,
    timeout: Option<Duration>,
    on_line: &mut dyn FnMut(Source, &str) -> Result<()>,
) -> Result<End> {
    operate(command, None::<io::Empty>, timeout, &[], on_line)
}

/// As [`run`]; what comes from `input` is typed at the machine's console, line by line, and the machine stands still
/// when `freezes` say so.
///
/// # Errors
/// As for [`run`].
pub fn operate(
    command: &mut Command,
    input: Option<impl Read + Send + 'static>,
    timeout: Option<Duration>,
    freezes: &[Freeze],
    on_line: &mut dyn FnMut(Source, &str) -> Result<()>,
) -> Result<End> {
    let deadline = timeout.map(|timeout| Instant::now() + timeout);
    let interruptions = Interruptions::watch()?;
    let child = command
        .stdin(if input.is_some() {
            Stdio::piped()
        } else {
            Stdio::null()
        })
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let program = command.get_program().to_string_lossy();
    let mut child = Reaped(child.with_context(|| format!("cannot run {program}"))?);

    if let (Some(input), Some(stdin)) = (input, child.0.stdin.take()) {
        type_lines(input, stdin);
    }
    let (sender, lines) = mpsc::sync_channel(LINES_WAITING);
    let stdout = child.0.stdout.take().expect("it is piped");
    let stderr = child.0.stderr.take().expect("it is piped");
    forward(stdout, Source::Console, sender.clone());
    forward(stderr, Source::Emulator, sender);

    let mut freezer = Freezer::new(freezes);
    let overdue = || deadline.is_some_and(|deadline| Instant::now() >= deadline);
    loop {
        if interruptions.seen() {
            return Ok(End::Interrupted);
        }
        if overdue() {
            return Ok(End::TimedOut);
        }
        let wait = freezer.next(&child.0).map_or(TICK, |next| next.min(TICK));
        match lines.recv_timeout(wait) {
            Ok((source, line)) => on_line(source, &line)?,
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
    }
    // Both outputs are closed, but the process may still linger.
    loop {
        if let Some(status) = child.0.wait_timeout(TICK).context("cannot wait for QEMU")? {
            return Ok(End::Exit(status.code()));
        }
        if interruptions.seen() {
            return Ok(End::Interrupted);
        }
        if overdue() {
            return Ok(End::TimedOut);
        }
    }
}

/// Types the lines of `input` from a thread of its own, until either side ends.
fn type_lines(input: impl Read + Send + 'static, mut console: ChildStdin) {
    thread::spawn(move || -> io::Result<()> {
        for line in BufReader::new(input).lines() {
            writeln!(console, "{}", line?)?;
        }
        Ok(())
    });
}

/// Sends the lines of `stream` from a thread of its own, until the stream or the receiver ends.
fn forward(
    stream: impl Read + Send + 'static,
    source: Source,
    sender: SyncSender<(Source, String)>,
) {
    thread::spawn(move || {
        let mut stream = BufReader::new(stream);
        let mut bytes = Vec::new();
        loop {
            bytes.clear();
            match stream
                .by_ref()
                .take(LONGEST_LINE)
                .read_until(b'\n', &mut bytes)
            {
                Ok(0) | Err(_) => return,
                Ok(_) => {}
            }
            let line = String::from_utf8_lossy(&bytes);
            // Consoles end lines by CR LF or, in transit, CR CR LF.
            if sender
                .send((source, line.trim_end_matches(['\r', '\n']).to_owned()))
                .is_err()
            {
                return;
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str, timeout: Duration) -> (Result<End>, Vec<String>, u32) {
        let mut lines = Vec::new();
        let mut command = Command::new("sh");
        command.args(["-c", &format!("echo $$; {script}")]);
        let end = run(&mut command, Some(timeout), &mut |_, line| {
            lines.push(line.to_owned());
            Ok(())
        });
        let pid = lines.remove(0).parse().unwrap();
        (end, lines, pid)
    }

    fn is_gone(pid: u32) -> bool {
        !std::path::Path::new(&format!("/proc/{pid}")).exists()
    }

    const LONG: Duration = Duration::from_secs(20);

    #[test]
    fn what_is_typed_arrives() {
        let mut lines = Vec::new();
        let typed = io::Cursor::new("pause 1\nlist");
        let end = operate(
            &mut Command::new("cat"),
            Some(typed),
            Some(LONG),
            &[],
            &mut |_, line| {
                lines.push(line.to_owned());
                Ok(())
            },
        );
        assert_eq!(end.unwrap(), End::Exit(Some(0)));
        assert_eq!(lines, ["pause 1", "list"]);
    }

    #[test]
    fn a_frozen_machine_says_nothing_and_goes_on() {
        let mut command = Command::new("sh");
        command.args(["-c", "echo one; sleep 0.1; echo two"]);
        let freeze = Freeze {
            at: Duration::ZERO,
            time: Duration::from_millis(1500),
        };
        let mut lines = Vec::new();
        let start = Instant::now();
        let end = operate(
            &mut command,
            None::<io::Empty>,
            Some(LONG),
            &[freeze],
            &mut |_, line| {
                lines.push(line.to_owned());
                Ok(())
            },
        );
        assert_eq!(end.unwrap(), End::Exit(Some(0)));
        assert_eq!(lines, ["one", "two"]);
        assert!(start.elapsed() >= freeze.time, "{:?}", start.elapsed());
    }

    #[test]
    fn a_machine_that_is_frozen_can_be_killed() {
        let mut pid = 0;
        let mut command = Command::new("sh");
        command.args(["-c", "echo $$; exec sleep 60"]);
        let freeze = Freeze {
            at: Duration::from_millis(50),
            time: Duration::from_secs(60),
        };
        let patience = Some(Duration::from_millis(400));
        let end = operate(
            &mut command,
            None::<io::Empty>,
            patience,
            &[freeze],
            &mut |_, line| {
                pid = line.parse()?;
                Ok(())
            },
        );
        assert_eq!(end.unwrap(), End::TimedOut);
        assert!(is_gone(pid));
    }

    #[test]
    fn lines_and_status_arrive() {
        let (end, lines, pid) = shell(r"printf 'one\r\ntwo\r\r\nthree'; exit 1", LONG);
        assert_eq!(end.unwrap(), End::Exit(Some(1)));
        assert_eq!(lines, ["one", "two", "three"]);
        assert!(is_gone(pid));
    }

    #[test]
    fn silence_ends_with_the_time() {
        let (end, lines, pid) = shell("exec sleep 60", Duration::from_millis(300));
        assert_eq!(end.unwrap(), End::TimedOut);
        assert!(lines.is_empty() && is_gone(pid));
    }

    #[test]
    fn endless_output_ends_with_the_time() {
        let (end, _, pid) = shell("exec yes", Duration::from_millis(300));
        assert_eq!(end.unwrap(), End::TimedOut);
        assert!(is_gone(pid));
    }

    #[test]
    fn a_process_that_closes_its_outputs_and_stays_is_killed() {
        let script = "exec >/dev/null 2>&1 sleep 60";
        let (end, _, pid) = shell(script, Duration::from_millis(300));
        assert_eq!(end.unwrap(), End::TimedOut);
        assert!(is_gone(pid));
    }

    #[test]
    fn bytes_that_are_no_text_do_no_harm() {
        let (end, lines, _) = shell(r"printf 'a\377b\n'", LONG);
        assert_eq!(end.unwrap(), End::Exit(Some(0)));
        assert_eq!(lines, ["a\u{fffd}b"]);
    }

    #[test]
    fn a_failing_receiver_stops_the_machine() {
        let mut pid = 0;
        let mut command = Command::new("sh");
        command.args(["-c", "echo $$; exec sleep 60"]);
        let error = run(&mut command, Some(LONG), &mut |_, line| {
            pid = line.parse().unwrap();
            anyhow::bail!("disk full")
        });
        assert_eq!(error.unwrap_err().to_string(), "disk full");
        assert!(is_gone(pid));
    }

    #[test]
    fn a_missing_program_is_named() {
        let error = run(&mut Command::new("/no/such/qemu"), None, &mut |_, _| Ok(()));
        assert!(format!("{:#}", error.unwrap_err()).contains("/no/such/qemu"));
    }
}
