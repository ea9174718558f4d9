//! Pages that are one space's own, or are shared with children only until somebody writes: anonymous
//! memory, and copies of pages of files.

use core::sync::atomic::Ordering;

use arch::dat::PageEntry;
use arch::{Frame, storage};

use super::super::guard::Guard;
use super::super::hash::Key;
use super::super::page::PageFlags;
use super::super::swap::slot_of;
use super::super::{Discarded, Mm, NotBegun, StableRef};
use super::fault::{MapError, Step};
use super::{Area, Space};

/// What can be done about a store to an anonymous page that is mapped read-only.
enum Reuse {
    /// It is nobody else's: its entry is writable now.
    Done,
    /// Others see it.
    Shared,
    /// The host has discarded it.
    Discarded,
    /// Somebody works on it, or the entry has changed.
    Wait,
}

impl Mm<'_> {
    /// A page of memory for a place in a space, with one reference. Its content is for the caller.
    fn new_anonymous(&self, space: &Space, number: usize) -> Result<(Frame, bool), MapError> {
        let block = self.allocate_reclaiming(0).ok_or(MapError::OutOfMemory)?;
        let page = self.page(block.frame);
        page.set_owner(space.number);
        page.place.store(number as u32, Ordering::Relaxed);
        page.set(PageFlags::ANON | PageFlags::UP_TO_DATE);
        Ok((block.frame, block.zero))
    }

    /// Maps memory that is zero.
    pub(super) fn map_new_page(
        &self,
        space: &Space,
        number: usize,
        _area: &Area,
    ) -> Result<Step, MapError> {
        let (frame, is_zero) = self.new_anonymous(space, number)?;
        if is_zero {
            self.stats.clears_skipped.add(1);
        } else {
            // SAFETY: the page is new.
            unsafe { storage::clear_page(frame.address()) }
        }
        Ok(self.install(space, number, PageEntry::INVALID, frame))
    }

    /// Maps an own copy of a page of a file that is not mapped.
    pub(super) fn copy_from_file(
        &self,
        space: &Space,
        number: usize,
        key: Key,
    ) -> Result<Step, MapError> {
        let entry = space.tables.get(number);
        if entry.frame().is_some() || entry.slot().is_some() {
            return Ok(Step::Next);
        }
        let source = self.stable_page(key)?;
        self.copy_and_install(space, number, entry, source.frame())
    }

    /// Makes a page that is mapped read-only this space's own.
    pub(super) fn own_page(
        &self,
        space: &Space,
        number: usize,
        frame: Frame,
        key: Option<Key>,
    ) -> Result<Step, MapError> {
        let entry = {
            let _table = space.lock.lock();
            let entry = space.tables.get(number);
            if entry.frame() != Some(frame) || !entry.is_protected() {
                return Ok(Step::Next);
            }
            // While it is mapped it has a reference, and ours comes in time.
            self.page(frame).get();
            entry
        };
        let is_of_file = !self.page(frame).flags().contains(PageFlags::ANON);
        if is_of_file && key.is_some() {
            return self.copy_with_reference(space, number, entry, frame);
        }
        match self.try_reuse(space, number, entry) {
            Reuse::Shared => return self.copy_with_reference(space, number, entry, frame),
            Reuse::Discarded => {
                self.remove_page(frame);
            }
            Reuse::Done | Reuse::Wait => {}
        }
        let is_writable = !space.tables.get(number).is_protected();
        self.put_anonymous(frame);
        Ok(if is_writable { Step::Next } else { Step::Wait })
    }

    /// Makes an entry writable whose anonymous page nobody else sees.
    fn try_reuse(&self, space: &Space, number: usize, entry: PageEntry) -> Reuse {
        let _table = space.lock.lock();
        let Some(frame) = entry.frame().filter(|_| space.tables.get(number) == entry) else {
            return Reuse::Wait;
        };
        if !self.lock_page(frame) {
            return Reuse::Wait;
        }
        let reuse = self.reuse_locked(space, number, frame);
        self.unlock_page(frame);
        reuse
    }

    fn reuse_locked(&self, space: &Space, number: usize, frame: Frame) -> Reuse {
        let page = self.page(frame);
        if page.flags().contains(PageFlags::DISCARDED) {
            return Reuse::Discarded;
        }
        // Users of the slot before mappings: who maps it by its slot counts the mapping first.
        let others = slot_of(page).map_or(0, |slot| self.slot_users(slot) - 1);
        if others > 0 || page.mappings() > 1 {
            return Reuse::Shared;
        }
        if slot_of(page).is_some() && self.leave_swap_cache(frame) == Err(Discarded) {
            return Reuse::Discarded;
        }
        if !space.area(number).is_some_and(|area| area.writable) {
            return Reuse::Wait;
        }
        // Whoever maps it from now on says so.
        page.set_owner(space.number);
        space.tables.invalidate(number);
        space.tables.map(number, frame, false);
        self.stats.reused.add(1);
        Reuse::Done
    }

    /// As [`Mm::copy_and_install`], from a page to which the caller has a reference that it drops.
    fn copy_with_reference(
        &self,
        space: &Space,
        number: usize,
        entry: PageEntry,
        frame: Frame,
    ) -> Result<Step, MapError> {
        // Stable from before the copy until after it.
        match self.stable_or_removed(frame) {
            Ok(source) => self.copy_and_install(space, number, entry, source.frame()),
            Err(Discarded) => Ok(Step::Wait),
        }
    }

    /// Maps a copy of a stable page in the place of `entry`.
    fn copy_and_install(
        &self,
        space: &Space,
        number: usize,
        entry: PageEntry,
        source: Frame,
    ) -> Result<Step, MapError> {
        let (copy, _) = self.new_anonymous(space, number)?;
        // SAFETY: the copy is new; the source is stable, and who can write it does so through a mapping
        // of his own, a page at a time as any two tasks do.
        unsafe { storage::copy_page(copy.address(), source.address()) }
        self.stats.copies_on_write.add(1);
        Ok(self.install(space, number, entry, copy))
    }

    /// Maps a new anonymous page if the entry is still what it was; else the page is freed.
    fn install(&self, space: &Space, number: usize, expected: PageEntry, frame: Frame) -> Step {
        let page = self.page(frame);
        let replaced = {
            let _table = space.lock.lock();
            let area = space.area(number).filter(|area| !area.shared);
            let (Some(area), true) = (area, space.tables.get(number) == expected) else {
                page.reset(PageFlags::ANON);
                self.put_page(frame);
                return Step::Next;
            };
            if area.locked {
                page.set(PageFlags::MEMORY_LOCKED);
            }
            let replaced = expected.frame().map(|old| {
                space.tables.invalidate(number);
                (old, self.count_mapping_away(old, true))
            });
            page.add_mapping();
            // For the list, until the page is on it.
            page.get();
            space.tables.map(number, frame, !area.writable);
            replaced
        };
        self.enter_lru(frame);
        self.put_anonymous(frame);
        if let Some((old, was_last)) = replaced {
            self.forget_writable(old, was_last);
            self.put_anonymous(old);
        }
        Step::Done
    }

    /// Maps the page whose slot's number an entry keeps, read-only.
    pub(super) fn swap_in(
        &self,
        space: &Space,
        number: usize,
        slot: u32,
    ) -> Result<Step, MapError> {
        let Some(frame) = self.swapped_page(space, number, slot)? else {
            return Ok(Step::Next);
        };
        let step = self.establish_swapped(space, number, slot, frame);
        // It becomes volatile, if nobody stores into it soon.
        self.put_reader(frame);
        Ok(step)
    }

    /// As [`Mm::swap_in`], and keeps the page from being discarded.
    pub(super) fn swap_in_held<'m>(
        &'m self,
        space: &Space,
        number: usize,
        slot: u32,
        held: &mut Option<StableRef<'m>>,
    ) -> Result<Step, MapError> {
        let Some(frame) = self.swapped_page(space, number, slot)? else {
            return Ok(Step::Next);
        };
        let Ok(page) = self.stable_or_removed(frame) else {
            return Ok(Step::Wait);
        };
        let step = self.establish_swapped(space, number, slot, page.frame());
        *held = Some(page);
        Ok(step)
    }

    /// The page whose slot's number an entry keeps, with a reference to it: from the swap cache as it
    /// is, or from the store; `None` if the entry has changed.
    pub(super) fn swapped_page(
        &self,
        space: &Space,
        number: usize,
        slot: u32,
    ) -> Result<Option<Frame>, MapError> {
        {
            let _table = space.lock.lock();
            if space.tables.get(number).slot() != Some(slot) {
                return Ok(None);
            }
            // Ours, so that the slot is not freed and used again while the page is read.
            self.get_slot(slot);
        }
        let found = self.page_of_slot(space, number, slot);
        self.put_slot(slot);
        found.map(Some)
    }

    fn page_of_slot(&self, space: &Space, number: usize, slot: u32) -> Result<Frame, MapError> {
        let key = Key::swap(slot);
        if let Some(frame) = self.find(key) {
            return Ok(frame);
        }
        let filling = match self.begin_fill(key) {
            Ok(filling) => filling,
            Err(NotBegun::Filled(page)) => return Ok(page.into_frame()),
            Err(NotBegun::OutOfMemory) => return Err(MapError::OutOfMemory),
        };
        let page = self.page(filling.frame());
        page.set_owner(space.number);
        page.place.store(number as u32, Ordering::Relaxed);
        self.store().read(key, filling.frame())?;
        self.stats.swapped_in.add(1);
        let page = filling.complete().expect("slots are not truncated");
        Ok(page.into_frame())
    }

    fn establish_swapped(&self, space: &Space, number: usize, slot: u32, frame: Frame) -> Step {
        let page = self.page(frame);
        {
            let _table = space.lock.lock();
            if self.has(Guard::OwnerFirst) {
                self.share(page, space);
            }
            if page.flags().contains(PageFlags::DISCARDED) && self.has(Guard::EstablishCheck) {
                return Step::Wait;
            }
            if space.tables.get(number).slot() != Some(slot) {
                return Step::Next;
            }
            page.get();
            page.add_mapping();
            space.tables.map(number, frame, true);
            self.share(page, space);
        }
        // The entry's.
        self.put_slot(slot);
        Step::Next
    }
}
