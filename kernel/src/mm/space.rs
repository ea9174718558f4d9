//! Address spaces: files mapped page by page, and the way back from a page to its mappings.
//!
//! A space is a MiB that one page table translates, with areas that map ranges of files. A page-table
//! entry holds a reference to its page and counts as a mapping of it. Volatile pages are mapped as they
//! are: an access is a discard fault if the host has dropped one.
//!
//! Whoever establishes an entry looks at Discarded once more under the table's lock, and whoever removes
//! a page takes that lock for every place where the page may be mapped, even where it sees no entry: so
//! either the one sees the flag or the other sees the entry. The same holds for a copy of a table.
//!
//! Lock order: the list of spaces, then a table (a parent's before its child's).

use alloc::sync::Arc;
use alloc::vec::Vec;

use arch::dat::PAGE_TABLE_ENTRIES;
use arch::table::PageTable;
use arch::{Frame, key};

use super::cache::{MaybeDiscarded, StableRef};
use super::guard::Guard;
use super::hash::Key;
use super::page::PageFlags;
use super::{Discarded, Lookup, Mm};
use crate::sync::{self, Mutex};

/// A range of pages of a space that shows a range of a file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Area {
    /// The first page of the space.
    pub start: usize,
    /// How many pages.
    pub pages: usize,
    /// Number of the file.
    pub file: u32,
    /// The first page of the file.
    pub first: u32,
    /// Whether it may be written; what is written is the file's then.
    pub writable: bool,
}

/// An address space.
pub struct Space {
    areas: Vec<Area>,
    table: PageTable,
    /// Held by who changes the table.
    lock: Mutex<()>,
}

/// Why a page cannot be mapped.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MapError {
    /// No area has the page.
    NoArea,
    /// It may not be written.
    ReadOnly,
    /// No memory.
    OutOfMemory,
}

/// Resets the change bit of a page that the caller keeps from being discarded.
fn reset_change(frame: Frame) {
    key::set(frame, key::get(frame) & !key::CHANGE);
}

impl Area {
    fn contains(&self, page: usize) -> bool {
        (self.start..self.start + self.pages).contains(&page)
    }

    /// What a page of the space shows.
    fn key(&self, page: usize) -> Key {
        Key {
            file: self.file,
            index: self.first + (page - self.start) as u32,
        }
    }

    /// The page of the space that shows a page of a file.
    fn page_of(&self, key: Key) -> Option<usize> {
        let offset = key.index.checked_sub(self.first)? as usize;
        (key.file == self.file && offset < self.pages).then(|| self.start + offset)
    }
}

impl Space {
    /// The table that the machine translates by.
    #[must_use]
    pub fn table(&self) -> &PageTable {
        &self.table
    }

    /// The pages that may be mapped.
    fn pages(&self) -> impl Iterator<Item = usize> {
        self.areas
            .iter()
            .flat_map(|area| area.start..area.start + area.pages)
    }

    fn area(&self, page: usize) -> Option<&Area> {
        self.areas.iter().find(|area| area.contains(page))
    }
}

