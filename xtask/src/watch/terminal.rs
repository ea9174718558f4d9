//! The terminal: taken over for a dashboard, and given back as it was, however the run ends.

use std::env;
use std::io::{self, IsTerminal as _, PipeWriter, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use ratatui::crossterm::event::{self, Event, KeyEvent, KeyEventKind};
use ratatui::{DefaultTerminal, Frame};
use signal_hook::consts::SIGINT;

use super::keys::Deed;
use crate::failure;

/// How long a key is waited for before the picture is drawn again.
const FRAME: Duration = Duration::from_millis(100);

/// What is shown, and what it is fed with.
pub trait Screen: Send + 'static {
    /// What happens in a run.
    type Message: Send + 'static;
    /// Takes something that has happened, so long after the beginning.
    fn take(&mut self, now: Duration, message: Self::Message);
    /// A key was pressed.
    fn press(&mut self, key: KeyEvent) -> Deed;
    /// Lines that are due to be typed at the machine's console.
    fn due(&mut self, now: Duration) -> Option<&'static str>;
    /// Draws it.
    fn draw(&self, frame: &mut Frame<'_>, now: Duration);
}

/// Whether a dashboard is to be drawn: it was asked for, and there is a terminal. Else the usual lines do.
///
/// # Errors
/// Lines for programs were asked for as well.
pub fn is_wanted(is_asked_for: bool, json: bool) -> Result<bool> {
    if is_asked_for && json {
        return Err(failure::unusable(
            "--watch and --json: the standard output is for one of them",
        ));
    }
    Ok(is_asked_for && is_usable())
}

/// Whether there is a terminal that a dashboard can be drawn on, and somebody who looks at it.
#[must_use]
fn is_usable() -> bool {
    let variable = |name| env::var(name).unwrap_or_default();
    io::stdin().is_terminal()
        && io::stdout().is_terminal()
        && can_draw(&variable("TERM"), &variable("CI"))
}

/// Whether the environment speaks for it.
fn can_draw(term: &str, ci: &str) -> bool {
    !matches!(term, "" | "dumb") && matches!(ci, "" | "0" | "false")
}

/// A dashboard in a thread of its own, for as long as this exists; the terminal is free again when it is dropped.
#[derive(Debug)]
pub struct Session<M> {
    sender: Sender<M>,
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<io::Result<()>>>,
}

impl<M: Send + 'static> Session<M> {
    /// Takes the terminal over. What is to be typed at the machine's console goes into `console`.
    ///
    /// # Errors
    /// The terminal does not let itself be taken over; it is as it was.
    pub fn start(screen: impl Screen<Message = M>, console: Option<PipeWriter>) -> Result<Self> {
        let terminal = ratatui::try_init();
        let terminal = terminal.inspect_err(|_| ratatui::restore());
        let terminal = terminal.context("cannot draw on this terminal")?;
        let (sender, receiver) = mpsc::channel();
        let is_over = Arc::new(AtomicBool::new(false));
        let shown = Arc::clone(&is_over);
        let thread = thread::spawn(move || {
            let _given_back = GivenBack;
            show(terminal, screen, &receiver, console, &shown)
        });
        Ok(Self {
            sender,
            is_over,
            thread: Some(thread),
        })
    }

    /// Another way to tell it something.
    #[must_use]
    pub fn sender(&self) -> Sender<M> {
        self.sender.clone()
    }

    /// Tells it what has happened.
    ///
    /// # Errors
    /// The terminal is gone.
    pub fn tell(&self, message: M) -> Result<()> {
        let told = self.sender.send(message);
        told.ok()
            .context("the terminal cannot be drawn on any more")
    }
}

impl<M> Drop for Session<M> {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // A picture that could not be drawn has been said by `tell`; what is left is to be gone.
            let _ = thread.join();
        }
    }
}

/// Gives the terminal back when it goes away, also by a panic.
struct GivenBack;

impl Drop for GivenBack {
    fn drop(&mut self) {
        ratatui::restore();
    }
}

/// Shows a screen until it is over.
fn show<S: Screen>(
    mut terminal: DefaultTerminal,
    mut screen: S,
    receiver: &Receiver<S::Message>,
    mut console: Option<PipeWriter>,
    is_over: &AtomicBool,
) -> io::Result<()> {
    let start = Instant::now();
    while !is_over.load(Ordering::Relaxed) {
        for message in receiver.try_iter() {
            screen.take(start.elapsed(), message);
        }
        let now = start.elapsed();
        if let (Some(lines), Some(console)) = (screen.due(now), &mut console) {
            write!(console, "{lines}")?;
        }
        terminal.draw(|frame| screen.draw(frame, now))?;
        let mut wait = FRAME;
        while event::poll(wait)? {
            // All that were pressed meanwhile, before the picture is drawn again.
            wait = Duration::ZERO;
            let Event::Key(key) = event::read()? else {
                continue;
            };
            if key.kind == KeyEventKind::Release {
                continue;
            }
            match (screen.press(key), &mut console) {
                // As ^C does where no terminal is taken over: who runs machines looks for that.
                (Deed::Quit, _) => signal_hook::low_level::raise(SIGINT)?,
                (Deed::Tell(line), Some(console)) => writeln!(console, "{line}")?,
                _ => {}
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_can_say_that_nobody_looks() {
        for (term, ci, expected) in [
            ("xterm-256color", "", true),
            ("screen", "false", true),
            ("dumb", "", false),
            ("", "", false),
            ("xterm", "true", false),
            ("xterm", "1", false),
        ] {
            assert_eq!(can_draw(term, ci), expected, "{term:?} {ci:?}");
        }
    }
}
