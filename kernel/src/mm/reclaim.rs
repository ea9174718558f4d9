//! Making room: pages of the page cache that were not used lately go.

use arch::Frame;
use arrayvec::ArrayVec;

use super::buddy::PageAllocation;
use super::guard::Guard;
use super::list::List;
use super::page::PageFlags;
use super::{Hinting, Mm};
use crate::sync;
use crate::sync::atomic::Ordering;

/// How long an allocation waits for pages that wait for sign-off, before it takes more pages of the
/// cache, in microseconds: half a tick.
const PATIENCE: u64 = 5000;
/// Pages that may be taken for each page of a large block, before there is none.
const EFFORT: usize = 16;
/// The largest order of blocks that are worth taking all pages for: 32 KiB.
const SMALL: u32 = 3;
/// Pages that one round takes, so that not every allocation has to.
const BATCH: usize = 32;
/// Pages that one round lets become active: however many were looked up, it need not look at them all.
const CHANCES: usize = 8 * BATCH;
/// How often an allocation that finds nothing waits for others that make room.
const TURNS: u32 = 8;

impl Mm<'_> {
    /// Takes up to a batch of pages out of the page cache; returns how many.
    ///
    /// Those that are inactive for longest; a page that was looked up since it became so becomes active,
    /// one that somebody uses or that the device does not have is left alone.
    pub fn shrink_cache(&self) -> usize {
        self.reclaimers.fetch_add(1, Ordering::SeqCst);
        let taken = self.shrink();
        self.reclaimers.fetch_sub(1, Ordering::SeqCst);
        taken
    }

    fn shrink(&self) -> usize {
        let mut taken = 0;
        // What waits in a batch is in use as long.
        self.empty_all_batches();
        // Around the lists three times: the first time may only make pages active, and what cannot go
        // comes back meanwhile.
        let mut patience = 3 * self.lru.lock().len();
        // Inactive pages may be those that cannot go: then active ones must.
        let mut in_need = false;
        let mut chances = CHANCES;
        while taken < BATCH && patience > 0 {
            self.age(in_need);
            let before = taken;
            let most = BATCH - taken;
            let mut victims = self.isolate_victims(most, &mut patience, &mut chances);
            while let Some(frame) = victims.first() {
                victims.remove(self.pages, frame);
                taken += usize::from(self.reclaim_isolated(frame));
            }
            in_need = taken == before;
        }
        self.stats.reclaimed.add(taken as u64);
        taken
    }

    /// Lets some active pages become inactive while there are more of them; even if not, when `in_need`.
    pub(super) fn age(&self, in_need: bool) {
        let mut aged = ArrayVec::<Frame, BATCH>::new();
        {
            let mut lru = self.lru.lock();
            while !aged.is_full()
                && (in_need || lru.is_top_heavy())
                && let Some(frame) = lru.deactivate(self.pages)
            {
                // As in `isolate_victims`.
                if self.page(frame).get_unless_zero() {
                    aged.push(frame);
                }
            }
        }
        for frame in aged {
            self.make_volatile(frame, 2);
            self.put_anonymous(frame);
        }
    }

    /// Takes up to `most` pages off the cold end of the inactive list, each with a reference; what was
    /// looked up lately becomes active, as long as there are chances. Every page that is looked at costs
    /// patience.
    fn isolate_victims(&self, most: usize, patience: &mut usize, chances: &mut usize) -> List {
        let mut victims = List::new();
        let mut lru = self.lru.lock();
        while victims.len() < most && *patience > 0 {
            let Some(frame) = lru.coldest() else {
                if lru.len() == 0 {
                    *patience = 0;
                }
                break;
            };
            *patience -= 1;
            let page = self.page(frame);
            if page
                .reset(PageFlags::REFERENCED)
                .contains(PageFlags::REFERENCED)
                && *chances > 0
            {
                *chances -= 1;
                lru.activate(self.pages, frame);
                continue;
            }
            // On the list it has the cache's reference, which cannot go before we have ours; an
            // anonymous page's last one may have gone, and who dropped it waits for the list.
            if !page.get_unless_zero() {
                lru.rotate(self.pages, frame);
                continue;
            }
            lru.remove(self.pages, frame);
            victims.push(self.pages, frame);
        }
        victims
    }

    /// Removes an isolated page from the cache if it may go, or puts it back; drops the reference.
    pub(super) fn reclaim_isolated(&self, frame: Frame) -> bool {
        self.clean_isolated(frame);
        let removed = self.lock_page(frame) && {
            let removed = self.remove_unneeded(frame);
            self.unlock_page(frame);
            removed
        };
        if !removed {
            self.restore_isolated(frame);
        }
        // Whoever found it locked meanwhile has left the rest to us.
        self.put_anonymous(frame);
        removed
    }

    /// Puts an isolated page back, to which the caller has a reference, and makes it volatile: whoever tried while it
    /// was off the list was refused.
    pub(super) fn restore_isolated(&self, frame: Frame) {
        self.put_back(frame);
        self.make_volatile(frame, 2);
    }

    /// Makes a page active if it was used since it came, or since reclaim saw it: it is being written, and
    /// is likely to be written again.
    pub(super) fn activate_if_used(&self, frame: Frame) {
        let page = self.page(frame);
        let is_used = |flags: PageFlags| {
            let used = PageFlags::LRU | PageFlags::REFERENCED;
            flags & (used | PageFlags::ACTIVE) == used
        };
        if is_used(page.flags()) {
            let mut lru = self.lru.lock();
            if is_used(page.flags()) {
                lru.activate(self.pages, frame);
                page.reset(PageFlags::REFERENCED);
            }
        }
    }

    /// Puts a page on the LRU list that is in no cache, and to which the caller has a reference.
    pub(super) fn enter_lru(&self, frame: Frame) {
        self.lru.lock().push(self.pages, frame);
    }

    /// Puts a page of a cache on the LRU list, unless it was removed from its cache meanwhile.
    pub(super) fn put_back(&self, frame: Frame) {
        let mut lru = self.lru.lock();
        let page = self.page(frame);
        let removed = page.flags().contains(PageFlags::DISCARDED);
        if !removed || !self.has(Guard::PutBackCheck) {
            lru.push(self.pages, frame);
        }
    }

    /// As [`Mm::allocate_pages`], with pages of the cache making room if there is none.
    ///
    /// A block of more than one page needs neighbours that are free at the same time. What is reclaimed
    /// for it may be somebody else's before it has them, and so on for ever: it gives up after a while, with
    /// a large block much sooner than with a small one.
    // Called from everywhere.
    #[inline(never)]
    #[must_use]
    pub fn allocate_reclaiming(&self, order: u32) -> Option<PageAllocation> {
        let mut since = sync::microseconds();
        let mut moves = None;
        let mut turns = TURNS;
        let mut effort = if order <= SMALL {
            8 * self.pages.len()
        } else {
            EFFORT << order
        };
        loop {
            let block = match order {
                0 => self.allocate_page(),
                _ => self.allocate_pages(order),
            };
            if block.is_some() {
                return block;
            }
            // Pages that wait for sign-off come soon, and so do those that are under way: the cache need
            // not lose more for them.
            let waited = sync::microseconds() - since;
            if waited < PATIENCE && (self.hurry_sign_off() || self.await_moves(&mut moves)) {
                continue;
            }
            let taken = self.shrink_cache();
            // What is on the lists of CPUs is in no block: other CPUs do not see it, and it is not reported. What has
            // just been taken is on this one's, stable if anything is hinted.
            let is_at_hand = order == 0 && taken > 0 && self.hinting() != Hinting::Off;
            let listed = if is_at_hand {
                0
            } else {
                self.drain_all_page_lists()
            };
            if taken + listed > 0
                || self.hurry_sign_off()
                || self.await_moves(&mut moves)
                || self.withdraw_from_balloon() > 0
            {
                turns = TURNS;
            } else if turns > 0 && self.await_reclaimers() {
                // Without end, two that find nothing would wait for each other by turns.
                turns -= 1;
            } else {
                return None;
            }
            effort = effort.saturating_sub(taken);
            if order > 0 && effort == 0 {
                return None;
            }
            since = sync::microseconds();
        }
    }

    /// Waits a little while others make room; returns whether any did. They may have in hand all that
    /// could go.
    fn await_reclaimers(&self) -> bool {
        let is_any = || self.reclaimers.load(Ordering::SeqCst) > 0;
        let found = is_any();
        let since = sync::microseconds();
        // Not for ever: one of them may wait for a page that we have locked.
        while is_any() && sync::microseconds() - since < PATIENCE {
            sync::let_others_run();
        }
        found
    }

    /// Pages on the LRU list: those in the page cache, and anonymous ones.
    #[must_use]
    pub fn cached_page_count(&self) -> usize {
        self.lru.lock().len()
    }
}
