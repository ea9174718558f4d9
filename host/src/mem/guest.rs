//! The pages of one guest and every transition of them.

use alloc::collections::VecDeque;
use alloc::vec;
use alloc::vec::Vec;

use arch::{Frame, PAGE_SHIFT, PAGE_SIZE, key, program, storage};
use cmm::{Access, EssaResult, HostEvent, Orc, Usage};

use super::entry::{Hinting, PageEntry, PageFlags};
use super::view::View;
use super::{AccessError, GuestFault};
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

/// The storage of one guest.
pub struct GuestMemory {
    pages: Vec<PageEntry>,
    /// By address of the virtual CPU.
    views: Vec<View>,
    /// The virtual CPU that something is done for just now.
    focus: usize,
    hinting: Hinting,
    /// Pages that were discardable when they were put here, oldest first; some are no more.
    queue: VecDeque<u32>,
    /// What happened.
    pub counters: Counters,
    /// The page that the guest has made stable again last: the negative control loses it.
    #[cfg(feature = "controls")]
    made_stable: Option<u32>,
}

impl GuestMemory {
    /// Memory of `bytes` that nobody has touched, for so many virtual CPUs.
    #[must_use]
    pub fn new(bytes: u64, cpus: u16, hinting: Hinting) -> Self {
        Self {
            pages: vec![PageEntry::UNTOUCHED; (bytes >> PAGE_SHIFT) as usize],
            views: (0..cpus).map(|_| View::new(bytes)).collect(),
            focus: 0,
            hinting,
            queue: VecDeque::new(),
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

    /// What control register 1 must hold while the virtual CPU in focus runs.
    #[must_use]
    pub fn asce(&self) -> u64 {
        self.view().tables.asce()
    }

    /// From now on real addresses are those of this virtual CPU.
    pub fn focus(&mut self, cpu: u16) {
        self.focus = usize::from(cpu);
    }

    fn view(&self) -> &View {
        &self.views[self.focus]
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

    /// The guest absolute page of a guest real page, or the other way round (prefixing).
    #[must_use]
    pub fn prefixed(&self, page: u32) -> u32 {
        self.view().prefixed(page)
    }

    /// The guest absolute address of a guest real address.
    #[must_use]
    pub fn absolute(&self, real: u64) -> u64 {
        match u32::try_from(real >> PAGE_SHIFT) {
            Ok(page) => {
                (u64::from(self.prefixed(page)) << PAGE_SHIFT) | (real & (PAGE_SIZE as u64 - 1))
            }
            Err(_) => real,
        }
    }

    /// Sets the prefix of a virtual CPU, an address that is a multiple of 8 KiB and inside the guest.
    pub fn set_prefix(&mut self, cpu: u16, prefix: u32) {
        self.views[usize::from(cpu)].set_prefix(prefix);
    }

    /// The prefix of the virtual CPU in focus.
    #[must_use]
    pub fn prefix(&self) -> u32 {
        self.view().prefix
    }

    /// Whether the virtual CPU in focus can only read a page, by a mapping that may be out of date.
    #[must_use]
    pub fn is_mapped_read_only(&self, page: u32) -> bool {
        let entry = self.view().tables.get(self.prefixed(page));
        entry.frame().is_some() && entry.is_protected()
    }

    /// Makes a guest absolute page available for an access and maps it.
    ///
    /// # Errors
    /// The exception that the access is for the guest, or there is no frame.
    pub fn resolve(
        &mut self,
        pool: &mut FramePool,
        page: u32,
        store: bool,
    ) -> Result<Frame, AccessError> {
        let dialect = self.hinting.dialect();
        let entry = self
            .pages
            .get_mut(page as usize)
            .ok_or(GuestFault::plain(program::ADDRESSING))?;
        match cmm::access(entry.state, dialect) {
            Access::Ok => {}
            Access::ZeroFill => {
                let frame = pool.take().ok_or(AccessError::Exhausted)?;
                // SAFETY: a frame of the pool belongs to nobody else.
                unsafe { storage::clear_page(frame.address()) }
                key::set(frame, 0);
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
        if store && entry.is_write_protected() {
            entry.flags |= PageFlags::CHANGED;
        }
        let (frame, protected) = (entry.frame, entry.is_write_protected());
        let real = self.prefixed(page);
        let tables = &mut self.views[self.focus].tables;
        let mapped = tables.get(real);
        if mapped.frame() != Some(frame) || mapped.is_protected() != protected {
            tables.map(real, frame, protected);
        }
        self.note_discardable(page);
        Ok(frame)
    }

    /// Copies out of guest real storage.
    ///
    /// # Errors
    /// As for [`GuestMemory::resolve`]; the buffer is partly written then.
    pub fn read(
        &mut self,
        pool: &mut FramePool,
        real: u64,
        buffer: &mut [u8],
    ) -> Result<(), AccessError> {
        for (at, range) in pieces(real, buffer.len()) {
            let page = self.page_of(at)?;
            let frame = self.resolve(pool, page, false)?;
            // SAFETY: the frame belongs to this guest, which does not run now.
            unsafe { storage::copy_out(frame.address() + offset(at), &mut buffer[range]) }
        }
        Ok(())
    }

    /// Copies into guest real storage; nothing is stored unless all of it can be.
    ///
    /// # Errors
    /// As for [`GuestMemory::resolve`].
    pub fn write(
        &mut self,
        pool: &mut FramePool,
        real: u64,
        bytes: &[u8],
    ) -> Result<(), AccessError> {
        for (at, _) in pieces(real, bytes.len()) {
            let page = self.page_of(at)?;
            self.resolve(pool, page, true)?;
        }
        for (at, range) in pieces(real, bytes.len()) {
            let page = self.page_of(at)?;
            let frame = self.resolve(pool, page, true)?;
            // SAFETY: the frame belongs to this guest, which does not run now.
            unsafe { storage::copy_in(frame.address() + offset(at), &bytes[range]) }
        }
        Ok(())
    }

    /// The guest absolute page of a guest real address.
    ///
    /// # Errors
    /// An addressing exception if the guest does not have it.
    pub fn page_of(&self, real: u64) -> Result<u32, GuestFault> {
        let page = self.absolute(real) >> PAGE_SHIFT;
        if page < self.pages.len() as u64 {
            Ok(page as u32)
        } else {
            Err(GuestFault::plain(program::ADDRESSING))
        }
    }

    /// ESSA on a guest absolute page that exists; returns the result register.
    pub fn essa(&mut self, page: u32, orc: Orc) -> EssaResult {
        if orc == Orc::SetPotentiallyVolatile {
            // Whoever stores from now on has to ask, so the change bit that is read next is the last word.
            self.unmap(page);
        }
        let changed = self.is_changed(page);
        let entry = &mut self.pages[page as usize];
        let transition = cmm::essa(entry.state, changed, orc, self.hinting.dialect());
        #[cfg(feature = "controls")]
        if (entry.state, transition.new) == (cmm::PageState::VR, cmm::PageState::SR) {
            self.made_stable = Some(page);
        }
        let was_protected = entry.is_write_protected();
        entry.state = transition.new;
        if transition.new.usage() == Usage::PotentiallyVolatile {
            entry.flags.set(PageFlags::CHANGED, changed);
        }
        if entry.is_write_protected() != was_protected {
            // Mapped again as it may be when it is touched.
            self.unmap(page);
        }
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
        let entry = &self.pages[page as usize];
        entry.flags.contains(PageFlags::CHANGED)
            || entry
                .resident()
                .is_some_and(|frame| key::get(frame) & key::CHANGE != 0)
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
            key::set(frame, 0);
            self.unmap(page);
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
        // The change bit is read after the translation is gone: a store in between would count.
        self.unmap(page);
        let changed = self.is_changed(page) && entry.state.usage() == Usage::PotentiallyVolatile;
        if changed {
            self.pages[page as usize].flags |= PageFlags::CHANGED;
            return;
        }
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

    /// Takes all translations of a page away; when this returns, no virtual CPU can reach it.
    fn unmap(&mut self, page: u32) {
        for view in &mut self.views {
            view.unmap(page);
        }
    }

    /// Gives the frame of a page back to the pool. The state is the caller's to change.
    fn drop_frame(&mut self, pool: &mut FramePool, page: u32) {
        self.unmap(page);
        if let Some(frame) = self.pages[page as usize].resident() {
            pool.give(frame);
        }
    }
}

fn offset(address: u64) -> u64 {
    address & (PAGE_SIZE as u64 - 1)
}

/// Cuts a range of storage at page boundaries: address and range of the buffer.
fn pieces(start: u64, length: usize) -> impl Iterator<Item = (u64, core::ops::Range<usize>)> {
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
