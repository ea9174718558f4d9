//! Counters over time, and how fast they grow.

use std::collections::VecDeque;
use std::time::Duration;

use crate::events::Counts;

/// Counts at several times, the latest ones.
#[derive(Clone, Debug, Default)]
pub struct Series {
    times: VecDeque<(Duration, Counts)>,
}

/// How far rates look back: what is shorter flickers, what is longer is history.
const WINDOW: Duration = Duration::from_secs(3);
/// So many are kept however old they are: a rate needs two.
const LEAST: usize = 2;

impl Series {
    /// Adds what was counted by `now`, which is later than all before.
    pub fn add(&mut self, now: Duration, counts: Counts) {
        self.times.push_back((now, counts));
        let is_old = |(time, _): &(Duration, Counts)| now - *time > WINDOW;
        while self.times.len() > LEAST && self.times.front().is_some_and(is_old) {
            self.times.pop_front();
        }
    }

    /// The latest value of a counter; 0 if it was never counted.
    #[must_use]
    pub fn latest(&self, name: &str) -> u64 {
        let latest = self.times.back();
        latest
            .and_then(|(_, counts)| counts.get(name).copied())
            .unwrap_or(0)
    }

    /// How fast a counter grows, a second; unknown before there are two values.
    #[must_use]
    pub fn rate(&self, name: &str) -> Option<f64> {
        let ((first, before), (last, _)) = (self.times.front()?, self.times.back()?);
        let seconds = (*last - *first).as_secs_f64();
        let before = before.get(name).copied().unwrap_or(0);
        let grown = self.latest(name).saturating_sub(before);
        (seconds > 0.0).then(|| grown as f64 / seconds)
    }

    /// The names of the latest counters.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let latest = self.times.back();
        latest
            .into_iter()
            .flat_map(|(_, counts)| counts.keys().map(String::as_str))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(discards: u64) -> Counts {
        [("discards".to_owned(), discards)].into()
    }

    #[test]
    fn a_rate_is_that_of_the_latest_seconds() {
        let mut series = Series::default();
        assert_eq!(
            (series.latest("discards"), series.rate("discards")),
            (0, None)
        );
        let at = |ms| Duration::from_millis(ms);
        series.add(at(0), counts(0));
        assert_eq!(series.rate("discards"), None);
        series.add(at(500), counts(100));
        assert_eq!(series.rate("discards"), Some(200.0));
        assert_eq!(series.rate("essa3"), Some(0.0));
        // The first two are forgotten; from the third on nothing happens.
        series.add(at(4000), counts(1000));
        series.add(at(6000), counts(1000));
        assert_eq!(series.rate("discards"), Some(0.0));
        assert_eq!(series.latest("discards"), 1000);
    }

    #[test]
    fn two_values_are_enough_however_old_they_are() {
        let mut series = Series::default();
        series.add(Duration::from_secs(1), counts(10));
        series.add(Duration::from_secs(21), counts(50));
        assert_eq!(series.rate("discards"), Some(2.0));
    }
}
