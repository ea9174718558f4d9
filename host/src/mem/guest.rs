//! The pages of one guest and every transition of them.

use alloc::collections::VecDeque;
use alloc::vec;
use alloc::vec::Vec;

use arch::{Frame, PAGE_SHIFT, PAGE_SIZE, key, program, storage};
use cmm::{Access, EssaResult, HostEvent, Orc, Usage};

use super::entry::{Hinting, PageEntry, PageFlags};
use super::shadow::Shadow;
use super::tables::Tables;
use super::{AccessError, GuestFault, prefix};
use crate::memory::FramePool;

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
}

/// Most pages that one instruction accesses, its own among them: so many are spared a CPU.
const SPARED: usize = 8;

/// The storage of one guest.
///
/// CPUs of the guest run while this changes. So whatever takes a frame or a right away takes the
/// translations away first; from then on they fault, and wait for the host's lock.
pub struct GuestMemory {
    pages: Vec<PageEntry>,
    tables: Tables,
    /// For CPUs with DAT on.
    pub(super) shadow: Shadow,
    hinting: Hinting,
    /// Pages that were discardable when they were put here, oldest first; some are no more.
    queue: VecDeque<u32>,
    /// Unused pages that were supplied last, for accesses that are still to be repeated; they are not in
    /// the queue.
    supplied: VecDeque<u32>,
    /// How many of them are spared.
    spared: usize,
    /// What happened.
    pub counters: Counters,
    /// The page that the guest has made stable again last: the negative control loses it.
    #[cfg(feature = "controls")]
    made_stable: Option<u32>,
}

impl GuestMemory {
    /// Memory of `bytes` that nobody has touched, for so many CPUs, with so many bytes for shadow tables.
    #[must_use]
    pub fn new(bytes: u64, hinting: Hinting, cpus: usize, shadow: u64) -> Self {
        Self {
            pages: vec![PageEntry::UNTOUCHED; (bytes >> PAGE_SHIFT) as usize],
            tables: Tables::new(bytes, cpus),
            shadow: Shadow::new(bytes, cpus, shadow),
            hinting,
            queue: VecDeque::new(),
            supplied: VecDeque::new(),
            spared: SPARED * cpus,
            counters: Counters::default(),
            #[cfg(feature = "controls")]
            made_stable: None,
        }
    }

    /// Size in bytes.
    #[must_use]
    pub fn size(&self) -> u64 {
        (self.pages.len() as u64) << PAGE_SHIFT
    }

    /// What control register 1 must hold while a CPU of the guest runs.
    #[must_use]
    pub fn asce(&self, cpu: usize) -> u64 {
        self.tables.asce(cpu)
    }

    /// How much of the hints counts.
    #[must_use]
    pub fn hinting(&self) -> Hinting {
        self.hinting
    }

    /// What is known of a guest absolute page, if the guest has it.
    #[must_use]
    pub fn page(&self, page: u32) -> Option<&PageEntry> {
        self.pages.get(page as usize)
    }

    /// All pages.
    pub fn pages(&self) -> impl Iterator<Item = &PageEntry> {
        self.pages.iter()
    }

    /// The guest absolute address of a CPU's real address.
    #[must_use]
    pub fn absolute(&self, cpu: usize, real: u64) -> u64 {
        match u32::try_from(real >> PAGE_SHIFT) {
            Ok(page) => {
                let page = prefix::swap(self.prefix(cpu), page);
                (u64::from(page) << PAGE_SHIFT) | offset(real)
            }
            Err(_) => real,
        }
    }

    /// Sets a CPU's prefix, an address that is a multiple of 8 KiB and inside the guest. The TLB is to
    /// be purged before that CPU runs again.
    pub fn set_prefix(&mut self, cpu: usize, prefix: u32) {
        for prefix in [self.prefix(cpu), prefix] {
            self.shadow.purge(&|key| key.prefix == prefix);
        }
        self.tables.set_prefix(cpu, prefix);
    }

    /// A CPU's prefix.
    #[must_use]
    pub fn prefix(&self, cpu: usize) -> u32 {
        self.tables.prefix(cpu)
    }

    /// Makes a guest absolute page available for an access; returns its frame, and whether it must be
    /// mapped read-only.
    ///
    /// # Errors
    /// The exception that the access is for the guest, or there is no frame.
    pub(super) fn bring_in(
        &mut self,
        pool: &mut FramePool,
        page: u32,
        store: bool,
    ) -> Result<(Frame, bool), AccessError> {
        let dialect = self.hinting.dialect();
        let entry = self
            .pages
            .get_mut(page as usize)
            .ok_or(GuestFault::plain(program::ADDRESSING))?;
        let access = cmm::access(entry.state, dialect);
        match access {
            Access::Ok => {}
            Access::ZeroFill => {
                let frame = pool.take().ok_or(AccessError::Exhausted)?;
                // SAFETY: a frame of the pool belongs to nobody else.
                unsafe { storage::clear_page(frame.address()) }
                entry.frame = frame;
                entry.state = cmm::kvm::apply(entry.state, HostEvent::FirstTouch)
                    .expect("a page that reads as zero can be touched");
                self.counters.zero_fills += 1;
            }
            Access::DiscardFault => {
                return Err(GuestFault::discarded(u64::from(page) << PAGE_SHIFT).into());
            }
            Access::AddressingException => {
                return Err(GuestFault::plain(program::ADDRESSING).into());
            }
            Access::PageIn => unreachable!("nothing is paged out: there is no paging device"),
        }
        if store {
            entry.flags |= PageFlags::CHANGED;
        }
        let there = (entry.frame, entry.is_write_protected());
        if access == Access::ZeroFill {
            self.spare(page);
        } else if !self.supplied.contains(&page) {
            self.note_discardable(page);
        }
        Ok(there)
    }

