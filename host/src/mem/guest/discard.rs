//! Pages whose content may go without I/O.

use cmm::{HostEvent, Usage};

use super::super::entry::PageFlags;
use super::super::notifier::{BATCH, Right};
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

    pub(super) fn note_discardable(&mut self, page: u32) {
        let entry = &mut self.pages[page as usize];
        if entry.is_discardable(self.hinting) && !entry.flags.contains(PageFlags::QUEUED) {
            entry.flags |= PageFlags::QUEUED;
            self.queue.push_back(page);
        }
    }

    /// The oldest page of the queue that is still discardable; it leaves the queue.
    pub fn next_discardable(&mut self) -> Option<u32> {
        while let Some(page) = self.queue.pop_front() {
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

    /// Takes the frame of a discardable page away: Ur becomes Uz, Vr and clean Pr become Vz. Returns false if
    /// the page is pinned.
    pub fn evict(&mut self, pool: &mut FramePool, page: u32) -> bool {
        self.evict_batch(pool, &[page]) == 0
    }

    /// As [`GuestMemory::evict`] for each of some pages: their users are told of all at once. Returns a bit for each
    /// that is pinned.
    fn evict_batch(&mut self, pool: &mut FramePool, pages: &[u32]) -> u64 {
        let pinned = self.notifiers.invalidate_batch(pages, Right::Access);
        // From here on nobody gets at the others.
        for (at, page) in pages.iter().enumerate() {
            if pinned >> at & 1 == 0 {
                self.discard(pool, *page);
            }
        }
        pinned
    }

    /// Drops a discardable page that nobody uses any more.
    fn discard(&mut self, pool: &mut FramePool, page: u32) {
        let entry = &mut self.pages[page as usize];
        debug_assert!(entry.is_discardable(self.hinting));
        match entry.state.usage() {
            Usage::Unused => self.counters.evicted_unused += 1,
            Usage::Volatile => self.counters.evicted_volatile += 1,
            Usage::PotentiallyVolatile => self.counters.evicted_potentially_volatile += 1,
            Usage::Stable => unreachable!("a stable page is not discardable"),
        }
        // A potentially volatile page that is discardable was mapped read-only: nobody has changed it.
        let changed = false;
        entry.state = cmm::apply(entry.state, HostEvent::Evict { changed })
            .expect("a discardable page can be evicted");
        pool.give(entry.frame);
        if entry.slot.is_some() {
            self.give_slot(pool, page);
        }
        self.pages[page as usize]
            .flags
            .remove(PageFlags::CHANGED | PageFlags::REFERENCED);
    }

    /// Discards pages of the queue, the oldest first, until so many frames are free: at most a batch, and with so
    /// many looks. A page that was referenced gets a second chance; of an unused one nobody asks. Returns how
    /// many pages it has looked at.
    pub fn reclaim(&mut self, pool: &mut FramePool, goal: usize, looks: usize) -> usize {
        let most = goal.saturating_sub(pool.free()).min(BATCH);
        let (mut batch, mut count, mut looked) = ([0; BATCH], 0, 0);
        while count < most && looked < looks {
            let Some(page) = self.next_discardable() else {
                break;
            };
            looked += 1;
            let is_unused = self.pages[page as usize].state.usage() == Usage::Unused;
            if !is_unused && self.is_frame_referenced(page) {
                self.give_second_chance(page);
            } else {
                batch[count] = page;
                count += 1;
            }
        }
        let pages = &batch[..count];
        // What a device uses now is pinned, too, and is put back by whoever uses it.
        self.evict_batch(pool, pages);
        looked
    }

    fn give_second_chance(&mut self, page: u32) {
        self.reset_reference_of_host(page);
        self.requeue(page);
    }
}
