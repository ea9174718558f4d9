//! Address spaces: files and anonymous memory mapped page by page, and the way back from a page to its
//! mappings.
//!
//! A valid table entry holds a reference to its page and counts as a mapping of it. Volatile pages are
//! mapped as they are: an access is a discard fault if the host has dropped one. An invalid entry may
//! keep the number of a swap slot, and counts as a user of that then; or, in an area that is not linear,
//! the index of the page of the file that it shows.
//!
//! ```text
//!   fault      an access has found no entry, or one that is read-only
//!   unmap      an entry goes: the area ends, or the page leaves its cache
//!   copy       a child gets what the parent has
//!   area       what a range of pages shows
//!   areas      all that a space shows, and changes of that
//!   remap      showing pages of a file out of their order
//!   reverse    from a page to the places where it may be mapped
//! ```
//!
//! Whoever establishes an entry looks at Discarded once more under the table's lock, and whoever removes
//! a page takes that lock for every place where the page may be mapped, even where it sees no entry: so
//! either the one sees the flag or the other sees the entry. The same holds for a copy of a table.
//!
//! Lock order: the reverse map, a table (a parent's before its child's), the list of its areas. Caches,
//! slots and page states come behind those. Nothing is allocated or freed while one of them is held: an
//! allocation may have to wait for pages whose mappings are found by the reverse map.

mod area;
mod areas;
mod change;
mod copy;
mod fault;
mod intervals;
mod memory_lock;
mod private;
mod remap;
mod reverse;
mod unmap;

use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::sync::atomic::Ordering;

use arch::table::PageTables;

pub use area::{Area, Backing};
pub use fault::MapError;
pub(super) use reverse::ReverseMap;

use super::{Mm, OutOfMemory};
use crate::sync::Mutex;

/// Where spaces begin, in MiB: in front of that, the machine may map the image.
pub(crate) const FIRST_SEGMENT: usize = 16;

/// An address space.
pub struct Space {
    /// Itself, for the reverse map.
    itself: Weak<Self>,
    /// Its number, by which it owns anonymous pages that no other space maps.
    number: u32,
    /// The number of the family, which owns those that others map, too: parents and children.
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
        areas::find(&self.areas.lock(), page)
    }

    /// Who owns pages that this space may map.
    fn owners(&self) -> [u32; 2] {
        [self.number, self.family]
    }
}

impl Mm<'_> {
    fn new_owner(&self) -> u32 {
        self.owners.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Makes a space of so many pages with these areas, in which nothing is mapped so far.
    ///
    /// # Errors
    /// There is no memory for its tables.
    ///
    /// # Panics
    /// If an area is not within the space, or two overlap.
    pub fn new_space(&self, pages: usize, areas: &[Area]) -> Result<Arc<Space>, OutOfMemory> {
        let space = self.make_space(self.new_owner(), pages, areas.iter().copied())?;
        self.enter_space(&space)?;
        Ok(space)
    }

    /// Makes a space that is not in the reverse map so far.
    fn make_space(
        &self,
        family: u32,
        pages: usize,
        areas: impl ExactSizeIterator<Item = Area>,
    ) -> Result<Arc<Space>, OutOfMemory> {
        let tables = PageTables::new(FIRST_SEGMENT, pages).ok_or(OutOfMemory)?;
        let areas = areas::in_order(areas, tables.page_count())?;
        Ok(Arc::new_cyclic(|itself| Space {
            itself: itself.clone(),
            number: self.new_owner(),
            family,
            tables,
            lock: Mutex::new(()),
            areas: Mutex::new(Arc::new(areas)),
        }))
    }

    /// Removes all mappings of a space, which nobody uses any more.
    pub fn end_space(&self, space: &Arc<Space>) {
        for page in space.areas().iter().flat_map(Area::pages) {
            self.unmap(space, page, None);
        }
        // Until now, who removes a page has to find it in all of its places.
        self.leave_space(space);
    }
}
