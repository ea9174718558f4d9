//! Addresses as types, so that a guest's address is never used as a host's.

use core::fmt;
use core::ops::Add;

/// Size of a page and of a frame, in bytes.
pub const PAGE_SIZE: usize = 4096;
/// Binary logarithm of [`PAGE_SIZE`].
pub const PAGE_SHIFT: u32 = 12;

/// An absolute address of the machine this image runs on, in bytes.
///
/// Absolute addresses are what ESSA takes and what the discard fault reports.
/// Outside the prefix area they equal real addresses.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[repr(transparent)]
pub struct Absolute(pub u64);

impl Absolute {
    /// The absolute address of an object that is addressed one to one (DAT off or identity-mapped).
    #[must_use]
    pub fn of<T: ?Sized>(object: *const T) -> Self {
        Self(object.cast::<u8>().addr() as u64)
    }

    /// The frame that contains this address.
    #[must_use]
    pub const fn frame(self) -> Frame {
        Frame((self.0 >> PAGE_SHIFT) as u32)
    }

    /// The offset within the frame, in bytes.
    #[must_use]
    pub const fn offset(self) -> usize {
        (self.0 as usize) & (PAGE_SIZE - 1)
    }

    /// Whether the address is a multiple of the page size.
    #[must_use]
    pub const fn is_page_aligned(self) -> bool {
        self.offset() == 0
    }
}

impl Add<u64> for Absolute {
    type Output = Self;

    fn add(self, bytes: u64) -> Self {
        Self(self.0 + bytes)
    }
}

impl fmt::Debug for Absolute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

impl fmt::Display for Absolute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

/// The number of a page frame of real memory: its absolute address divided by [`PAGE_SIZE`].
///
/// 32 bits reach 16 TiB, the most that a z10-level machine can have.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[repr(transparent)]
pub struct Frame(pub u32);

impl Frame {
    /// The absolute address of the frame's first byte.
    #[must_use]
    pub const fn address(self) -> Absolute {
        Absolute((self.0 as u64) << PAGE_SHIFT)
    }

    /// The frame number as an index.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

impl fmt::Display for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "frame {:#x}", self.0)
    }
}

impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
