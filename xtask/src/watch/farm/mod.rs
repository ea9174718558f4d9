//! The live view of a farm: how far it is, and the machines that run now.
//!
//! It only looks. A question to a host would be instructions that are measured, so there are no maps, but the samples
//! that are taken anyway.

pub mod model;
pub mod view;

use std::sync::mpsc::Sender;
use std::time::Duration;

use anyhow::{Context as _, Result};
use ratatui::Frame;
use ratatui::crossterm::event::KeyEvent;

use super::keys::{self, Choice, Deed};
use super::terminal::{Screen, Session};
use crate::collect::Seen;
use crate::progress::Viewer;
use model::Farm;

/// What happens in a farm.
#[derive(Clone, Debug)]
pub enum News {
    /// So many points of all are there.
    Points {
        /// Those that are there.
        done: usize,
        /// All.
        all: usize,
    },
    /// A machine begins with a point.
    Begin {
        /// The machine's number, from 0.
        machine: usize,
        /// The point's name.
        id: String,
        /// Its guests.
        guests: u16,
    },
    /// A machine has said something.
    Seen {
        /// The machine's number.
        machine: usize,
        /// What.
        seen: Seen,
    },
    /// A machine is at its end.
    End {
        /// The machine's number.
        machine: usize,
    },
    /// Something for people, such as what a point has come to.
    Line(String),
}

/// What a farm tells its dashboard; without one, nobody hears it.
#[derive(Clone, Debug, Default)]
pub struct Teller(Option<Sender<News>>);

impl Teller {
    /// Tells it.
    ///
    /// # Errors
    /// The terminal is gone.
    pub fn tell(&self, news: News) -> Result<()> {
        let told = self.0.as_ref().map_or(Ok(()), |sender| sender.send(news));
        told.ok()
            .context("the terminal cannot be drawn on any more")
    }

    /// Who looks at the lines of one machine.
    #[must_use]
    pub fn of(&self, machine: usize) -> MachineViewer {
        MachineViewer {
            teller: self.clone(),
            machine,
        }
    }
}

/// Passes the lines of a machine on.
#[derive(Debug)]
pub struct MachineViewer {
    teller: Teller,
    machine: usize,
}

impl Viewer for MachineViewer {
    fn see(&mut self, seen: &Seen) -> Result<()> {
        let machine = self.machine;
        let seen = seen.clone();
        self.teller.tell(News::Seen { machine, seen })
    }
}

/// A dashboard of a farm.
#[derive(Debug)]
pub struct Dashboard {
    session: Session<News>,
}

impl Dashboard {
    /// Takes the terminal over.
    ///
    /// # Errors
    /// There is no terminal that can be drawn on.
    pub fn start() -> Result<Self> {
        let screen = Looker::default();
        Ok(Self {
            session: Session::start(screen, None)?,
        })
    }

    /// How it is told what happens.
    #[must_use]
    pub fn teller(&self) -> Teller {
        Teller(Some(self.session.sender()))
    }
}

/// The screen of a farm.
#[derive(Default)]
struct Looker {
    farm: Farm,
    choice: Choice,
    still: Option<(Farm, Duration)>,
    now: Duration,
}

impl Screen for Looker {
    type Message = News;

    fn take(&mut self, now: Duration, news: News) {
        self.farm.take(now, news);
    }

    fn press(&mut self, key: KeyEvent) -> Deed {
        let deed = keys::common(key, &mut self.choice).unwrap_or(Deed::Nothing);
        if self.choice.frozen != self.still.is_some() {
            self.still = self.choice.frozen.then(|| (self.farm.clone(), self.now));
        }
        deed
    }

    fn due(&mut self, now: Duration) -> Option<&'static str> {
        self.now = now;
        None
    }

    fn draw(&self, frame: &mut Frame<'_>, now: Duration) {
        let (farm, now) = match &self.still {
            Some((farm, now)) => (farm, *now),
            None => (&self.farm, now),
        };
        view::draw(frame, farm, &self.choice, now);
    }
}
