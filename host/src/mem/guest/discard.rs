//! Pages whose content may go without I/O.

use arch::key;
use cmm::{HostEvent, PageState, Usage};
use drivers::recorder;

use super::super::entry::{PageEntry, PageFlags};
use super::super::notifier::{BATCH, Right};
use super::GuestMemory;
use crate::memory::FramePool;
use crate::personality::Personality;
use crate::trace::{self, Kind};

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
        if entry.is_discardable(self.personality) && !entry.flags.contains(PageFlags::QUEUED) {
            entry.flags |= PageFlags::QUEUED;
            self.queue.push_back(page);
            self.arrived += 1;
        }
    }

    /// How many pages were put in the queue so far.
    #[must_use]
    pub fn arrived(&self) -> u64 {
        self.arrived
    }

    /// The oldest page of the queue that is still discardable, of so many that were put there first; it leaves the queue.
    pub fn next_discardable_of(&mut self, first: u64) -> Option<u32> {
        while self.arrived - (self.queue.len() as u64) < first {
            let page = self.queue.pop_front()?;
            let entry = &mut self.pages[page as usize];
            entry.flags.remove(PageFlags::QUEUED);
            if entry.is_discardable(self.personality) {
                return Some(page);
            }
        }
        None
    }

    /// Puts a page that was given a second chance, or is pinned, at the end of the queue.
    pub(super) fn requeue(&mut self, page: u32) {
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
        entry.is_discardable(self.personality).then_some(page)
    }

    /// Pages in the queue, those that are discardable no more included.
    #[must_use]
    pub fn queued(&self) -> usize {
        self.queue.len()
    }

    /// Takes the frames of all that stands in the queue and is discardable; returns how many.
    pub fn evict_all(&mut self, pool: &mut FramePool) -> usize {
        // Those that come back now are pinned.
        let all = self.arrived;
        core::iter::from_fn(|| {
            let page = self.next_discardable_of(all)?;
            Some(self.evict(pool, page))
        })
        .filter(|is_taken| *is_taken)
        .count()
    }

    /// Takes the frame of a discardable page away: Ur becomes Uz, Vr and clean Pr become Vz. In the extended
    /// mode Vr becomes Vp if there is room. Returns false if the page is pinned.
    pub fn evict(&mut self, pool: &mut FramePool, page: u32) -> bool {
        let state = self.pages[page as usize].state;
        if self.keeps(state) && self.keep_volatile(pool, page) {
            return true;
        }
        self.evict_run(pool, &[page], state)
    }

    /// Whether pages of a state go to expanded storage before they are discarded.
    fn keeps(&self, state: PageState) -> bool {
        self.personality.keeps_volatile && state.usage() == Usage::Volatile
    }

    /// As [`GuestMemory::evict`] for each of some pages of one state, at most a batch: their users are told of all at
    /// once. Pinned ones stand in the queue again. Returns whether there was none.
    fn evict_run(&mut self, pool: &mut FramePool, pages: &[u32], state: PageState) -> bool {
        let pinned = self.notifiers.invalidate_batch(pages, Right::Content);
        if pinned == 0 {
            self.discard(pool, pages, state);
            return true;
        }
        for (at, page) in pages.iter().enumerate() {
            if pinned >> at & 1 == 0 {
                self.discard(pool, &[*page], state);
            } else {
                self.requeue(*page);
            }
        }
        false
    }

    /// Drops discardable pages of one state that nobody uses any more.
    fn discard(&mut self, pool: &mut FramePool, pages: &[u32], state: PageState) {
        let counters = &mut self.counters;
        let (count, new) = match state.usage() {
            Usage::Unused => (&mut counters.evicted_unused, WAS_UNUSED),
            Usage::Volatile => (&mut counters.evicted_volatile, WAS_VOLATILE),
            Usage::PotentiallyVolatile => (
                &mut counters.evicted_potentially_volatile,
                WAS_POTENTIALLY_VOLATILE,
            ),
            Usage::Stable => unreachable!("a stable page is not discardable"),
        };
        *count += pages.len() as u64;
        if recorder::is_on() {
            for page in pages {
                let value = trace::evicted(*page, state);
                self.note(Kind::Evict, value);
            }
        }
        if pool.ledger.is_some() {
            pages.iter().for_each(|page| self.give_slot(pool, *page));
        }
        let all = &mut self.pages;
        pool.give_all(pages.iter().map(|page| {
            let entry = &mut all[*page as usize];
            debug_assert!(entry.state == state && entry.resident().is_some());
            entry.state = new;
            entry
                .flags
                .remove(PageFlags::CHANGED | PageFlags::REFERENCED);
            entry.frame
        }));
    }

    /// Discards pages of the queue, the oldest first, until so many frames are free: looks at a batch of pages of one
    /// state, at most at so many. A page that was referenced gets a second chance; of an unused one nobody asks. Returns
    /// how many pages it has looked at.
    pub fn reclaim(&mut self, pool: &mut FramePool, goal: usize, looks: usize) -> usize {
        let most = goal.saturating_sub(pool.free()).min(looks).min(BATCH);
        let mut run = Run::EMPTY;
        let front = self.queue.as_slices().0;
        let seen = run.gather(front, &mut self.pages, self.personality, most);
        self.queue.drain(..seen);
        for page in &run.used[..run.kept] {
            self.reset_reference_of_host(*page);
            self.requeue(*page);
        }
        if let Some(state) = run.state
            && run.taken > 0
        {
            let pages = &run.pages[..run.taken];
            if self.keeps(state) {
                for page in pages {
                    self.evict(pool, *page);
                }
            } else {
                self.evict_run(pool, pages, state);
            }
        }
        run.taken + run.kept
    }
}

