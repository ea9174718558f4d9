//! The buddy allocator: free blocks of 2^n pages, all of them hinted unused or released by the host.
//!
//! A page becomes unused after the checks of a free and before its block enters a list, unless it has been
//! [released](super::released); it becomes stable when its block is handed out:
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

/// What it costs, in steps of merging, to take a block off its list and to put it on another.
const SETTLE: u32 = 2;

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
    .union(PageFlags::PENDING)
    .union(PageFlags::STATE_CHANGE);

/// The bits of the orders' own lists.
const ORDERS: u32 = !(u32::MAX >> (MAX_ORDER + 1));
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
    /// Lists on which there are blocks, a bit each: see [`bit`].
    available: u32,
    free_pages: usize,
    /// Pages of free blocks that are being reported, and are on no list meanwhile.
    pub(super) reporting: usize,
    /// How many blocks have come back from being reported.
    pub(super) returned: u64,
    /// Batches that have left for the lists of CPUs.
    pub(super) batches_taken: u64,
    /// Batches that have come from there.
    pub(super) batches_given: u64,
}

/// A block that can be taken: the first of a list.
#[derive(Clone, Copy)]
struct Found {
    list: u32,
    order: u32,
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

/// From the tag of an order on its list to that of the next order.
const TAG_STEP: u32 = tag(1, 1) - tag(0, 0);

/// Whether a free block of that order starts at a page of which that is said.
const fn is_block(tag: u32, order: u32) -> bool {
    tag & 0xff == order + 1
}

/// The order of the block that starts at a page, if one does.
fn block_order(page: &Page) -> Option<u32> {
    (page.block.load(Relaxed) & 0xff).checked_sub(1)
}

/// The bit of a list. The first one is the leftmost, as this machine numbers bits: what is leftmost an
/// instruction finds.
const fn bit(list: u32) -> u32 {
    1 << 31 >> list
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
            batches_taken: 0,
            batches_given: 0,
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
        self.available |= bit(list);
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
                self.available &= !bit(list);
            }
        }
        list
    }

    /// Takes the first block of a list that has one.
    #[inline]
    fn pop(&mut self, pages: &[Page], list: u32) -> Frame {
        let frame = Frame(*self.first(list));
        let page = &pages[frame.index()];
        page.block.store(0, Relaxed);
        let next = page.next.load(Relaxed);
        *self.first(list) = next;
        match pages.get(next as usize) {
            Some(next) => next.previous.store(NOWHERE, Relaxed),
            None => self.available &= !bit(list),
        }
        frame
    }

    /// Where the block is that was freed last of the least order that is at least `order`, reported only
    /// if there is no other of that order.
    #[inline]
    fn find(&mut self, pages: &[Page], order: u32) -> Option<Found> {
        let either = (self.available | self.available << REPORTED) & ORDERS;
        let order_found = (either << order >> order).leading_zeros();
        if order_found <= MAX_ORDER {
            let reported = REPORTED * u32::from(self.available & bit(order_found) == 0);
            return Some(Found {
                list: reported | order_found,
                order: order_found,
            });
        }
        let list = UNMERGED;
        // None is beyond all frames.
        let found = block_order(pages.get(*self.first(list) as usize)?)?;
        (found >= order).then_some(Found { list, order: found })
    }

    /// Puts all of a block that was taken but its first 2^`order` pages on lists again: it is unused
    /// already, and if it was reported, it still is.
    ///
    /// It was the smallest that would do, so the lists that get the rest are empty.
    fn split(&mut self, pages: &[Page], frame: Frame, found: Found, order: u32) {
        let reported = found.list & REPORTED;
        let lists = (reported | order) as usize..(reported | found.order) as usize;
        let block = &pages[frame.index()..];
        let (mut tag, mut size) = (tag(order, reported | order), 1_usize << order);
        for list in &mut self.first[lists] {
            // The rest of a block twice as large.
            *list = frame.0 + size as u32;
            let page = &block[size];
            page.block.store(tag, Relaxed);
            page.previous.store(NOWHERE, Relaxed);
            page.next.store(NOWHERE, Relaxed);
            tag += TAG_STEP;
            size *= 2;
        }
        self.available |= (bit(order) - bit(found.order)) << 1 >> reported;
    }

    /// Takes a block, splitting a larger one if there is none of the order.
    pub(super) fn take(&mut self, pages: &[Page], order: u32) -> Option<Frame> {
        let found = self.find(pages, order).or_else(|| {
            self.settle(pages, UNLIMITED);
            self.find(pages, order)
        })?;
        let frame = self.pop(pages, found.list);
        self.split(pages, frame, found, order);
        self.free_pages -= 1 << order;
        Some(frame)
    }

    /// Takes pages, as many as there is room for in `taken` and as come without much work; returns how
    /// many. Those that come first were freed last.
    ///
    /// Small blocks go whole, which takes no splitting; only if there is none, one that is larger than
    /// needed is split, once.
    pub(super) fn take_pages(&mut self, pages: &[Page], taken: &mut [Frame]) -> usize {
        let most = taken.len();
        let mut places = taken.iter_mut();
        while let Some(wanted) = places.len().checked_ilog2() {
            let Some(found) = self.find(pages, 0) else {
                break;
            };
            if found.order > wanted && places.len() < most {
                break;
            }
            let first = self.pop(pages, found.list);
            if found.order > wanted {
                self.split(pages, first, found, wanted);
            }
            for (frame, place) in frames(first, found.order.min(wanted)).zip(places.by_ref()) {
                *place = frame;
            }
        }
        let count = most - places.len();
        self.free_pages -= count;
        self.batches_taken += u64::from(count > 0);
        count
    }

    /// Takes a largest block that was not reported, of an order of at least `least`; with its order.
    pub(super) fn take_unreported(&mut self, pages: &[Page], least: u32) -> Option<(Frame, u32)> {
        self.settle(pages, UNLIMITED);
        let enough = (self.available & ORDERS) << least >> least;
        let order = 31_u32.checked_sub(enough.trailing_zeros())?;
        let frame = self.pop(pages, order);
        self.free_pages -= 1 << order;
        Some((frame, order))
    }

    /// Puts a block back, merged with its buddies as far as they are free.
    pub(super) fn give(&mut self, pages: &[Page], frame: Frame, order: u32) {
        self.free_pages += 1 << order;
        self.merge(pages, frame, order, 0, UNLIMITED);
    }

    /// As [`Buddy::give`], of a block that was reported; a merged one counts as reported if all of it was.
    pub(super) fn give_reported(&mut self, pages: &[Page], frame: Frame, order: u32) {
        self.free_pages += 1 << order;
        self.merge(pages, frame, order, REPORTED, UNLIMITED);
    }

    /// Puts pages back, in no more than `steps` merges; what is left of those goes to unmerged blocks.
    #[inline]
    pub(super) fn give_pages(&mut self, pages: &[Page], given: &[Frame], steps: u32) {
        self.free_pages += given.len();
        self.batches_given += 1;
        let left = given
            .iter()
            .fold(steps, |steps, frame| self.merge(pages, *frame, 0, 0, steps));
        if self.has_unmerged() {
            self.settle(pages, left);
        }
    }

    /// Merges a block that is on no list with its buddies, and puts the outcome on one; returns how many
    /// of `steps` are left.
    ///
    /// `reported` is [`REPORTED`] if the block was; none is that is left unmerged.
    #[inline(always)]
    fn merge(
        &mut self,
        pages: &[Page],
        frame: Frame,
        order: u32,
        reported: u32,
        steps: u32,
    ) -> u32 {
        let (mut frame, mut order, mut reported, mut steps) = (frame, order, reported, steps);
        while order < MAX_ORDER {
            let buddy = pages.get(frame.index() ^ (1 << order));
            let Some(buddy) = buddy.filter(|page| is_block(page.block.load(Relaxed), order)) else {
                break;
            };
            if steps == 0 {
                self.push(pages, frame, order, UNMERGED);
                return 0;
            }
            steps -= 1;
            reported &= self.remove(pages, buddy);
            frame = Frame(frame.0 & !(1 << order));
            order += 1;
        }
        self.push(pages, frame, order, reported | order);
        steps
    }

    /// Merges blocks that are unmerged yet, in so many steps; returns whether there are any left.
    ///
    /// A block costs [`SETTLE`] steps and those of its merges.
    #[cold]
    pub(super) fn settle(&mut self, pages: &[Page], steps: u32) -> bool {
        let mut steps = steps;
        while steps >= SETTLE && self.has_unmerged() {
            let first = &pages[*self.first(UNMERGED) as usize];
            let Some(order) = block_order(first) else {
                unreachable!("a block starts where a list says");
            };
            let frame = self.pop(pages, UNMERGED);
            steps = self.merge(pages, frame, order, 0, steps - SETTLE);
        }
        self.has_unmerged()
    }

    #[inline]
    fn has_unmerged(&self) -> bool {
        self.available & bit(UNMERGED) != 0
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
        "{frame} cannot be freed: flags {:#x}, {} references, {} mappings",
        page.flags().bits(),
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
        self.managed.fetch_add(count as usize, Relaxed);
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
        // What the kernel last told the host goes on holding, and what the host has told; all else was about the
        // old content.
        let known = PageFlags::HINTED | PageFlags::ZERO;
        page.replace(page.flags() & known | PageFlags::FREE);
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
