//! Pages whose content must be kept, on their way to the paging device and back.
//!
//! The pager decides which; translations, copies and states are kept in step here.

use arch::{Frame, key, storage};
use cmm::{Content, HostEvent, extended};

use super::super::entry::PageFlags;
use super::{GuestMemory, take, take_cleared};
use crate::mem::notifier::Right;
use crate::mem::{AccessError, GuestFault, Want, prefix};
use crate::memory::FramePool;
use crate::paging::{PageId, Resident, Slot};
use crate::trace::{self, Kind};

/// What taking a page's frame takes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Standing {
    /// It has none.
    Gone,
    /// It is to stay for now: it is written already, is needed at an interruption, or an access to it is
    /// still to be repeated.
    Kept,
    /// Nobody needs the content.
    Useless,
    /// The copy on the paging device is good.
    Clean,
    /// The content must be written first.
    Changed,
}

impl GuestMemory {
    /// What taking the frame of a page takes.
    #[must_use]
    pub fn standing(&self, page: u32) -> Standing {
        let entry = &self.pages[page as usize];
        if entry.resident().is_none() {
            Standing::Gone
        } else if self.is_spared(page) {
            Standing::Kept
        } else if entry.is_discardable(self.personality) {
            Standing::Useless
        } else if entry.flags.contains(PageFlags::IN_TRANSIT) || self.is_prefix(page) {
            Standing::Kept
        } else if entry.slot.is_some() {
            Standing::Clean
        } else {
            Standing::Changed
        }
    }

    /// Whether a CPU has an absolute page as part of its prefix area, or would after a reset.
    fn is_prefix(&self, page: u32) -> bool {
        let mut prefixes = self.prefixes.iter();
        prefixes.any(|prefix| prefix::pages(*prefix).contains(&page))
    }

    /// Whether a resident page was used by anybody since the host has reset the reference bit of its frame.
    #[must_use]
    pub fn age_page(&self, page: u32) -> bool {
        self.age_batch(&[page]) != 0
    }

    /// As [`GuestMemory::age_page`] for each of some pages, at most a batch: a bit for each, the first one's on the
    /// right. Their users are asked once.
    #[must_use]
    pub fn age_batch(&self, pages: &[u32]) -> u64 {
        let mut used = self.notifiers.age_batch(pages);
        for (at, page) in pages.iter().enumerate() {
            used |= u64::from(self.is_frame_referenced(*page)) << at;
        }
        if let Some(seen) = &self.sightings {
            for (at, page) in pages.iter().enumerate() {
                used |= u64::from(seen.is_for_pager(*page)) << at;
            }
        }
        used
    }

    /// Whether a page has a frame whose reference bit is on.
    fn is_frame_referenced(&self, page: u32) -> bool {
        let frame = self.pages[page as usize].resident();
        frame.is_some_and(|frame| key::get(frame) & key::REFERENCE != 0)
    }

    /// Puts a page that has become resident in the pager's list.
    pub(super) fn list(&mut self, pool: &mut FramePool, page: u32) {
        self.list_by(pool, page, Resident::push);
    }

    fn list_by(&mut self, pool: &mut FramePool, page: u32, add: fn(&mut Resident, PageId)) {
        let entry = &mut self.pages[page as usize];
        if let Some(ledger) = &mut pool.ledger
            && !entry.flags.contains(PageFlags::LISTED)
        {
            entry.flags |= PageFlags::LISTED;
            add(&mut ledger.resident, PageId::new(self.id, page));
        }
    }

    /// The page stands in the pager's list no more.
    pub fn unlist(&mut self, page: u32) {
        self.pages[page as usize].flags.remove(PageFlags::LISTED);
    }

    /// Gives up the copy of a page, which is out of date or of no use, if there is one.
    pub(super) fn give_slot(&mut self, pool: &mut FramePool, page: u32) {
        let entry = &mut self.pages[page as usize];
        let was_readable = !entry.flags.contains(PageFlags::UNREADABLE);
        if let Some(slot) = entry.slot.take() {
            entry.flags.remove(PageFlags::OF_SLOT);
            pool.give_slot(slot, was_readable);
        }
    }

