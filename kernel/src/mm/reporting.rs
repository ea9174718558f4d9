//! Free page reporting: telling a balloon device which blocks are free, in place of ESSA.
//!
//! A block goes off its list, so that nobody gets it, while the device takes the content. Then it is
//! back, on a list of its own kind, until a page of it has been used:
//!
//! ```text
//!   take_unreported ── the device takes the content ── give_reported ── list ── take: unmarked
//! ```
//!
//! An allocation that finds nothing else waits for blocks that are on their way (`moving`).

use arch::Frame;

use super::buddy::{MAX_ORDER, is_reported_block};
use super::page::PageFlags;
use super::{Mm, frames};

/// A free block that only its owner knows of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FreeBlock {
    /// The first frame.
    pub frame: Frame,
    /// Its order: 2^n pages.
    pub order: u32,
}

impl Mm<'_> {
    /// Takes a block of at least 2^`least` free pages that was not reported since it was last used.
    ///
    /// It goes on being free: its owner may not use it, allocates nothing, and gives it back soon.
    #[must_use]
    pub fn take_unreported(&self, least: u32) -> Option<FreeBlock> {
        let mut buddy = self.buddy.lock();
        let (frame, order) = buddy.take_unreported(self.pages, least)?;
        buddy.reporting += 1 << order;
        Some(FreeBlock { frame, order })
    }

    /// Gives a block back that the device has, or that it has not taken after all.
    pub fn give_reported(&self, block: FreeBlock, reported: bool) {
        let FreeBlock { frame, order } = block;
        if reported {
            self.stats.reported_blocks.add(1);
            self.stats.reported_pages.add(1 << order);
        }
        let mut buddy = self.buddy.lock();
        buddy.reporting -= 1 << order;
        buddy.returned += 1;
        if reported {
            buddy.give_reported(self.pages, frame, order);
        } else {
            buddy.give(self.pages, frame, order);
        }
    }

    /// Gives a block up for good whose content the device may take at any time, because it failed and
    /// cannot be stopped.
    pub fn abandon_reported(&self, block: FreeBlock) {
        for frame in frames(block.frame, block.order) {
            self.page(frame).reset(PageFlags::FREE);
            self.page(frame).set(PageFlags::RESERVED);
        }
        let mut buddy = self.buddy.lock();
        buddy.reporting -= 1 << block.order;
        buddy.returned += 1;
    }

    /// Whether a page is in a free block that was reported.
    #[must_use]
    pub fn is_reported(&self, frame: Frame) -> bool {
        let is_in = |order: u32| {
            let first = Frame(frame.0 & !((1 << order) - 1));
            is_reported_block(self.page(first), order)
        };
        // Blocks neither split nor merge as long as the lock is held.
        let _buddy = self.buddy.lock();
        (0..=MAX_ORDER).any(is_in)
    }

    /// Whether all pages of a block are in free blocks that were reported.
    #[must_use]
    pub fn is_all_reported(&self, first: Frame, order: u32) -> bool {
        frames(first, order).all(|frame| self.is_reported(frame))
    }
}
