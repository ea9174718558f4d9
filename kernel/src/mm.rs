//! Memory management: page descriptors, buddy allocator, page states, page cache.
//!
//! One [`Mm`] owns all of it. Nothing here knows about devices or tasks: they call `mm`.
//!
//! Everything is written for one CPU that takes no interruption but while it waits: locks are spin
//! locks and are never held across a wait. What several CPUs add to that is named where it matters.

mod buddy;
mod cache;
mod discard;
mod hash;
mod list;
mod page;
mod probe;
mod reclaim;
mod state;
mod stats;

#[cfg(test)]
mod tests;

use core::sync::atomic::{AtomicU8, Ordering};

use arch::Frame;
use spin::Mutex;

pub use buddy::{MAX_ORDER, PageAllocation};
pub use cache::{Filling, Lookup, MaybeDiscarded, StableRef};
pub use hash::Key;
pub use page::{Page, PageFlags};
pub use probe::{Discards, Probe, probe};
pub use state::Discarded;
pub use stats::{Counter, Stats};

use buddy::Buddy;
use hash::CacheHash;
use list::List;

/// What this kernel hints.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Hinting {
    /// Nothing.
    Off,
    /// Unused and stable.
    Unused,
    /// All states.
    Full,
}

impl Hinting {
    /// The word for it in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Unused => "unused",
            Self::Full => "full",
        }
    }
}

/// A deliberate mistake that tests must notice.
#[cfg(feature = "controls")]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Mistake {
    /// None.
    None = 0,
    /// Pages are used without making them stable.
    SkipMakeStable = 1,
    /// A copy that a discard fault ended is taken for a good one.
    IgnoreDiscardFault = 2,
}

/// The memory manager of a machine, or of a simulated one.
pub struct Mm<'a> {
    pages: &'a [Page],
    hinting: Hinting,
    buddy: Mutex<Buddy>,
    cache: Mutex<CacheHash>,
    lru: Mutex<List>,
    /// Counters of what happened.
    pub stats: Stats,
    mistake: AtomicU8,
}

/// The frames of a block of 2^`order` pages.
fn frames(first: Frame, order: u32) -> impl Iterator<Item = Frame> {
    (first.0..first.0 + (1 << order)).map(Frame)
}

impl<'a> Mm<'a> {
    /// Makes a memory manager for the frames from 0 that `pages` describe, all of them reserved so far.
    #[must_use]
    pub fn new(pages: &'a [Page], hinting: Hinting) -> Self {
        Self {
            pages,
            hinting,
            buddy: Mutex::new(Buddy::new()),
            cache: Mutex::new(CacheHash::new()),
            lru: Mutex::new(List::new()),
            stats: Stats::default(),
            mistake: AtomicU8::new(0),
        }
    }

    /// What is hinted.
    #[must_use]
    pub fn hinting(&self) -> Hinting {
        self.hinting
    }

    /// The descriptor of a frame.
    ///
    /// # Panics
    /// If the frame does not exist.
    #[must_use]
    pub fn page(&self, frame: Frame) -> &'a Page {
        &self.pages[frame.index()]
    }

    /// Frames that have descriptors.
    #[must_use]
    pub fn frame_count(&self) -> usize {
        self.pages.len()
    }

    /// From now on this mistake is made.
    #[cfg(feature = "controls")]
    pub fn make_mistake(&self, mistake: Mistake) {
        self.mistake.store(mistake as u8, Ordering::Relaxed);
    }

    /// Whether pages are used without making them stable; never but in a negative test.
    fn skips_make_stable(&self) -> bool {
        cfg!(feature = "controls") && self.mistake.load(Ordering::Relaxed) == 1
    }

    /// Whether discard faults of copies are ignored; never but in a negative test.
    fn ignores_discard_faults(&self) -> bool {
        cfg!(feature = "controls") && self.mistake.load(Ordering::Relaxed) == 2
    }
}
