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
//! taken, are reused first. Blocks that were reported to a balloon device (`reporting`) have lists of
//! their own, and are used only if there is no other of their order: their content is gone for certain.
//!
//! A block that comes back merges with its buddy up to [`MAX_ORDER`] times. Pages that a full list of a
//! CPU gives (`percpu`) come several at a time, and whoever frees a page must not wait for all their
//! merging: beyond a number of steps, blocks stay *unmerged*, and the next ones who come finish them.
//! Whoever needs a larger block than there is finishes all.

use core::sync::atomic::Ordering::Relaxed;

use arch::Frame;

use super::page::{NOWHERE, Page, PageFlags};
use super::{Mm, frames};

/// As many steps as it takes.
const UNLIMITED: u32 = u32::MAX;

/// Largest order: blocks of 2^12 pages, 16 MiB.
pub const MAX_ORDER: u32 = 12;

/// What a page that is given back must not be, and what would be lost with it if it were.
const IN_USE: PageFlags = PageFlags::RESERVED
    .union(PageFlags::FREE)
    .union(PageFlags::LRU)
    .union(PageFlags::CACHED)
    .union(PageFlags::SWAP_CACHE)
    .union(PageFlags::DIRTY)
    .union(PageFlags::WRITEBACK)
    .union(PageFlags::PRIVATE)
    .union(PageFlags::LOCKED)
    .union(PageFlags::BALLOONED)
    .union(PageFlags::STATE_CHANGE);

/// Bits of an order: all others of a mask of lists belong to lists of another kind.
const ORDERS: u32 = (1 << (MAX_ORDER + 1)) - 1;
/// The list of blocks that may have a free buddy. The list of an order has the order's number.
const UNMERGED: u32 = MAX_ORDER + 1;
/// What the number of a list of reported blocks has beyond their order.
const REPORTED: u32 = 16;
/// Places for lists: a power of two, so that no number of a list needs to be checked.
const LISTS: usize = 32;
const _: () = assert!(UNMERGED < REPORTED && ((REPORTED | MAX_ORDER) as usize) < LISTS);

/// Free blocks.
pub(super) struct Buddy {
    /// The first blocks of the lists: by order, the reported ones by order, and that of blocks whose
    /// merging has been put off.
    ///
    /// Not a `List`: who has neither an end nor a length has less to do at each step of a merge.
    first: [u32; LISTS],
    /// Lists on which there are blocks, a bit each.
    available: u32,
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

/// What a page's `block` says if a free block of that order starts there and is on that list.
const fn tag(order: u32, list: u32) -> u32 {
    list << 8 | (order + 1)
}

/// Whether a free block of that order starts at a page of which that is said.
const fn is_block(tag: u32, order: u32) -> bool {
    tag & 0xff == order + 1
}

/// The order of the block that starts at a page, if one does.
fn block_order(page: &Page) -> Option<u32> {
    (page.block.load(Relaxed) & 0xff).checked_sub(1)
}

/// Whether a reported free block of that order starts at a page.
pub(super) fn is_reported_block(page: &Page, order: u32) -> bool {
    page.block.load(Relaxed) == tag(order, REPORTED | order)
}

impl Buddy {
    pub(super) const fn new() -> Self {
        Self {
            first: [NOWHERE; LISTS],
            available: 0,
            free_pages: 0,
            reporting: 0,
            returned: 0,
        }
    }

    #[inline]
    fn first(&mut self, list: u32) -> &mut u32 {
        &mut self.first[list as usize % LISTS]
    }

    /// Puts a block in front of a list.
    #[inline]
    fn push(&mut self, pages: &[Page], frame: Frame, order: u32, list: u32) {
        let page = &pages[frame.index()];
        let next = core::mem::replace(self.first(list), frame.0);
        page.block.store(tag(order, list), Relaxed);
        page.previous.store(NOWHERE, Relaxed);
        page.next.store(next, Relaxed);
        // None is beyond all frames.
        if let Some(next) = pages.get(next as usize) {
            next.previous.store(frame.0, Relaxed);
        }
        self.available |= 1 << list;
    }

    /// Takes a block off its list; returns which list that was.
    #[inline]
    fn remove(&mut self, pages: &[Page], page: &Page) -> u32 {
        let list = page.block.load(Relaxed) >> 8;
        page.block.store(0, Relaxed);
        let (previous, next) = (page.previous.load(Relaxed), page.next.load(Relaxed));
        let after = pages.get(next as usize);
        if let Some(after) = after {
            after.previous.store(previous, Relaxed);
        }
        if let Some(before) = pages.get(previous as usize) {
            before.next.store(next, Relaxed);
        } else {
            *self.first(list) = next;
            if after.is_none() {
                self.available &= !(1 << list);
            }
        }
        list
    }

