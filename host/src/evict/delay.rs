//! How long pages have been in a queue, without a time for each of them.

use alloc::collections::VecDeque;

use arch::tod::UNITS_PER_MICROSECOND;

/// How fine time is, in TOD units: 0.1 ms.
const GRAIN: u64 = 100 * UNITS_PER_MICROSECOND;

/// Knows how many arrivals there had been some time ago.
#[derive(Default, Debug)]
pub(super) struct Delay {
    /// Times, and how many had arrived by then.
    marks: VecDeque<(u64, u64)>,
    /// How many arrived long enough ago.
    ripe: u64,
}

impl Delay {
    /// Takes notice of how many have arrived by now; returns how many of them had `delay` ago.
    pub(super) fn look(&mut self, now: u64, delay: u64, arrived: u64) -> u64 {
        let (last, known) = self.marks.back().copied().unwrap_or((0, self.ripe));
        if arrived != known && now - last >= GRAIN {
            self.marks.push_back((now, arrived));
        }
        while let Some((at, count)) = self.marks.front().copied()
            && now - at >= delay
        {
            self.marks.pop_front();
            self.ripe = count;
        }
        self.ripe
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_ripe_before_its_time() {
        let mut delay = Delay::default();
        let ms = 10 * GRAIN;
        let mut look = |at: u64, arrived| delay.look(100 * ms + at, 3 * ms, arrived);
        assert_eq!(look(0, 5), 0);
        assert_eq!(look(ms, 9), 0);
        // Too soon for a time of its own: it counts with the next ones.
        assert_eq!(look(ms + 1, 10), 0);
        assert_eq!(look(3 * ms - 1, 12), 0);
        assert_eq!(look(3 * ms, 12), 5);
        assert_eq!(look(4 * ms, 12), 9);
        assert_eq!(look(6 * ms - 2, 12), 9);
        assert_eq!(look(6 * ms - 1, 12), 12);
        assert_eq!(look(90 * ms, 12), 12);
    }
}
