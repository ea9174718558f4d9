//! What is known of a run while it runs: fed by its lines, drawn by [`view`](super::view).

use std::collections::VecDeque;
use std::time::Duration;

use super::series::Series;
use crate::events::{self, Counts, Event, Operator, Progress, Status};

/// Lines of text that are kept.
const LINES: usize = 50;
/// Values of the small chart that are kept.
const TREND: usize = 120;

/// A whole run.
#[derive(Clone, Debug)]
pub struct Model {
    /// The guests by number.
    pub guests: Vec<Guest>,
    /// What the host found when it started.
    pub boot: Option<events::HostBoot>,
    /// Frames that are free, as the host said last.
    pub frames_free: Option<u64>,
    /// What holds for the whole host now.
    pub settings: Settings,
    /// What was asked of the host and not answered so far, the oldest first.
    asked: VecDeque<Setting>,
    /// Text for people, the latest last.
    pub lines: VecDeque<String>,
    /// Pages discarded a second, all guests together: from time to time, the latest last.
    pub trend: VecDeque<u64>,
    /// Guests whose answers to the latest poll are missing.
    missing: usize,
}

/// What holds for the whole host and can be changed while it runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// How it chooses pages to take.
    pub policy: String,
    /// Which hints count.
    pub hinting: String,
    /// Frames that guests do not get.
    pub withheld: u64,
}

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Setting {
    /// How it chooses pages to take.
    Policy(String),
    /// Which hints count.
    Hinting(String),
    /// Frames that guests do not get.
    Withheld(u64),
}

/// One guest.
#[derive(Clone, Debug, Default)]
pub struct Guest {
    /// A letter for each so many pages.
    pub map: String,
    /// So many.
    pub pages_of_a_letter: u64,
    /// What it does, in a word or a few; empty before that is known.
    pub condition: String,
    /// What the host counts.
    pub counts: Series,
    /// What its kernel has verified: `bytes` and `files`.
    pub verified: Series,
    /// How far its work is.
    pub progress: Option<Progress>,
    /// Requests that it has served, if that is its work and it is done.
    pub requests: Option<u64>,
    /// Whether it ended with success, if it has ended.
    pub end: Option<bool>,
}

impl Setting {
    /// The operator's command for it.
    #[must_use]
    pub fn command(&self) -> String {
        match self {
            Self::Policy(policy) => format!("policy {policy}"),
            Self::Hinting(hinting) => format!("hinting {hinting}"),
            Self::Withheld(frames) => format!("withhold {frames}"),
        }
    }
}

impl Settings {
    fn set(&mut self, setting: Setting) {
        match setting {
            Setting::Policy(policy) => self.policy = policy,
            Setting::Hinting(hinting) => self.hinting = hinting,
            Setting::Withheld(frames) => self.withheld = frames,
        }
    }
}

impl Guest {
    /// Whether it is paused.
    #[must_use]
    pub fn is_paused(&self) -> bool {
        self.condition == "paused"
    }

    /// Part of its pages that have frames, in percent.
    #[must_use]
    pub fn resident_percent(&self) -> Option<u64> {
        let resident = self.counts.latest("resident") * 100;
        resident.checked_div(self.counts.latest("pages"))
    }
}

impl Model {
    /// A run of so many guests of which nothing is known.
    #[must_use]
    pub fn new(guests: u16) -> Self {
        Self {
            guests: vec![Guest::default(); guests.into()],
            boot: None,
            frames_free: None,
            settings: Settings::default(),
            asked: VecDeque::new(),
            lines: VecDeque::new(),
            trend: VecDeque::new(),
            missing: 0,
        }
    }

    /// Takes a line for programs, of the host or of a guest, that came at `now`.
    pub fn event(&mut self, now: Duration, emitter: Option<u64>, event: &Event) {
        match (emitter, event) {
            (None, Event::HostBoot(boot)) => {
                self.settings.policy.clone_from(&boot.evict);
                self.settings.hinting.clone_from(&boot.hinting);
                self.boot = Some(boot.clone());
            }
            (None, Event::Sample(sample)) => {
                self.frames_free = sample.counts.get("frames_free").copied();
            }
            (None, Event::Operator(answer)) => self.answer(now, answer),
            (None, Event::GuestEnd(end)) => {
                if let Some(guest) = self.guest(Some(end.guest)) {
                    guest.end = Some(end.status == Status::Ok);
                    guest.condition.clone_from(&end.reason);
                }
                self.line(format!("guest {}: {}", end.guest, end.reason));
            }
            (_, Event::Error(error)) => self.text(emitter, &error.reason),
            (Some(_), Event::Progress(progress)) => {
                if let Some(guest) = self.guest(emitter) {
                    guest.advance(now, progress);
                }
            }
            (Some(_), Event::Requests(requests)) => {
                if let Some(guest) = self.guest(emitter) {
                    guest.requests = Some(requests.latency.values().sum());
                }
            }
            _ => {}
        }
    }

