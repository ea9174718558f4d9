//! The DAT tables by which a guest with DAT off runs: guest real address to frame.
//!
//! Each CPU of a guest has a segment table, because prefixing makes its real addresses its own. That
//! concerns two segments only: the first one, and the one with the prefix area. For these a CPU with
//! a prefix has page tables of its own; all the others it shares, so that a page that one CPU has
//! brought in is there for all, and is taken away from all by one invalidation.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::cell::UnsafeCell;

use arch::dat::{
    PAGE_TABLE_ENTRIES, PageEntry, SEGMENT_SIZE, SEGMENT_TABLE_ENTRIES, SegmentEntry,
    segment_table_asce,
};
use arch::{Absolute, Frame, translation};

use super::prefix;

#[repr(C, align(16384))]
struct SegmentTable(UnsafeCell<[SegmentEntry; SEGMENT_TABLE_ENTRIES]>);

#[repr(C, align(2048))]
struct PageTable(UnsafeCell<[PageEntry; PAGE_TABLE_ENTRIES]>);

impl PageTable {
    fn new() -> Self {
        Self(UnsafeCell::new([PageEntry::INVALID; PAGE_TABLE_ENTRIES]))
    }

    fn entry(&self, page: u32) -> *mut PageEntry {
        let entries = self.0.get().cast::<PageEntry>();
        entries.wrapping_add(page as usize % PAGE_TABLE_ENTRIES)
    }

    /// The entry of a guest real page.
    fn get(&self, page: u32) -> PageEntry {
        // SAFETY: an entry of our table; only the owner of the guest's memory changes it.
        unsafe { self.entry(page).read_volatile() }
    }

    fn map(&self, page: u32, frame: Frame, protected: bool) {
        self.unmap(page);
        // SAFETY: an entry of our table; an invalid one may be changed at any time.
        unsafe {
            self.entry(page)
                .write_volatile(PageEntry::new(frame, protected))
        }
    }

    /// Takes the translation of a guest real page away, from the TLB of every CPU too: when this
    /// returns, no guest can use it any more.
    fn unmap(&self, page: u32) {
        if self.get(page).frame().is_none() {
            return;
        }
        let table = Absolute::of(self.0.get());
        // SAFETY: a page table of ours, which lives as long as the guest.
        unsafe { translation::invalidate_page(table, u64::from(page) << arch::PAGE_SHIFT) }
    }
}

fn segment(page: u32) -> usize {
    page as usize / PAGE_TABLE_ENTRIES
}

/// A guest's storage as one of its CPUs sees it.
struct View {
    segments: Box<SegmentTable>,
    /// For the first segment and for that of the prefix area; not used without a prefix.
    own: Box<[PageTable; 2]>,
    prefix: u32,
}

impl SegmentTable {
    /// A table that names no page table, made where it stays: on a stack it would take twice its size,
    /// for its alignment.
    fn new() -> Box<Self> {
        let mut table = Box::<Self>::new_uninit();
        let entries = table.as_mut_ptr().cast::<SegmentEntry>();
        // SAFETY: these are all entries of the table, and it has nothing else.
        unsafe {
            for number in 0..SEGMENT_TABLE_ENTRIES {
                entries.add(number).write(SegmentEntry::INVALID);
            }
            table.assume_init()
        }
    }
}

impl View {
    fn new(shared: &[PageTable]) -> Self {
        let mut segments = SegmentTable::new();
        for (entry, table) in segments.0.get_mut().iter_mut().zip(shared) {
            *entry = SegmentEntry::new(Absolute::of(table.0.get()));
        }
        Self {
            segments,
            own: Box::new([PageTable::new(), PageTable::new()]),
            prefix: 0,
        }
    }

    /// The first segment and that of the prefix area; the same one twice if there is but one.
    fn prefixed_segments(&self) -> [usize; 2] {
        [0, segment(prefix::pages(self.prefix)[2])]
    }

    /// The page table for a segment if it is not the shared one.
    fn own(&self, segment: usize) -> Option<&PageTable> {
        let own = self.prefixed_segments();
        let at = own.iter().position(|number| *number == segment)?;
        (self.prefix != 0).then(|| &self.own[at])
    }

