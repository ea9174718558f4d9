//! Pages whose content the guest gives up.

use core::ops::Range;

use arch::PAGE_SHIFT;
use cmm::HostEvent;

use super::super::entry::{PageEntry, PageFlags};
use super::super::notifier::Right;
use super::GuestMemory;
use crate::memory::FramePool;

/// Most pages that a guest gives up at a time: others have their turn before it gives up more.
pub const MOST_RELEASED: u32 = 256;

impl GuestMemory {
    /// The first of some pages are released, but for a CPU's prefix area; `pages` are those that are left then.
    pub fn release_some(&mut self, pool: &mut FramePool, cpu: usize, pages: &mut Range<u32>) {
        let first = pages.start;
        let end = pages.end.min(first + MOST_RELEASED);
        let prefix = self.prefix(cpu) >> PAGE_SHIFT;
        // What is in front of the prefix area, and what is behind it.
        let within = |page: u32| page.max(first).min(end);
        for part in [first..within(prefix), within(prefix + 2)..end] {
            self.release(pool, part);
        }
        pages.start = end;
    }

    /// The content of some pages is not needed any more. Pinned ones stay.
    pub fn release(&mut self, pool: &mut FramePool, pages: Range<u32>) {
        let are_taken = self
            .notifiers
            .invalidate_range(&pages, Right::Content)
            .is_ok();
        for page in pages {
            let is_taken = |page| self.notifiers.invalidate_page(page, Right::Content).is_ok();
            if are_taken || is_taken(page) {
                self.forget(pool, page);
            }
        }
    }

    /// Gives up what a page has that nobody uses any more.
    pub(super) fn forget(&mut self, pool: &mut FramePool, page: u32) {
        let entry = &mut self.pages[page as usize];
        if *entry
            == (PageEntry {
                key: entry.key,
                ..PageEntry::UNTOUCHED
            })
        {
            // Most that a kernel releases when it starts are so.
            return;
        }
        self.give_frame(pool, page);
        self.give_slot(pool, page);
        let entry = &mut self.pages[page as usize];
        entry.state = cmm::apply(entry.state, HostEvent::Release)
            .unwrap_or_else(|_| unreachable!("any page can be released"));
        entry
            .flags
            .remove(PageFlags::CHANGED | PageFlags::REFERENCED);
    }
}
