//! Taking a page out of the page cache, exactly once, and freeing it with its last reference.

use arch::Frame;

use super::Mm;
use super::page::PageFlags;

impl Mm<'_> {
    /// Removes a page from LRU list and page cache, because its content is gone or its frame is wanted.
    ///
    /// Of all who try, one succeeds and drops the cache's reference; the others get `false`. The
    /// caller has a reference of his own, or the page could be somebody else's by now.
    pub(super) fn remove_page(&self, frame: Frame) -> bool {
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
        {
            let mut cache = self.cache.lock();
            assert!(
                page.flags().contains(PageFlags::CACHED),
                "{frame:?} has not been in the page cache"
            );
            cache.remove(self.pages, frame);
            page.reset(PageFlags::CACHED);
        }
        self.put_page(frame);
        true
    }

    /// Drops a reference; the last one frees the page.
    ///
    /// A discarded page, too, is freed at once, because there is one CPU: a discard fault that names
    /// the page and has not been handled would have to be pending on another.
    pub(super) fn put_page(&self, frame: Frame) {
        if self.page(frame).put() {
            self.free_pages(frame, 0);
        }
    }
}
