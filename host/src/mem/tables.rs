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
    short_segment_table_asce,
};
use arch::translation::Invalidations;
use arch::{Absolute, Frame, translation};

use super::prefix;

/// Entries of a quarter of a segment table, which fills a page.
const QUARTER: usize = SEGMENT_TABLE_ENTRIES / 4;

#[repr(C, align(4096))]
struct Quarter(UnsafeCell<[SegmentEntry; QUARTER]>);

/// A segment table with as many quarters as the guest's storage needs.
struct SegmentTable(Box<[Quarter]>);

#[repr(C, align(2048))]
struct PageTable(UnsafeCell<[PageEntry; PAGE_TABLE_ENTRIES]>);

impl SegmentTable {
    /// A table that maps nothing, for so many segments.
    fn new(segments: usize) -> Self {
        let quarter = |_| Quarter(UnsafeCell::new([SegmentEntry::INVALID; QUARTER]));
        Self((0..segments.div_ceil(QUARTER)).map(quarter).collect())
    }

    /// What control register 1 must hold for it.
    fn asce(&self) -> u64 {
        short_segment_table_asce(Absolute::of(self.0[0].0.get())) | (self.0.len() - 1) as u64
    }

    /// Makes an entry name a page table.
    fn link(&self, segment: usize, table: &PageTable) {
        let entries = self.0[segment / QUARTER].0.get().cast::<SegmentEntry>();
        let entry = SegmentEntry::new(Absolute::of(table.0.get()));
        // SAFETY: an entry of our table, which names page tables that map what they map rightly; see
        // `Tables::set_prefix` for when the CPU uses another one.
        unsafe {
            entries
                .wrapping_add(segment % QUARTER)
                .write_volatile(entry);
        }
    }

    /// Makes it map nothing.
    fn clear(&mut self) {
        let entries = self.0.iter_mut().flat_map(|quarter| quarter.0.get_mut());
        entries.for_each(|entry| *entry = SegmentEntry::INVALID);
        translation::flush_space(self.asce());
    }
}

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
        if self.get(page).frame().is_some() {
            self.unmap(page, &Invalidations::begin());
        }
        // SAFETY: an entry of our table; an invalid one may be changed at any time.
        unsafe {
            self.entry(page)
                .write_volatile(PageEntry::new(frame, protected))
        }
    }

    /// Takes the translation of a guest real page away, from the TLB of every CPU too: when the invalidations
    /// are over, no guest can use it any more.
    #[inline(always)]
    fn unmap(&self, page: u32, invalidations: &Invalidations) {
        if self.get(page).frame().is_none() {
            return;
        }
        let table = Absolute::of(self.0.get());
        // SAFETY: a page table of ours, which lives as long as the guest.
        unsafe { invalidations.page(table, u64::from(page) << arch::PAGE_SHIFT) }
    }
}

fn segment(page: u32) -> usize {
    page as usize / PAGE_TABLE_ENTRIES
}

/// A guest's storage as one of its CPUs sees it.
struct View {
    segments: SegmentTable,
    /// For the first segment and for that of the prefix area; not used without a prefix.
    own: Box<[PageTable; 2]>,
    prefix: u32,
}

impl View {
    fn new(shared: &[PageTable]) -> Self {
        let segments = SegmentTable::new(shared.len());
        for (number, table) in shared.iter().enumerate() {
            segments.link(number, table);
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
        self.segments.link(segment, table);
    }
}

/// Segment tables and page tables of one guest. The machine reads them while the guest runs.
pub(super) struct Tables {
    shared: Box<[PageTable]>,
    views: Vec<View>,
    /// By segment: whether some CPU has a page table of its own for it.
    is_split: Vec<bool>,
    /// Whether that is so anywhere.
    has_prefixes: bool,
    /// If the machine interprets the guest, by CPU the first page of its prefix area: it stays, for the machine stores
    /// there without asking.
    held: Vec<u32>,
}

impl Tables {
    /// Tables for `bytes` of guest storage that map nothing yet, at most 2 GiB, and so many CPUs.
    pub(super) fn new(bytes: u64, cpus: usize) -> Self {
        let count = bytes.div_ceil(SEGMENT_SIZE) as usize;
        let shared: Box<[PageTable]> = (0..count).map(|_| PageTable::new()).collect();
        let views = (0..cpus).map(|_| View::new(&shared)).collect();
        Self {
            is_split: alloc::vec![false; shared.len()],
            has_prefixes: false,
            held: Vec::new(),
            shared,
            views,
        }
    }

    /// From now on the machine interprets the guest: its absolute addresses are mapped, and prefixing is the machine's.
    pub(super) fn interpret(&mut self) {
        self.held = alloc::vec![0; self.views.len()];
    }

    /// Whether the machine may store into one of some absolute pages without asking.
    #[inline]
    pub(super) fn holds(&self, pages: &[u32]) -> bool {
        !self.held.is_empty() && self.holds_any(pages)
    }

