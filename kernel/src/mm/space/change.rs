//! The change bit in a page's storage key: what was written through a mapping, and since when.

use arch::{Frame, key};

use super::super::Mm;
use super::super::guard::Guard;
use super::super::page::PageFlags;

impl Mm<'_> {
    fn key(&self, frame: Frame) -> u8 {
        self.stats.keys.add(1);
        key::get(frame)
    }

    fn set_key(&self, frame: Frame, key: u8) {
        self.stats.keys.add(1);
        key::set(frame, key);
    }

    /// Moves the change bit of a page that was just unmapped into Dirty, while the mapping's reference
    /// still keeps the page.
    ///
    /// The page is stable before the bit is reset: a potentially volatile page that looks clean may be
    /// discarded.
    pub(super) fn transfer_change(&self, frame: Frame) {
        let found = self.key(frame);
        if found & key::CHANGE == 0 {
            return;
        }
        let reset = || self.set_key(frame, found & !key::CHANGE);
        if !self.has(Guard::ChangeOrder) {
            reset();
        }
        if self.make_stable(frame).is_ok() {
            self.page(frame).set(PageFlags::DIRTY);
            reset();
        }
    }

    /// In front of a writable entry, and behind the mapping's count: whoever resets Writable because he
    /// has counted the last mapping away sees ours.
    pub(super) fn become_writable(&self, frame: Frame) {
        let page = self.page(frame);
        self.with_state_change(frame, || {
            if !page.flags().contains(PageFlags::WRITABLE) {
                // From when the page was filled. What is to be written to the file says Dirty.
                let found = self.key(frame);
                self.set_key(frame, found & !key::CHANGE);
            }
            page.set(PageFlags::WRITABLE);
            self.mind_changes(frame);
        });
    }
}
