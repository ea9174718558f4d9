//! A page table that CPUs translate by while others change it.

use alloc::boxed::Box;
use core::sync::atomic::{AtomicU64, Ordering};

use crate::addr::{Absolute, Frame, PAGE_SHIFT};
use crate::dat::{PAGE_TABLE_ENTRIES, PageEntry};
use crate::translation;

#[repr(C, align(2048))]
struct Entries([AtomicU64; PAGE_TABLE_ENTRIES]);

/// A page table: 256 pages, a MiB.
///
/// Machines read it at any time, and cache what they have read until the entry is invalidated; so an
/// entry that is valid is changed by [`PageTable::invalidate`] only. Who may change one is for the
/// owner of the table to see to.
pub struct PageTable(Box<Entries>);

impl Default for PageTable {
    fn default() -> Self {
        let invalid = || AtomicU64::new(PageEntry::INVALID.0);
        Self(Box::new(Entries(core::array::from_fn(|_| invalid()))))
    }
}

impl PageTable {
    /// Where the machine finds it.
    #[must_use]
    pub fn origin(&self) -> Absolute {
        Absolute::of(core::ptr::from_ref(&*self.0))
    }

    /// The entry with a number.
    ///
    /// # Panics
    /// If there is none.
    #[must_use]
    pub fn get(&self, number: usize) -> PageEntry {
        PageEntry(self.0.0[number].load(Ordering::SeqCst))
    }

    /// Maps a frame where nothing is mapped.
    ///
    /// # Panics
    /// If there is no such entry, or it is valid.
    pub fn map(&self, number: usize, frame: Frame, protected: bool) {
        assert!(
            self.get(number).frame().is_none(),
            "a valid entry is changed"
        );
        self.0.0[number].store(PageEntry::new(frame, protected).0, Ordering::SeqCst);
    }

    /// Makes an entry invalid; when this returns, no CPU translates by it any more. `segment` is the
    /// number of the MiB that the table maps.
    ///
    /// # Panics
    /// If there is no such entry.
    pub fn invalidate(&self, number: usize, segment: usize) {
        assert!(number < PAGE_TABLE_ENTRIES, "an entry of the table");
        let page = segment * PAGE_TABLE_ENTRIES + number;
        // SAFETY: the table lives as long as `self`; nobody relies on a mapping that its owner removes.
        unsafe { translation::invalidate_page(self.origin(), (page as u64) << PAGE_SHIFT) }
    }
}
