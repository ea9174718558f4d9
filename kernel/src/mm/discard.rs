//! Taking a page out of the page cache, exactly once, and freeing it with its last reference.

use core::sync::atomic::Ordering;

use arch::Frame;

use super::Mm;
use super::page::PageFlags;

impl Mm<'_> {
    /// Removes a page from LRU and page cache, because its content is gone or its frame is wanted.
    ///
    /// Of all who try at the same time, one succeeds and drops the cache's reference; the others
    /// return `false`.
    pub fn remove_page(&self, frame: Frame) -> bool {
        let page = self.page(frame);
        if page.test_and_set(PageFlags::DISCARDED) {
            return false;
        }
        {
            let mut lru = self.lru.lock();
            if page
                .reset(PageFlags::LRU | PageFlags::ACTIVE)
                .contains(PageFlags::LRU)
            {
                lru.remove(self.pages, frame);
            }
        }
        if page.reset(PageFlags::CACHED).contains(PageFlags::CACHED) {
            self.cache.lock().remove(&super::Key::of(page));
            self.put_page(frame);
        }
        true
    }

    /// Drops a reference; the last one frees the page.
    ///
    /// A page whose content is discarded can be freed at once because there is one CPU: a discard
    /// fault that still names it would have to be pending on another.
    pub(super) fn put_page(&self, frame: Frame) {
        let page = self.page(frame);
        let before = page.count.fetch_sub(1, Ordering::SeqCst);
        assert!(
            before > 0,
            "{frame:?} has lost a reference that it never had"
        );
        if before == 1 {
            self.free_pages(frame, 0);
        }
    }
}
