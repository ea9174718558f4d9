//! Making room: pages of the page cache that were not used lately go.

use arch::Frame;

use super::buddy::PageAllocation;
use super::page::PageFlags;
use super::{Mm, state};

/// Pages that one round takes, so that not every allocation has to.
const BATCH: usize = 32;

impl Mm<'_> {
    /// Takes up to a batch of pages out of the page cache; returns how many.
    ///
    /// From the cold end of the LRU list; a page that was looked up since it was last seen gets a
    /// second chance, one that somebody uses or that the device does not have is left alone.
    pub fn shrink_cache(&self) -> usize {
        let mut taken = 0;
        // Twice around the list: the first time may only take second chances away.
        let mut patience = 2 * self.lru.lock().len();
        while taken < BATCH && patience > 0 {
            patience -= 1;
            if let Some(frame) = self.isolate_victim() {
                taken += usize::from(self.remove_page(frame));
                self.put_page(frame);
            }
        }
        self.stats.reclaimed.add(taken as u64);
        taken
    }

    /// The page at the cold end with a reference to it, if it may go; else it moves to the warm end.
    fn isolate_victim(&self) -> Option<Frame> {
        let mut lru = self.lru.lock();
        let frame = lru.last()?;
        let page = self.page(frame);
        let wanted = page
            .reset(PageFlags::REFERENCED)
            .contains(PageFlags::REFERENCED);
        // What keeps a page from being volatile keeps it from going: the cache's is the only
        // reference, and the device has the content.
        if wanted || state::obstacle(page, 1).is_some() {
            lru.rotate(self.pages, frame);
            return None;
        }
        page.get();
        Some(frame)
    }

    /// As [`Mm::allocate_pages`], with pages of the cache making room if there is none.
    #[must_use]
    pub fn allocate_reclaiming(&self, order: u32) -> Option<PageAllocation> {
        loop {
            if let Some(block) = self.allocate_pages(order) {
                return Some(block);
            }
            if self.shrink_cache() == 0 {
                return None;
            }
        }
    }

    /// Pages on the LRU list, which are those in the page cache.
    #[must_use]
    pub fn cached_page_count(&self) -> usize {
        self.lru.lock().len()
    }
}
