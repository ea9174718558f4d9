//! Parts of the scheme that can be left out, so that what they bring can be measured. What is left is as
//! correct, and hints less or does more for it.

use bitflags::bitflags;

use super::Mm;
use super::page::{Page, PageFlags};
use crate::sync::atomic::Ordering;

bitflags! {
    /// Parts of the scheme besides the volatile page cache, without which it hints what is unused only.
    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    pub struct Parts: u32 {
        /// Pages of the swap cache may be volatile; else they stay stable.
        const SWAP_CACHE = 1;
        /// Pages with a writable mapping may be potentially volatile; else they stay stable.
        const WRITABLE = 1 << 1;
        /// Pages are mapped and unmapped as they are; else they are made stable for it.
        const MINOR_FAULTS = 1 << 2;
        /// Pages of files of which a mapping was locked in memory stay stable; else they may be discarded,
        /// locked or not.
        const MEMORY_LOCK = 1 << 3;
    }
}

impl Parts {
    /// The parts with their names in parameters.
    pub const NAMES: [(&'static str, Self); 4] = [
        ("swap-cache", Self::SWAP_CACHE),
        ("writable", Self::WRITABLE),
        ("minor-faults", Self::MINOR_FAULTS),
        ("mlock", Self::MEMORY_LOCK),
    ];
}

impl Mm<'_> {
    /// Leaves parts out, for good. Nothing may be mapped or in a cache so far.
    pub fn leave_out(&self, parts: Parts) {
        self.left_out.fetch_or(parts.bits(), Ordering::Relaxed);
    }

    /// Whether a part is left out.
    pub(super) fn lacks(&self, part: Parts) -> bool {
        self.left_out.load(Ordering::Relaxed) & part.bits() != 0
    }

    /// Whether a page stays stable because the part of the scheme is left out that would let it go.
    pub(super) fn lacks_part_for(&self, page: &Page) -> bool {
        let lacking = |flag, part| page.flags().contains(flag) && self.lacks(part);
        lacking(PageFlags::ANON, Parts::SWAP_CACHE) || lacking(PageFlags::WRITABLE, Parts::WRITABLE)
    }
}
