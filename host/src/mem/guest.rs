//! The pages of one guest and every transition of them.

mod access;
mod discard;
#[cfg(test)]
mod interpret_tests;
mod keys;
mod paging;
mod release;
#[cfg(test)]
mod tests;
mod working_set;

pub use access::{is_in_one_page, pieces};
pub use paging::Standing;
pub use release::MOST_RELEASED;

use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;

use arch::{Frame, PAGE_SHIFT, program, storage};
use cmm::{Access, Effect, EssaResult, HostEvent, Orc, PageState, Usage};

use super::entry::{PageEntry, PageFlags};
#[cfg(feature = "controls")]
use super::notifier::Right;
use super::notifier::{Notifier, Notifiers};
use super::translations::Translations;
use super::{AccessError, GuestFault, Want};
use crate::memory::FramePool;
use crate::personality::Personality;
use crate::trace::{self, Kind};
use working_set::Sightings;

/// What happened to a guest's pages.
#[derive(Clone, Copy, Default, Debug)]
pub struct Counters {
    /// Pages evicted while Ur.
    pub evicted_unused: u64,
    /// Pages evicted while Vr.
    pub evicted_volatile: u64,
    /// Pages evicted while Pr.
    pub evicted_potentially_volatile: u64,
    /// Frames handed out filled with zeroes.
    pub zero_fills: u64,
    /// Frames taken from pages whose content is on the paging device.
    pub paged_out: u64,
    /// Those of them whose content went to expanded storage.
    pub expanded_out: u64,
    /// Pages that came back from there.
    pub expanded_in: u64,
    /// Volatile pages that went there instead of being discarded.
    pub expanded_volatile: u64,
    /// Those of them that were discarded there.
    pub discarded_expanded: u64,
    /// Pages written to the paging device.
    pub page_writes: u64,
    /// Pages read from it that the guest waited for.
    pub page_reads: u64,
    /// Pages read from it because others were.
    pub reads_ahead: u64,
}

/// Most pages that one instruction accesses, its own among them: so many are spared a CPU.
const SPARED: usize = 8;

/// The storage of one guest.
///
/// CPUs of the guest run while this changes. So whatever takes a frame or a right away tells the notifiers
/// first: translations are gone then, and from then on CPUs fault, and wait for the host's lock.
pub struct GuestMemory {
    /// The guest's number.
    id: u16,
    pages: Vec<PageEntry>,
    /// All who use pages.
    notifiers: Notifiers,
    /// By CPU: its prefix.
    prefixes: Vec<u32>,
    /// Made here for accesses; taken away as those of any other user.
    pub(super) translations: Translations,
    /// Whether the frames have the keys of the guest's pages, for the machine interprets the guest.
    has_keys: bool,
    personality: Personality,
    /// Whether requests to make a stable page volatile change nothing.
    keeps_stable: bool,
    /// Pages that were discardable when they were put here, oldest first; some are no more.
    queue: VecDeque<u32>,
    /// How many were put there.
    arrived: u64,
    /// Pages that were supplied last, for accesses that are still to be repeated: they are neither in the
    /// queue nor paged out.
    supplied: VecDeque<u32>,
    /// How many of them are spared.
    spared: usize,
    /// What the monitor and the pager have seen, if there is a monitor.
    sightings: Option<Sightings>,
    /// What happened.
    pub counters: Counters,
    /// The page that the guest has made stable again last: the negative control loses it.
    #[cfg(feature = "controls")]
    made_stable: Option<u32>,
}

impl GuestMemory {
    /// Memory of `bytes` of a guest that nobody has touched, for so many CPUs, with so many bytes for
    /// shadow tables.
    #[must_use]
    pub fn new(id: u16, bytes: u64, personality: Personality, cpus: usize, shadow: u64) -> Self {
        let translations = Translations::new(bytes, cpus, shadow);
        let notifiers = Notifiers::default();
        for user in translations.notifiers() {
            notifiers.register(&user);
        }
        Self {
            id,
            pages: vec![PageEntry::UNTOUCHED; (bytes >> PAGE_SHIFT) as usize],
            notifiers,
            prefixes: vec![0; cpus],
            translations,
            has_keys: false,
            personality,
            keeps_stable: false,
            queue: VecDeque::new(),
            arrived: 0,
            supplied: VecDeque::new(),
            spared: SPARED * cpus,
            sightings: None,
            counters: Counters::default(),
            #[cfg(feature = "controls")]
            made_stable: None,
        }
    }

