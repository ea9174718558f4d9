//! How fast a device is that is made of storage.

use arch::PAGE_SIZE;

/// How long transfers take, in TOD units.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Timing {
    /// To get to what is not behind the last transfer.
    pub seek: u64,
    /// For each page.
    pub page: u64,
}

/// A device that does one transfer after the other, in times that are stated: so runs on a machine whose clock
/// counts instructions can be repeated exactly.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    timing: Timing,
    /// What is behind the last transfer that was begun.
    position: u64,
    /// When all that was begun is complete.
    ready: u64,
}

impl Pace {
    /// A device that has nothing to do.
    #[must_use]
    pub const fn new(timing: Timing) -> Self {
        Self {
            timing,
            position: 0,
            ready: 0,
        }
    }

    /// Begins a transfer of so many bytes, from a place on to another one; returns when it will be complete.
    pub fn begin(&mut self, from: u64, to: u64, bytes: usize, now: u64) -> u64 {
        let seek = if from == self.position {
            0
        } else {
            self.timing.seek
        };
        self.position = to;
        let moving = self.timing.page * bytes as u64 / PAGE_SIZE as u64;
        self.ready = self.ready.max(now) + seek + moving;
        self.ready
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_goes_into_seeks_and_pages() {
        let timing = Timing {
            seek: 100,
            page: 80,
        };
        let mut pace = Pace::new(timing);
        assert_eq!(pace.begin(0, 16, 2 * PAGE_SIZE, 1000), 1160);
        assert_eq!(pace.begin(16, 17, PAGE_SIZE / 8, 1000), 1170, "it waits");
        assert_eq!(pace.begin(16, 17, PAGE_SIZE / 8, 5000), 5110, "back again");
    }
}
