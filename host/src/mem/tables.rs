//! The DAT tables by which a guest with DAT off runs: guest real address to frame.

use alloc::boxed::Box;
use core::cell::UnsafeCell;

use arch::dat::{
    PAGE_TABLE_ENTRIES, PageEntry, SEGMENT_SIZE, SEGMENT_TABLE_ENTRIES, SegmentEntry,
    segment_table_asce,
};
use arch::{Absolute, Frame, translation};

#[repr(C, align(16384))]
struct SegmentTable(UnsafeCell<[SegmentEntry; SEGMENT_TABLE_ENTRIES]>);

#[repr(C, align(2048))]
struct PageTable(UnsafeCell<[PageEntry; PAGE_TABLE_ENTRIES]>);

/// Segment table and page tables of one guest. The machine reads them while the guest runs.
pub(super) struct Tables {
    segments: Box<SegmentTable>,
    pages: Box<[PageTable]>,
}

impl Tables {
    /// Tables for `bytes` of guest storage that map nothing yet; at most 2 GiB.
    pub(super) fn new(bytes: u64) -> Self {
        let count = bytes.div_ceil(SEGMENT_SIZE) as usize;
        let pages: Box<[PageTable]> = (0..count)
            .map(|_| PageTable(UnsafeCell::new([PageEntry::INVALID; PAGE_TABLE_ENTRIES])))
            .collect();
        let mut segments = Box::new(SegmentTable(UnsafeCell::new(
            [SegmentEntry::INVALID; SEGMENT_TABLE_ENTRIES],
        )));
        for (entry, table) in segments.0.get_mut().iter_mut().zip(pages.iter()) {
            *entry = SegmentEntry::new(Absolute::of(table.0.get()));
        }
        Self { segments, pages }
    }

    /// What control register 1 must hold while the guest runs.
    pub(super) fn asce(&self) -> u64 {
        segment_table_asce(Absolute::of(self.segments.0.get()))
    }

    fn entry(&self, page: u32) -> *mut PageEntry {
        let table = &self.pages[page as usize / PAGE_TABLE_ENTRIES];
        table
            .0
            .get()
            .cast::<PageEntry>()
            .wrapping_add(page as usize % PAGE_TABLE_ENTRIES)
    }

    /// Maps a guest real page.
    pub(super) fn map(&mut self, page: u32, frame: Frame, protected: bool) {
        if self.get(page).frame().is_some() {
            self.unmap(page);
        }
        // SAFETY: an entry of our table; an invalid one may be changed at any time.
        unsafe {
            self.entry(page)
                .write_volatile(PageEntry::new(frame, protected))
        }
    }

    /// Takes the translation of a guest real page away, from every TLB too.
    pub(super) fn unmap(&mut self, page: u32) {
        if self.get(page).frame().is_none() {
            return;
        }
        let table = Absolute::of(self.pages[page as usize / PAGE_TABLE_ENTRIES].0.get());
        // SAFETY: a page table of ours, which lives as long as the guest.
        unsafe { translation::invalidate_page(table, u64::from(page) << arch::PAGE_SHIFT) }
    }

    /// The entry of a guest real page.
    pub(super) fn get(&self, page: u32) -> PageEntry {
        // SAFETY: an entry of our table; only this CPU changes it.
        unsafe { self.entry(page).read_volatile() }
    }
}
