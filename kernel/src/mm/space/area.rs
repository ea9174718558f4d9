//! Areas: what ranges of pages of a space show.

use core::ops::Range;
use core::sync::atomic::Ordering;

use super::super::Mm;
use super::super::hash::Key;
use super::reverse::Order;

/// Files with this number or a higher one, but for the swap area, are shared anonymous memory: zeroes
/// at first, and on no device.
const FIRST_SHARED_MEMORY: u32 = 0x8000_0000;

/// What an area shows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Backing {
    /// A file, from one of its pages on.
    File {
        /// Number of the file.
        file: u32,
        /// The first page of the file that is shown.
        first: u32,
    },
    /// A file, each page of the space its own page of it: the one that its table entry says, or, as long
    /// as it says none, as for [`Backing::File`].
    NonLinear {
        /// Number of the file.
        file: u32,
        /// The page of the file that the first page of the space shows if nothing else is said.
        first: u32,
    },
    /// Memory that is zero at first.
    Anonymous,
}

impl Backing {
    /// The same, so far, where each page can show another page of the file.
    pub(super) fn non_linear(self) -> Self {
        match self {
            Self::File { file, first } => Self::NonLinear { file, first },
            other => other,
        }
    }

    /// What is shown so many pages behind.
    fn behind(self, pages: usize) -> Self {
        let on = |first| first + pages as u32;
        match self {
            Self::File { file, first } => {
                let first = on(first);
                Self::File { file, first }
            }
            Self::NonLinear { file, first } => {
                let first = on(first);
                Self::NonLinear { file, first }
            }
            Self::Anonymous => Self::Anonymous,
        }
    }
}

/// A range of pages of a space.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Area {
    /// The first page of the space.
    pub start: usize,
    /// How many pages.
    pub pages: usize,
    /// What they show.
    pub backing: Backing,
    /// Whether it may be written.
    pub writable: bool,
    /// Whether what is written is the file's; else it is this space's alone.
    pub shared: bool,
    /// Whether its pages stay in memory.
    pub locked: bool,
}

impl Area {
    /// Memory of this space alone, which may be written.
    #[must_use]
    pub const fn memory(start: usize, pages: usize) -> Self {
        Self {
            start,
            pages,
            backing: Backing::Anonymous,
            writable: true,
            shared: false,
            locked: false,
        }
    }

    pub(super) fn contains(&self, page: usize) -> bool {
        self.pages().contains(&page)
    }

    /// The pages of the space.
    pub(super) fn pages(&self) -> Range<usize> {
        self.start..self.start + self.pages
    }

    /// What a page of the space shows of a file, unless its table entry says another page.
    pub(super) fn key(&self, page: usize) -> Option<Key> {
        match self.backing.behind(page - self.start) {
            Backing::File { file, first } | Backing::NonLinear { file, first } => {
                Some(Key { file, index: first })
            }
            Backing::Anonymous => None,
        }
    }

    pub(super) fn order(&self) -> Order {
        match self.backing {
            Backing::NonLinear { .. } => Order::NonLinear,
            Backing::File { .. } | Backing::Anonymous => Order::Linear,
        }
    }

    /// Both areas as one, if the other follows this one in every respect.
    pub(super) fn with_next(&self, next: &Self) -> Option<Self> {
        let following = Self {
            start: self.pages().end,
            pages: next.pages,
            backing: self.backing.behind(self.pages),
            ..*self
        };
        (following == *next).then(|| Self {
            pages: self.pages + next.pages,
            ..*self
        })
    }

    /// The part of the area that lies in a range of pages of the space.
    pub(super) fn part(&self, range: &Range<usize>) -> Option<Self> {
        let start = self.start.max(range.start);
        let end = self.pages().end.min(range.end);
        (start < end).then(|| Self {
            start,
            pages: end - start,
            backing: self.backing.behind(start - self.start),
            ..*self
        })
    }
}

impl Key {
    /// Whether this is a page of shared anonymous memory.
    pub(in crate::mm) const fn is_shared_memory(self) -> bool {
        self.file >= FIRST_SHARED_MEMORY && self.file != Self::SWAP
    }
}

impl Mm<'_> {
    /// The number of a new shared anonymous memory, to be mapped like a file.
    pub fn new_shared_memory(&self) -> u32 {
        FIRST_SHARED_MEMORY + self.memories.fetch_add(1, Ordering::Relaxed)
    }
}
