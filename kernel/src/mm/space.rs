//! Address spaces: files and anonymous memory mapped page by page, and the way back from a page to its
//! mappings.
//!
//! A valid table entry holds a reference to its page and counts as a mapping of it. Volatile pages are
//! mapped as they are: an access is a discard fault if the host has dropped one. An invalid entry may
//! keep the number of a swap slot, and counts as a user of that then.
//!
//! ```text
//!   fault      an access has found no entry, or one that is read-only
//!   unmap      an entry goes: the area ends, or the page leaves its cache
//!   copy       a child gets what the parent has
//!   area       what a range of pages shows, and changes of that
//! ```
//!
//! Whoever establishes an entry looks at Discarded once more under the table's lock, and whoever removes
//! a page takes that lock for every place where the page may be mapped, even where it sees no entry: so
//! either the one sees the flag or the other sees the entry. The same holds for a copy of a table.
//!
//! Lock order: the list of spaces, a table (a parent's before its child's), the list of its areas.
//! Caches, slots and page states come behind those.

mod area;
mod change;
mod copy;
mod fault;
mod memory_lock;
mod private;
mod unmap;

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::Ordering;

use arch::table::PageTables;

pub use area::{Area, Backing};
pub use fault::MapError;

use super::Mm;
use super::hash::Key;
use super::page::{Page, PageFlags};
use crate::sync::Mutex;

/// Where spaces begin, in MiB: in front of that, the machine may map the image.
pub(crate) const FIRST_SEGMENT: usize = 16;

/// An address space.
pub struct Space {
    /// The number of the family, which shares anonymous pages: parents and children.
    family: u32,
    tables: PageTables,
    /// Held by who changes a table.
    lock: Mutex<()>,
    areas: Mutex<Arc<Vec<Area>>>,
}

impl Space {
    /// The tables that the machine translates by.
    #[must_use]
    pub fn tables(&self) -> &PageTables {
        &self.tables
    }

    /// The areas at this moment.
    #[must_use]
    pub fn areas(&self) -> Arc<Vec<Area>> {
        self.areas.lock().clone()
    }

    fn area(&self, page: usize) -> Option<Area> {
        let areas = self.areas();
        areas.iter().copied().find(|area| area.contains(page))
    }

    /// Does something for each place where a page may be mapped. Allocates nothing: memory may be short.
    fn each_place_of(&self, page: &Page, mut work: impl FnMut(usize)) {
        let family = page.family.load(Ordering::Relaxed);
        if page.flags().contains(PageFlags::ANON) && family != 0 {
            let place = page.place.load(Ordering::Relaxed) as usize;
            if family == self.family && place < self.tables.page_count() {
                work(place);
            }
            return;
        }
        let key = Key::of(page);
        let areas = self.areas();
        areas
            .iter()
            .filter_map(|area| area.page_of(key))
            .for_each(work);
    }
}

impl Mm<'_> {
    /// A number that no family of spaces and no shared memory has.
    pub(super) fn new_number(&self) -> u32 {
        self.numbers.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Makes a space of so many pages with these areas, in which nothing is mapped so far.
    ///
    /// # Panics
    /// If an area is not within the space, or two overlap.
    pub fn new_space(&self, pages: usize, areas: Vec<Area>) -> Arc<Space> {
        self.new_space_of(self.new_number(), pages, areas)
    }

    fn new_space_of(&self, family: u32, pages: usize, areas: Vec<Area>) -> Arc<Space> {
        let tables = PageTables::new(FIRST_SEGMENT, pages);
        area::check(&areas, tables.page_count());
        let space = Arc::new(Space {
            family,
            tables,
            lock: Mutex::new(()),
            areas: Mutex::new(Arc::new(areas)),
        });
        self.enter_space(space.clone());
        space
    }

    /// Enters a space into the list of all. The list grows while it is not locked: an allocation may
    /// have to wait for pages whose mappings are found by the list.
    fn enter_space(&self, space: Arc<Space>) {
        loop {
            let count = {
                let mut spaces = self.spaces.lock();
                if spaces.len() < spaces.capacity() {
                    return spaces.push(space);
                }
                spaces.len()
            };
            let mut larger = Vec::with_capacity(2 * count + 8);
            let mut spaces = self.spaces.lock();
            if spaces.len() < larger.capacity() {
                larger.append(&mut spaces);
                let smaller = core::mem::replace(&mut *spaces, larger);
                drop(spaces);
                drop(smaller);
            }
        }
    }

    /// Removes all mappings of a space, which nobody uses any more.
    pub fn end_space(&self, space: &Arc<Space>) {
        for page in space.areas().iter().flat_map(Area::pages) {
            self.unmap(space, page);
        }
        // Until now, who removes a page has to find it in all of its places.
        self.spaces
            .lock()
            .retain(|other| !Arc::ptr_eq(other, space));
    }
}