    /// Takes a line of text.
    pub fn text(&mut self, emitter: Option<u64>, text: &str) {
        self.line(match emitter {
            Some(guest) => format!("guest {guest}: {text}"),
            None => text.to_owned(),
        });
    }

    fn line(&mut self, line: String) {
        if self.lines.len() == LINES {
            self.lines.pop_front();
        }
        self.lines.push_back(line);
    }

    fn guest(&mut self, number: Option<u64>) -> Option<&mut Guest> {
        self.guests.get_mut(usize::try_from(number?).ok()?)
    }

    /// What the host has answered.
    fn answer(&mut self, now: Duration, answer: &Operator) {
        match (&*answer.command, self.guest(answer.guest)) {
            ("list", Some(guest)) => {
                guest.condition = answer.text.clone().unwrap_or_default();
                guest.counts.add(now, answer.counts.clone());
            }
            ("map", Some(guest)) => {
                guest.map = answer.text.clone().unwrap_or_default();
                guest.pages_of_a_letter = answer.counts.get("pages").copied().unwrap_or(1);
                if self.missing == 1 {
                    self.round_is_complete();
                }
                self.missing = self.missing.saturating_sub(1);
            }
            ("policy" | "hinting" | "withhold", _) => self.settled(answer),
            ("pause" | "resume", Some(guest)) => {
                let is_paused = answer.command == "pause";
                guest.condition = if is_paused { "paused" } else { "runs" }.to_owned();
                self.line(answer.to_string());
            }
            _ => self.line(answer.to_string()),
        }
    }

    /// All guests have answered a poll.
    fn round_is_complete(&mut self) {
        if let Some(rate) = self.rate("discards") {
            if self.trend.len() == TREND {
                self.trend.pop_front();
            }
            self.trend.push_back(rate.round() as u64);
        }
    }

    /// The answer to what was asked for longest: the host answers in the order of commands.
    fn settled(&mut self, answer: &Operator) {
        let is_this = |setting: &mut Setting| setting.command().starts_with(&answer.command);
        let Some(setting) = self.asked.pop_front_if(is_this) else {
            // Not from here: a script has changed something, and the answer does not say to what.
            return self.line(answer.to_string());
        };
        let command = setting.command();
        if answer.status == Status::Ok {
            self.settings.set(setting);
            self.line(format!("{command}: done"));
        } else {
            let reason = answer.text.as_deref().unwrap_or("refused");
            self.line(format!("{command}: {reason}"));
        }
    }

    /// Notes that the host is asked to change something; returns the command.
    pub fn ask(&mut self, setting: Setting) -> String {
        let command = setting.command();
        self.asked.push_back(setting);
        command
    }

    /// Settings as they will be when all that was asked for is done.
    #[must_use]
    pub fn wanted(&self) -> Settings {
        let mut wanted = self.settings.clone();
        for setting in &self.asked {
            wanted.set(setting.clone());
        }
        wanted
    }

    /// Notes that the host is asked about all guests now.
    pub fn poll(&mut self) {
        self.missing = self.guests.len();
    }

    /// Whether the latest poll is answered.
    #[must_use]
    pub fn is_answered(&self) -> bool {
        self.missing == 0
    }

    /// How fast a counter of all guests together grows, a second.
    #[must_use]
    pub fn rate(&self, name: &str) -> Option<f64> {
        let rates = self
            .guests
            .iter()
            .filter_map(|guest| guest.counts.rate(name));
        rates.reduce(|sum, rate| sum + rate)
    }

    /// How fast ESSA of all guests and kinds together grow, a second.
    #[must_use]
    pub fn essa_rate(&self) -> f64 {
        let kinds = |guest: &Guest| guest.essa_rates().map(|(_, rate)| rate).sum::<f64>();
        self.guests.iter().map(kinds).sum()
    }
}

impl Guest {
    fn advance(&mut self, now: Duration, progress: &Progress) {
        let passed = progress.pass.saturating_sub(1) * progress.files;
        let counts: Counts = [
            ("bytes".to_owned(), progress.bytes_verified),
            ("files".to_owned(), passed + progress.files_done),
        ]
        .into();
        self.verified.add(now, counts);
        self.progress = Some(progress.clone());
    }

    /// ESSA a second by operation request code; codes that were never used are absent.
    pub fn essa_rates(&self) -> impl Iterator<Item = (u8, f64)> {
        self.counts.names().filter_map(|name| {
            let code = name.strip_prefix("essa")?.parse().ok()?;
            let is_used = self.counts.latest(name) > 0;
            is_used.then(|| (code, self.counts.rate(name).unwrap_or(0.0)))
        })
    }
}

#[cfg(test)]
#[path = "model_tests.rs"]
pub(super) mod tests;
