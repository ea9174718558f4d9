//! Memory management on the simulated machine.

mod account;
mod attempts;
mod balloon;
mod buddy;
mod cache;
mod discard;
mod fill;
mod frames;
mod gang;
mod late;
mod moving;
mod non_linear;
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
mod reverse;
mod signoff;
mod space;
mod state;
mod store;
mod swap;
mod user_copy;

use arch::sim::{self, Entered, Machine};
use arch::{Frame, storage};
use cmm::{PageState, Usage};

use super::{Area, Backing, Hinting, Key, Mm, Page, PageFlags, StableRef};

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
        let rig = Self::reserved(host, frames, hinting);
        rig.mm.add_free(Frame(1), frames as u32 - 1);
        rig
    }

    /// The same as [`Rig::new`], the host having been asked to release all frames but frame 0.
    fn released(frames: usize, hinting: Hinting) -> Self {
        let rig = Self::reserved(sim::Hinting::Full, frames, hinting);
        rig.mm.add_free_released(Frame(1), frames as u32 - 1);
        rig
    }

    /// A machine with `frames` frames, none of them free.
    fn reserved(host: sim::Hinting, frames: usize, hinting: Hinting) -> Self {
        let machine = Machine::new(frames, host);
        let entered = machine.enter();
        let pages: Vec<Page> = (0..frames).map(|_| Page::reserved()).collect();
        let mm: &Mm<'_> = Box::leak(Box::new(Mm::new(pages.leak(), hinting)));
        Self {
            machine,
            mm,
            _entered: entered,
        }
    }

    /// Whether the host need keep nothing of a page: it is unused, or stable and zero.
    fn is_given_up(&self, frame: Frame) -> bool {
        let state = self.machine.state(frame);
        state.usage() == Usage::Unused || state == PageState::SZ
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

/// So many pages at the beginning of a space that show the file's first ones to all who map them.
const fn shared_area(pages: usize) -> Area {
    Area {
        start: 0,
        pages,
        backing: Backing::File {
            file: key(0).file,
            first: 0,
        },
        writable: true,
        shared: true,
        locked: false,
    }
}
