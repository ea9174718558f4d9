//! Instructions of single operations.

use core::hint::black_box;

use kernel::time::Stopwatch;

/// Counts instructions, less what counting itself takes.
pub(crate) struct Meter {
    counting: u64,
}

impl Meter {
    pub(crate) fn new() -> Self {
        let none = Self { counting: 0 };
        // The first one may still be warming up the emulator, which executes no more instructions.
        let counting = (0..8).map(|_| none.count(|| ()).1).min();
        Self {
            counting: counting.unwrap_or(0),
        }
    }

    /// Does some work; returns its instructions, too.
    #[inline(always)]
    pub(crate) fn count<T>(&self, work: impl FnOnce() -> T) -> (T, u64) {
        let watch = Stopwatch::start();
        let outcome = black_box(work());
        (outcome, watch.instructions().saturating_sub(self.counting))
    }
}