impl Mm<'_> {
    /// Makes a space with these areas, in which nothing is mapped so far.
    ///
    /// # Panics
    /// If an area is not within the space.
    pub fn new_space(&self, areas: Vec<Area>) -> Arc<Space> {
        let fits = |area: &Area| area.start + area.pages <= PAGE_TABLE_ENTRIES;
        assert!(areas.iter().all(fits), "areas lie within the space");
        let space = Arc::new(Space {
            areas,
            table: PageTable::default(),
            lock: Mutex::new(()),
        });
        self.spaces.lock().push(space.clone());
        space
    }

    /// Removes all mappings of a space, which nobody uses any more.
    pub fn end_space(&self, space: &Arc<Space>) {
        self.spaces
            .lock()
            .retain(|other| !Arc::ptr_eq(other, space));
        for number in space.pages() {
            self.unmap(space, number, None);
        }
    }

    /// Maps a page that an access has found missing, or read-only if it is `store`.
    ///
    /// A page of the cache is mapped as it is; `fill` brings one in that is not there.
    ///
    /// # Errors
    /// The access is not allowed, or `fill` has no memory.
    pub fn map_page<'m>(
        &'m self,
        space: &Space,
        page: usize,
        store: bool,
        mut fill: impl FnMut(Key) -> Option<StableRef<'m>>,
    ) -> Result<(), MapError> {
        let area = space.area(page).ok_or(MapError::NoArea)?;
        if store && !area.writable {
            return Err(MapError::ReadOnly);
        }
        let key = area.key(page);
        loop {
            let established = if store {
                let stable = match self.lookup_stable(key) {
                    Lookup::Hit(stable) => stable,
                    Lookup::Miss | Lookup::WasDiscarded => {
                        fill(key).ok_or(MapError::OutOfMemory)?
                    }
                };
                self.establish(space, page, stable.frame(), true)
            } else if let Some(found) = self.lookup_no_discard(key) {
                self.establish(space, page, MaybeDiscarded::frame(&found), false)
            } else {
                let stable = fill(key).ok_or(MapError::OutOfMemory)?;
                self.establish(space, page, stable.frame(), false)
            };
            if established.is_ok() {
                return Ok(());
            }
            // Whoever is removing the page, or what was mapped here before, has to get on.
            sync::relax();
        }
    }

    /// Writes a table entry for a page to which the caller has a reference.
    ///
    /// # Errors
    /// The page was removed from its cache meanwhile: it must not be mapped.
    fn establish(
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
        let old = space.table.get(number);
        match old.frame() {
            None => {
                page.get();
                page.add_mapping();
            }
            // Somebody else was faster, maybe with fewer rights.
            Some(mapped) if mapped == frame && (!old.is_protected() || !writable) => return Ok(()),
            Some(mapped) if mapped == frame => space.table.invalidate(number, 0),
            // What was mapped before goes with its removal, which waits for the lock.
            Some(_) => return Err(Discarded),
        }
        if writable {
            // In front of the entry, and behind the mapping's count: whoever resets the flag because he
            // has counted the last mapping away sees ours.
            self.with_state_change(frame, || {
                if !page.flags().contains(PageFlags::WRITABLE) {
                    // From when the page was filled. What is to be written to the file says Dirty.
                    reset_change(frame);
                }
                page.set(PageFlags::WRITABLE);
            });
        }
        space.table.map(number, frame, !writable);
        Ok(())
    }

    /// Removes a mapping, of this frame only if one is named; its reference is dropped in the end.
    fn unmap(&self, space: &Space, number: usize, only: Option<Frame>) {
        if !self.has(Guard::WalkLock) && space.table.get(number).frame().is_none() {
            return;
        }
        let (frame, was_last) = {
            let _table = space.lock.lock();
            let entry = space.table.get(number);
            let Some(frame) = entry
                .frame()
                .filter(|frame| only.is_none_or(|only| only == *frame))
            else {
                return;
            };
            space.table.invalidate(number, 0);
            // From here on nobody accounts for the mapping's reference: the page cannot become volatile.
            let was_last = self.page(frame).remove_mapping();
            if !entry.is_protected() {
                self.transfer_change(frame);
            }
            (frame, was_last)
        };
        self.forget_writable(frame, was_last);
        self.put_page(frame);
    }

    /// Resets Writable if no mapping is left.
    ///
    /// That the caller's was the last when it was counted away says nothing: there may be a new one.
    fn forget_writable(&self, frame: Frame, was_last: bool) {
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

    /// Moves the change bit of a page that was just unmapped into Dirty, while the mapping's reference
    /// still keeps the page.
    ///
    /// The page is stable before the bit is reset: a potentially volatile page that looks clean may be
    /// discarded.
    fn transfer_change(&self, frame: Frame) {
        if key::get(frame) & key::CHANGE == 0 {
            return;
        }
        if !self.has(Guard::ChangeOrder) {
            reset_change(frame);
        }
        if self.make_stable(frame).is_ok() {
            self.page(frame).set(PageFlags::DIRTY);
            reset_change(frame);
        }
    }

    /// Removes all mappings of a page that is being removed from its cache.
    pub(super) fn unmap_everywhere(&self, frame: Frame) {
        let key = Key::of(self.page(frame));
        let spaces = self.spaces.lock();
        // The latest first: a child before its parent.
        for space in spaces.iter().rev() {
            for page in space.areas.iter().filter_map(|area| area.page_of(key)) {
                self.unmap(space, page, Some(frame));
            }
        }
    }

    /// Copies a space: the child shows what the parent shows, and has mapped what the parent has.
    ///
    /// The entry of a page that is being removed becomes in the child what the removal leaves in the
    /// parent: empty.
    pub fn copy_space(&self, parent: &Space) -> Arc<Space> {
        let child = self.new_space(parent.areas.clone());
        for number in parent.pages() {
            let _parent = parent.lock.lock();
            let entry = parent.table.get(number);
            let Some(frame) = entry.frame() else {
                continue;
            };
            let _child = child.lock.lock();
            let page = self.page(frame);
            if page.flags().contains(PageFlags::DISCARDED) && self.has(Guard::CopyCheck) {
                continue;
            }
            page.get();
            page.add_mapping();
            child.table.map(number, frame, entry.is_protected());
        }
        child
    }
}
