//! What is done when an access has found no entry, or one that is read-only.

use core::fmt;

use arch::Frame;
use arch::dat::{Kept, PageEntry};

use super::super::guard::Guard;
use super::super::hash::Key;
use super::super::page::PageFlags;
use super::super::{
    Discarded, Lookup, MaybeDiscarded, Mm, NotBegun, OutOfMemory, Parts, StableRef, StoreError,
    Wanted, frames_of,
};
use super::reverse::Order;
use super::{Area, Space};
use crate::sync;

/// Why a page cannot be mapped.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MapError {
    /// No area has the page.
    NoArea,
    /// It may not be written.
    ReadOnly,
    /// No memory.
    OutOfMemory,
    /// The page cannot be read.
    Store,
}

impl fmt::Display for MapError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoArea => "nothing is mapped there",
            Self::ReadOnly => "it may not be written",
            Self::OutOfMemory => return OutOfMemory.fmt(f),
            Self::Store => "the page cannot be read from its device",
        })
    }
}

impl From<OutOfMemory> for MapError {
    fn from(OutOfMemory: OutOfMemory) -> Self {
        Self::OutOfMemory
    }
}

impl From<StoreError> for MapError {
    fn from(StoreError: StoreError) -> Self {
        Self::Store
    }
}

/// How far a step has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Step {
    /// The access will succeed.
    Done,
    /// The entry has changed: another step is needed.
    Next,
    /// Somebody else is changing the page or the entry, and has to get on.
    Wait,
}