    /// Makes the segment table name the page table that counts now.
    fn link(&self, segment: usize, shared: &[PageTable]) {
        let table = self.own(segment).unwrap_or(&shared[segment]);
        let entries = self.segments.0.get().cast::<SegmentEntry>();
        let entry = SegmentEntry::new(Absolute::of(table.0.get()));
        // SAFETY: an entry of our table. Both tables map what they map rightly; see `set_prefix`
        // for when the CPU uses the other one.
        unsafe { entries.wrapping_add(segment).write_volatile(entry) }
    }
}

/// Segment tables and page tables of one guest. The machine reads them while the guest runs.
pub(super) struct Tables {
    shared: Box<[PageTable]>,
    views: Vec<View>,
}

impl Tables {
    /// Tables for `bytes` of guest storage that map nothing yet, at most 2 GiB, and so many CPUs.
    pub(super) fn new(bytes: u64, cpus: usize) -> Self {
        let count = bytes.div_ceil(SEGMENT_SIZE) as usize;
        let shared: Box<[PageTable]> = (0..count).map(|_| PageTable::new()).collect();
        let views = (0..cpus).map(|_| View::new(&shared)).collect();
        Self { shared, views }
    }

    /// What control register 1 must hold while a CPU of the guest runs.
    pub(super) fn asce(&self, cpu: usize) -> u64 {
        segment_table_asce(Absolute::of(self.views[cpu].segments.0.get()))
    }

    /// Sets the prefix of a CPU that does not run now. Whoever lets it run must purge the TLB first:
    /// what it has of the segment table is out of date.
    pub(super) fn set_prefix(&mut self, cpu: usize, new: u32) {
        let view = &mut self.views[cpu];
        for (segment, table) in view.prefixed_segments().into_iter().zip(view.own.iter()) {
            let first = (segment * PAGE_TABLE_ENTRIES) as u32;
            (first..first + PAGE_TABLE_ENTRIES as u32).for_each(|page| table.unmap(page));
        }
        let before = view.prefixed_segments();
        view.prefix = new;
        for segment in before.into_iter().chain(view.prefixed_segments()) {
            view.link(segment, &self.shared);
        }
        // This CPU may have used these by the shared tables; other CPUs get them again when they ask.
        for page in prefix::pages(new) {
            self.shared[segment(page)].unmap(page);
        }
    }

    fn table(&self, cpu: usize, real: u32) -> &PageTable {
        let segment = segment(real);
        self.views[cpu]
            .own(segment)
            .unwrap_or(&self.shared[segment])
    }

    /// The entry of a CPU's real page.
    #[cfg(test)]
    pub(super) fn get(&self, cpu: usize, real: u32) -> PageEntry {
        self.table(cpu, real).get(real)
    }

    /// Maps a CPU's real page, if it is not mapped so already.
    pub(super) fn map(&mut self, cpu: usize, real: u32, frame: Frame, protected: bool) {
        let table = self.table(cpu, real);
        let old = table.get(real);
        if old.frame() != Some(frame) || old.is_protected() != protected {
            table.map(real, frame, protected);
        }
    }

    /// Everywhere where an absolute page may be mapped: page table and real page.
    fn places(&self, page: u32) -> impl Iterator<Item = (&PageTable, u32)> {
        let own = self.views.iter().filter_map(move |view| {
            let real = prefix::swap(view.prefix, page);
            Some((view.own(segment(real))?, real))
        });
        core::iter::once((&self.shared[segment(page)], page)).chain(own)
    }

    /// Takes all translations of an absolute page away.
    pub(super) fn unmap(&mut self, page: u32) {
        self.places(page)
            .for_each(|(table, real)| table.unmap(real));
    }

    /// Takes all translations away: the guest has ended. Its CPUs leave when they fault.
    pub(super) fn clear(&mut self) {
        for view in &mut self.views {
            view.segments.0.get_mut().fill(SegmentEntry::INVALID);
            translation::flush_space(segment_table_asce(Absolute::of(view.segments.0.get())));
        }
    }

    /// Makes all translations of an absolute page read-only.
    pub(super) fn protect(&mut self, page: u32) {
        for (table, real) in self.places(page) {
            let entry = table.get(real);
            if let Some(frame) = entry.frame().filter(|_| !entry.is_protected()) {
                table.map(real, frame, true);
            }
        }
    }
}
