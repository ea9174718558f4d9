//! Page tables that CPUs translate by while others change it.

use alloc::boxed::Box;
use core::sync::atomic::{AtomicU64, Ordering};

use crate::addr::{Absolute, Frame, PAGE_SHIFT};
use crate::dat::{PAGE_TABLE_ENTRIES, PageEntry};
use crate::translation;

/// One page table.
#[repr(C, align(2048))]
struct Entries([AtomicU64; PAGE_TABLE_ENTRIES]);

/// The page tables of a space, from virtual address 0 on: 256 pages, a MiB, each.
///
/// Machines read them at any time, and cache what they have read until the entry is invalidated; so an
/// entry that is valid is changed by [`PageTables::invalidate`] only. Who may change one is for the
/// owner of the tables to see to.
pub struct PageTables(Box<[Entries]>);

impl PageTables {
    /// Tables that map nothing, for so many pages at least.
    #[must_use]
    pub fn new(pages: usize) -> Self {
        let invalid = || AtomicU64::new(PageEntry::INVALID.0);
        let table = |_| Entries(core::array::from_fn(|_| invalid()));
        Self((0..pages.div_ceil(PAGE_TABLE_ENTRIES)).map(table).collect())
    }

    /// Pages that they can map.
    #[must_use]
    pub fn page_count(&self) -> usize {
        self.0.len() * PAGE_TABLE_ENTRIES
    }

    /// Where the machine finds the table of each MiB.
    pub fn origins(&self) -> impl Iterator<Item = Absolute> {
        self.0
            .iter()
            .map(|table| Absolute::of(core::ptr::from_ref(table)))
    }

    fn entry(&self, page: usize) -> &AtomicU64 {
        &self.0[page / PAGE_TABLE_ENTRIES].0[page % PAGE_TABLE_ENTRIES]
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

    /// Keeps a number where nothing is mapped, or nothing.
    ///
    /// # Panics
    /// If there is no such entry, or it is valid.
    pub fn keep(&self, page: usize, number: Option<u32>) {
        self.replace(page, number.map_or(PageEntry::INVALID, PageEntry::absent));
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
        let table = &self.0[page / PAGE_TABLE_ENTRIES];
        let origin = Absolute::of(core::ptr::from_ref(table));
        // SAFETY: the table lives as long as `self`; nobody relies on a mapping that its owner removes.
        unsafe { translation::invalidate_page(origin, (page as u64) << PAGE_SHIFT) }
    }
}
