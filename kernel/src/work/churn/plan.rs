//! What a task's space shows, and what its pages carry: known to the task and to the kernel.

use core::ops::Range;

use crate::fs::writable::WritableFiles;
use crate::mm::{Area, Backing, Key};
use crate::user::STACK_PAGES;
pub(super) use crate::work::tasks::{PLACES, WORDS};

/// The parts of a space that show something, in this order behind the table of what they must show.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u64)]
pub(super) enum Part {
    /// Private memory.
    Memory,
    /// The task's own file.
    File,
    /// A private mapping of the same file.
    Copy,
    /// The file of another task, which is read only.
    Neighbour,
    /// A few pages that show any of the task's file, in no order.
    Shuffled,
    /// A file of the archive.
    Archive,
}

impl Part {
    /// All of them, in their order.
    pub(super) const ALL: [Self; 6] = [
        Self::Memory,
        Self::File,
        Self::Copy,
        Self::Neighbour,
        Self::Shuffled,
        Self::Archive,
    ];
    /// How many have an entry in the table for each page.
    pub(super) const IN_TABLE: u64 = 5;
}

/// Most pages that are shown in no order: whoever looks for mappings of a page looks at all of them.
const MOST_SHUFFLED: u64 = 64;

/// The plan of a task's space.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plan {
    /// Pages of each part, fewer than 2^16; of the archive's file, fewer may be shown, as in no order.
    pub(super) pages: u64,
    /// Number of the task's file.
    pub(super) file: u32,
    /// Number of another task's file.
    pub(super) neighbour: u32,
    /// Which file of the archive, and how many of its pages.
    pub(super) archive: (u32, u64),
}

impl Plan {
    /// The plan in one word, for the task; what it need not know is left out.
    pub(super) fn pack(&self) -> u64 {
        let halves = [
            self.neighbour.into(),
            self.file.into(),
            self.archive.1,
            self.pages,
        ];
        halves.iter().fold(0, |word, half| word << 16 | half)
    }

    /// What the task knows.
    pub(super) fn unpack(word: u64) -> Self {
        let half = |number: u32| word >> (16 * number) & 0xffff;
        Self {
            pages: half(0),
            file: half(2) as u32,
            neighbour: half(3) as u32,
            archive: (0, half(1)),
        }
    }

    /// Pages of the table that says what all other pages must show.
    pub(super) fn table_pages(&self) -> u64 {
        (Part::IN_TABLE * self.pages).div_ceil(WORDS)
    }

    /// Pages that are shown in no order.
    pub(super) fn shuffled(&self) -> u64 {
        self.pages.min(MOST_SHUFFLED)
    }

    /// The first page of a part, behind the stack.
    pub(super) fn start(&self, part: Part) -> u64 {
        self.table_pages() + part as u64 * self.pages
    }

    /// All pages, behind the stack.
    pub(super) fn all(&self) -> u64 {
        self.table_pages() + Part::ALL.len() as u64 * self.pages
    }

    /// The part that has a page, and which of its pages it is.
    pub(super) fn find(&self, page: u64) -> Option<(Part, u64)> {
        let part = Part::ALL
            .into_iter()
            .find(|part| (self.start(*part)..self.start(*part) + self.pages).contains(&page))?;
        Some((part, page - self.start(part)))
    }

    /// An area that shows some pages of a part.
    pub(super) fn area(&self, part: Part, pages: Range<u64>) -> Area {
        let file = |number| {
            let Key { file, index } = WritableFiles::key(number, pages.start as u32);
            Backing::File { file, first: index }
        };
        Area {
            start: STACK_PAGES + (self.start(part) + pages.start) as usize,
            pages: (pages.end - pages.start) as usize,
            backing: match part {
                Part::Memory => Backing::Anonymous,
                Part::File | Part::Copy | Part::Shuffled => file(self.file),
                Part::Neighbour => file(self.neighbour),
                Part::Archive => Backing::File {
                    file: self.archive.0,
                    first: pages.start as u32,
                },
            },
            writable: !matches!(part, Part::Neighbour | Part::Archive),
            shared: !matches!(part, Part::Memory | Part::Copy),
            locked: false,
        }
    }

    /// All areas behind the stack.
    pub(super) fn areas(&self) -> impl Iterator<Item = Area> {
        let table = Area::memory(STACK_PAGES, self.table_pages() as usize);
        let shown = Part::ALL.map(|part| match part {
            Part::Archive => self.area(part, 0..self.archive.1),
            Part::Shuffled => self.area(part, 0..self.shuffled()),
            _ => self.area(part, 0..self.pages),
        });
        core::iter::once(table).chain(shown)
    }
}

/// What one place of a page holds: whose it is in the left half, and in the right half which state of the
/// page it belongs to, which is never 0.
pub(super) fn word(identity: u64, page: u64, place: u64, state: u32) -> u64 {
    let mixed = (identity ^ page << 16 ^ place).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed ^ mixed >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9) & !0xffff_ffff | u64::from(state)
}

/// Whose the pages of a part are, in a run with this seed; `number` is the file's or the task's.
pub(super) fn identity(seed: u64, part: Part, number: u32) -> u64 {
    let kind = match part {
        Part::Memory => 1,
        Part::Copy => 2,
        Part::File | Part::Neighbour | Part::Shuffled | Part::Archive => 3,
    };
    (seed ^ kind << 48 ^ u64::from(number) << 52).wrapping_mul(0x2545_f491_4f6c_dd1d)
}
