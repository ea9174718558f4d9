//! Samples: what there is of everything, from time to time.

use arch::clock::{self, UNITS_PER_MICROSECOND};

use super::Host;
use crate::report;

/// When samples are due, and what they have cost.
pub struct Sampler {
    /// Time from one to the next, in TOD units; 0 is never.
    every: u64,
    /// When the next one is due.
    pub(super) due: u64,
    /// Time that they took, in TOD units.
    pub took: u64,
}

impl Sampler {
    /// One every so many milliseconds; 0 is none.
    #[must_use]
    pub fn new(every: u64) -> Self {
        Self {
            every: every * 1000 * UNITS_PER_MICROSECOND,
            due: if every == 0 { u64::MAX } else { 0 },
            took: 0,
        }
    }
}

impl Host {
    /// Prints a sample if one is due. One that comes late does not make the next one late.
    pub(super) fn sample(&mut self, now: u64) {
        if now >= self.sampler.due {
            let every = self.sampler.every;
            let last = self.sampler.due.max(self.began);
            self.sampler.due = last + ((now - last) / every + 1) * every;
            report::sample(self, now);
            self.sampler.took += clock::now() - now;
        }
    }
}
