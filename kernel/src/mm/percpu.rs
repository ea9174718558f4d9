//! Free pages that a CPU has at hand, in front of the buddy allocator.
//!
//! They are stable and not hinted: a page that is freed and allocated again costs no ESSA. So that the
//! host gets what is free nevertheless, a list is short, and it is given to the buddy allocator, which
//! hints it, when its CPU goes idle.
//!
//! ```text
//!   empty: refill, BATCH pages      ┌───────────────────┐      full: drain, BATCH pages, the oldest
//!   buddy ── ESSA set stable ─────> │ newest ... oldest │ ───────── ESSA set unused ──> buddy
//!                                   └───────────────────┘
//!                        allocate <───┘ └─── <── free
//! ```
//!
//! After a batch either way, as many pages as a list holds, less a batch, have to be freed or allocated
//! in a row before the next one goes the other way: a small batch leaves most room for going to and
//! fro. It still takes the lock of the buddy allocator once for several pages, and ESSA are executed
//! with no lock held.
//!
//! A list's lock is taken alone: nobody takes another lock with it held.

use alloc::boxed::Box;

use arch::Frame;
use cmm::{Content, Usage};

use super::buddy::{PageAllocation, check_free};
use super::guard::Guard;
use super::page::{Page, PageFlags};
use super::{Hinting, MOST_CPUS, Mm};
use crate::sync::{self, Mutex};

/// Most pages on a list; a power of two.
const MOST: usize = 64;
/// Pages that go to or come from the buddy allocator at a time, at most.
pub const BATCH: usize = 4;
/// Merges that whoever drains a list does at most. Churn needs fewer, on average.
const STEPS: u32 = 3;
/// Merges of an idle CPU with the lock held.
const IDLE_STEPS: u32 = 32;

const _: () = assert!(MOST.is_power_of_two() && MOST.is_multiple_of(BATCH));

/// Pages that go together.
type Batch = [Frame; BATCH];

/// One list a CPU: as many as would fill a stack.
pub(super) struct PageLists(Box<[Own; MOST_CPUS]>);

impl PageLists {
    pub(super) fn new() -> Self {
        let lists = (0..MOST_CPUS).map(|_| Own(Mutex::new(PageList::new())));
        let lists: Box<[Own]> = lists.collect();
        match lists.try_into() {
            Ok(lists) => Self(lists),
            Err(_) => unreachable!("there are as many as CPUs"),
        }
    }

    #[inline]
    fn of(&self, cpu: usize) -> &Mutex<PageList> {
        &self.0[cpu % MOST_CPUS].0
    }

    #[inline]
    fn own(&self) -> &Mutex<PageList> {
        self.of(sync::this_cpu())
    }
}

/// Free pages, in the order in which they were freed.
struct PageList {
    /// A ring: it takes fewer steps than links through descriptors, and touches none.
    ring: [Frame; MOST],
    /// Where in the ring the page is that was freed first.
    oldest: usize,
    count: usize,
}

/// A list in cache lines of its own: the next one is another CPU's.
#[repr(align(256))]
struct Own(Mutex<PageList>);

impl PageList {
    const fn new() -> Self {
        Self {
            ring: [Frame(0); MOST],
            oldest: 0,
            count: 0,
        }
    }

    #[inline]
    fn is_full(&self) -> bool {
        self.count == MOST
    }

    /// Whether it has room for all that one round of reclaim brings, and some.
    fn is_short(&self) -> bool {
        self.count <= MOST / 2
    }

    /// Adds a page to a list that is not full.
    #[inline]
    fn push(&mut self, frame: Frame) {
        self.ring[(self.oldest + self.count) % MOST] = frame;
        self.count += 1;
    }

    /// Takes the page that was freed last.
    #[inline]
    fn pop(&mut self) -> Option<Frame> {
        self.count = self.count.checked_sub(1)?;
        Some(self.ring[(self.oldest + self.count) % MOST])
    }