    fn holds_any(&self, pages: &[u32]) -> bool {
        let mut held = self.held.iter();
        held.any(|first| pages.iter().any(|page| page & !1 == *first))
    }

    /// What control register 1 must hold while a CPU of the guest runs.
    pub(super) fn asce(&self, cpu: usize) -> u64 {
        self.views[cpu].segments.asce()
    }

    /// Sets the prefix of a CPU that does not run now. Whoever lets it run must purge the TLB first:
    /// what it has of the segment table is out of date.
    pub(super) fn set_prefix(&mut self, cpu: usize, new: u32) {
        if let Some(held) = self.held.get_mut(cpu) {
            *held = new >> arch::PAGE_SHIFT;
            return;
        }
        let invalidations = Invalidations::begin();
        let view = &mut self.views[cpu];
        for (segment, table) in view.prefixed_segments().into_iter().zip(view.own.iter()) {
            let first = (segment * PAGE_TABLE_ENTRIES) as u32;
            (first..first + PAGE_TABLE_ENTRIES as u32)
                .for_each(|page| table.unmap(page, &invalidations));
        }
        let before = view.prefixed_segments();
        view.prefix = new;
        for segment in before.into_iter().chain(view.prefixed_segments()) {
            view.link(segment, &self.shared);
        }
        // This CPU may have used these by the shared tables; other CPUs get them again when they ask.
        for page in prefix::pages(new) {
            self.shared[segment(page)].unmap(page, &invalidations);
        }
        self.is_split.fill(false);
        self.has_prefixes = self.views.iter().any(|view| view.prefix != 0);
        for view in self.views.iter().filter(|view| view.prefix != 0) {
            for segment in view.prefixed_segments() {
                self.is_split[segment] = true;
            }
        }
    }

    fn table(&self, cpu: usize, real: u32) -> &PageTable {
        let segment = segment(real);
        self.views[cpu]
            .own(segment)
            .unwrap_or(&self.shared[segment])
    }

    /// The entry by which a CPU gets at an absolute page.
    #[cfg(test)]
    pub(super) fn get(&self, cpu: usize, page: u32) -> PageEntry {
        let real = prefix::swap(self.views[cpu].prefix, page);
        self.table(cpu, real).get(real)
    }

    /// Maps an absolute page for a CPU, if it is not mapped so already.
    pub(super) fn map(&mut self, cpu: usize, page: u32, frame: Frame, protected: bool) {
        let real = prefix::swap(self.views[cpu].prefix, page);
        let table = self.table(cpu, real);
        let old = table.get(real);
        if old.frame() != Some(frame) || old.is_protected() != protected {
            table.map(real, frame, protected);
        }
    }

    /// Where else than in the shared table an absolute page may be mapped: page table and real page.
    fn own_places(&self, page: u32) -> impl Iterator<Item = (&PageTable, u32)> {
        self.views.iter().filter_map(move |view| {
            let real = prefix::swap(view.prefix, page);
            Some((view.own(segment(real))?, real))
        })
    }

    /// Takes all translations of some absolute pages away; they are gone everywhere when this returns.
    pub(super) fn unmap(&mut self, pages: &[u32]) {
        self.unmap_entries(pages);
        self.flush_guests();
    }

    /// As [`Tables::unmap`], as far as page-table entries go.
    #[inline(always)]
    fn unmap_entries(&mut self, pages: &[u32]) {
        let invalidations = Invalidations::begin();
        for page in pages {
            self.shared[segment(*page)].unmap(*page, &invalidations);
            if self.has_prefixes && self.is_split[segment(*page)] {
                self.own_places(*page)
                    .for_each(|(table, real)| table.unmap(real, &invalidations));
            }
        }
    }

    /// A machine that interprets the guest has translations of the guest's own addresses, too. Hercules 3.13 finds
    /// those of a page-table entry on CPUs that it makes come out, but not on one that waits to invalidate an entry of
    /// the guest's: all of them go.
    #[inline]
    fn flush_guests(&self) {
        if !self.held.is_empty() {
            translation::flush_space(self.asce(0));
        }
    }

    /// Takes all translations away: the guest has ended. Its CPUs leave when they fault.
    pub(super) fn clear(&mut self) {
        for view in &mut self.views {
            view.segments.clear();
        }
    }

    /// Makes all translations of an absolute page read-only.
    pub(super) fn protect(&mut self, page: u32) {
        // A prefix area and what changes places with it are in segments that are split.
        let shared = core::iter::once((&self.shared[segment(page)], page));
        for (table, real) in shared.chain(self.own_places(page)) {
            let entry = table.get(real);
            if let Some(frame) = entry.frame().filter(|_| !entry.is_protected()) {
                table.map(real, frame, true);
            }
        }
        self.flush_guests();
    }
}
