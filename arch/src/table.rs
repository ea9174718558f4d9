//! Page tables that CPUs translate by while others change it.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU64, Ordering};

use crate::addr::{Absolute, Frame, PAGE_SHIFT};
use crate::dat::{
    Kept, PAGE_TABLE_ENTRIES, PageEntry, SHORT_SEGMENT_TABLE_ENTRIES, SegmentEntry,
    short_segment_table_asce,
};
use crate::translation;

/// One page table.
#[repr(C, align(2048))]
struct Entries([AtomicU64; PAGE_TABLE_ENTRIES]);

/// One segment table.
#[repr(C, align(4096))]
struct Segments([SegmentEntry; SHORT_SEGMENT_TABLE_ENTRIES]);

/// So many elements, each made by its number; `None` if there is no memory for them.
fn try_slice<T>(count: usize, element: impl FnMut(usize) -> T) -> Option<Box<[T]>> {
    let mut all = Vec::new();
    all.try_reserve_exact(count).ok()?;
    all.extend((0..count).map(element));
    Some(all.into_boxed_slice())
}

/// A segment table that maps up to 512 MiB by page tables that others own.
///
/// It is complete before the machine translates by it.
pub struct SegmentTable(Box<[Segments]>);

impl SegmentTable {
    /// A table of these page tables, each of which outlives it; `None` if there is no memory for it.
    #[must_use]
    pub fn new<'t>(tables: impl IntoIterator<Item = &'t PageTables>) -> Option<Self> {
        let mut table = Self::empty()?;
        for tables in tables {
            for (number, origin) in (tables.first_segment..).zip(tables.origins()) {
                table.0[0].0[number] = SegmentEntry::new(origin);
            }
        }
        Some(table)
    }

    /// A table that maps nothing.
    // On its way to the heap it takes two pages of a stack, which no caller should have to have.
    #[inline(never)]
    fn empty() -> Option<Self> {
        try_slice(1, |_| {
            Segments([SegmentEntry::INVALID; SHORT_SEGMENT_TABLE_ENTRIES])
        })
        .map(Self)
    }

    /// The address-space-control element of the space.
    #[must_use]
    pub fn asce(&self) -> u64 {
        short_segment_table_asce(Absolute::of(self.0.as_ptr()))
    }
}

/// The page tables of a space, from some MiB on: 256 pages, a MiB, each. Pages are counted from there.
///
/// Machines read them at any time, and cache what they have read until the entry is invalidated; so an
/// entry that is valid is changed by [`PageTables::invalidate`] only. Who may change one is for the
/// owner of the tables to see to.
pub struct PageTables {
    first_segment: usize,
    tables: Box<[Entries]>,
}

impl PageTables {
    /// Tables that map nothing, for so many pages at least, of the MiB with this number and those behind;
    /// `None` if there is no memory for them.
    #[must_use]
    pub fn new(first_segment: usize, pages: usize) -> Option<Self> {
        let invalid = || AtomicU64::new(PageEntry::INVALID.0);
        let table = |_| Entries(core::array::from_fn(|_| invalid()));
        Some(Self {
            first_segment,
            tables: try_slice(pages.div_ceil(PAGE_TABLE_ENTRIES), table)?,
        })
    }

    /// Pages that they can map.
    #[must_use]
    pub fn page_count(&self) -> usize {
        self.tables.len() * PAGE_TABLE_ENTRIES
    }

    /// Where the machine finds the table of each MiB.
    pub fn origins(&self) -> impl Iterator<Item = Absolute> {
        self.tables
            .iter()
            .map(|table| Absolute::of(core::ptr::from_ref(table)))
    }

    /// The virtual address of a page.
    #[must_use]
    pub fn address(&self, page: usize) -> u64 {
        ((self.first_segment * PAGE_TABLE_ENTRIES + page) as u64) << PAGE_SHIFT
    }

    /// The page at a virtual address, if it is one of these tables.
    #[must_use]
    pub fn page_at(&self, address: u64) -> Option<usize> {
        let page = (address >> PAGE_SHIFT) as usize;
        let page = page.checked_sub(self.first_segment * PAGE_TABLE_ENTRIES)?;
        (page < self.page_count()).then_some(page)
    }

    fn entry(&self, page: usize) -> &AtomicU64 {
        &self.tables[page / PAGE_TABLE_ENTRIES].0[page % PAGE_TABLE_ENTRIES]
    }

    /// The entry of a page.
    ///
    /// # Panics
    /// If there is none.
    #[must_use]
    pub fn get(&self, page: usize) -> PageEntry {
        PageEntry(self.entry(page).load(Ordering::SeqCst))
    }

    /// Maps a frame where nothing is mapped.
    ///
    /// # Panics
    /// If there is no such entry, or it is valid.
    pub fn map(&self, page: usize, frame: Frame, protected: bool) {
        self.replace(page, PageEntry::new(frame, protected));
    }

    /// Keeps something where nothing is mapped, or nothing.
    ///
    /// # Panics
    /// If there is no such entry, or it is valid.
    pub fn keep(&self, page: usize, kept: Option<Kept>) {
        self.replace(page, kept.map_or(PageEntry::INVALID, PageEntry::absent));
    }

    fn replace(&self, page: usize, entry: PageEntry) {
        assert!(self.get(page).frame().is_none(), "a valid entry is changed");
        self.entry(page).store(entry.0, Ordering::SeqCst);
    }

    /// Makes an entry invalid; when this returns, no CPU translates by it any more.
    ///
    /// # Panics
    /// If there is no such entry.
    pub fn invalidate(&self, page: usize) {
        let table = &self.tables[page / PAGE_TABLE_ENTRIES];
        let origin = Absolute::of(core::ptr::from_ref(table));
        // SAFETY: the table lives as long as `self`; nobody relies on a mapping that its owner removes.
        unsafe { translation::invalidate_page(origin, self.address(page)) }
    }
}