    /// From now on the machine interprets the guest: what it is told of a page stands in tables by absolute address and
    /// in the key of the page's frame. Nobody has touched the memory yet.
    pub fn interpret(&mut self) {
        self.translations.tables().interpret();
        self.has_keys = true;
    }

    /// Size in bytes.
    #[must_use]
    pub fn size(&self) -> u64 {
        (self.pages.len() as u64) << PAGE_SHIFT
    }

    /// From now on a user of pages is told what is taken from them.
    pub fn register(&self, user: &Arc<dyn Notifier>) {
        self.notifiers.register(user);
    }

    /// A user has given up all pages.
    pub fn unregister(&self, user: &Arc<dyn Notifier>) {
        self.notifiers.unregister(user);
    }

    /// What is done with page states.
    #[must_use]
    pub fn personality(&self) -> Personality {
        self.personality
    }

    /// Whether pages that the guest makes volatile from now on stay stable instead; those that are volatile already are
    /// left so.
    pub fn keep_stable(&mut self, keeps: bool) {
        self.keeps_stable = keeps;
    }

    /// What is known of a guest absolute page, if the guest has it.
    #[must_use]
    pub fn page(&self, page: u32) -> Option<&PageEntry> {
        self.pages.get(page as usize)
    }

    /// Whether an access to a page would find something: it exists, and its content is not discarded.
    #[must_use]
    pub fn has_content(&self, page: u32) -> bool {
        self.page(page).is_some_and(|entry| {
            let access = cmm::access(entry.state, self.personality.dialect);
            !matches!(access, Access::DiscardFault | Access::AddressingException)
        })
    }

    /// All pages.
    pub fn pages(&self) -> impl Iterator<Item = &PageEntry> {
        self.pages.iter()
    }

    /// Makes a guest absolute page available for an access; returns its frame, and whether it must be
    /// mapped read-only.
    ///
    /// # Errors
    /// The exception that the access is for the guest, or what it must wait for.
    #[inline]
    pub(super) fn bring_in(
        &mut self,
        pool: &mut FramePool,
        page: u32,
        store: bool,
    ) -> Result<(Frame, bool), AccessError> {
        let entry = self
            .pages
            .get_mut(page as usize)
            .ok_or(GuestFault::plain(program::ADDRESSING))?;
        let is_protected = entry.is_write_protected();
        if entry.state == PageState::SR && !(store && is_protected) {
            // Most are so, and nothing about them changes.
            return Ok((entry.frame, is_protected));
        }
        let access = cmm::access(entry.state, self.personality.dialect);
        match access {
            Access::DiscardFault => {
                Err(GuestFault::discarded(u64::from(page) << PAGE_SHIFT).into())
            }
            Access::AddressingException => Err(GuestFault::plain(program::ADDRESSING).into()),
            _ => self.make_available(pool, page, store, access),
        }
    }

    /// The rest of it, for pages about which something changes.
    fn make_available(
        &mut self,
        pool: &mut FramePool,
        page: u32,
        store: bool,
        access: Access,
    ) -> Result<(Frame, bool), AccessError> {
        let entry = &mut self.pages[page as usize];
        match access {
            Access::Ok => {}
            Access::ZeroFill => {
                let frame = take_cleared(pool)?;
                entry.frame = frame;
                if self.has_keys {
                    entry.give_key();
                }
                entry.state = cmm::kvm::apply(entry.state, HostEvent::FirstTouch)
                    .unwrap_or_else(|_| unreachable!("a page that reads as zero can be touched"));
                self.counters.zero_fills += 1;
                self.note(Kind::ZeroFill, page);
            }
            Access::DiscardFault | Access::AddressingException => {
                unreachable!("an exception is the guest's")
            }
            Access::PageIn if entry.flags.contains(PageFlags::UNREADABLE) => {
                return Err(AccessError::Unreadable);
            }
            Access::PageIn => self.fetch(pool, page)?,
        }
        let is_noticed = self.personality.minds_stores();
        if store {
            self.pages[page as usize].flags |= PageFlags::CHANGED;
            if is_noticed {
                self.give_slot(pool, page);
            }
        }
        let entry = &self.pages[page as usize];
        let is_protected = entry.is_write_protected() && (is_noticed || !store);
        let there = (entry.frame, is_protected);
        if matches!(access, Access::ZeroFill | Access::PageIn) {
            self.list(pool, page);
            self.spare(page);
        } else if !entry.flags.contains(PageFlags::SPARED) {
            self.note_discardable(page);
        }
        Ok(there)
    }

