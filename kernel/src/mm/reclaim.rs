//! Making room: clean pages of the page cache that were not used lately go.

use arch::Frame;

use super::Mm;
use super::page::{List, PageFlags};

/// Pages that one round takes, so that not every allocation has to.
const BATCH: usize = 32;

impl Mm<'_> {
    /// Takes up to a batch of pages out of the page cache; returns how many.
    ///
    /// From the cold end of the LRU list; a page that was referenced since it was last seen gets a
    /// second chance, one that somebody uses is left alone.
    pub fn shrink_cache(&self) -> usize {
        let mut taken = 0;
        let mut patience = 2 * self.lru.lock().len();
        while taken < BATCH && patience > 0 {
            patience -= 1;
            let Some(frame) = self.next_victim() else {
                continue;
            };
            if self.remove_page(frame) {
                self.stats.reclaimed.add(1);
                taken += 1;
            }
        }
        taken
    }

    /// The page at the cold end, if it may go; else it moves to the warm end.
    fn next_victim(&self) -> Option<Frame> {
        let mut lru = self.lru.lock();
        let frame = lru.last()?;
        let page = self.page(frame);
        let wanted = page
            .reset(PageFlags::REFERENCED)
            .contains(PageFlags::REFERENCED);
        let busy = page.references() > 1
            || page
                .flags()
                .intersects(PageFlags::LOCKED | PageFlags::DIRTY);
        if wanted || busy {
            rotate(&mut lru, self.pages, frame);
            return None;
        }
        Some(frame)
    }

    /// As `allocate_pages`, making room if there is none.
    #[must_use]
    pub fn allocate_reclaiming(&self) -> Option<Frame> {
        loop {
            if let Some(block) = self.allocate_pages(0) {
                return Some(block.frame);
            }
            if self.shrink_cache() == 0 {
                return None;
            }
        }
    }
}

fn rotate(lru: &mut List, pages: &[super::Page], frame: Frame) {
    lru.remove(pages, frame);
    lru.push(pages, frame);
}
