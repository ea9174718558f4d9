//! Memory management on the simulated machine.

mod account;
mod attempts;
mod balloon;
mod buddy;
mod cache;
mod fill;
mod frames;
mod gang;
mod non_linear;
mod parts;
mod percpu;
mod probe;
mod readahead;
mod reclaim;
mod record;
mod release;
mod reporting;
mod reverse;
mod space;
mod state;
mod user_copy;

use arch::sim::{self, Entered, Machine};
use arch::{Frame, storage};

use super::{Hinting, Key, Mm, Page, PageFlags, StableRef};

/// A simulated machine, entered, and a memory manager for it.
struct Rig {
    machine: Machine,
    mm: &'static Mm<'static>,
    _entered: Entered,
}

impl Rig {
    /// A machine with `frames` frames, all of them free but frame 0.
    fn new(frames: usize, hinting: Hinting) -> Self {
        let host = match hinting {
            Hinting::Off => sim::Hinting::None,
            Hinting::Unused => sim::Hinting::Unused,
            Hinting::Full => sim::Hinting::Full,
        };
        Self::under(host, frames, hinting)
    }

    /// The same, under a host that need not act on all that is hinted.
    fn under(host: sim::Hinting, frames: usize, hinting: Hinting) -> Self {
        let machine = Machine::new(frames, host);
        let entered = machine.enter();
        let pages: Vec<Page> = (0..frames).map(|_| Page::reserved()).collect();
        let mm: &Mm<'_> = Box::leak(Box::new(Mm::new(pages.leak(), hinting)));
        mm.add_free(Frame(1), frames as u32 - 1);
        Self {
            machine,
            mm,
            _entered: entered,
        }
    }

    /// ESSA executed so far.
    fn essa_count(&self) -> u64 {
        self.machine.essa_counts().iter().sum()
    }

    /// Brings a page into the cache, full of `byte`.
    fn fill(&self, key: Key, byte: u8) -> StableRef<'static> {
        let filling = self.mm.begin_fill(key).ok().expect("there is memory");
        // SAFETY: the page is new and locked.
        unsafe { storage::copy_in(filling.address(), &[byte; arch::PAGE_SIZE]) }
        filling.complete().unwrap()
    }

    /// Brings a page into the cache that nobody uses; returns its frame.
    fn fill_and_leave(&self, key: Key) -> Frame {
        self.fill(key, 0xa5).frame()
    }

    fn flags(&self, frame: Frame) -> PageFlags {
        self.mm.page(frame).flags()
    }
}

const fn key(index: u32) -> Key {
    Key { file: 7, index }
}
