//! The buddy allocator: free blocks of 2^n pages, all of them hinted unused.
//!
//! A page becomes unused after the checks of a free and before its block enters a list; it becomes
//! stable when its block is handed out:
//!
//! ```text
//!   free_pages:      checks ── ESSA set unused ── merge ── list
//!   allocate_pages:  list ── split ── ESSA set stable ── caller
//! ```
//!
//! Lists are last in, first out: pages that were hinted last, which the host is least likely to have
//! taken, are reused first. Blocks that were reported to a balloon device (`reporting`) come behind all
//! others of their order: their content is gone for certain.

use core::sync::atomic::Ordering::Relaxed;

use arch::Frame;

use super::list::List;
use super::page::{Page, PageFlags};
use super::{Mm, frames};

/// Largest order: blocks of 2^12 pages, 16 MiB.
pub const MAX_ORDER: u32 = 12;

/// What a page that is given back must not be, and what would be lost with it if it were.
const IN_USE: PageFlags = PageFlags::RESERVED
    .union(PageFlags::BUDDY)
    .union(PageFlags::LISTED)
    .union(PageFlags::LRU)
    .union(PageFlags::CACHED)
    .union(PageFlags::SWAP_CACHE)
    .union(PageFlags::DIRTY)
    .union(PageFlags::WRITEBACK)
    .union(PageFlags::PRIVATE)
    .union(PageFlags::LOCKED)
    .union(PageFlags::REPORTED)
    .union(PageFlags::BALLOONED)
    .union(PageFlags::PENDING)
    .union(PageFlags::STATE_CHANGE);

/// Free blocks by order.
pub(super) struct Buddy {
    free: [List; MAX_ORDER as usize + 1],
    free_pages: usize,
    /// Pages of free blocks that are being reported, and are on no list meanwhile.
    pub(super) reporting: usize,
    /// How many blocks have come back from being reported.
    pub(super) returned: u64,
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
            reporting: 0,
            returned: 0,
        }
    }

    /// Puts a block on its list: in front, or if it was reported, behind all others.
    fn push(&mut self, pages: &[Page], frame: Frame, order: u32, reported: bool) {
        let page = &pages[frame.index()];
        page.order.store(order, Relaxed);
        page.set(PageFlags::BUDDY);
        let list = &mut self.free[order as usize];
        if reported {
            page.set(PageFlags::REPORTED);
            let mut last = List::new();
            last.push(pages, frame);
            list.append(pages, &mut last);
        } else {
            list.push(pages, frame);
        }
    }

    /// Takes a block off its list; returns whether it was reported.
    fn remove(&mut self, pages: &[Page], frame: Frame, order: u32) -> bool {
        let flags = pages[frame.index()].reset(PageFlags::BUDDY | PageFlags::REPORTED);
        self.free[order as usize].remove(pages, frame);
        flags.contains(PageFlags::REPORTED)
    }

    /// Takes a block, splitting a larger one if there is none of the order.
    pub(super) fn take(&mut self, pages: &[Page], order: u32) -> Option<Frame> {
        let found = (order..=MAX_ORDER).find(|order| self.free[*order as usize].len() > 0)?;
        let frame = self.free[found as usize].first()?;
        let reported = self.remove(pages, frame, found);
        // The upper halves stay free: they are unused already.
        for smaller in (order..found).rev() {
            self.push(pages, Frame(frame.0 + (1 << smaller)), smaller, reported);
        }
        self.free_pages -= 1 << order;
        Some(frame)
    }

    /// Takes a largest block that was not reported, of an order of at least `least`; with its order.
    pub(super) fn take_unreported(&mut self, pages: &[Page], least: u32) -> Option<(Frame, u32)> {
        let (frame, order) = (least..=MAX_ORDER).rev().find_map(|order| {
            let first = self.free[order as usize].first()?;
            let reported = pages[first.index()].flags().contains(PageFlags::REPORTED);
            (!reported).then_some((first, order))
        })?;
        self.remove(pages, frame, order);
        self.free_pages -= 1 << order;
        Some((frame, order))
    }

    /// Puts a block back, merged with its buddies as far as they are free.
    pub(super) fn give(&mut self, pages: &[Page], frame: Frame, order: u32) {
        self.give_reported(pages, frame, order, false);
    }

    /// As [`Buddy::give`]; a merged block counts as reported if all of it was.
    pub(super) fn give_reported(
        &mut self,
        pages: &[Page],
        frame: Frame,
        order: u32,
        mut reported: bool,
    ) {
        self.free_pages += 1 << order;
        let (mut frame, mut order) = (frame, order);
        while order < MAX_ORDER {
            let buddy = Frame(frame.0 ^ (1 << order));
            let free = pages.get(buddy.index()).is_some_and(|page| {
                page.flags().contains(PageFlags::BUDDY) && page.order.load(Relaxed) == order
            });
            if !free {
                break;
            }
            reported &= self.remove(pages, buddy, order);
            frame = Frame(frame.0.min(buddy.0));
            order += 1;
        }
        self.push(pages, frame, order, reported);
    }
}

impl Mm<'_> {
    /// Hands frames to the allocator that were reserved so far, in blocks as large as they allow.
    ///
    /// # Panics
    /// If one of the frames has no descriptor.
    pub fn add_free(&self, first: Frame, count: u32) {
        let end = first.0 + count;
        let mut at = first.0;
        while at < end {
            let aligned = at.trailing_zeros().min(MAX_ORDER);
            let order = aligned.min((end - at).ilog2());
            for frame in frames(Frame(at), order) {
                self.page(frame).reset(PageFlags::RESERVED);
            }
            self.free_pages(Frame(at), order);
            at += 1 << order;
        }
    }

    /// Takes a block of 2^`order` pages, each with one reference, all stable.
    ///
    /// `None` if no block is large enough; nothing is reclaimed for it here.
    #[must_use]
    pub fn allocate_pages(&self, order: u32) -> Option<PageAllocation> {
        let first = self.buddy.lock().take(self.pages, order)?;
        let mut zero = true;
        for frame in frames(first, order) {
            zero &= self.hint_stable(frame);
            self.page(frame).set_references(1);
        }
        Some(PageAllocation { frame: first, zero })
    }

    /// Gives a block back whose last references the caller has, or of which they are gone already.
    ///
    /// # Panics
    /// If a page of it is reserved, free already or in use: that would be our bug.
    pub fn free_pages(&self, first: Frame, order: u32) {
        for frame in frames(first, order) {
            self.check_free(frame);
            let page = self.page(frame);
            page.set_references(0);
            // What the kernel last told the host goes on holding; all else was about the old content.
            page.reset(PageFlags::HINTED.complement());
            self.hint_free(frame);
        }
        self.buddy.lock().give(self.pages, first, order);
    }

    /// Refuses to free a page that is in use.
    pub(super) fn check_free(&self, frame: Frame) {
        let page = self.page(frame);
        let flags = page.flags();
        assert!(
            !flags.intersects(IN_USE) && page.references() <= 1 && page.mappings() == 0,
            "{frame:?} cannot be freed: {flags:?}, {} references, {} mappings",
            page.references(),
            page.mappings(),
        );
    }

    /// Free pages, those on the lists of CPUs and those that are being reported included.
    #[must_use]
    pub fn free_page_count(&self) -> usize {
        let in_blocks = {
            let buddy = self.buddy.lock();
            buddy.free_pages + buddy.reporting
        };
        in_blocks + self.listed_page_count()
    }
}