impl Mm<'_> {
    /// Maps a page that an access has found missing, or read-only if it is `store`.
    ///
    /// A page of a cache is mapped for reading as it is, whatever its state.
    ///
    /// # Errors
    /// The access is not allowed, or the page cannot be had.
    pub fn map_page(&self, space: &Space, number: usize, store: bool) -> Result<(), MapError> {
        // A page that was swapped in to be written stays until it is: it could be gone at once.
        let mut held = None;
        loop {
            let area = space.area(number).ok_or(MapError::NoArea)?;
            if store && !area.writable {
                return Err(MapError::ReadOnly);
            }
            match self.map_step(space, number, &area, store, &mut held)? {
                Step::Done => return Ok(()),
                Step::Next => {}
                Step::Wait => sync::let_others_run(),
            }
        }
    }

    /// Maps a page and keeps it from being discarded as long as the reference is held: for an access
    /// that was interrupted by discard faults again and again.
    ///
    /// # Errors
    /// As for [`Mm::map_page`].
    pub fn hold_page(
        &self,
        space: &Space,
        number: usize,
        store: bool,
    ) -> Result<StableRef<'_>, MapError> {
        loop {
            // Held from before it is mapped: once nobody holds it, it can be gone at once.
            let held = self.hold_unmapped(space, number)?;
            self.map_page(space, number, store)?;
            let mapped = self.hold_mapped(space, number);
            drop(held);
            if let Some(page) = mapped {
                return Ok(page);
            }
            sync::let_others_run();
        }
    }

    /// What a page that is not mapped is going to show, if that is in a cache or on the store.
    fn hold_unmapped(
        &self,
        space: &Space,
        number: usize,
    ) -> Result<Option<StableRef<'_>>, MapError> {
        let area = space.area(number).ok_or(MapError::NoArea)?;
        let entry = space.tables.get(number);
        match (
            entry.frame(),
            entry.slot(),
            self.shown(space, &area, number),
        ) {
            (Some(_), ..) => Ok(None),
            (None, Some(slot), _) => {
                let frame = self.swapped_page(space, number, slot)?;
                Ok(frame.and_then(|frame| self.stable_or_removed(frame).ok()))
            }
            (None, None, Some(key)) => self.stable_page(key).map(Some),
            (None, None, None) => Ok(None),
        }
    }

    /// The page that is mapped, stable.
    fn hold_mapped(&self, space: &Space, number: usize) -> Option<StableRef<'_>> {
        let mapped = {
            let _table = space.lock.lock();
            let mapped = space.tables.get(number).frame();
            mapped.inspect(|frame| self.page(*frame).get())
        };
        self.stable_or_removed(mapped?).ok()
    }

    fn map_step<'m>(
        &'m self,
        space: &Space,
        number: usize,
        area: &Area,
        store: bool,
        held: &mut Option<StableRef<'m>>,
    ) -> Result<Step, MapError> {
        let entry = space.tables.get(number);
        // A page that is locked in memory is this space's own from the beginning.
        let own = !area.shared && (store || (area.locked && area.writable));
        match (entry.frame(), entry.slot(), self.shown(space, area, number)) {
            (Some(_), ..) if !entry.is_protected() => Ok(Step::Done),
            (Some(_), ..) if !own && !store => Ok(Step::Done),
            (Some(frame), _, key) if own => self.own_page(space, number, frame, key),
            (None, Some(slot), _) if own => self.swap_in_held(space, number, slot, held),
            (None, Some(slot), _) => self.swap_in(space, number, slot),
            (_, _, Some(key)) if own => self.copy_from_file(space, number, key),
            (_, _, Some(key)) => self.map_file_page(space, number, key, store),
            (_, _, None) => self.map_new_page(space, number, area),
        }
    }

    /// The page of a file that a page of a space shows.
    pub(super) fn shown(&self, space: &Space, area: &Area, number: usize) -> Option<Key> {
        match area.order() {
            Order::Linear => area.key(number),
            Order::NonLinear => {
                let _table = space.lock.lock();
                self.shown_by(area, number, space.tables.get(number))
            }
        }
    }

    /// The page of a file that is shown by an entry; the caller has the table's lock.
    fn shown_by(&self, area: &Area, number: usize, entry: PageEntry) -> Option<Key> {
        let key = area.key(number)?;
        Some(match (area.order(), entry.frame(), entry.kept()) {
            (Order::Linear, ..) => key,
            // As long as it is mapped, it is the file's.
            (Order::NonLinear, Some(frame), _) => Key::of(self.page(frame)),
            (Order::NonLinear, None, Some(Kept::Index(index))) => Key { index, ..key },
            (Order::NonLinear, None, _) => key,
        })
    }

    fn map_file_page(
        &self,
        space: &Space,
        number: usize,
        key: Key,
        store: bool,
    ) -> Result<Step, MapError> {
        // The page is mapped as it is, so mapping it costs no change of its state: if the host has
        // discarded it, the access will say so.
        let found = if self.lacks(Parts::MINOR_FAULTS) {
            None
        } else {
            self.lookup_no_discard(key)
        };
        let established = if let Some(found) = found {
            self.stats.minor_faults.add(1);
            self.establish(space, number, MaybeDiscarded::frame(&found), store)
        } else {
            let stable = self.stable_page(key)?;
            self.establish(space, number, stable.frame(), store)
        };
        Ok(established.map_or(Step::Wait, |()| Step::Done))
    }

    /// A page of a file, stable, from the cache or from the store.
    pub(in crate::mm) fn stable_page(&self, key: Key) -> Result<StableRef<'_>, MapError> {
        match self.lookup_stable(key) {
            Lookup::Hit(stable) => Ok(stable),
            Lookup::Miss | Lookup::WasDiscarded => self.read_page(key),
        }
    }

    /// Brings a page that the cache does not have into it.
    fn read_page(&self, key: Key) -> Result<StableRef<'_>, MapError> {
        if key.is_shared_memory() {
            return self.clear_page(key);
        }
        let wanted = Wanted {
            key,
            pages: 1,
            end: self.store().pages(key.file),
        };
        self.load(&wanted, |first, fillings| {
            let read = match fillings {
                [page] => self.store().read(first, page.frame()),
                pages => self.store().read_pages(first, &frames_of(pages)),
            };
            read.map_err(MapError::from)
        })
    }

    /// Brings a page of shared memory into the cache, which nobody has written so far.
    fn clear_page(&self, key: Key) -> Result<StableRef<'_>, MapError> {
        loop {
            match self.begin_fill(key) {
                Ok(mut filling) => {
                    filling.clear_behind(0, 0);
                    filling.keep_in_memory();
                    if let Some(page) = filling.complete() {
                        return Ok(page);
                    }
                }
                Err(NotBegun::Filled(page)) => return Ok(page),
                Err(NotBegun::OutOfMemory) => return Err(MapError::OutOfMemory),
            }
        }
    }

    /// Writes a table entry for a page of the cache to which the caller has a reference.
    ///
    /// # Errors
    /// The page was removed from its cache meanwhile: it must not be mapped.
    pub(in crate::mm) fn establish(
        &self,
        space: &Space,
        number: usize,
        frame: Frame,
        writable: bool,
    ) -> Result<(), Discarded> {
        let page = self.page(frame);
        let _table = space.lock.lock();
        if page.flags().contains(PageFlags::DISCARDED) && self.has(Guard::EstablishCheck) {
            return Err(Discarded);
        }
        // The area may be gone, or have lost the right.
        let area = space.area(number).ok_or(Discarded)?;
        let old = space.tables.get(number);
        let shown = self.shown_by(&area, number, old);
        if (writable && !area.writable) || shown != Some(Key::of(page)) {
            return Err(Discarded);
        }
        match old.frame() {
            None if old.slot().is_some() => return Err(Discarded),
            None => {
                page.get();
                page.add_mapping();
            }
            // Somebody else was faster, maybe with fewer rights.
            Some(mapped) if mapped == frame && (!old.is_protected() || !writable) => return Ok(()),
            Some(mapped) if mapped == frame => space.tables.invalidate(number),
            // What was mapped before goes with its removal, which waits for the lock.
            Some(_) => return Err(Discarded),
        }
        let first = self.has(Guard::WritableFirst);
        if writable && first {
            self.become_writable(frame);
        }
        space.tables.map(number, frame, !writable);
        if writable && !first {
            self.become_writable(frame);
        }
        Ok(())
    }
}
