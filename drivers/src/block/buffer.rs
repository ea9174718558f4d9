//! The storage that a request reads to or writes from.

use core::ops::Range;

use arch::{Absolute, Frame, PAGE_SIZE};

/// Storage for whole blocks.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Buffer<'a> {
    /// One piece of it, from there on.
    Piece(Absolute),
    /// Pages, which need not be neighbours: the first blocks go to the first page.
    Pages(&'a [Frame]),
}

impl Buffer<'_> {
    /// The address of a byte. The rest of its block lies behind it, and so does the rest of its page.
    pub(crate) fn at(self, offset: usize) -> Absolute {
        match self {
            Self::Piece(start) => start + offset as u64,
            Self::Pages(pages) => pages[offset / PAGE_SIZE].address() + (offset % PAGE_SIZE) as u64,
        }
    }

    /// The pieces that some of its bytes are in: address and length.
    pub(crate) fn pieces(self, bytes: Range<usize>) -> impl Iterator<Item = (Absolute, usize)> {
        let length = match self {
            Self::Piece(_) => bytes.len().max(1),
            Self::Pages(_) => PAGE_SIZE,
        };
        let end = bytes.end;
        bytes
            .step_by(length)
            .map(move |at| (self.at(at), length.min(end - at)))
    }
}