    /// Makes a guest absolute page available for an access and maps it for a CPU with DAT off.
    ///
    /// # Errors
    /// The exception that the access is for the guest, or there is no frame.
    pub fn resolve(
        &mut self,
        pool: &mut FramePool,
        cpu: usize,
        page: u32,
        store: bool,
    ) -> Result<Frame, AccessError> {
        let (frame, protected) = self.bring_in(pool, page, store)?;
        let real = prefix::swap(self.prefix(cpu), page);
        let mapped = self.tables.get(cpu, real);
        if mapped.frame() != Some(frame) || mapped.is_protected() != protected {
            self.tables.map(cpu, real, frame, protected);
        }
        Ok(frame)
    }

    /// Copies out of a CPU's real storage.
    ///
    /// # Errors
    /// As for [`GuestMemory::resolve`]; the buffer is partly written then.
    pub fn read(
        &mut self,
        pool: &mut FramePool,
        cpu: usize,
        real: u64,
        buffer: &mut [u8],
    ) -> Result<(), AccessError> {
        for (at, range) in pieces(real, buffer.len()) {
            let page = self.page_of(cpu, at)?;
            let frame = self.resolve(pool, cpu, page, false)?;
            // SAFETY: the frame belongs to this guest. Its CPUs may use it meanwhile, as those of any
            // machine may use storage while one of them executes an instruction.
            unsafe { storage::copy_out(frame.address() + offset(at), &mut buffer[range]) }
        }
        Ok(())
    }

    /// Copies into a CPU's real storage; nothing is stored unless all of it can be.
    ///
    /// # Errors
    /// As for [`GuestMemory::resolve`].
    pub fn write(
        &mut self,
        pool: &mut FramePool,
        cpu: usize,
        real: u64,
        bytes: &[u8],
    ) -> Result<(), AccessError> {
        if !is_in_one_page(real, bytes.len()) {
            for (at, _) in pieces(real, bytes.len()) {
                let page = self.page_of(cpu, at)?;
                self.resolve(pool, cpu, page, true)?;
            }
        }
        for (at, range) in pieces(real, bytes.len()) {
            let page = self.page_of(cpu, at)?;
            let frame = self.resolve(pool, cpu, page, true)?;
            // SAFETY: the frame belongs to this guest. Its CPUs may use it meanwhile, as those of any
            // machine may use storage while one of them executes an instruction.
            unsafe { storage::copy_in(frame.address() + offset(at), &bytes[range]) }
        }
        Ok(())
    }

    /// The guest absolute page of a CPU's real address.
    ///
    /// # Errors
    /// An addressing exception if the guest does not have it.
    pub fn page_of(&self, cpu: usize, real: u64) -> Result<u32, GuestFault> {
        let page = self.absolute(cpu, real) >> PAGE_SHIFT;
        if page < self.pages.len() as u64 {
            Ok(page as u32)
        } else {
            Err(GuestFault::plain(program::ADDRESSING))
        }
    }

    /// ESSA on a guest absolute page that exists; returns the result register.
    pub fn essa(&mut self, page: u32, orc: Orc) -> EssaResult {
        let changed = self.is_changed(page);
        let entry = &mut self.pages[page as usize];
        let transition = cmm::essa(entry.state, changed, orc, self.hinting.dialect());
        #[cfg(feature = "controls")]
        if (entry.state, transition.new) == (cmm::PageState::VR, cmm::PageState::SR) {
            self.made_stable = Some(page);
        }
        entry.state = transition.new;
        self.note_discardable(page);
        transition.result()
    }

    /// DIAGNOSE X'10': the content of a page is not needed any more.
    pub fn release(&mut self, pool: &mut FramePool, page: u32) {
        self.drop_frame(pool, page);
        let entry = &mut self.pages[page as usize];
        entry.state =
            cmm::apply(entry.state, HostEvent::Release).expect("any page can be released");
        entry
            .flags
            .remove(PageFlags::CHANGED | PageFlags::REFERENCED);
    }

    /// Whether the guest's change bit of a page is on.
    #[must_use]
    pub fn is_changed(&self, page: u32) -> bool {
        self.pages[page as usize].flags.contains(PageFlags::CHANGED)
    }

    /// Whether the guest's reference bit of a page is on.
    #[must_use]
    pub fn is_referenced(&self, page: u32) -> bool {
        let entry = &self.pages[page as usize];
        entry.flags.contains(PageFlags::REFERENCED)
            || entry
                .resident()
                .is_some_and(|frame| key::get(frame) & key::REFERENCE != 0)
    }

