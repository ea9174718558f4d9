//! Memory management: page descriptors, buddy allocator, page states, page cache.
//!
//! One [`Mm`] owns all of it. Nothing here knows about devices or tasks: they call `mm`.

mod buddy;
mod cache;
mod discard;
mod page;
mod probe;
mod reclaim;
mod state;
mod stats;

use alloc::collections::BTreeMap;
use core::sync::atomic::{AtomicU8, Ordering};

use arch::Frame;
use spin::Mutex;

pub use buddy::{MAX_ORDER, PageAllocation};
pub use cache::{Filling, Key, Lookup, MaybeDiscarded, StableRef};
pub use page::{Page, PageFlags};
pub use probe::{Discards, Probe, probe};
pub use state::{Discarded, Hinting};
pub use stats::Stats;

use buddy::Buddy;
use page::List;

/// Deliberate mistakes that tests must notice.
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
    cache: Mutex<BTreeMap<Key, Frame>>,
    lru: Mutex<List>,
    /// Counters of what happened.
    pub stats: Stats,
    mistake: AtomicU8,
}

impl<'a> Mm<'a> {
    /// A memory manager for the frames that `pages` describe, all of them reserved so far.
    #[must_use]
    pub fn new(pages: &'a [Page], hinting: Hinting) -> Self {
        Self {
            pages,
            hinting,
            buddy: Mutex::new(Buddy::new()),
            cache: Mutex::new(BTreeMap::new()),
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
    pub fn frames(&self) -> usize {
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
