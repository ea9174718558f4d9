//! The swap area: slots that count their users, and the swap cache.
//!
//! A slot has one user for each table entry that keeps its number, and one for the swap cache while a
//! page is there for it. A page of the swap cache whose content is in its slot can be volatile: if the
//! host discards it, its table entries keep the slot's number instead. So a slot whose page may be
//! discarded is freed only after the page has been made stable: until then it may be the only copy.

use alloc::vec::Vec;

use arch::Frame;

use super::guard::Guard;
use super::hash::Key;
use super::page::{Page, PageFlags};
use super::{Discarded, Mm, OutOfMemory, collect};
use crate::sync;

/// All slots.
pub(super) struct Slots {
    users: Vec<u32>,
    /// Those without users, the one that is taken next last.
    free: Vec<u32>,
}

impl Slots {
    pub(super) const fn new() -> Self {
        Self {
            users: Vec::new(),
            free: Vec::new(),
        }
    }
}

/// The slot of a page of the swap cache.
pub(super) fn slot_of(page: &Page) -> Option<u32> {
    let in_cache = page.flags().contains(PageFlags::SWAP_CACHE);
    in_cache.then(|| Key::of(page).index)
}

impl Mm<'_> {
    /// Makes a swap area of so many slots, which the store has room for.
    ///
    /// # Errors
    /// There is no memory for what is kept of each.
    ///
    /// # Panics
    /// If there is one already.
    pub fn add_swap(&self, count: u32) -> Result<(), OutOfMemory> {
        let new = Slots {
            users: collect(core::iter::repeat_n(0, count as usize))?,
            free: collect((0..count).rev())?,
        };
        let mut slots = self.slots.lock();
        assert!(slots.users.is_empty(), "there is one swap area");
        *slots = new;
        Ok(())
    }

    /// Slots, and how many of them have no user.
    #[must_use]
    pub fn swap_slots(&self) -> (usize, usize) {
        let slots = self.slots.lock();
        (slots.users.len(), slots.free.len())
    }

    /// Whether there is a swap area.
    pub(super) fn has_swap(&self) -> bool {
        !self.slots.lock().users.is_empty()
    }

    /// A slot with one user; `None` if all have some.
    fn new_slot(&self) -> Option<u32> {
        let mut slots = self.slots.lock();
        let slot = slots.free.pop()?;
        slots.users[slot as usize] = 1;
        Some(slot)
    }

    /// Counts a user of a slot that has one.
    pub(super) fn get_slot(&self, slot: u32) {
        let mut slots = self.slots.lock();
        let users = &mut slots.users[slot as usize];
        assert!(*users > 0, "slot {slot} has been freed");
        *users += 1;
    }

    /// Counts a user of a slot less; the last one frees it.
    pub(super) fn put_slot(&self, slot: u32) {
        let mut slots = self.slots.lock();
        let users = &mut slots.users[slot as usize];
        *users = users.checked_sub(1).expect("who puts a slot has it");
        if *users == 0 {
            slots.free.push(slot);
        }
    }

    /// Users of a slot.
    pub(super) fn slot_users(&self, slot: u32) -> u32 {
        self.slots.lock().users[slot as usize]
    }

    /// Counts a user less, which was a table entry; the swap cache keeps no page for itself alone.
    pub(super) fn put_slot_and_page(&self, slot: u32) {
        self.put_slot(slot);
        if let Some(frame) = self.find(Key::swap(slot)) {
            self.put_anonymous(frame);
        }
    }

    /// Drops a reference to an anonymous page. One that is nowhere mapped and whose slot no table
    /// entry keeps leaves the swap cache.
    #[inline]
    pub(super) fn put_anonymous(&self, frame: Frame) {
        if self.page(frame).flags().contains(PageFlags::SWAP_CACHE) {
            self.leave_swap_cache_unless_needed(frame);
        }
        self.put_page(frame);
    }

    #[inline(never)]
    fn leave_swap_cache_unless_needed(&self, frame: Frame) {
        let page = self.page(frame);
        let is_needed = |slot| self.slot_users(slot) > 1 || page.mappings() > 0;
        if slot_of(page).is_some_and(|slot| !is_needed(slot)) && self.lock_page(frame) {
            // Once more: nobody maps it from the swap cache, or takes it out, while it is locked.
            if slot_of(page).is_some_and(|slot| !is_needed(slot)) {
                self.remove_page(frame);
                // It could not be written to its slot, and need not be any more.
                page.reset(PageFlags::DIRTY);
            }
            self.unlock_page(frame);
        }
    }

    /// Writes an anonymous page to a slot of its own. Returns whether it is in the swap cache now, its
    /// content in the slot; its table entries keep the slot's number.
    ///
    /// The caller has a reference and the page's lock.
    pub(super) fn swap_out(&self, frame: Frame) -> bool {
        let page = self.page(frame);
        let Some(slot) = self.new_slot() else {
            self.stats.swap_full.add(1);
            return false;
        };
        let key = Key::swap(slot);
        page.get();
        key.assign(page);
        page.set(PageFlags::SWAP_CACHE | PageFlags::DIRTY);
        assert!(self.enter(frame).is_ok(), "a slot has one page");
        // What a child copies meanwhile is read-only, and is not written while the page is locked.
        self.unmap_everywhere(frame);
        self.write_locked(frame, key)
    }

    /// Writes a page that nobody can change to the store; returns whether the store has it now.
    pub(super) fn write_locked(&self, frame: Frame, key: Key) -> bool {
        let page = self.page(frame);
        page.set(PageFlags::WRITEBACK);
        page.reset(PageFlags::DIRTY);
        let written = self.store().write(key, frame).is_ok();
        if written {
            self.stats.pages_written.add(1);
        } else {
            page.set(PageFlags::DIRTY);
            self.stats.write_errors.add(1);
        }
        page.reset(PageFlags::WRITEBACK);
        written
    }

    /// Takes a page out of the swap cache because its only user wants to write it; frees its slot.
    ///
    /// The caller has a reference, the page's lock, and the lock of the only table that maps it.
    ///
    /// # Errors
    /// The host has discarded the page: the slot is the only copy and stays.
    pub(super) fn leave_swap_cache(&self, frame: Frame) -> Result<(), Discarded> {
        if self.has(Guard::StableBeforeSlot) {
            self.make_stable(frame)?;
        }
        let page = self.page(frame);
        self.leave_cache(frame);
        page.reset(PageFlags::DIRTY);
        self.put_slot(Key::of(page).index);
        let was_last = page.put();
        assert!(!was_last, "the caller has a reference");
        Ok(())
    }

    /// Locks a page, if nobody has; returns whether.
    pub(super) fn lock_page(&self, frame: Frame) -> bool {
        !self.page(frame).test_and_set(PageFlags::LOCKED)
    }

    /// Locks a page as soon as nobody has.
    pub(super) fn await_lock(&self, frame: Frame) {
        while !self.lock_page(frame) {
            sync::let_others_run();
        }
    }

    /// Unlocks a page that the caller has locked.
    pub(super) fn unlock_page(&self, frame: Frame) {
        self.page(frame).reset(PageFlags::LOCKED);
    }
}