    /// A page is going to be written to a slot: stores are noticed from now on. Returns its frame, unless
    /// the page is pinned.
    pub fn begin_page_out(&mut self, page: u32, slot: Slot) -> Option<Frame> {
        self.notifiers.invalidate_page(page, Right::Store).ok()?;
        let entry = &mut self.pages[page as usize];
        debug_assert!(entry.slot.is_none());
        entry.slot = Some(slot);
        entry.flags |= PageFlags::IN_TRANSIT;
        Some(entry.frame)
    }

    /// A page is written to a slot of the device, and nothing happens meanwhile.
    #[cfg(test)]
    pub fn write_at_once(&mut self, pool: &mut FramePool, page: u32) {
        let slots = &mut pool.ledger.as_mut().unwrap().slots;
        let slot = slots.take(PageId::new(self.id, page)).unwrap();
        assert!(self.begin_page_out(page, slot).is_some());
        self.end_page_out(page, true);
    }

    /// A page was written, and not stored into meanwhile; if that failed, it has no slot any more.
    pub fn end_page_out(&mut self, page: u32, is_good: bool) {
        let entry = &mut self.pages[page as usize];
        entry.flags.remove(PageFlags::IN_TRANSIT);
        if is_good {
            self.counters.page_writes += 1;
        } else {
            entry.slot = None;
        }
    }

    /// Takes the frame of a page whose copy is good, wherever it is: Sr becomes Sp, and so does Pr. The guest finds its
    /// reference and change bits as they were. Returns false if the page is pinned.
    pub fn page_out(&mut self, pool: &mut FramePool, page: u32) -> bool {
        debug_assert!(self.pages[page as usize].slot.is_some());
        let is_free = self.notifiers.invalidate_page(page, Right::Access).is_ok();
        if is_free {
            self.preserve(pool, page);
        }
        is_free
    }

    /// Gives the frame of a page back that nobody uses any more, and whose copy is good.
    fn preserve(&mut self, pool: &mut FramePool, page: u32) {
        if self.is_frame_referenced(page) {
            self.pages[page as usize].flags |= PageFlags::REFERENCED;
        }
        self.give_frame(pool, page);
        let entry = &mut self.pages[page as usize];
        // An unchanged Pr is useless, and is not here.
        let event = HostEvent::Evict { changed: true };
        let new = self.personality.apply(entry.state, event);
        entry.state = new.unwrap_or_else(|_| unreachable!("a page with a frame can be paged out"));
        self.counters.paged_out += 1;
        self.note(Kind::PageOut, page);
    }

    /// Takes the frame of a page whose content goes to a slot of expanded storage, where it is copied.
    /// Returns false if the page is pinned.
    pub fn page_out_to_expanded(
        &mut self,
        pool: &mut FramePool,
        page: u32,
        slot: Slot,
        to: Frame,
    ) -> bool {
        if self.notifiers.invalidate_page(page, Right::Access).is_err() {
            pool.give_slot(slot, true);
            return false;
        }
        let entry = &mut self.pages[page as usize];
        debug_assert!(entry.slot.is_none());
        entry.slot = Some(slot);
        // SAFETY: nobody gets at the page any more, and the slot has the other frame.
        unsafe { storage::copy_page(to.address(), entry.frame.address()) }
        self.preserve(pool, page);
        self.counters.expanded_out += 1;
        true
    }

