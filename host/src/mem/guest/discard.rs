//! Pages whose content may go without I/O.

use cmm::{HostEvent, Usage};

use super::super::entry::{Hinting, PageFlags};
use super::GuestMemory;
use crate::memory::FramePool;

impl GuestMemory {
    /// Keeps a page that was supplied for an access from being taken before the access is repeated: the
    /// guest would not get on.
    pub(super) fn spare(&mut self, page: u32) {
        if self.is_spared(page) {
            // It has gone since, and has come back.
            self.supplied.retain(|other| *other != page);
        }
        self.pages[page as usize].flags |= PageFlags::SPARED;
        self.supplied.push_back(page);
        if self.supplied.len() > self.spared
            && let Some(oldest) = self.supplied.pop_front()
        {
            self.pages[oldest as usize].flags.remove(PageFlags::SPARED);
            self.note_discardable(oldest);
        }
    }

    /// Whether a page is kept for an access that is still to be repeated.
    pub(super) fn is_spared(&self, page: u32) -> bool {
        self.pages[page as usize].flags.contains(PageFlags::SPARED)
    }

    /// Puts a page in the queue if it is discardable.
    pub fn note_discardable(&mut self, page: u32) {
        let entry = &mut self.pages[page as usize];
        if entry.is_discardable(self.hinting) && !entry.flags.contains(PageFlags::QUEUED) {
            entry.flags |= PageFlags::QUEUED;
            self.queue.push_back(page);
            self.arrived += 1;
        }
    }

    /// The oldest page of the queue that is still discardable; it leaves the queue.
    pub fn next_discardable(&mut self) -> Option<u32> {
        self.next_discardable_of(u64::MAX)
    }

    /// How many pages were put in the queue so far.
    #[must_use]
    pub fn arrived(&self) -> u64 {
        self.arrived
    }

    /// As [`GuestMemory::next_discardable`], of those that were put there first.
    pub fn next_discardable_of(&mut self, first: u64) -> Option<u32> {
        while self.arrived - (self.queue.len() as u64) < first {
            let page = self.queue.pop_front()?;
            let entry = &mut self.pages[page as usize];
            entry.flags.remove(PageFlags::QUEUED);
            if entry.is_discardable(self.hinting) {
                return Some(page);
            }
        }
        None
    }

    /// Puts a page that was given a second chance, or is pinned no more, at the end of the queue.
    pub fn requeue(&mut self, page: u32) {
        if !self.is_spared(page) {
            self.note_discardable(page);
        }
    }

    /// A page of the queue by an arbitrary number, if it is still discardable; it leaves the queue.
    pub fn discardable_at(&mut self, number: u64) -> Option<u32> {
        let at = number.checked_rem(self.queue.len() as u64)?;
        let page = self.queue.swap_remove_back(at as usize)?;
        let entry = &mut self.pages[page as usize];
        entry.flags.remove(PageFlags::QUEUED);
        entry.is_discardable(self.hinting).then_some(page)
    }

    /// Pages in the queue, those that are discardable no more included.
    #[must_use]
    pub fn queued(&self) -> usize {
        self.queue.len()
    }

    /// Takes the frames of all that stands in the queue and is discardable; returns how many.
    pub fn evict_all(&mut self, pool: &mut FramePool) -> usize {
        core::iter::from_fn(|| {
            let page = self.next_discardable()?;
            Some(self.evict(pool, page))
        })
        .filter(|is_taken| *is_taken)
        .count()
    }

    /// Takes the frame of a discardable page away: Ur becomes Uz, Vr and clean Pr become Vz. In the extended
    /// mode Vr becomes Vp if there is room. Returns false if the page is pinned.
    pub fn evict(&mut self, pool: &mut FramePool, page: u32) -> bool {
        let entry = self.pages[page as usize];
        debug_assert!(entry.is_discardable(self.hinting));
        if self.hinting == Hinting::Extended
            && entry.state.usage() == Usage::Volatile
            && self.keep_volatile(pool, page)
        {
            return true;
        }
        // A potentially volatile page that is clean is mapped read-only: nobody changes it meanwhile.
        let changed = entry.state.usage() == Usage::PotentiallyVolatile && self.is_changed(page);
        if self.drop_frame(pool, page).is_err() {
            return false;
        }
        match entry.state.usage() {
            Usage::Unused => self.counters.evicted_unused += 1,
            Usage::Volatile => self.counters.evicted_volatile += 1,
            Usage::PotentiallyVolatile => self.counters.evicted_potentially_volatile += 1,
            Usage::Stable => unreachable!("a stable page is not discardable"),
        }
        self.give_slot(pool, page);
        let entry = &mut self.pages[page as usize];
        entry.state = cmm::apply(entry.state, HostEvent::Evict { changed })
            .unwrap_or_else(|_| unreachable!("a discardable page can be evicted"));
        entry
            .flags
            .remove(PageFlags::CHANGED | PageFlags::REFERENCED);
        true
    }
}