    /// Something has happened to a page.
    // Not inlined: what happens to many pages is short, and stays so.
    #[inline(never)]
    fn note(&self, kind: Kind, value: u32) {
        trace::note(kind, self.id.into(), 0, value);
    }

    /// ESSA on a guest absolute page that exists; returns the result register.
    ///
    /// For a page that is to become resident there is [`GuestMemory::make_stable_and_resident`].
    pub fn essa(&mut self, pool: &mut FramePool, page: u32, orc: Orc) -> EssaResult {
        let entry = &mut self.pages[page as usize];
        let changed = entry.flags.contains(PageFlags::CHANGED);
        let is_volatile = matches!(orc, Orc::SetVolatile | Orc::SetPotentiallyVolatile);
        let orc = match entry.state.usage() {
            // A host that discards nothing may do so: what the guest asks for is a favour of its own.
            Usage::Stable if self.keeps_stable && is_volatile => Orc::SetStable,
            _ => orc,
        };
        let transition = cmm::essa(entry.state, changed, orc, self.personality.dialect);
        #[cfg(feature = "controls")]
        if (entry.state, transition.new) == (PageState::VR, PageState::SR) {
            self.made_stable = Some(page);
        }
        entry.state = transition.new;
        let is_stable = transition.new.usage() == Usage::Stable;
        if transition.effect == Effect::DropSlot {
            self.give_slot(pool, page);
        }
        if !is_stable {
            self.note_discardable(page);
        }
        transition.result()
    }

    /// ESSA that makes a page stable and wants it resident: returns the result register, which tells what the page was,
    /// and what the CPU must wait for before it goes on.
    ///
    /// # Errors
    /// What must be waited for before anything is done, or the content is lost.
    pub fn make_stable_and_resident(
        &mut self,
        pool: &mut FramePool,
        page: u32,
    ) -> Result<(EssaResult, Option<Want>), AccessError> {
        let old = EssaResult::new(self.pages[page as usize].state);
        let (orc, want) = if !self.personality.makes_resident() {
            (Orc::SetStableMakeResident, None)
        } else {
            match self.expect(pool, page) {
                Ok(()) => (Orc::SetStableMakeResident, None),
                // It is stable until it is there, and then.
                Err(AccessError::Wait(want @ Want::Page(_))) => (Orc::SetStable, Some(want)),
                Err(error) => return Err(error),
            }
        };
        self.essa(pool, page, orc);
        Ok((old, want))
    }

    /// Drops the content of the page that the guest has made stable last: the negative control.
    #[cfg(feature = "controls")]
    pub fn lose_stable_page(&mut self, pool: &mut FramePool) {
        if let Some(page) = self.made_stable.take()
            && self.pages[page as usize].state == PageState::SR
            && self.notifiers.invalidate_page(page, Right::Access).is_ok()
        {
            self.give_frame(pool, page);
            self.give_slot(pool, page);
            self.pages[page as usize].state = PageState::SZ;
        }
    }

    /// Gives the frame of a page that nobody uses any more back to the pool.
    fn give_frame(&mut self, pool: &mut FramePool, page: u32) {
        if let Some(frame) = self.pages[page as usize].resident() {
            pool.give(frame);
        }
    }
}

/// A frame whose content is anybody's.
fn take(pool: &mut FramePool) -> Result<Frame, AccessError> {
    pool.take().ok_or(match pool.ledger {
        Some(_) => AccessError::Wait(Want::Frame),
        None => AccessError::Exhausted,
    })
}

/// A frame that reads as zeroes.
fn take_cleared(pool: &mut FramePool) -> Result<Frame, AccessError> {
    let frame = take(pool)?;
    // SAFETY: a frame of the pool belongs to nobody else.
    unsafe { storage::clear_page(frame.address()) }
    Ok(frame)
}
