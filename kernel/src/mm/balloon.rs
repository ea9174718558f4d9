//! Pages in the balloon: the device has them until they are taken back.
//!
//! They are a class of their own: neither free nor in any cache. When memory is short and the device
//! allows it, an allocation withdraws pages without a word; which ones is noted, so that the device can
//! be told afterwards.

use alloc::vec;
use alloc::vec::Vec;

use arch::Frame;
use arrayvec::ArrayVec;

use super::Mm;
use super::list::List;
use super::page::PageFlags;

/// Pages that go into the balloon, or come out of it, at a time.
pub const BATCH: usize = 256;
/// Pages that an allocation withdraws at a time.
const WITHDRAWN_AT_A_TIME: usize = 64;
/// Free pages and pages of the cache that inflating leaves: 2 MiB.
const LOW: usize = 512;

/// Some frames.
pub type Batch = ArrayVec<Frame, BATCH>;

/// The balloon.
pub(super) struct Balloon {
    pages: List,
    /// One bit for each frame, set if the page was withdrawn and the device does not know; empty if
    /// nothing may be withdrawn.
    withdrawn: Vec<u64>,
    /// How many bits are set.
    untold: usize,
}

impl Balloon {
    pub(super) const fn new() -> Self {
        Self {
            pages: List::new(),
            withdrawn: Vec::new(),
            untold: 0,
        }
    }

    fn note_withdrawn(&mut self, frame: Frame) {
        self.withdrawn[frame.index() / 64] |= 1 << (frame.index() % 64);
        self.untold += 1;
    }

    fn take_untold(&mut self) -> Batch {
        let mut batch = Batch::new();
        if self.untold == 0 {
            return batch;
        }
        for (number, word) in self.withdrawn.iter_mut().enumerate() {
            while *word != 0 && !batch.is_full() {
                let bit = word.trailing_zeros();
                *word &= *word - 1;
                batch.push(Frame(number as u32 * 64 + bit));
            }
        }
        self.untold -= batch.len();
        batch
    }
}

impl Mm<'_> {
    /// From now on allocations may withdraw pages from the balloon.
    pub fn allow_withdrawal(&self) {
        // Allocated without the lock: the heap may need memory itself.
        let bits = vec![0; self.frame_count().div_ceil(64)];
        self.balloon.lock().withdrawn = bits;
    }

    /// Pages in the balloon.
    #[must_use]
    pub fn ballooned_page_count(&self) -> usize {
        self.balloon.lock().pages.len()
    }

    /// Takes up to `most` pages for the balloon, making room for them, as long as enough is left.
    ///
    /// The caller puts them into the balloon, or frees them.
    #[must_use]
    pub fn take_for_balloon(&self, most: usize) -> Batch {
        let spare = self.free_page_count() + self.cached_page_count();
        let most = most.min(BATCH).min(spare.saturating_sub(LOW));
        core::iter::from_fn(|| self.page_for_balloon())
            .take(most)
            .collect()
    }

    /// A page: unlike every other allocation this one takes nothing out of the balloon.
    fn page_for_balloon(&self) -> Option<Frame> {
        loop {
            if let Some(block) = self.allocate_page() {
                return Some(block.frame);
            }
            if self.shrink_cache() == 0 && self.drain_all_page_lists() == 0 {
                return None;
            }
        }
    }

    /// Puts pages into the balloon that the device has been given.
    pub fn put_into_balloon(&self, batch: &[Frame]) {
        let mut balloon = self.balloon.lock();
        for frame in batch {
            self.page(*frame).set(PageFlags::BALLOONED);
            balloon.pages.push(self.pages, *frame);
        }
    }

    /// Takes up to `most` pages out of the balloon. The caller tells the device, and frees them.
    #[must_use]
    pub fn take_from_balloon(&self, most: usize) -> Batch {
        let mut balloon = self.balloon.lock();
        core::iter::from_fn(|| self.pop_ballooned(&mut balloon))
            .take(most.min(BATCH))
            .collect()
    }

    fn pop_ballooned(&self, balloon: &mut Balloon) -> Option<Frame> {
        let frame = balloon.pages.first()?;
        balloon.pages.remove(self.pages, frame);
        self.page(frame).reset(PageFlags::BALLOONED);
        Some(frame)
    }

    /// Frees pages that were taken for the balloon, or out of it.
    pub fn free_ballooned(&self, batch: &[Frame]) {
        for frame in batch {
            self.free_pages(*frame, 0);
        }
    }

    /// Frees some pages of the balloon because memory is short, if that is allowed; returns how many.
    pub(super) fn withdraw_from_balloon(&self) -> usize {
        let mut batch = ArrayVec::<Frame, WITHDRAWN_AT_A_TIME>::new();
        {
            let mut balloon = self.balloon.lock();
            while !balloon.withdrawn.is_empty()
                && !batch.is_full()
                && let Some(frame) = self.pop_ballooned(&mut balloon)
            {
                balloon.note_withdrawn(frame);
                batch.push(frame);
            }
        }
        self.free_ballooned(&batch);
        self.stats.withdrawn.add(batch.len() as u64);
        batch.len()
    }

    /// Some pages that were withdrawn and that the device has not been told of; after this it has to be.
    #[must_use]
    pub fn take_untold_withdrawn(&self) -> Batch {
        self.balloon.lock().take_untold()
    }
}
