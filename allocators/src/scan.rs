//! What it costs to look for pages that were referenced: resetting the bit of every one, which tells what it was; reading
//! it, a batch at a time, and resetting it where it is on; or taking translations away, a batch at a time, for a page
//! that has one again was referenced.

extern crate alloc;

use alloc::boxed::Box;
use alloc::format;
use alloc::vec::Vec;

use arch::dat::{PAGE_TABLE_ENTRIES, PageEntry, SegmentEntry, short_segment_table_asce};
use arch::{Absolute, Frame, PAGE_SHIFT, PAGE_SIZE, clock, key, translation};
use kernel::report;

use crate::storage::Storage;

/// Pages that are looked at in a round: 16 MiB.
const PAGES: u32 = 4096;
const ROUNDS: u32 = 16;
/// As in the host.
const BATCH: usize = 64;
/// Of a hundred pages, so many were referenced since the last look.
const SHARES: [u32; 5] = [0, 2, 10, 50, 100];

/// A page table, and room up to the next.
#[repr(C, align(4096))]
struct Table([u64; PAGE_TABLE_ENTRIES]);

/// A segment table with all its quarter.
#[repr(C, align(4096))]
struct Segments([u64; PAGE_SIZE / size_of::<u64>()]);

/// Pages, and tables that nobody translates by but that are flushed as if somebody did.
struct Subject {
    first: Frame,
    segments: Box<Segments>,
    tables: Vec<Table>,
}

/// Looks at all pages once; returns how many were referenced.
type Scan = fn(&mut Subject) -> u32;

const SCANS: [(&str, Scan); 3] = [
    ("every page reset", reset_each),
    ("only those reset", reset_referenced),
    ("translations taken", take_translations),
];

/// Reports the time of each for a round, in units of the clock.
pub(crate) fn run() {
    let storage = Storage::new(PAGES as usize * PAGE_SIZE);
    let first = Frame((storage.start().addr() >> PAGE_SHIFT) as u32);
    let mut subject = Subject::new(first);
    for share in SHARES {
        let mut times = [u64::MAX; SCANS.len()];
        // By turns, and the best of each: whatever else the machine does can only make it longer.
        for _ in 0..ROUNDS {
            for (time, (_, scan)) in times.iter_mut().zip(SCANS) {
                *time = subject.timed(share, scan).min(*time);
            }
        }
        for ((how, _), time) in SCANS.iter().zip(times) {
            let name = format!("scan, {share} % referenced, {how}");
            report::measure(&name, u64::from(PAGES), time);
        }
    }
}

impl Subject {
    fn new(first: Frame) -> Self {
        let table = |_| Table([PageEntry::INVALID.0; PAGE_TABLE_ENTRIES]);
        let tables: Vec<_> = (0..PAGES as usize / PAGE_TABLE_ENTRIES)
            .map(table)
            .collect();
        let mut segments = Box::new(Segments(
            [SegmentEntry::INVALID.0; PAGE_SIZE / size_of::<u64>()],
        ));
        for (entry, table) in segments.0.iter_mut().zip(&tables) {
            *entry = SegmentEntry::new(Absolute::of(&raw const table.0)).0;
        }
        Self {
            first,
            segments,
            tables,
        }
    }

    fn entry(&mut self, page: u32) -> &mut u64 {
        let (table, index) = (
            page as usize / PAGE_TABLE_ENTRIES,
            page as usize % PAGE_TABLE_ENTRIES,
        );
        &mut self.tables[table].0[index]
    }

    /// The time of one round, after so many of a hundred pages were referenced.
    fn timed(&mut self, share: u32, scan: Scan) -> u64 {
        let mut referenced = 0;
        for number in 0..PAGES {
            let is_referenced = number % 100 < share;
            referenced += u32::from(is_referenced);
            let frame = Frame(self.first.0 + number);
            key::set(frame, if is_referenced { key::REFERENCE } else { 0 });
            *self.entry(number) = if is_referenced {
                PageEntry::new(frame, false).0
            } else {
                PageEntry::INVALID.0
            };
        }
        let began = clock::now();
        let found = scan(self);
        let time = clock::now() - began;
        assert!(found == referenced, "a reference was missed");
        time
    }
}

fn reset_each(subject: &mut Subject) -> u32 {
    let first = subject.first.0;
    let frames = (first..first + PAGES).map(Frame);
    frames
        .map(|frame| u32::from(key::reset_reference(frame)))
        .sum()
}

fn reset_referenced(subject: &mut Subject) -> u32 {
    let first = subject.first.0;
    let mut found = 0;
    for start in (first..first + PAGES).step_by(BATCH) {
        let mut used = 0_u64;
        for at in 0..BATCH as u32 {
            let is_used = key::get(Frame(start + at)) & key::REFERENCE != 0;
            used |= u64::from(is_used) << at;
        }
        found += used.count_ones();
        while used != 0 {
            key::reset_reference(Frame(start + used.trailing_zeros()));
            used &= used - 1;
        }
    }
    found
}

/// One flush for a batch in which there were translations. What each costs that is needed again, an exit, comes later.
fn take_translations(subject: &mut Subject) -> u32 {
    let asce = short_segment_table_asce(Absolute::of(&raw const subject.segments.0));
    let mut found = 0;
    for start in (0..PAGES).step_by(BATCH) {
        let before = found;
        for page in start..start + BATCH as u32 {
            let entry = subject.entry(page);
            found += u32::from(PageEntry(*entry).frame().is_some());
            *entry = PageEntry::INVALID.0;
        }
        if found != before {
            translation::flush_space(asce);
        }
    }
    found
}
