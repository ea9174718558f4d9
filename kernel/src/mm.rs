//! Memory management: page descriptors, buddy allocator, page states, page cache.
//!
//! One [`Mm`] owns all of it. Nothing here knows about devices or tasks: they call `mm`.
//!
//! Everything may be called by any CPU at any time. Locks are never held across a wait. Each is taken
//! alone, except that a CPU's list of discarded pages is locked in front of the sign-off rounds
//! (`signoff`).

mod account;
mod balloon;
mod buddy;
mod cache;
mod discard;
mod fill;
mod frames;
mod gang;
mod guard;
mod hash;
mod list;
mod lru;
mod moving;
mod optimistic;
mod page;
mod parts;
mod percpu;
mod probe;
mod readahead;
mod reclaim;
mod record;
mod release;
mod released;
mod reporting;
mod signoff;
mod space;
mod state;
mod stats;
mod store;
mod swap;
mod try_vec;
mod user_copy;
mod writeback;

#[cfg(test)]
mod tests;

use alloc::vec::Vec;
use core::sync::atomic::{AtomicU32, AtomicUsize};

use arch::Frame;

pub use account::Account;
pub use balloon::{BATCH, Batch};
pub use buddy::{MAX_ORDER, PageAllocation};
pub use cache::{Lookup, MaybeDiscarded, StableRef};
pub use fill::{Filling, NotBegun};
pub use frames::Unreadable;
pub use gang::{GANG, Gang};
pub use guard::Guard;
pub use hash::Key;
pub use optimistic::Optimistic;
pub use page::{Page, PageFlags};
pub use parts::Parts;
pub use percpu::BATCH as PAGE_BATCH;
pub use probe::{Discards, Probe, probe};
pub use readahead::{Fillings, MOST_AT_ONCE, Wanted, frames as frames_of};
pub use release::MOST_PENDING;
pub use reporting::FreeBlock;
pub use signoff::{LATENCIES, SignOffStats};
#[cfg(target_os = "none")]
pub(crate) use space::FIRST_SEGMENT;
pub use space::{Area, Backing, MapError, Space};
pub use state::Discarded;
pub use stats::{Counter, Stats};
pub use store::{Store, StoreError};
pub use try_vec::{OutOfMemory, collect, with_capacity};
pub use user_copy::{CopyError, Piece, UserSpace};

use balloon::Balloon;
use buddy::Buddy;
use hash::CacheHash;
use lru::Lru;
use percpu::PageLists;
use readahead::ReadAhead;
use release::Pending;
use signoff::SignOff;
use space::ReverseMap;
use swap::Slots;

use crate::sync::Mutex;
use crate::sync::atomic::{AtomicBool, AtomicU32 as SharedU32};

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

/// Most CPUs.
pub const MOST_CPUS: usize = 64;

/// The memory manager of a machine, or of a simulated one.
pub struct Mm<'a> {
    pages: &'a [Page],
    hinting: Hinting,
    buddy: Mutex<Buddy>,
    balloon: Mutex<Balloon>,
    cache: Mutex<CacheHash>,
    lru: Mutex<Lru>,
    pending: Pending,
    /// Parts of the scheme that are left out.
    left_out: SharedU32,
    /// Pages of a batch.
    release_batch: AtomicUsize,
    /// Counters of what happened.
    pub stats: Stats,
    reverse_map: Mutex<ReverseMap>,
    /// Who is making room just now.
    reclaimers: SharedU32,
    slots: Mutex<Slots>,
    store: spin::Once<&'static dyn Store>,
    /// Files of which a mapping was locked in memory once: their pages stay stable.
    kept_files: Mutex<Vec<u32>>,
    any_kept: AtomicBool,
    /// Pages that were given to be managed.
    managed: AtomicUsize,
    /// Those of them that are never given back.
    kept: AtomicUsize,
    /// Truncations that have begun.
    truncations: SharedU32,
    /// Numbers of shared memory that were given out.
    memories: AtomicU32,
    /// Numbers of spaces and families that were given out.
    owners: AtomicU32,
    page_lists: PageLists,
    read_ahead: ReadAhead,
    sign_off: SignOff,
    /// Guards that a test has taken out.
    #[cfg(feature = "controls")]
    taken_out: AtomicU32,
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
            balloon: Mutex::new(Balloon::new()),
            cache: Mutex::new(CacheHash::new()),
            lru: Mutex::new(Lru::new()),
            pending: Pending::new(),
            left_out: SharedU32::new(0),
            release_batch: AtomicUsize::new(0),
            stats: Stats::default(),
            reverse_map: Mutex::new(ReverseMap::new()),
            reclaimers: SharedU32::new(0),
            slots: Mutex::new(Slots::new()),
            store: spin::Once::new(),
            kept_files: Mutex::new(Vec::new()),
            any_kept: AtomicBool::new(false),
            managed: AtomicUsize::new(0),
            kept: AtomicUsize::new(0),
            truncations: SharedU32::new(0),
            memories: AtomicU32::new(0),
            owners: AtomicU32::new(Page::NOBODY),
            page_lists: PageLists::new(),
            read_ahead: ReadAhead::new(),
            sign_off: SignOff::new(),
            #[cfg(feature = "controls")]
            taken_out: AtomicU32::new(0),
        }
    }

    /// What is hinted.
    #[must_use]
    #[inline]
    pub fn hinting(&self) -> Hinting {
        if cfg!(feature = "hinting") {
            self.hinting
        } else {
            Hinting::Off
        }
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
}