    /// The block that was freed last of the least order that is at least `order`, reported only if there
    /// is no other of that order; with its order.
    #[inline]
    fn find(&mut self, pages: &[Page], order: u32) -> Option<(Frame, u32)> {
        let either = (self.available | self.available >> REPORTED) & ORDERS;
        let found = (either >> order << order).trailing_zeros();
        if found <= MAX_ORDER {
            let list = found + REPORTED * u32::from(self.available & 1 << found == 0);
            return Some((Frame(*self.first(list)), found));
        }
        let frame = Frame(*self.first(UNMERGED));
        // None is beyond all frames.
        let found = block_order(pages.get(frame.index())?)?;
        (found >= order).then_some((frame, found))
    }

    /// Takes a block that was found, less what is beyond its first 2^`order` pages, which stays free:
    /// it is unused already, and if it was reported, it still is.
    fn split(&mut self, pages: &[Page], (frame, found): (Frame, u32), order: u32) {
        let reported = self.remove(pages, &pages[frame.index()]) & REPORTED;
        for smaller in (order..found).rev() {
            let rest = Frame(frame.0 + (1 << smaller));
            self.push(pages, rest, smaller, reported | smaller);
        }
        self.free_pages -= 1 << order;
    }

    /// Takes a block, splitting a larger one if there is none of the order.
    pub(super) fn take(&mut self, pages: &[Page], order: u32) -> Option<Frame> {
        let found = self.find(pages, order).or_else(|| {
            self.settle(pages, &mut { UNLIMITED });
            self.find(pages, order)
        })?;
        self.split(pages, found, order);
        Some(found.0)
    }

    /// Takes pages, as many as there is room for in `taken` and as come without much work; returns how
    /// many. Those that come first were freed last.
    ///
    /// Small blocks go whole, which takes no splitting; only if there is none, one that is larger than
    /// needed is split, once.
    pub(super) fn take_pages(&mut self, pages: &[Page], taken: &mut [Frame]) -> usize {
        let mut count = 0;
        while let Some(wanted) = (taken.len() - count).checked_ilog2() {
            let Some(found) = self.find(pages, 0) else {
                break;
            };
            if count > 0 && found.1 > wanted {
                break;
            }
            let order = found.1.min(wanted);
            self.split(pages, found, order);
            for frame in frames(found.0, order) {
                taken[count] = frame;
                count += 1;
            }
        }
        count
    }

    /// Takes a largest block that was not reported, of an order of at least `least`; with its order.
    pub(super) fn take_unreported(&mut self, pages: &[Page], least: u32) -> Option<(Frame, u32)> {
        self.settle(pages, &mut { UNLIMITED });
        let order = ((self.available & ORDERS) >> least << least).checked_ilog2()?;
        let frame = Frame(*self.first(order));
        self.remove(pages, &pages[frame.index()]);
        self.free_pages -= 1 << order;
        Some((frame, order))
    }

    /// Puts a block back, merged with its buddies as far as they are free.
    pub(super) fn give(&mut self, pages: &[Page], frame: Frame, order: u32) {
        self.free_pages += 1 << order;
        self.merge(pages, frame, order, 0, &mut { UNLIMITED });
    }

    /// As [`Buddy::give`], of a block that was reported; a merged one counts as reported if all of it was.
    pub(super) fn give_reported(&mut self, pages: &[Page], frame: Frame, order: u32) {
        self.free_pages += 1 << order;
        self.merge(pages, frame, order, REPORTED, &mut { UNLIMITED });
    }

    /// Puts pages back, in no more than `steps` merges; what is left of those goes to unmerged blocks.
    #[inline]
    pub(super) fn give_pages(&mut self, pages: &[Page], given: &[Frame], mut steps: u32) {
        self.free_pages += given.len();
        for frame in given {
            self.merge(pages, *frame, 0, 0, &mut steps);
        }
        if self.has_unmerged() {
            self.settle(pages, &mut steps);
        }
    }

