//! Tells people how far a run is: a live bar on a terminal, else a line now and then.

use std::collections::BTreeMap;
use std::io::{IsTerminal as _, stderr};
use std::time::{Duration, Instant};

use anyhow::Result;
use indicatif::{ProgressBar, ProgressStyle};

use crate::collect::{Expected, Seen};
use crate::events::{Event, Progress};
use crate::process;

/// Time between two lines where there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(5);
/// Length of the bar for one guest.
const STEPS: u64 = 1000;

/// Who is told what a run says, line by line, as it comes.
pub trait Viewer {
    /// Looks at a line.
    ///
    /// # Errors
    /// It cannot be shown.
    fn see(&mut self, seen: &Seen) -> Result<()>;
}

/// Nobody.
impl Viewer for () {
    fn see(&mut self, _: &Seen) -> Result<()> {
        Ok(())
    }
}

impl<V: Viewer + ?Sized> Viewer for &mut V {
    fn see(&mut self, seen: &Seen) -> Result<()> {
        (**self).see(seen)
    }
}

/// Shows progress until it is dropped.
#[derive(Debug)]
pub struct Display {
    bar: Option<ProgressBar>,
    guests: u16,
    /// Whether there is a host; else nobody has to be named.
    is_hosted: bool,
    latest: BTreeMap<u64, Progress>,
    last_line: Instant,
}

impl Display {
    /// Starts a display for the guests that are expected.
    #[must_use]
    pub fn new(expected: Expected) -> Self {
        let guests = expected.guests;
        let bar = stderr().is_terminal().then(|| {
            let style = ProgressStyle::with_template("{elapsed:>4} [{bar:40}] {percent:>3}% {msg}");
            let bar = ProgressBar::new(STEPS * u64::from(guests));
            bar.set_style(style.expect("the template is valid"));
            bar
        });
        Self {
            bar,
            guests,
            is_hosted: expected.host,
            latest: BTreeMap::new(),
            last_line: Instant::now(),
        }
    }

    /// Prints a line of text above the bar.
    fn text(&self, line: &str) -> Result<()> {
        match &self.bar {
            Some(bar) => bar.suspend(|| process::say(line)),
            None => process::say(line),
        }
    }

    /// Shows how far a guest is.
    fn update(&mut self, guest: u64, progress: &Progress) -> Result<()> {
        self.latest.insert(guest, progress.clone());
        let message = self.message();
        if let Some(bar) = &self.bar {
            bar.set_position(self.latest.values().map(steps_done).sum());
            bar.set_message(message);
        } else if self.last_line.elapsed() >= LINE_EVERY {
            self.last_line = Instant::now();
            process::say(&message)?;
        }
        Ok(())
    }

    fn message(&self) -> String {
        let each = self.latest.iter().map(|(id, progress)| {
            let Progress {
                pass,
                passes,
                files_done,
                files,
                bytes_verified,
                ..
            } = progress;
            let who = if self.guests > 1 {
                format!("guest {id} ")
            } else {
                String::new()
            };
            let mib = bytes_verified >> 20;
            format!("{who}pass {pass}/{passes}, file {files_done}/{files}, {mib} MiB verified")
        });
        each.collect::<Vec<_>>().join("; ")
    }
}

impl Viewer for Display {
    fn see(&mut self, seen: &Seen) -> Result<()> {
        match seen {
            Seen::Text(Some(guest), text) if self.is_hosted => {
                self.text(&format!("guest {guest}: {text}"))
            }
            Seen::Text(_, text) => self.text(text),
            Seen::Event(guest, event) => match event.as_ref() {
                Event::Progress(progress) => self.update(guest.unwrap_or(0), progress),
                Event::Operator(answer) => self.text(&answer.to_string()),
                _ => Ok(()),
            },
        }
    }
}

impl Drop for Display {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// Share of the work that is done, in steps of the bar.
fn steps_done(progress: &Progress) -> u64 {
    let all = (progress.passes * progress.files).max(1);
    let done = progress.pass.saturating_sub(1) * progress.files + progress.files_done;
    (done * STEPS / all).min(STEPS)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(pass: u64, files_done: u64) -> Progress {
        Progress {
            seq: 0,
            pass,
            passes: 2,
            files_done,
            files: 10,
            bytes_verified: 3 << 20,
        }
    }

    #[test]
    fn the_bar_covers_all_passes() {
        assert_eq!(steps_done(&at(1, 0)), 0);
        assert_eq!(steps_done(&at(1, 10)), STEPS / 2);
        assert_eq!(steps_done(&at(2, 10)), STEPS);
        assert_eq!(
            steps_done(&Progress {
                passes: 0,
                files: 0,
                ..at(0, 0)
            }),
            0
        );
    }

    #[test]
    fn every_guest_is_named_when_there_are_more() {
        let mut display = Display::new(Expected {
            host: true,
            guests: 2,
            our_kernel: true,
        });
        display.update(0, &at(1, 5)).unwrap();
        display.update(1, &at(2, 1)).unwrap();
        assert_eq!(
            display.message(),
            "guest 0 pass 1/2, file 5/10, 3 MiB verified; guest 1 pass 2/2, file 1/10, 3 MiB verified"
        );
    }
}