    /// Takes the frame of a volatile page and keeps the content in expanded storage, if there is room: Vr
    /// becomes Vp.
    pub(super) fn keep_volatile(&mut self, pool: &mut FramePool, page: u32) -> bool {
        let expanded = pool
            .ledger
            .as_mut()
            .and_then(|ledger| ledger.expanded.as_mut());
        let taken = expanded.and_then(|expanded| {
            let slot = expanded.take(PageId::new(self.id, page))?;
            Some((slot, expanded.frame(slot)))
        });
        let Some((slot, frame)) = taken else {
            return false;
        };
        // A copy on the device is of no use any more.
        self.give_slot(pool, page);
        let is_kept = self.page_out_to_expanded(pool, page, slot, frame);
        self.counters.expanded_volatile += u64::from(is_kept);
        is_kept
    }

    /// Discards a page that is in expanded storage if it is volatile, in the extended mode: Vp becomes Vz.
    /// Returns whether it was: not if it is pinned.
    pub fn discard_expanded(&mut self, pool: &mut FramePool, page: u32) -> bool {
        let state = self.pages[page as usize].state;
        let is_volatile = self.personality.keeps_volatile && state == extended::VP;
        let is_volatile =
            is_volatile && self.notifiers.invalidate_page(page, Right::Content).is_ok();
        if is_volatile {
            self.give_slot(pool, page);
            let entry = &mut self.pages[page as usize];
            let event = HostEvent::Evict { changed: false };
            let new = self.personality.apply(state, event);
            entry.state =
                new.unwrap_or_else(|_| unreachable!("what is kept and volatile can be discarded"));
            entry
                .flags
                .remove(PageFlags::CHANGED | PageFlags::REFERENCED);
            self.counters.discarded_expanded += 1;
            let value = trace::evicted(page, state);
            self.note(Kind::Evict, value);
        }
        is_volatile
    }

    /// Copies a page back from expanded storage, where it is no more; one that is on the device must be
    /// waited for. One that only looks preserved, for a query has made it look so, is zero.
    pub(super) fn fetch(&mut self, pool: &mut FramePool, page: u32) -> Result<(), AccessError> {
        let slot = self.pages[page as usize].slot;
        if slot.is_none() {
            let frame = take_cleared(pool)?;
            self.make_resident(page, frame);
            self.counters.zero_fills += 1;
            self.note(Kind::ZeroFill, page);
            return Ok(());
        }
        let expanded = pool
            .ledger
            .as_ref()
            .and_then(|ledger| ledger.expanded.as_ref());
        let from = match (slot.filter(|slot| slot.is_expanded()), expanded) {
            (Some(slot), Some(expanded)) => expanded.frame(slot),
            _ => return Err(AccessError::Wait(Want::Page(page))),
        };
        let frame = take(pool)?;
        // SAFETY: a frame of the pool belongs to nobody else, and the other one holds the page.
        unsafe { storage::copy_page(frame.address(), from.address()) }
        self.give_slot(pool, page);
        self.make_resident(page, frame);
        self.counters.expanded_in += 1;
        Ok(())
    }

    /// A page has its content in a frame now.
    fn make_resident(&mut self, page: u32, frame: Frame) {
        let entry = &mut self.pages[page as usize];
        entry.frame = frame;
        if self.has_keys {
            entry.give_key();
        }
        let new = self.personality.apply(entry.state, HostEvent::PageIn);
        entry.state = new.unwrap_or_else(|_| unreachable!("preserved content can be resident"));
    }

    /// Makes a page resident if its content is preserved.
    ///
    /// # Errors
    /// What must be waited for.
    pub fn expect(&mut self, pool: &mut FramePool, page: u32) -> Result<(), AccessError> {
        match self.pages[page as usize].state.content() {
            Content::Preserved => self.bring_in(pool, page, false).map(drop),
            Content::Resident | Content::Zero => Ok(()),
        }
    }

    /// A page is going to be moved on from expanded storage to the device; returns false if it is already.
    pub fn begin_move(&mut self, page: u32) -> bool {
        let flags = &mut self.pages[page as usize].flags;
        let is_first = !flags.contains(PageFlags::IN_TRANSIT);
        *flags |= PageFlags::IN_TRANSIT;
        is_first
    }