    /// The guest's storage key of a page: access control, fetch protection, reference, change.
    #[must_use]
    pub fn key(&self, page: u32) -> u8 {
        let mut value = self.pages[page as usize].key;
        if self.is_referenced(page) {
            value |= key::REFERENCE;
        }
        if self.is_changed(page) {
            value |= key::CHANGE;
        }
        value
    }

    /// Sets the guest's storage key of a page.
    pub fn set_key(&mut self, page: u32, value: u8) {
        let entry = &mut self.pages[page as usize];
        entry.key = value & !(key::REFERENCE | key::CHANGE | 1);
        entry
            .flags
            .set(PageFlags::REFERENCED, value & key::REFERENCE != 0);
        entry
            .flags
            .set(PageFlags::CHANGED, value & key::CHANGE != 0);
        if let Some(frame) = entry.resident() {
            let protected = entry.is_write_protected();
            key::set(frame, 0);
            if protected {
                self.tables.protect(page);
                self.shadow.protect(page);
            }
        }
        self.note_discardable(page);
    }

    /// Resets the guest's reference bit of a page.
    pub fn reset_reference(&mut self, page: u32) {
        let entry = &mut self.pages[page as usize];
        entry.flags.remove(PageFlags::REFERENCED);
        if let Some(frame) = entry.resident() {
            key::reset_reference(frame);
        }
    }

    /// Resets the reference bit of a page's frame for the host's own use; the guest still sees it on.
    pub fn reset_reference_of_host(&mut self, page: u32) {
        let entry = &mut self.pages[page as usize];
        if let Some(frame) = entry.resident() {
            entry.flags |= PageFlags::REFERENCED;
            key::reset_reference(frame);
        }
    }

    /// Keeps a page that was supplied for an access from being taken before the access is repeated: the
    /// guest would not get on.
    fn spare(&mut self, page: u32) {
        self.supplied.push_back(page);
        if self.supplied.len() > self.spared
            && let Some(oldest) = self.supplied.pop_front()
        {
            self.note_discardable(oldest);
        }
    }

    fn note_discardable(&mut self, page: u32) {
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

    /// Puts a page that was given a second chance at the end of the queue.
    pub fn requeue(&mut self, page: u32) {
        self.note_discardable(page);
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

    /// Takes the frame of a discardable page away: Ur becomes Uz, Vr and clean Pr become Vz.
    pub fn evict(&mut self, pool: &mut FramePool, page: u32) {
        let entry = self.pages[page as usize];
        debug_assert!(entry.is_discardable(self.hinting));
        match entry.state.usage() {
            Usage::Unused => self.counters.evicted_unused += 1,
            Usage::Volatile => self.counters.evicted_volatile += 1,
            Usage::PotentiallyVolatile => self.counters.evicted_potentially_volatile += 1,
            Usage::Stable => unreachable!("a stable page is not discardable"),
        }
        // A potentially volatile page that is clean is mapped read-only: nobody changes it meanwhile.
        let changed = entry.state.usage() == Usage::PotentiallyVolatile && self.is_changed(page);
        self.drop_frame(pool, page);
        let entry = &mut self.pages[page as usize];
        entry.state = cmm::apply(entry.state, HostEvent::Evict { changed })
            .expect("a discardable page can be evicted");
        entry
            .flags
            .remove(PageFlags::CHANGED | PageFlags::REFERENCED);
    }

    /// Drops the content of the page that the guest has made stable last: the negative control.
    #[cfg(feature = "controls")]
    pub fn lose_stable_page(&mut self, pool: &mut FramePool) {
        if let Some(page) = self.made_stable.take()
            && self.pages[page as usize].state == cmm::PageState::SR
        {
            self.drop_frame(pool, page);
            self.pages[page as usize].state = cmm::PageState::SZ;
        }
    }

    /// Gives the frame of a page back to the pool. The state is the caller's to change.
    fn drop_frame(&mut self, pool: &mut FramePool, page: u32) {
        // From here on no CPU of the guest can get at it.
        self.tables.unmap(page);
        self.shadow.unmap(page);
        if let Some(frame) = self.pages[page as usize].resident() {
            pool.give(frame);
        }
    }
}

fn offset(address: u64) -> u64 {
    address & (PAGE_SIZE as u64 - 1)
}

/// Whether all of a range of storage is in the page that it begins in.
#[must_use]
pub fn is_in_one_page(start: u64, length: usize) -> bool {
    offset(start) as usize + length <= PAGE_SIZE
}

/// Cuts a range of storage at page boundaries: address and range of the buffer.
pub fn pieces(start: u64, length: usize) -> impl Iterator<Item = (u64, core::ops::Range<usize>)> {
    let mut done = 0;
    core::iter::from_fn(move || {
        (done < length).then(|| {
            let at = start.wrapping_add(done as u64);
            let piece = (PAGE_SIZE - offset(at) as usize).min(length - done);
            let range = done..done + piece;
            done += piece;
            (at, range)
        })
    })
}
