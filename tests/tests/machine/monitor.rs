//! Commands to a running QEMU (QMP): one JSON object a line, answered by one.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use libtest_mimic::Failed;
use serde_json::{Value, json};

use crate::support::Verdict;

/// How long QEMU may take to be there; the images may have to be built first.
const STARTING: Duration = Duration::from_secs(100);
/// How long anything else may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often is asked.
const POLL: Duration = Duration::from_millis(20);

/// QEMU's monitor.
pub(crate) struct Monitor(BufReader<UnixStream>);

impl Monitor {
    /// Waits for a QEMU that is about to start, and connects to it.
    pub(crate) fn connect(socket: &Path) -> Result<Self, Failed> {
        let end = Instant::now() + STARTING;
        let stream = loop {
            match UnixStream::connect(socket) {
                Ok(stream) => break stream,
                Err(error) if Instant::now() > end => {
                    return Err(format!("no QEMU at {}: {error}", socket.display()).into());
                }
                Err(_) => thread::sleep(POLL),
            }
        };
        stream.set_read_timeout(Some(PATIENCE))?;
        let mut monitor = Self(BufReader::new(stream));
        monitor.answer("QMP")?;
        monitor.command("qmp_capabilities", &json!({}))?;
        Ok(monitor)
    }

    /// Gives a command; returns what it returns.
    pub(crate) fn command(&mut self, name: &str, arguments: &Value) -> Result<Value, Failed> {
        let command = json!({"execute": name, "arguments": arguments});
        writeln!(self.0.get_mut(), "{command}")?;
        let answer = self.answer("return");
        answer.map_err(|failed| format!("{command}: {failed:?}").into())
    }

    /// Reads lines up to one with a key, events on the way being of no interest.
    fn answer(&mut self, key: &str) -> Result<Value, Failed> {
        loop {
            let mut line = String::new();
            if self.0.read_line(&mut line)? == 0 {
                return Err("QEMU has ended".into());
            }
            let mut value: Value = serde_json::from_str(&line)?;
            if value.get("error").is_some() {
                return Err(line.into());
            }
            if let Some(answer) = value.get_mut(key) {
                return Ok(answer.take());
            }
        }
    }

    /// Starts the machine.
    pub(crate) fn start(&mut self) -> Verdict {
        self.command("cont", &json!({})).map(drop)
    }

    /// Tells how much memory the machine is to have, in bytes.
    pub(crate) fn set_memory(&mut self, bytes: u64) -> Verdict {
        self.command("balloon", &json!({"value": bytes})).map(drop)
    }

    /// How much memory the machine says that it has, in bytes.
    pub(crate) fn memory(&mut self) -> Result<u64, Failed> {
        let answer = self.command("query-balloon", &json!({}))?;
        let actual = answer.get("actual").and_then(Value::as_u64);
        actual.ok_or_else(|| format!("no memory: {answer}").into())
    }

    /// Asks until the answer is the one that is due.
    pub(crate) fn wait_until<T: PartialEq + std::fmt::Debug>(
        &mut self,
        wanted: &T,
        ask: impl Fn(&mut Self) -> Result<T, Failed>,
    ) -> Verdict {
        let end = Instant::now() + PATIENCE;
        loop {
            let answer = ask(self)?;
            if answer == *wanted {
                return Ok(());
            }
            if Instant::now() > end {
                return Err(format!("{answer:?} and not {wanted:?}").into());
            }
            thread::sleep(POLL);
        }
    }
}
