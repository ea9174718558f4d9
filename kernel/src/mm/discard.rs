//! Taking a page out of the page cache, exactly once, and freeing it with its last reference.

use arch::Frame;

use super::guard::Guard;
use super::hash::CacheHash;
use super::page::PageFlags;
use super::swap::slot_of;
use super::{Mm, state};
use crate::trace::{self, Kind};

impl Mm<'_> {
    /// Removes a page from all tables, LRU list and page cache, because its content is gone or its frame is wanted.
    ///
    /// Of all who try, one succeeds and drops the cache's reference; the others get `false`. The
    /// caller has a reference of his own, or the page could be somebody else's by now.
    pub(super) fn remove_page(&self, frame: Frame) -> bool {
        let page = self.page(frame);
        if page.test_and_set(PageFlags::DISCARDED) && self.has(Guard::RemoveOnce) {
            return false;
        }
        self.unmap_everywhere(frame);
        self.leave_lru(frame);
        let slot = slot_of(page);
        self.leave_cache(frame);
        self.put_share_of_cache(frame, slot);
        true
    }

    /// As [`Mm::remove_page`], of a page that reclaim has locked and taken off the LRU list, with a reference: unless
    /// somebody else needs it.
    ///
    /// What keeps a page from being volatile keeps it from going: the cache's reference and the caller's are the
    /// only ones, and the device has the content.
    pub(super) fn remove_unneeded(&self, frame: Frame) -> bool {
        let page = self.page(frame);
        let is_needed = || state::obstacle_isolated(page, 2).is_some();
        if is_needed() {
            return false;
        }
        // What was stored through a mapping is known when that is gone.
        self.unmap_everywhere(frame);
        let slot = slot_of(page);
        {
            // Nobody finds it from here on. Who has found it since the first look has a reference, or a mapping with
            // one, or has left it dirty.
            let mut cache = self.cache.lock();
            if self.has(Guard::SecondLook) && (page.references() > 2 || is_needed()) {
                return false;
            }
            if page.test_and_set(PageFlags::DISCARDED) && self.has(Guard::RemoveOnce) {
                return false;
            }
            self.take_out_of_cache(&mut cache, frame);
        }
        self.put_share_of_cache(frame, slot);
        true
    }

    /// Drops what a cache had of a page that it has no more: its use of the slot, and its reference.
    fn put_share_of_cache(&self, frame: Frame, slot: Option<u32>) {
        if let Some(slot) = slot {
            self.put_slot(slot);
        }
        self.put_page(frame);
    }

    /// Takes a page out of the page cache or the swap cache. The cache's reference is the caller's now, and
    /// so is its use of the slot.
    pub(super) fn leave_cache(&self, frame: Frame) {
        self.take_out_of_cache(&mut self.cache.lock(), frame);
    }

    fn take_out_of_cache(&self, cache: &mut CacheHash, frame: Frame) {
        let page = self.page(frame);
        assert!(
            page.flags().contains(PageFlags::CACHED),
            "{frame} is removed and not in the page cache"
        );
        cache.remove(self.pages, frame);
        page.next_generation();
        let unused = page.reset(PageFlags::CACHED | PageFlags::SWAP_CACHE | PageFlags::READ_AHEAD);
        if unused.contains(PageFlags::READ_AHEAD) {
            self.note_read_for_nothing();
        }
    }

    /// Drops a reference; the last one frees the page.
    pub(super) fn put_page(&self, frame: Frame) {
        let page = self.page(frame);
        if page.put() {
            // An anonymous page that was in no cache is on the list to the end; a page that was removed
            // from one is not on the list any more.
            let flags = page.flags();
            if flags.contains(PageFlags::LRU) && !flags.contains(PageFlags::DISCARDED) {
                self.leave_lru(frame);
            }
            self.free_page(frame);
        }
    }

    fn leave_lru(&self, frame: Frame) {
        self.lru.lock().remove(self.pages, frame);
    }

    /// There was a discard fault at a page, whoever deals with it.
    pub(super) fn count_discard_fault(&self, frame: Frame) {
        self.stats.discard_faults.add(1);
        trace::note(Kind::DiscardFault, frame.0);
    }

    /// Handles a discard fault of the problem state that named this page: it leaves the cache.
    ///
    /// Whoever was interrupted executes the instruction again and finds the page gone. Interruptions
    /// have been disabled since the fault, so this CPU has not signed off: the page that is found here
    /// is the one that was named, unless its last reference is gone.
    pub fn discard_fault(&self, frame: Frame) {
        let page = self.page(frame);
        self.count_discard_fault(frame);
        if !self.has(Guard::GetUnlessZero) {
            page.get();
        } else if !page.get_unless_zero() {
            self.stats.late_discard_faults.add(1);
            return;
        }
        #[cfg(feature = "controls")]
        self.check_fault(frame);
        self.remove_page(frame);
        self.put_page(frame);
    }

    /// Panics if the page that a discard fault named is somebody else's by now.
    #[cfg(feature = "controls")]
    fn check_fault(&self, frame: Frame) {
        // Flags after the state: a page is removed first and loses its state later.
        let state = self.page_state(frame);
        let removed = self.page(frame).flags().contains(PageFlags::DISCARDED);
        let discarded = state == Some(cmm::PageState::VZ);
        assert!(
            removed || discarded,
            "a discard fault named {frame}, which is somebody else's by now"
        );
    }
}
