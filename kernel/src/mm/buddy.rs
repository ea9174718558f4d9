//! The buddy allocator: free blocks of 2^n pages, all of them hinted unused.
//!
//! A page becomes unused after the checks of a free and before its block enters a list; it becomes
//! stable when its block is handed out. Lists are last in, first out, so that pages that were hinted
//! last, which the host is least likely to have taken, are reused first.

use core::sync::atomic::Ordering;

use arch::{Frame, storage};

use super::page::{List, PageFlags};
use super::{Mm, Page};

/// Largest order: blocks of 2^12 pages, 16 MiB.
pub const MAX_ORDER: u32 = 12;

/// Free blocks by order.
pub(super) struct Buddy {
    free: [List; MAX_ORDER as usize + 1],
    free_pages: usize,
}

/// A block of pages.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PageAllocation {
    /// The first frame.
    pub frame: Frame,
    /// Whether the host said that all of it reads as zero.
    pub zero: bool,
}

impl Buddy {
    pub(super) const fn new() -> Self {
        Self {
            free: [const { List::new() }; MAX_ORDER as usize + 1],
            free_pages: 0,
        }
    }

    fn push(&mut self, pages: &[Page], frame: Frame, order: u32) {
        let page = &pages[frame.index()];
        page.order.store(order, Ordering::Relaxed);
        page.set(PageFlags::BUDDY);
        self.free[order as usize].push(pages, frame);
    }

    fn remove(&mut self, pages: &[Page], frame: Frame, order: u32) {
        pages[frame.index()].reset(PageFlags::BUDDY);
        self.free[order as usize].remove(pages, frame);
    }

    /// Takes a block, splitting a larger one if there is none of the order.
    fn take(&mut self, pages: &[Page], order: u32) -> Option<Frame> {
        let found = (order..=MAX_ORDER).find(|order| self.free[*order as usize].len() > 0)?;
        let frame = self.free[found as usize].first()?;
        self.remove(pages, frame, found);
        // The upper halves stay free: they are unused already.
        for smaller in (order..found).rev() {
            self.push(pages, Frame(frame.0 + (1 << smaller)), smaller);
        }
        self.free_pages -= 1 << order;
        Some(frame)
    }

    /// Puts a block back, merged with its buddies as far as they are free.
    fn give(&mut self, pages: &[Page], frame: Frame, order: u32) {
        self.free_pages += 1 << order;
        let (mut frame, mut order) = (frame, order);
        while order < MAX_ORDER {
            let buddy = Frame(frame.0 ^ (1 << order));
            let Some(page) = pages.get(buddy.index()) else {
                break;
            };
            let is_free = page.flags().contains(PageFlags::BUDDY);
            if !is_free || page.order.load(Ordering::Relaxed) != order {
                break;
            }
            self.remove(pages, buddy, order);
            frame = Frame(frame.0.min(buddy.0));
            order += 1;
        }
        self.push(pages, frame, order);
    }
}

impl Mm<'_> {
    /// Hands frames to the allocator that were reserved so far.
    pub fn add_free(&self, first: Frame, count: u32) {
        let end = first.0 + count;
        let mut at = first.0;
        while at < end {
            let alignment = at.trailing_zeros().min(MAX_ORDER);
            let order = (0..=alignment)
                .rev()
                .find(|order| at + (1 << order) <= end)
                .unwrap_or(0);
            for frame in (at..at + (1 << order)).map(Frame) {
                self.page(frame).reset(PageFlags::RESERVED);
            }
            self.free_pages(Frame(at), order);
            at += 1 << order;
        }
    }

    /// Takes a block of 2^`order` pages, each with one reference, all stable.
    #[must_use]
    pub fn allocate_pages(&self, order: u32) -> Option<PageAllocation> {
        let frame = self.buddy.lock().take(self.pages, order)?;
        let mut zero = true;
        for frame in (frame.0..frame.0 + (1 << order)).map(Frame) {
            zero &= self.hint_stable(frame);
            self.page(frame).count.store(1, Ordering::SeqCst);
        }
        Some(PageAllocation { frame, zero })
    }

    /// As [`Mm::allocate_pages`], cleared; pages of which the host says that they read as zero are
    /// not cleared again.
    #[must_use]
    pub fn allocate_zeroed(&self, order: u32) -> Option<Frame> {
        let block = self.allocate_pages(order)?;
        if block.zero {
            self.stats.clears_skipped.add(1 << order);
        } else {
            for frame in (block.frame.0..block.frame.0 + (1 << order)).map(Frame) {
                // SAFETY: the block has just been handed out to us.
                unsafe { storage::clear_page(frame.address()) }
            }
        }
        Some(block.frame)
    }

    /// Gives a block back whose last reference the caller holds, or which nobody ever had.
    ///
    /// # Panics
    /// If a page of it is reserved, free already, or still in use: that would be our bug.
    pub fn free_pages(&self, frame: Frame, order: u32) {
        for frame in (frame.0..frame.0 + (1 << order)).map(Frame) {
            let page = self.page(frame);
            let bad = PageFlags::RESERVED | PageFlags::BUDDY | PageFlags::LRU | PageFlags::CACHED;
            assert!(
                !page.flags().intersects(bad),
                "{frame:?} is not free to go: {:?}",
                page.flags()
            );
            assert!(
                page.references() <= 1,
                "{frame:?} is in use: {} references",
                page.references()
            );
            page.count.store(0, Ordering::SeqCst);
            page.reset(
                PageFlags::UP_TO_DATE
                    | PageFlags::DISCARDED
                    | PageFlags::REFERENCED
                    | PageFlags::WRITABLE,
            );
            self.hint_unused(frame);
        }
        self.buddy.lock().give(self.pages, frame, order);
    }

    /// Free pages.
    #[must_use]
    pub fn free_page_count(&self) -> usize {
        self.buddy.lock().free_pages
    }
}