    /// Merges a block that is on no list with its buddies, and puts the outcome on one.
    ///
    /// `reported` is [`REPORTED`] if the block was; none is that is left unmerged.
    #[inline(always)]
    fn merge(&mut self, pages: &[Page], frame: Frame, order: u32, reported: u32, steps: &mut u32) {
        let (mut frame, mut order, mut reported) = (frame, order, reported);
        while order < MAX_ORDER {
            let buddy = pages.get(frame.index() ^ (1 << order));
            let Some(buddy) = buddy.filter(|page| is_block(page.block.load(Relaxed), order)) else {
                break;
            };
            if *steps == 0 {
                return self.push(pages, frame, order, UNMERGED);
            }
            *steps -= 1;
            reported &= self.remove(pages, buddy);
            frame = Frame(frame.0 & !(1 << order));
            order += 1;
        }
        self.push(pages, frame, order, reported | order);
    }

    /// Merges blocks that are unmerged yet, in so many steps; returns whether there are any left.
    ///
    /// A block whose buddy has been taken meanwhile costs a step, too.
    #[cold]
    pub(super) fn settle(&mut self, pages: &[Page], steps: &mut u32) -> bool {
        while *steps > 0 && self.has_unmerged() {
            *steps -= 1;
            let frame = Frame(*self.first(UNMERGED));
            let page = &pages[frame.index()];
            if let Some(order) = block_order(page) {
                self.remove(pages, page);
                self.merge(pages, frame, order, 0, steps);
            }
        }
        self.has_unmerged()
    }

    #[inline]
    fn has_unmerged(&self) -> bool {
        self.available & 1 << UNMERGED != 0
    }
}

/// Refuses to free a page that is in use; returns its flags.
#[inline]
pub(super) fn check_free(frame: Frame, page: &Page) -> PageFlags {
    let flags = page.flags();
    if flags.intersects(IN_USE) || page.references() > 1 || page.mappings() != 0 {
        refuse(frame, page);
    }
    flags
}

/// Ends the kernel because a page in use was to be freed: a function of its own, out of the way of all
/// that do not get here.
#[cold]
#[inline(never)]
fn refuse(frame: Frame, page: &Page) -> ! {
    panic!(
        "{frame:?} cannot be freed: {:?}, {} references, {} mappings",
        page.flags(),
        page.references(),
        page.mappings(),
    );
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
            let page = self.page(frame);
            page.replace(PageFlags::empty());
            page.set_references(1);
        }
        Some(PageAllocation { frame: first, zero })
    }

    /// Gives a block back whose last references the caller has, or of which they are gone already.
    ///
    /// # Panics
    /// If a page of it is reserved, free already or in use: that would be our bug.
    pub fn free_pages(&self, first: Frame, order: u32) {
        for frame in frames(first, order) {
            let page = self.page(frame);
            check_free(frame, page);
            page.set_references(0);
            self.make_unused(frame);
        }
        self.buddy.lock().give(self.pages, first, order);
    }

    /// Makes a page that nobody has ready for the buddy allocator.
    pub(super) fn make_unused(&self, frame: Frame) {
        self.hint_free(frame);
        let page = self.page(frame);
        // What the kernel last told the host goes on holding; all else was about the old content.
        page.replace(page.flags() & PageFlags::HINTED | PageFlags::FREE);
    }

    /// Gives a page that nobody has to the buddy allocator, if it is hinted already or nothing is.
    pub(super) fn give_unused(&self, frame: Frame) {
        self.make_unused(frame);
        self.buddy.lock().give(self.pages, frame, 0);
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

#[cfg(test)]
impl Mm<'_> {
    /// All free blocks, first frames and orders.
    pub(super) fn free_blocks(&self) -> std::collections::BTreeSet<(Frame, u32)> {
        let firsts = self.buddy.lock().first;
        let blocks = firsts.into_iter().flat_map(|first| self.blocks(first));
        let order = |page: &Page| block_order(page).expect("a block starts there");
        let blocks = blocks.map(|frame| (frame, order(self.page(frame))));
        blocks.collect()
    }

    /// The blocks of a list.
    fn blocks(&self, first: u32) -> impl Iterator<Item = Frame> {
        let known = |frame: u32| (frame != NOWHERE).then_some(Frame(frame));
        let after = move |frame: &Frame| known(self.page(*frame).next.load(Relaxed));
        core::iter::successors(known(first), after)
    }

    /// Blocks whose merging has been put off.
    pub(super) fn unmerged_block_count(&self) -> usize {
        let first = *self.buddy.lock().first(UNMERGED);
        self.blocks(first).count()
    }
}
