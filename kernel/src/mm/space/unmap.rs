//! Removing mappings: because an area ends, or because a page leaves its cache.

use arch::Frame;
use arch::dat::Kept;

use super::super::guard::Guard;
use super::super::hash::Key;
use super::super::page::PageFlags;
use super::super::swap::slot_of;
use super::super::{Mm, Parts};
use super::Space;
use super::reverse::Order;

impl Mm<'_> {
    /// Removes a mapping, whose reference is dropped in the end, or the slot's number that an entry keeps;
    /// from now on it keeps something else, or nothing.
    pub(super) fn unmap(&self, space: &Space, number: usize, kept: Option<Kept>) {
        let mapped = {
            let _table = space.lock.lock();
            let entry = space.tables.get(number);
            let mapped = entry.frame().map(|frame| {
                space.tables.invalidate(number);
                (frame, self.count_mapping_away(frame, entry.is_protected()))
            });
            space.tables.keep(number, kept);
            mapped.ok_or(entry.slot())
        };
        match mapped {
            Ok((frame, was_last)) => {
                self.forget_writable(frame, was_last);
                if self.lacks(Parts::MINOR_FAULTS) {
                    // The reference goes with it, and the page is made volatile again.
                    drop(self.stable_or_removed(frame));
                } else {
                    self.put_anonymous(frame);
                }
            }
            Err(kept) => kept
                .into_iter()
                .for_each(|slot| self.put_slot_and_page(slot)),
        }
    }

    /// Counts a mapping less whose entry is invalid now; returns whether it was the last.
    pub(super) fn count_mapping_away(&self, frame: Frame, was_protected: bool) -> bool {
        let page = self.page(frame);
        // From then on nobody accounts for the mapping's reference: the page cannot become volatile.
        let count = || page.remove_mapping();
        if was_protected || page.flags().contains(PageFlags::ANON) {
            count()
        } else {
            self.transfer_change(frame, count)
        }
    }

    /// Resets Writable if no mapping is left.
    ///
    /// That the caller's was the last when it was counted away says nothing: there may be a new one.
    pub(super) fn forget_writable(&self, frame: Frame, was_last: bool) {
        let page = self.page(frame);
        if !self.has(Guard::WritableOnce) {
            if was_last {
                page.reset(PageFlags::WRITABLE);
            }
        } else if page.flags().contains(PageFlags::WRITABLE) {
            self.with_state_change(frame, || {
                if page.mappings() == 0 {
                    page.reset(PageFlags::WRITABLE);
                }
            });
        }
    }

    /// Makes an entry read-only, for as long as nobody makes it writable again.
    pub(super) fn protect(&self, space: &Space, number: usize) {
        let _table = space.lock.lock();
        let entry = space.tables.get(number);
        if let Some(frame) = entry.frame().filter(|_| !entry.is_protected()) {
            self.protect_entry(space, number, frame);
        }
    }

    /// Makes a valid entry read-only; the caller has the table's lock.
    pub(super) fn protect_entry(&self, space: &Space, number: usize, frame: Frame) {
        space.tables.invalidate(number);
        if !self.page(frame).flags().contains(PageFlags::ANON) {
            self.transfer_change(frame, || ());
        }
        space.tables.map(number, frame, true);
    }

    /// Makes all mappings of a page read-only, and moves its change bit into Dirty.
    pub(in crate::mm) fn protect_everywhere(&self, frame: Frame) {
        self.each_place(self.page(frame), |space, number, _| {
            let _table = space.lock.lock();
            let entry = space.tables.get(number);
            if entry.frame() == Some(frame) && !entry.is_protected() {
                self.protect_entry(space, number, frame);
            }
        });
    }

    /// Removes all mappings of a page that is being removed from its cache, or that is being swapped
    /// out: then their entries keep the slot's number.
    pub(in crate::mm) fn unmap_everywhere(&self, frame: Frame) {
        self.each_place(self.page(frame), |space, number, order| {
            let seen = space.tables.get(number).frame().is_some();
            if seen || self.has(Guard::WalkLock) {
                self.take_away(space, number, frame, order);
            }
        });
    }

    fn take_away(&self, space: &Space, number: usize, frame: Frame, order: Order) {
        let was_last = {
            let _table = space.lock.lock();
            let entry = space.tables.get(number);
            if entry.frame() != Some(frame) {
                return;
            }
            space.tables.invalidate(number);
            space.tables.keep(number, self.get_kept(frame, order));
            self.count_mapping_away(frame, entry.is_protected())
        };
        self.forget_writable(frame, was_last);
        self.put_page(frame);
    }

    /// What an entry keeps of a page that is mapped no more: the number of its slot, which has a user
    /// more then; its index, where the place does not tell it; or nothing.
    pub(super) fn get_kept(&self, frame: Frame, order: Order) -> Option<Kept> {
        let page = self.page(frame);
        match (slot_of(page), order) {
            (Some(slot), _) => {
                self.get_slot(slot);
                Some(Kept::Slot(slot))
            }
            (None, Order::NonLinear) => Some(Kept::Index(Key::of(page).index)),
            (None, Order::Linear) => None,
        }
    }
}
