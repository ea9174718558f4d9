//! Reading a page of the cache without a reference to it.
//!
//! A lookup that takes no reference leaves no trace: the page stays volatile, nobody is in anybody's
//! way, no ESSA is executed. In exchange, anything can happen to the page during the copy. It may be
//! removed, freed and filled with another file's content: its generation says so afterwards. It may be
//! free and gone: the copy ends with an addressing exception. Or the host may discard it: the discard
//! fault names an address, as one of the problem state does, and is handled as such. That the address
//! still means the same page then is what sign-off is for: until this CPU signs off, a discarded page is
//! not reused.

use core::sync::atomic::{Ordering, fence};

use arch::{PAGE_SIZE, program, storage};

use super::Mm;
use super::hash::Key;
use super::page::PageFlags;

/// What an optimistic read came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Optimistic {
    /// The buffer holds what the page holds.
    Read,
    /// The page is not in the cache, or was not all the time; the buffer is void.
    Miss,
    /// The host has discarded the page, which is out of the cache now; the buffer is void.
    WasDiscarded,
}

impl Mm<'_> {
    /// Copies from a page of the cache if it is there from beginning to end.
    ///
    /// The caller lets no tick come between (interruptions are disabled, and nothing here polls).
    ///
    /// # Panics
    /// If the range is not within a page, or on a fault that nothing explains.
    pub fn read_optimistic(&self, key: Key, offset: usize, buffer: &mut [u8]) -> Optimistic {
        assert!(
            offset + buffer.len() <= PAGE_SIZE,
            "a range within the page"
        );
        let found = {
            let cache = self.cache.lock();
            let found = cache.find(self.pages, key);
            found
                .filter(|frame| self.note_use(self.page(*frame)))
                .map(|frame| (frame, self.page(frame).generation()))
        };
        let Some((frame, generation)) = found else {
            self.stats.cache_misses.add(1);
            return Optimistic::Miss;
        };
        self.stats.optimistic_copies.add(1);
        let source = frame.address() + offset as u64;
        // SAFETY: whatever is there by now, it is storage of this machine, and what is read is void
        // unless the page has been the same all the time; then nobody has written it.
        let outcome = unsafe { storage::try_copy_out(source, buffer) };
        // The copy comes before the second look at the generation.
        fence(Ordering::SeqCst);
        let same = self.page(frame).generation() == generation;
        match outcome {
            Ok(()) if same => {
                if self.page(frame).flags().contains(PageFlags::READ_AHEAD) {
                    self.note_first_use(frame);
                }
                self.stats.cache_hits.add(1);
                Optimistic::Read
            }
            Err(fault) if fault.code == program::BLOCK_VOLATILITY => {
                self.stats.cache_misses.add(1);
                self.discard_fault(frame);
                Optimistic::WasDiscarded
            }
            Ok(()) => self.lost_track(),
            Err(fault) if fault.code == program::ADDRESSING && !same => self.lost_track(),
            Err(fault) => panic!("an optimistic copy from {frame}: {fault}"),
        }
    }

    fn lost_track(&self) -> Optimistic {
        self.stats.cache_misses.add(1);
        self.stats.optimistic_failures.add(1);
        Optimistic::Miss
    }
}