    /// The batch of those that were freed first, if there are as many. It is in one piece: the oldest is
    /// always at a multiple of its size.
    #[inline]
    fn oldest_batch(&self) -> Batch {
        let batches = self.ring.as_chunks().0;
        batches[self.oldest % MOST / BATCH]
    }

    /// Takes a batch of those that were freed first from a full list, and adds a page.
    #[inline]
    fn exchange(&mut self, frame: Frame) -> Batch {
        let batch = self.oldest_batch();
        // Behind all others in the ring is where the first one was.
        self.ring[self.oldest % MOST] = frame;
        self.oldest = (self.oldest + BATCH) % MOST;
        self.count = MOST - BATCH + 1;
        batch
    }

    /// Takes pages that were freed first; returns how many.
    fn pop_oldest(&mut self, batch: &mut Batch) -> usize {
        *batch = self.oldest_batch();
        let count = self.count.min(BATCH);
        self.count -= count;
        self.oldest = match self.count {
            0 => 0,
            _ => (self.oldest + BATCH) % MOST,
        };
        count
    }
}

impl Mm<'_> {
    /// Takes a page with one reference, stable; `None` if none is free, and nothing is reclaimed for it.
    #[must_use]
    pub fn allocate_page(&self) -> Option<PageAllocation> {
        let listed = self.page_lists.own().lock().pop();
        let frame = match listed {
            Some(frame) => frame,
            None => self.refill()?,
        };
        let page = self.page(frame);
        let zero = page.flags().contains(PageFlags::ZERO);
        page.replace(PageFlags::empty());
        page.set_references(1);
        Some(PageAllocation { frame, zero })
    }

    /// Brings pages from the buddy allocator to this CPU's list; returns one more, which was freed last.
    #[cold]
    fn refill(&self) -> Option<Frame> {
        let mut batch = [Frame(0); BATCH];
        let count = self.buddy.lock().take_pages(self.pages, &mut batch);
        let (first, more) = batch[..count].split_first()?;
        if self.hinting() != Hinting::Off {
            batch[..count]
                .iter()
                .for_each(|frame| self.make_listed(*frame));
        }
        if count < BATCH {
            self.stats.list_refills_short.add((BATCH - count) as u64);
        }
        let mut list = self.page_lists.own().lock();
        // What was freed last is to be used first.
        for frame in more.iter().rev() {
            list.push(*frame);
        }
        self.stats.list_refills.add(1);
        Some(*first)
    }

    /// Makes a page of the buddy allocator ready for a list: stable.
    fn make_listed(&self, frame: Frame) {
        let zero = if self.hint_stable(frame) {
            PageFlags::ZERO
        } else {
            PageFlags::empty()
        };
        self.page(frame).replace(PageFlags::FREE | zero);
    }

    /// Gives a page back to which only the caller has a reference.
    ///
    /// # Panics
    /// If it is reserved, free already or in use: that would be our bug.
    pub fn free_allocated(&self, page: PageAllocation) {
        let (frame, page) = (page.frame, self.page(page.frame));
        let flags = check_free(frame, page);
        page.set_references(0);
        self.free_checked(frame, page, flags);
    }

    /// Gives a page back whose last reference is gone.
    pub(super) fn free_page(&self, frame: Frame) {
        let page = self.page(frame);
        self.free_checked(frame, page, check_free(frame, page));
    }

    /// A page that is stable enters this CPU's list, one that may be volatile does not.
    #[inline]
    fn free_checked(&self, frame: Frame, page: &Page, flags: PageFlags) {
        if flags.intersects(PageFlags::HINTED) && self.has(Guard::UnusedFirst) {
            self.free_hinted(frame, flags);
        } else {
            self.list_free(frame, page);
        }
    }

    /// Marks a page stable or unused that may be volatile, and the state that comes back decides: one that the
    /// host has discarded waits until all CPUs have signed off.
    ///
    /// While the list is short it is going to be used soon, and becomes stable: then it need not become so later.
    #[cold]
    fn free_hinted(&self, frame: Frame, flags: PageFlags) {
        if flags.usage() == Usage::Unused {
            return self.give_unused(frame);
        }
        let page = self.page(frame);
        page.replace(flags & PageFlags::HINTED);
        let is_wanted = self.page_lists.own().lock().is_short();
        let old = if is_wanted {
            self.hint_stable_again(frame)
        } else {
            self.hint_unused(frame)
        };
        if old.is_discarded() {
            if is_wanted {
                page.set(PageFlags::ZERO);
            }
            self.free_discarded(frame);
        } else if is_wanted && old.content() == Some(Content::Resident) {
            self.list_free(frame, page);
        } else {
            self.give_unused(frame);
        }
    }

    /// Frees a page that the host has discarded: other CPUs may have a discard fault before them that names it.
    fn free_discarded(&self, frame: Frame) {
        if !self.has(Guard::SignOff) {
            // So that the damage shows: the next allocation gets it.
            self.hint_stable(frame);
            self.list_free(frame, self.page(frame));
        } else if self.must_wait() {
            self.await_sign_off(frame);
        } else {
            self.give_unused(frame);
        }
    }

    /// Puts a stable page on this CPU's list; a list that is full gives pages to the buddy allocator.
    #[inline]
    fn list_free(&self, frame: Frame, page: &Page) {
        page.replace(PageFlags::FREE);
        let mut list = self.page_lists.own().lock();
        if list.is_full() {
            let batch = list.exchange(frame);
            self.stats.list_drains.add(1);
            drop(list);
            return self.drain(&batch);
        }
        list.push(frame);
    }

    /// Gives pages of a full list to the buddy allocator.
    #[cold]
    fn drain(&self, batch: &Batch) {
        self.give_listed(batch);
    }

    /// Gives pages that were on a list to the buddy allocator.
    #[inline]
    fn give_listed(&self, batch: &[Frame]) {
        let hints = self.hinting() != Hinting::Off;
        if hints && self.has(Guard::UnusedBeforeFound) {
            batch.iter().for_each(|frame| self.make_unused(*frame));
        }
        self.buddy.lock().give_pages(self.pages, batch, STEPS);
        if hints && !self.has(Guard::UnusedBeforeFound) {
            batch.iter().for_each(|frame| self.hint_free(*frame));
        }
    }

    /// Gives all pages of a CPU's list to the buddy allocator; returns how many.
    fn flush(&self, cpu: usize) -> usize {
        let mut total = 0;
        loop {
            let mut batch = [Frame(0); BATCH];
            let mut list = self.page_lists.of(cpu).lock();
            let count = list.pop_oldest(&mut batch);
            if count == 0 {
                self.stats.list_flushed.add(total as u64);
                return total;
            }
            self.stats.list_flushes.add(1);
            drop(list);
            self.give_listed(&batch[..count]);
            total += count;
        }
    }

    /// Gives all pages of this CPU's list to the buddy allocator, which hints them unused, and finishes
    /// what merging has been put off.
    pub fn drain_page_list(&self) {
        self.flush(sync::this_cpu());
        // In pieces, so that no other CPU waits for all of it.
        while self.buddy.lock().settle(self.pages, IDLE_STEPS) {}
    }

    /// As [`Mm::drain_page_list`], of all CPUs: memory is short. Returns how many pages that were.
    pub(super) fn drain_all_page_lists(&self) -> usize {
        (0..MOST_CPUS).map(|cpu| self.flush(cpu)).sum()
    }

    /// Pages on the lists of all CPUs.
    pub(super) fn listed_page_count(&self) -> usize {
        let lists = self.page_lists.0.iter();
        lists.map(|list| list.0.lock().count).sum()
    }
}
