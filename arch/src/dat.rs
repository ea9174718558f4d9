//! Entries of DAT tables (Principles of Operation, "Translation Tables").

use bitflags::bitflags;

use crate::addr::{Absolute, Frame};

/// Number of entries of a page table.
pub const PAGE_TABLE_ENTRIES: usize = 256;
/// Number of entries of a segment table of full length.
pub const SEGMENT_TABLE_ENTRIES: usize = 2048;
/// Storage that one segment-table entry maps, in bytes.
pub const SEGMENT_SIZE: u64 = 1 << 20;

bitflags! {
    /// Control bits of a page-table entry.
    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    pub struct PageFlags: u64 {
        /// Bit 53: the page is not available, an access is a page-translation exception.
        const INVALID = 0x400;
        /// Bit 54: a store is a protection exception.
        const PROTECTED = 0x200;
    }
}

/// What an entry that maps nothing keeps for the program.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kept {
    /// The number of the slot of the swap area that has the page.
    Slot(u32),
    /// The index of the page in its file, where the place does not tell it.
    Index(u32),
}

/// A page-table entry.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(transparent)]
pub struct PageEntry(pub u64);

impl PageEntry {
    /// An entry that maps nothing.
    pub const INVALID: Self = Self(PageFlags::INVALID.bits());

    /// An entry that maps `frame`, read-only if `protected`.
    #[must_use]
    pub const fn new(frame: Frame, protected: bool) -> Self {
        let protection = if protected {
            PageFlags::PROTECTED.bits()
        } else {
            0
        };
        Self(frame.address().0 | protection)
    }

    /// An entry that maps nothing and keeps something for the program: the machine looks at no other bit
    /// of an entry that is invalid.
    #[must_use]
    pub const fn absent(kept: Kept) -> Self {
        let (number, marks) = match kept {
            Kept::Slot(slot) => (slot, Self::KEEPS),
            Kept::Index(index) => (index, Self::KEEPS | Self::KEEPS_INDEX),
        };
        Self((number as u64) << 12 | PageFlags::INVALID.bits() | marks)
    }

    /// What an entry keeps which maps nothing.
    #[must_use]
    pub const fn kept(self) -> Option<Kept> {
        let marks = PageFlags::INVALID.bits() | Self::KEEPS;
        if self.0 & marks != marks {
            return None;
        }
        let number = (self.0 >> 12) as u32;
        Some(if self.0 & Self::KEEPS_INDEX == 0 {
            Kept::Slot(number)
        } else {
            Kept::Index(number)
        })
    }

    /// The slot whose number an entry keeps.
    #[must_use]
    pub const fn slot(self) -> Option<u32> {
        match self.kept() {
            Some(Kept::Slot(slot)) => Some(slot),
            _ => None,
        }
    }

    /// Bit 63 of an invalid entry, the program's: the entry keeps something.
    const KEEPS: u64 = 1;
    /// Bit 62 of such an entry: it is an index in a file.
    const KEEPS_INDEX: u64 = 2;

    /// The frame that is mapped, if any is.
    #[must_use]
    pub const fn frame(self) -> Option<Frame> {
        if self.0 & PageFlags::INVALID.bits() != 0 {
            None
        } else {
            Some(Absolute(self.0).frame())
        }
    }

    /// Whether stores are refused.
    #[must_use]
    pub const fn is_protected(self) -> bool {
        self.0 & PageFlags::PROTECTED.bits() != 0
    }
}

/// A segment-table entry.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(transparent)]
pub struct SegmentEntry(pub u64);

impl SegmentEntry {
    /// An entry that maps nothing (bit 58).
    pub const INVALID: Self = Self(0x20);

    /// An entry that points to a page table, which is aligned to its size of 2 KiB.
    #[must_use]
    pub const fn new(page_table: Absolute) -> Self {
        Self(page_table.0)
    }
}

/// Number of entries of the shortest segment table, which fills a page.
pub const SHORT_SEGMENT_TABLE_ENTRIES: usize = 512;

/// The address-space-control element of a space that the shortest segment table maps: 512 MiB.
#[must_use]
pub const fn short_segment_table_asce(table: Absolute) -> u64 {
    table.0
}

/// The address-space-control element of a space that one segment table of full length maps: 2 GiB.
#[must_use]
pub const fn segment_table_asce(table: Absolute) -> u64 {
    const FULL_LENGTH: u64 = 3;
    table.0 | FULL_LENGTH
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_tells_what_it_maps() {
        let entry = PageEntry::new(Frame(0x123), true);
        assert_eq!(
            (entry.0, entry.frame(), entry.is_protected()),
            (0x12_3200, Some(Frame(0x123)), true)
        );
        assert_eq!(PageEntry::INVALID.frame(), None);
        assert_eq!((entry.kept(), PageEntry::INVALID.kept()), (None, None));
    }

    #[test]
    fn an_absent_entry_keeps_a_number_and_what_it_means() {
        for number in [0, 1, u32::MAX] {
            for kept in [Kept::Slot(number), Kept::Index(number)] {
                let entry = PageEntry::absent(kept);
                assert_eq!((entry.frame(), entry.kept()), (None, Some(kept)));
            }
            assert_eq!(PageEntry::absent(Kept::Slot(number)).slot(), Some(number));
            assert_eq!(PageEntry::absent(Kept::Index(number)).slot(), None);
        }
    }
}
