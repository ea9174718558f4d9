//! What is known of a farm while it runs.

use std::collections::VecDeque;
use std::time::Duration;

use super::News;
use crate::collect::Seen;
use crate::events::{Event, Sample};
use crate::watch::series::Series;

/// Lines of text that are kept.
const LINES: usize = 50;

/// A whole farm.
#[derive(Clone, Debug, Default)]
pub struct Farm {
    /// Points that are there.
    pub done: usize,
    /// All points that were asked for.
    pub all: usize,
    /// What runs now, by the machine's number.
    pub machines: Vec<Option<Machine>>,
    /// Text for people, the latest last.
    pub lines: VecDeque<String>,
    /// When points began to be counted, and how many were there by then.
    began: Option<(Duration, usize)>,
}

/// A machine that runs.
#[derive(Clone, Debug)]
pub struct Machine {
    /// Its point.
    pub id: String,
    /// Its guests.
    pub guests: u16,
    /// When it began.
    pub since: Duration,
    /// What its host saw from time to time.
    pub samples: Vec<Sample>,
    /// What happened so far, by the machine's own clock.
    pub counts: Series,
    /// Guests that have ended.
    pub ended: usize,
    /// Requests of guests that are done.
    pub requests: u64,
}

impl Farm {
    /// Takes what has happened at `now`.
    pub fn take(&mut self, now: Duration, news: News) {
        match news {
            News::Points { done, all } => {
                self.began.get_or_insert((now, done));
                (self.done, self.all) = (done, all);
            }
            News::Begin {
                machine,
                id,
                guests,
            } => {
                if self.machines.len() <= machine {
                    self.machines.resize(machine + 1, None);
                }
                self.machines[machine] = Some(Machine::new(id, guests, now));
            }
            News::Seen { machine, seen } => {
                if let (Some(Some(machine)), Seen::Event(_, event)) =
                    (self.machines.get_mut(machine), seen)
                {
                    machine.event(*event);
                }
            }
            News::End { machine } => {
                if let Some(machine) = self.machines.get_mut(machine) {
                    *machine = None;
                }
            }
            News::Line(line) => {
                if self.lines.len() == LINES {
                    self.lines.pop_front();
                }
                self.lines.push_back(line);
            }
        }
    }

    /// How long the rest takes if points go on as they did; unknown before there is a new one.
    #[must_use]
    pub fn left(&self, now: Duration) -> Option<Duration> {
        let (began, before) = self.began?;
        let new = u32::try_from(self.done.checked_sub(before)?).ok()?;
        let rest = u32::try_from(self.all.saturating_sub(self.done)).ok()?;
        Some(now.saturating_sub(began).checked_div(new)? * rest)
    }
}

impl Machine {
    fn new(id: String, guests: u16, since: Duration) -> Self {
        Self {
            id,
            guests,
            since,
            samples: Vec::new(),
            counts: Series::default(),
            ended: 0,
            requests: 0,
        }
    }

    fn event(&mut self, event: Event) {
        match event {
            Event::Sample(sample) => {
                let time = Duration::from_nanos(sample.time_ns);
                self.counts.add(time, sample.counts.clone());
                self.samples.push(sample);
            }
            Event::Requests(requests) => self.requests += requests.latency.values().sum::<u64>(),
            Event::GuestEnd(_) => self.ended += 1,
            _ => {}
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::events::Counts;

    fn counts(counts: &[(&str, u64)]) -> Counts {
        let own = |(name, count): &(&str, u64)| ((*name).to_owned(), *count);
        counts.iter().map(own).collect()
    }

    /// A machine that has half of its pages discarded in the course of a second.
    pub(in crate::watch::farm) fn running(farm: &mut Farm, machine: usize, id: &str) {
        farm.take(
            Duration::from_secs(2),
            News::Begin {
                machine,
                id: id.to_owned(),
                guests: 6,
            },
        );
        for step in 0..=10 {
            let sample = Sample {
                seq: step,
                time_ns: step * 100_000_000,
                states: counts(&[("Sr", 100), ("Vr", 100 - 10 * step), ("Vz", 10 * step)]),
                counts: counts(&[
                    ("frames_free", 10 * step),
                    ("guests_asleep", 5),
                    ("discards", 10 * step),
                    ("page_writes", 2 * step),
                ]),
            };
            let seen = Seen::Event(None, Box::new(Event::Sample(sample)));
            farm.take(Duration::from_secs(3), News::Seen { machine, seen });
        }
    }

    #[test]
    fn machines_come_and_go() {
        let mut farm = Farm::default();
        running(&mut farm, 1, "curve-full-g6-s1");
        assert!(farm.machines[0].is_none());
        let machine = farm.machines[1].as_ref().unwrap();
        assert_eq!((machine.guests, machine.samples.len()), (6, 11));
        assert_eq!(machine.counts.latest("discards"), 100);
        assert_eq!(machine.counts.rate("discards"), Some(100.0));
        let end = r#"{"kind":"guest_end","seq":1,"guest":0,"status":"ok","reason":"stopped"}"#;
        let seen = Seen::Event(None, Box::new(crate::events::parse(end).unwrap()));
        farm.take(Duration::ZERO, News::Seen { machine: 1, seen });
        assert_eq!(farm.machines[1].as_ref().unwrap().ended, 1);
        farm.take(Duration::ZERO, News::End { machine: 1 });
        assert!(farm.machines.iter().all(Option::is_none));
        // Late news of a machine that is gone does no harm.
        let seen = Seen::Text(None, "late".to_owned());
        farm.take(Duration::ZERO, News::Seen { machine: 7, seen });
    }

    #[test]
    fn what_is_left_is_told_from_points_of_this_run() {
        let mut farm = Farm::default();
        let at = |seconds| Duration::from_secs(seconds);
        farm.take(at(10), News::Points { done: 4, all: 10 });
        assert_eq!(farm.left(at(20)), None);
        farm.take(at(40), News::Points { done: 7, all: 10 });
        assert_eq!(farm.left(at(40)), Some(at(30)));
        farm.take(at(70), News::Points { done: 10, all: 10 });
        assert_eq!(farm.left(at(70)), Some(Duration::ZERO));
    }
}
