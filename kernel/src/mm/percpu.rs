//! Free pages that a CPU has at hand, in front of the buddy allocator.
//!
//! They are stable and not hinted: a page that is freed and allocated again costs no ESSA. So that the
//! host gets what is free nevertheless, a list is short, and it is given to the buddy allocator, which
//! hints it, when its CPU goes idle.
//!
//! A list's lock is taken alone: nobody takes another lock with it held.

use arch::Frame;
use cmm::Usage;

use super::buddy::PageAllocation;
use super::guard::Guard;
use super::list::List;
use super::page::PageFlags;
use super::{MOST_CPUS, Mm};
use crate::sync::{self, Mutex};

/// Most pages on a list.
const MOST: usize = 64;
/// Pages that go to or come from the buddy allocator at a time.
const BATCH: usize = 8;

/// One list a CPU.
pub(super) struct PageLists([Mutex<List>; MOST_CPUS]);

impl PageLists {
    pub(super) const fn new() -> Self {
        Self([const { Mutex::new(List::new()) }; MOST_CPUS])
    }

    fn own(&self) -> &Mutex<List> {
        &self.0[sync::this_cpu()]
    }
}

impl Mm<'_> {
    /// Takes a page with one reference, stable; `None` if none is free, and nothing is reclaimed for it.
    #[must_use]
    pub fn allocate_page(&self) -> Option<PageAllocation> {
        let frame = self.take_listed().or_else(|| self.refill())?;
        let page = self.page(frame);
        page.set_references(1);
        let listed = page.reset(PageFlags::LISTED | PageFlags::ZERO);
        Some(PageAllocation {
            frame,
            zero: listed.contains(PageFlags::ZERO),
        })
    }

    fn take_listed(&self) -> Option<Frame> {
        let mut list = self.page_lists.own().lock();
        let frame = list.first()?;
        list.remove(self.pages, frame);
        Some(frame)
    }

    /// Brings pages from the buddy allocator to this CPU's list; returns one more.
    fn refill(&self) -> Option<Frame> {
        let first = self.stable_from_buddy()?;
        for _ in 1..BATCH {
            let Some(frame) = self.stable_from_buddy() else {
                break;
            };
            self.page_lists.own().lock().push(self.pages, frame);
        }
        Some(first)
    }

    /// A page of the buddy allocator, made stable, that is to stand on a list.
    fn stable_from_buddy(&self) -> Option<Frame> {
        let frame = self.buddy.lock().take(self.pages, 0)?;
        let zero = self.hint_stable(frame);
        let zero = if zero {
            PageFlags::ZERO
        } else {
            PageFlags::empty()
        };
        self.page(frame).set(PageFlags::LISTED | zero);
        Some(frame)
    }

    /// Gives a page back whose last reference is gone.
    ///
    /// A stable one enters this CPU's list. Any other is marked unused, and the state that comes back
    /// decides: a page that the host has discarded waits until all CPUs have signed off.
    pub(super) fn free_page(&self, frame: Frame) {
        let page = self.page(frame);
        self.check_free(frame);
        page.reset(PageFlags::HINTED.complement());
        match page.hinted() {
            Usage::Stable => self.list_free(frame),
            Usage::Unused => self.buddy.lock().give(self.pages, frame, 0),
            Usage::Volatile | Usage::PotentiallyVolatile => {
                let discarded = self.hint_unused(frame).is_discarded();
                if discarded && !self.has(Guard::SignOff) {
                    // So that the damage shows: the next allocation gets it.
                    self.hint_stable(frame);
                    self.list_free(frame);
                } else if discarded && self.must_wait() {
                    self.await_sign_off(frame);
                } else {
                    self.buddy.lock().give(self.pages, frame, 0);
                }
            }
        }
    }

    /// Puts a stable page on this CPU's list; a list that is full gives pages to the buddy allocator.
    fn list_free(&self, frame: Frame) {
        self.page(frame).set(PageFlags::LISTED);
        let full = {
            let mut list = self.page_lists.own().lock();
            list.push(self.pages, frame);
            list.len() > MOST
        };
        if full {
            self.drain(sync::this_cpu(), BATCH);
        }
    }

    /// Gives up to `most` pages of a CPU's list to the buddy allocator, those first that were used
    /// least recently; returns how many.
    fn drain(&self, cpu: usize, most: usize) -> usize {
        for drained in 0..most {
            let frame = {
                let mut list = self.page_lists.0[cpu].lock();
                let Some(frame) = list.last() else {
                    return drained;
                };
                list.remove(self.pages, frame);
                frame
            };
            self.page(frame).reset(PageFlags::LISTED | PageFlags::ZERO);
            self.free_pages(frame, 0);
        }
        most
    }

    /// Gives all pages of this CPU's list to the buddy allocator, which hints them unused.
    pub fn drain_page_list(&self) {
        self.drain(sync::this_cpu(), usize::MAX);
    }

    /// As [`Mm::drain_page_list`], of all CPUs: memory is short. Returns how many pages that were.
    pub(super) fn drain_all_page_lists(&self) -> usize {
        (0..MOST_CPUS).map(|cpu| self.drain(cpu, usize::MAX)).sum()
    }

    /// Pages on the lists of all CPUs.
    pub(super) fn listed_page_count(&self) -> usize {
        self.page_lists.0.iter().map(|list| list.lock().len()).sum()
    }
}