    /// A page was moved on to a slot of the device, if that went well. Returns whether it was in expanded
    /// storage at all.
    pub fn end_move(&mut self, pool: &mut FramePool, page: u32, to: Option<Slot>) -> bool {
        let entry = &mut self.pages[page as usize];
        let Some(from) = entry.slot.filter(|slot| slot.is_expanded()) else {
            return false;
        };
        entry.flags.remove(PageFlags::IN_TRANSIT);
        if to.is_some() {
            entry.slot = to;
            self.counters.page_writes += 1;
            pool.give_slot(from, true);
        }
        true
    }

    /// The slot of a page whose content is on the paging device, and whether it is being read.
    #[must_use]
    pub fn preserved(&self, page: u32) -> Option<(Slot, bool)> {
        let entry = &self.pages[page as usize];
        let is_there = entry.state.content() == Content::Preserved
            && !entry.flags.contains(PageFlags::UNREADABLE);
        let slot = entry.slot.filter(|slot| is_there && !slot.is_expanded())?;
        Some((slot, entry.flags.contains(PageFlags::IN_TRANSIT)))
    }

    /// A page is going to be read from its slot.
    pub fn begin_page_in(&mut self, page: u32) {
        self.pages[page as usize].flags |= PageFlags::IN_TRANSIT;
    }

    /// A page was read into a frame, which is its own now; the copy stays. If an access waits for it, the
    /// page is spared until that is repeated.
    pub fn end_page_in(&mut self, pool: &mut FramePool, page: u32, frame: Frame, is_wanted: bool) {
        let flags = &mut self.pages[page as usize].flags;
        flags.remove(PageFlags::IN_TRANSIT | PageFlags::DOUBTFUL);
        self.make_resident(page, frame);
        // The bit is the frame's last owner's. Setting it costs a lot, so that is asked first.
        if self.is_frame_referenced(page) {
            key::set(frame, self.frame_key(page));
        }
        if is_wanted {
            self.list(pool, page);
            self.counters.page_reads += 1;
            self.note(Kind::PageIn, page);
            self.spare(page);
        } else {
            self.list_by(pool, page, Resident::push_unasked);
            self.counters.reads_ahead += 1;
        }
    }

    /// Whether a page could not be read with others, and is to be read alone.
    #[must_use]
    pub fn is_doubtful(&self, page: u32) -> bool {
        let flags = self.pages[page as usize].flags;
        flags.contains(PageFlags::DOUBTFUL)
    }

    /// A page could not be read, perhaps because of others that were read with it. If that happens to it
    /// alone, whoever wants it is told so.
    pub fn fail_page_in(&mut self, page: u32) {
        let flags = &mut self.pages[page as usize].flags;
        flags.remove(PageFlags::IN_TRANSIT);
        let was_alone = flags.contains(PageFlags::DOUBTFUL);
        *flags |= PageFlags::DOUBTFUL;
        flags.set(PageFlags::UNREADABLE, was_alone);
    }

    /// As [`GuestMemory::resolve`] for a store into all of a page: what it was is not read back, and as
    /// with any store its slot is given up.
    ///
    /// # Errors
    /// As for [`GuestMemory::resolve`].
    pub fn resolve_to_overwrite(
        &mut self,
        pool: &mut FramePool,
        cpu: usize,
        page: u32,
    ) -> Result<Frame, AccessError> {
        let entry = self
            .pages
            .get(page as usize)
            .ok_or(GuestFault::plain(arch::program::ADDRESSING))?;
        if entry.state.content() == Content::Preserved {
            let frame = take_cleared(pool)?;
            self.make_resident(page, frame);
            self.list(pool, page);
        }
        self.resolve(pool, cpu, page, true)
    }

    /// Gives everything back: the guest has ended.
    pub fn give_all(&mut self, pool: &mut FramePool) {
        self.notifiers.release();
        for page in 0..self.pages.len() as u32 {
            self.forget(pool, page);
        }
    }
}