/// Discardable pages of one state that follow one another in the queue.
struct Run {
    /// There is none without a page.
    state: Option<PageState>,
    /// Those that can go.
    pages: [u32; BATCH],
    taken: usize,
    /// Those that were referenced.
    used: [u32; BATCH],
    kept: usize,
}

impl Run {
    const EMPTY: Self = Self {
        state: None,
        pages: [0; BATCH],
        taken: 0,
        used: [0; BATCH],
        kept: 0,
    };

    /// Gathers at most so many from the front of the queue, and marks them as being there no more; returns how many have
    /// left it.
    fn gather(
        &mut self,
        queue: &[u32],
        pages: &mut [PageEntry],
        personality: Personality,
        most: usize,
    ) -> usize {
        let mut seen = 0;
        while self.taken + self.kept < most {
            if let Some(state) = self.state {
                let room = &mut self.pages[self.taken..most - self.kept];
                let same = take_same(&queue[seen..], pages, state, room);
                (self.taken, seen) = (self.taken + same, seen + same);
            }
            let Some(page) = queue.get(seen) else {
                break;
            };
            let entry = &mut pages[*page as usize];
            let is_discardable = entry.is_discardable(personality);
            if is_discardable && self.state.is_none_or(|state| state == entry.state) {
                let is_new = self.state.replace(entry.state).is_none();
                if is_new || self.taken + self.kept == most {
                    continue;
                }
                self.used[self.kept] = *page;
                self.kept += 1;
            } else if is_discardable {
                break;
            }
            // One that is not discardable any more costs no look: it has come here once.
            entry.flags.remove(PageFlags::QUEUED);
            seen += 1;
        }
        seen
    }
}

/// Takes pages from the front of the queue as long as they are in a state, and can go at once; returns how many.
// Not inlined: short as it is, it keeps all in registers, and this is done for each page.
#[inline(never)]
fn take_same(queue: &[u32], pages: &mut [PageEntry], state: PageState, room: &mut [u32]) -> usize {
    let is_unused = state == PageState::UR;
    let is_kept = match state {
        PageState::PR => PageFlags::CHANGED,
        _ => PageFlags::empty(),
    };
    let mut count = 0;
    for (page, place) in queue.iter().zip(room) {
        let entry = &mut pages[*page as usize];
        if entry.state != state
            || !is_unused
                && (entry.flags.intersects(is_kept) || key::get(entry.frame) & key::REFERENCE != 0)
        {
            break;
        }
        entry.flags.remove(PageFlags::QUEUED);
        *place = *page;
        count += 1;
    }
    count
}

/// What becomes of the states of discardable pages. Potentially volatile ones were mapped read-only since they were
/// found unchanged, so they still are when their translations are gone.
const WAS_UNUSED: PageState = evicted(PageState::UR);
const WAS_VOLATILE: PageState = evicted(PageState::VR);
const WAS_POTENTIALLY_VOLATILE: PageState = evicted(PageState::PR);

const fn evicted(state: PageState) -> PageState {
    match cmm::apply(state, HostEvent::Evict { changed: false }) {
        Ok(new) => new,
        Err(_) => panic!("a discardable page can be evicted"),
    }
}
