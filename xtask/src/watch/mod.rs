//! The live view: a dashboard in the terminal while machines run.
//!
//! ```text
//! run's lines ──► model ──► view ──► terminal
//!                   ▲                   │ keys
//!                   └──────── keys ◄────┘
//!                              └──► the host's operator
//! ```
//!
//! [`model`] is what is known, [`view`] a pure function from it to cells, [`keys`] what keys do, and only
//! [`terminal`] touches a terminal. [`farm`] has the same for many machines.

pub mod farm;
pub mod keys;
pub mod model;
pub mod series;
pub mod terminal;
pub mod view;

use std::io::{self, PipeReader};
use std::time::Duration;

use anyhow::{Context as _, Result};
use ratatui::Frame;
use ratatui::crossterm::event::KeyEvent;

use crate::collect::Seen;
use crate::progress::Viewer;
use keys::{Choice, Deed};
use model::Model;
use terminal::{Screen, Session};

/// What the host is asked for about all guests from time to time: commands of its operator.
const POLL: &str = "list\nmap\n";
/// How often the host is to say how many frames are free, in milliseconds.
pub const SAMPLE_MS: u64 = 500;
/// A poll that is not answered after this time is lost.
const LOST: Duration = Duration::from_secs(5);

/// How often the host is asked: seldom if there are many guests, for it stops for each answer.
fn poll_every(guests: usize) -> Duration {
    Duration::from_millis(match guests {
        0..=4 => 500,
        5..=16 => 1000,
        _ => 3000,
    })
}

/// A dashboard of one run.
#[derive(Debug)]
pub struct Dashboard {
    session: Session<Seen>,
}

impl Dashboard {
    /// Takes the terminal over for a run with so many guests. Returns what is to be typed at its console as well.
    ///
    /// # Errors
    /// There is no terminal that can be drawn on.
    pub fn start(guests: u16) -> Result<(Self, PipeReader)> {
        let (reader, writer) = io::pipe().context("cannot make a pipe")?;
        let session = Session::start(Run::new(guests), Some(writer))?;
        Ok((Self { session }, reader))
    }
}

impl Viewer for Dashboard {
    fn see(&mut self, seen: &Seen) -> Result<()> {
        self.session.tell(seen.clone())
    }
}

/// The screen of a run.
struct Run {
    model: Model,
    choice: Choice,
    /// What is shown instead while the picture stands still, and the time there.
    still: Option<(Model, Duration)>,
    polled: Option<Duration>,
    now: Duration,
}

impl Run {
    fn new(guests: u16) -> Self {
        Self {
            model: Model::new(guests),
            choice: Choice::default(),
            still: None,
            polled: None,
            now: Duration::ZERO,
        }
    }
}

impl Screen for Run {
    type Message = Seen;

    fn take(&mut self, now: Duration, seen: Seen) {
        match seen {
            Seen::Text(guest, text) => self.model.text(guest, &text),
            Seen::Event(guest, event) => self.model.event(now, guest, &event),
        }
    }

    fn press(&mut self, key: KeyEvent) -> Deed {
        let deed = keys::pressed(key, &mut self.model, &mut self.choice);
        if self.choice.frozen != self.still.is_some() {
            self.still = self.choice.frozen.then(|| (self.model.clone(), self.now));
        }
        deed
    }

    fn due(&mut self, now: Duration) -> Option<&'static str> {
        self.now = now;
        self.model.boot.as_ref()?;
        let since = self.polled.map(|polled| now.saturating_sub(polled));
        let every = poll_every(self.model.guests.len());
        let is_answered = self.model.is_answered();
        let is_due = |since| (is_answered && since >= every) || since >= LOST;
        if !since.is_none_or(is_due) {
            return None;
        }
        self.polled = Some(now);
        self.model.poll();
        Some(POLL)
    }

    fn draw(&self, frame: &mut Frame<'_>, now: Duration) {
        let (model, now) = match &self.still {
            Some((model, now)) => (model, *now),
            None => (&self.model, now),
        };
        view::draw(frame, model, &self.choice, now);
    }
}

#[cfg(test)]
mod tests {
    use ratatui::crossterm::event::{KeyCode, KeyModifiers};

    use super::*;
    use crate::events::Event;
    use model::tests::{answer, booted};

    const fn at(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn key(code: char) -> KeyEvent {
        KeyEvent::new(KeyCode::Char(code), KeyModifiers::NONE)
    }

    #[test]
    fn a_poll_waits_for_the_answers_to_the_one_before() {
        let mut run = Run::new(1);
        assert_eq!(run.due(at(0)), None, "the host is not up");
        run.model = booted(1);
        assert_eq!(run.due(at(100)), Some(POLL));
        assert_eq!(run.due(at(700)), None, "nothing was answered");
        answer(&mut run.model, "map", Some(0), Some("S"), &[("pages", 1)]);
        assert_eq!(run.due(at(800)), Some(POLL));
        answer(&mut run.model, "map", Some(0), Some("S"), &[("pages", 1)]);
        assert_eq!(run.due(at(1200)), None, "too soon");
        assert_eq!(run.due(at(1300)), Some(POLL));
        assert_eq!(run.due(at(6200)), None);
        assert_eq!(run.due(at(6300)), Some(POLL), "the answers were lost");
        for line in POLL.lines() {
            assert!(host::operator::Command::parse(line).is_ok(), "{line}");
        }
    }

    #[test]
    fn a_frozen_picture_does_not_change_and_the_run_goes_on() {
        let mut run = Run::new(1);
        run.model = booted(1);
        assert_eq!(run.press(key(' ')), Deed::Nothing);
        run.take(at(1), Seen::Text(Some(0), "news".to_owned()));
        let (still, _) = run.still.as_ref().unwrap();
        assert!(still.lines.is_empty());
        assert_eq!(
            run.press(key('o')),
            Deed::Tell("policy steal:20".to_owned())
        );
        run.press(key(' '));
        assert!(run.still.is_none() && run.model.lines[0] == "guest 0: news");
    }

    #[test]
    fn what_a_run_says_reaches_the_model() {
        let mut run = Run::new(1);
        let boot = booted(1).boot.unwrap();
        run.take(at(0), Seen::Event(None, Box::new(Event::HostBoot(boot))));
        assert_eq!(run.model.settings.policy, "random:6000");
    }
}
