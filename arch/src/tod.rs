//! The units of the time-of-day clock, on any machine.

/// TOD units in a microsecond.
pub const UNITS_PER_MICROSECOND: u64 = 4096;

/// Longest time from one look to the next that counts, in TOD units: 10 ms.
const LONGEST_LOOK: u64 = 10_000 * UNITS_PER_MICROSECOND;

/// A time limit for somebody who looks again and again: time in which he could not look does not count.
///
/// The clock goes on while a hypervisor has something else to do than to run us, or has paused us, and for whoever is
/// waited for it has not passed either.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    left: u64,
    last: u64,
}

impl Patience {
    /// So many TOD units, from `now` on.
    #[must_use]
    pub fn new(limit: u64, now: u64) -> Self {
        Self {
            left: limit,
            last: now,
        }
    }

    /// Whether it is at an end when somebody looks at `now`.
    #[inline(never)]
    pub fn is_over(&mut self, now: u64) -> bool {
        let passed = now.wrapping_sub(self.last).min(LONGEST_LOOK);
        self.last = now;
        self.left = self.left.saturating_sub(passed);
        self.left == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patience_ends_with_the_time_that_was_looked_at() {
        let millisecond = 1000 * UNITS_PER_MICROSECOND;
        let mut patience = Patience::new(100 * millisecond, 0);
        assert!((1..100).all(|now| !patience.is_over(now * millisecond)));
        assert!(patience.is_over(100 * millisecond));
    }

    #[test]
    fn a_clock_that_jumps_takes_no_patience() {
        let second = 1_000_000 * UNITS_PER_MICROSECOND;
        let mut patience = Patience::new(second, 5);
        assert!(!patience.is_over(3600 * second), "an hour's pause");
        assert!(!patience.is_over(0), "nor does a clock that was set back");
        let looks = (1..1000)
            .take_while(|look| !patience.is_over(look * second))
            .count();
        assert!((90..100).contains(&looks), "{looks}");
    }
}
