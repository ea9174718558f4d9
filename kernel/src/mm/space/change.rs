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

    /// Moves the change bit of a page, of which the caller has made an entry invalid that was writable, into
    /// Dirty, and then does something else, as far as others see at the same time: who finds no mapping left
    /// and Writable reset takes the bit for one from when the page was filled.
    pub(in crate::mm) fn transfer_change<T>(&self, frame: Frame, then: impl FnOnce() -> T) -> T {
        if !self.has(Guard::CountWithChange) {
            let outcome = then();
            self.with_state_change(frame, || self.move_change(frame));
            return outcome;
        }
        self.with_state_change(frame, || {
            self.move_change(frame);
            then()
        })
    }

    /// The caller has StateChange, so the page does not become volatile meanwhile.
    ///
    /// The page is stable before the bit is reset: a potentially volatile page that looks clean may be
    /// discarded. It is dirty only then: what somebody has stored until the bit is reset, who has another
    /// mapping, is not clean because the page was written to its device before.
    fn move_change(&self, frame: Frame) {
        let found = self.key(frame);
        if found & key::CHANGE == 0 {
            return;
        }
        let reset = || self.set_key(frame, found & !key::CHANGE);
        if !self.has(Guard::ChangeOrder) {
            reset();
        }
        if self.make_stable_alone(frame).is_ok() {
            reset();
            self.page(frame).set(PageFlags::DIRTY);
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
