//! Free pages on their way: between the lists of CPUs and the buddy allocator, and to the balloon device
//! and back. They are free, and whoever looks everywhere may miss them.
//!
//! ```text
//!   lists of CPUs ── drain, flush ──> blocks ── take_unreported ──> the device has them
//!                 <──── refill ─────         <─── give_reported ───
//! ```
//!
//! Whoever leaves a place is counted with its lock held, and so is whoever arrives. If nothing is under
//! way, and nothing has arrived since before one looked, there was nothing to be found.

use super::Mm;
use super::guard::Guard;
use crate::sync;

/// How often pages have moved.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Moves {
    left_lists: u64,
    reached_blocks: u64,
    left_blocks: u64,
    reached_lists: u64,
    /// Blocks that have come back from the device.
    returned: u64,
    /// Pages that it has, or may have.
    reporting: usize,
}

impl Moves {
    fn are_under_way(&self) -> bool {
        self.left_lists != self.reached_blocks || self.left_blocks != self.reached_lists
    }
}

impl Mm<'_> {
    fn moves(&self) -> Moves {
        let (buddy, stats) = (self.buddy.lock(), &self.stats);
        Moves {
            left_lists: stats.list_drains.get() + stats.list_flushes.get(),
            reached_blocks: buddy.batches_given,
            left_blocks: buddy.batches_taken,
            reached_lists: stats.list_refills.get(),
            returned: buddy.returned,
            reporting: buddy.reporting,
        }
    }

    /// For whoever has found no memory: whether to try again, because pages are under way, for which
    /// this waits a little, or because some have arrived since this was asked last.
    ///
    /// A CPU that moves pages runs nothing else meanwhile, so they come.
    pub(super) fn await_moves(&self, seen: &mut Option<Moves>) -> bool {
        let now = self.moves();
        if seen.replace(now) != Some(now) && self.has(Guard::TryAgain) {
            return true;
        }
        let waits = now.reporting > 0 && self.has(Guard::AwaitReport)
            || now.are_under_way() && self.has(Guard::AwaitMoves);
        if waits {
            sync::relax();
        }
        waits
    }
}
