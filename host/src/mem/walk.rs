//! A guest's dynamic address translation, as the machine would do it (Principles of Operation,
//! "Translation Process").

use arch::{PAGE_SHIFT, PAGE_SIZE, program};

use super::AccessError;

/// Of an address-space-control element: the space has neither common segments nor low-address
/// protection.
pub const PRIVATE_SPACE: u64 = 0x100;

/// Bits of address-space-control elements and table entries.
mod bits {
    /// Of an address-space-control element: the space is real storage.
    pub(super) const REAL_SPACE: u64 = 0x20;
    /// Of an entry of any table but a page table: it maps nothing.
    pub(super) const INVALID: u64 = 0x20;
    /// Of any entry: no stores. In region tables with enhanced DAT only.
    pub(super) const PROTECTED: u64 = 0x200;
    /// Of a segment-table entry: the segment is common to all spaces.
    pub(super) const COMMON: u64 = 0x10;
    /// Of a segment-table entry with enhanced DAT: it maps a frame of 1 MiB.
    pub(super) const LARGE: u64 = 0x400;
    /// Of a page-table entry: it maps nothing.
    pub(super) const PAGE_INVALID: u64 = 0x400;
    /// Of a page-table entry: must be zero.
    pub(super) const PAGE_RESERVED: u64 = 0x800;
}

/// Origin of a page table in a segment-table entry.
const PAGE_TABLE_ORIGIN: u64 = !0x7ff;
/// Origin of any other table.
const ORIGIN: u64 = !0xfff;
/// Bits of a virtual address within a segment.
const SEGMENT_SHIFT: u32 = 20;
/// Bits of an index of a region or segment table.
const INDEX_BITS: u32 = 11;

/// Type of the table that an address-space-control element or an entry belongs to: 0 for segments, 1 to
/// 3 for regions third, second, first.
#[must_use]
pub fn table_type(element: u64) -> u32 {
    (element >> 2) as u32 & 3
}

/// The index of a virtual address in a table of a type.
#[must_use]
pub fn index(kind: u32, address: u64) -> usize {
    (address >> shift(kind)) as usize & 0x7ff
}

/// Binary logarithm of what an entry of a table of a type maps.
#[must_use]
pub fn shift(kind: u32) -> u32 {
    SEGMENT_SHIFT + INDEX_BITS * kind
}

/// An address space of a guest: what a walk begins with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Space {
    /// The guest's address-space-control element.
    pub asce: u64,
    /// Whether enhanced DAT applies: large frames, protection by region.
    pub enhanced: bool,
}

impl Space {
    /// Whether virtual addresses are real addresses.
    #[must_use]
    pub const fn is_real(self) -> bool {
        self.asce & bits::REAL_SPACE != 0
    }

    /// Whether the space has neither common segments nor low-address protection.
    #[must_use]
    pub const fn is_private(self) -> bool {
        self.asce & PRIVATE_SPACE != 0
    }
}

/// Where a virtual address leads to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Translation {
    /// The guest real address.
    pub real: u64,
    /// Whether a table forbids stores.
    pub protected: bool,
    /// Origin of the page table, if one was used.
    pub page_table: Option<u64>,
}

/// Why a virtual address leads nowhere.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Nowhere {
    /// An exception of the translation itself; with the address of the entry, if one says so.
    Exception(u16, Option<u64>),
    /// A table cannot be read.
    Table(AccessError),
}

impl From<AccessError> for Nowhere {
    fn from(error: AccessError) -> Self {
        Self::Table(error)
    }
}

/// The exception if the entry of a table of a type says that it maps nothing.
const fn missing(kind: u32) -> u16 {
    match kind {
        0 => program::SEGMENT_TRANSLATION,
        1 => program::REGION_THIRD_TRANSLATION,
        2 => program::REGION_SECOND_TRANSLATION,
        _ => program::REGION_FIRST_TRANSLATION,
    }
}

const SPECIFICATION: Nowhere = Nowhere::Exception(program::TRANSLATION_SPECIFICATION, None);

/// Translates a virtual address; `read` reads a doubleword of the tables by absolute address.
///
/// # Errors
/// The exception that the guest gets.
pub fn walk(
    space: Space,
    address: u64,
    read: &mut dyn FnMut(u64) -> Result<u64, AccessError>,
) -> Result<Translation, Nowhere> {
    if space.is_real() {
        return Ok(Translation {
            real: address,
            protected: false,
            page_table: None,
        });
    }
    let mut kind = table_type(space.asce);
    if kind < 3 && address >> shift(kind + 1) != 0 {
        return Err(Nowhere::Exception(program::ASCE_TYPE, None));
    }
    let mut protected = false;
    // What designates a table says from which quarter of it on it is there, and up to which one.
    let (mut designation, mut first) = (space.asce, 0);
    let entry = loop {
        let index = index(kind, address);
        let quarter = index as u64 >> (INDEX_BITS - 2);
        if quarter < first || quarter > designation & 3 {
            return Err(Nowhere::Exception(missing(kind), None));
        }
        let at = (designation & ORIGIN).wrapping_add(8 * index as u64);
        let entry = read(at)?;
        if entry & bits::INVALID != 0 {
            return Err(Nowhere::Exception(missing(kind), Some(at)));
        }
        if table_type(entry) != kind {
            return Err(SPECIFICATION);
        }
        if kind == 0 {
            break entry;
        }
        protected |= space.enhanced && entry & bits::PROTECTED != 0;
        (designation, first) = (entry, entry >> 6 & 3);
        kind -= 1;
    };
    if entry & bits::COMMON != 0 && space.is_private() {
        return Err(SPECIFICATION);
    }
    protected |= entry & bits::PROTECTED != 0;
    if space.enhanced && entry & bits::LARGE != 0 {
        let within = (1 << SEGMENT_SHIFT) - 1;
        return Ok(Translation {
            real: entry & !within | address & within,
            protected,
            page_table: None,
        });
    }
    let table = entry & PAGE_TABLE_ORIGIN;
    let at = table + (address >> PAGE_SHIFT & 0xff) * 8;
    let entry = read(at)?;
    if entry & bits::PAGE_INVALID != 0 {
        return Err(Nowhere::Exception(program::PAGE_TRANSLATION, Some(at)));
    }
    if entry & bits::PAGE_RESERVED != 0 {
        return Err(SPECIFICATION);
    }
    Ok(Translation {
        real: entry & ORIGIN | address & (PAGE_SIZE as u64 - 1),
        protected: protected || entry & bits::PROTECTED != 0,
        page_table: Some(table),
    })
}

#[cfg(test)]
mod tests;
