//! Bringing pages into the page cache.
//!
//! A page enters the cache when its filling begins: locked, and not up to date. Lookups do not see it.
//! Whoever else wants to fill it waits until it is complete, so that no page is read twice at a time.
//!
//! ```text
//!   begin_fill ── enter ──> in the cache, locked ── read ──> complete: up to date, on the LRU list, unlocked
//!                   │                                   └──> out of the cache again: its reading has failed
//!                   └── there is one: wait until it is complete
//! ```
//!
//! What was read before a truncation must not be seen behind it. Whoever truncates counts that first and
//! looks for pages then, and does not see one that is being filled; whoever fills looks at the count, under
//! the cache's lock, when the page becomes complete: so either the page is found or the count is seen.

use core::sync::atomic::Ordering;

use arch::{Absolute, Frame, PAGE_SIZE, storage};

use super::buddy::PageAllocation;
use super::guard::Guard;
use super::hash::Key;
use super::page::{Page, PageFlags};
use super::swap::slot_of;
use super::{Mm, StableRef};
use crate::sync;

/// Why a page is not filled by who wanted to.
pub enum NotBegun<'m> {
    /// There is no memory.
    OutOfMemory,
    /// Somebody else has filled it.
    Filled(StableRef<'m>),
}

impl Mm<'_> {
    /// Begins to fill a page with what the cache does not have. While somebody else does, this waits.
    ///
    /// # Errors
    /// There is no memory for it, or it is not needed any more.
    pub fn begin_fill(&self, key: Key) -> Result<Filling<'_>, NotBegun<'_>> {
        loop {
            let block = self.allocate_reclaiming(0).ok_or(NotBegun::OutOfMemory)?;
            let other = match self.enter_new(key, &block) {
                Ok(filling) => return Ok(filling),
                Err(other) => other,
            };
            self.put_page(block.frame);
            self.stats.duplicate_fills.add(1);
            if let Some(page) = self.await_filled(other) {
                return Err(NotBegun::Filled(page));
            }
        }
    }

    /// As [`Mm::begin_fill`], of a page that nobody waits for: with free memory only, and if nobody has
    /// begun before.
    pub(super) fn begin_fill_ahead(&self, key: Key) -> Option<Filling<'_>> {
        let block = self.allocate_page()?;
        match self.enter_new(key, &block) {
            Ok(filling) => {
                self.page(block.frame).set(PageFlags::READ_AHEAD);
                Some(filling)
            }
            Err(other) => {
                self.put_reader(other);
                self.put_page(block.frame);
                None
            }
        }
    }

    /// Enters a new page into the cache, locked.
    ///
    /// # Errors
    /// There is one with that key, to which the caller has a reference now.
    fn enter_new(&self, key: Key, block: &PageAllocation) -> Result<Filling<'_>, Frame> {
        let page = self.page(block.frame);
        let truncations = self.truncations.load(Ordering::SeqCst);
        key.assign(page);
        let slot = (key.file == Key::SWAP).then_some(key.index);
        let of_swap = PageFlags::ANON | PageFlags::SWAP_CACHE;
        page.set(match slot {
            Some(_) => PageFlags::LOCKED | of_swap,
            None => PageFlags::LOCKED,
        });
        // Ours, and the cache's, before anybody can find the page.
        page.get();
        slot.into_iter().for_each(|slot| self.get_slot(slot));
        match self.enter(block.frame) {
            Ok(()) => Ok(Filling {
                truncations,
                mm: self,
                frame: block.frame,
                zero: block.zero,
            }),
            Err(other) => {
                slot.into_iter().for_each(|slot| self.put_slot(slot));
                page.reset(PageFlags::LOCKED | of_swap);
                page.put();
                Err(other)
            }
        }
    }

    /// Enters a page under the key that was assigned to it.
    ///
    /// # Errors
    /// There is one with that key, to which the caller has a reference now.
    pub(super) fn enter(&self, frame: Frame) -> Result<(), Frame> {
        let mut cache = self.cache.lock();
        let page = self.page(frame);
        if cache.insert(self.pages, frame) {
            page.set(PageFlags::CACHED);
            return Ok(());
        }
        let other = cache.find(self.pages, Key::of(page));
        let other = other.expect("something is in the way under the key");
        self.page(other).get();
        Err(other)
    }

    /// Waits until a page is complete that somebody else fills, and makes it stable; `None` if its filling
    /// has failed, or if it is gone already. The caller has a reference, which is dropped with the other.
    fn await_filled(&self, frame: Frame) -> Option<StableRef<'_>> {
        let page = self.page(frame);
        let filling = PageFlags::LOCKED | PageFlags::UP_TO_DATE;
        while page.flags() & filling == PageFlags::LOCKED {
            sync::let_others_run();
        }
        if !page.flags().contains(PageFlags::UP_TO_DATE) {
            self.put_page(frame);
            return None;
        }
        // Like a lookup, which it would have been a moment later.
        self.note_use(page);
        let found = self.stable_or_removed(frame).ok();
        // If somebody else is removing it, he has to get on.
        if found.is_none() {
            sync::relax();
        }
        found
    }
}

/// A new page in the cache, locked and stable, that nobody sees before it is complete.
pub struct Filling<'m> {
    /// Truncations that had begun before anything was read.
    truncations: u32,
    mm: &'m Mm<'m>,
    frame: Frame,
    zero: bool,
}

impl<'m> Filling<'m> {
    /// Where to read the content to: a whole page of storage that nobody else uses.
    #[must_use]
    pub fn address(&self) -> Absolute {
        self.frame.address()
    }

    /// The frame that is being filled.
    #[must_use]
    pub fn frame(&self) -> Frame {
        self.frame
    }

    /// The page is shared memory, which no device has: it stays.
    pub(super) fn keep_in_memory(&mut self) {
        let page = self.mm.page(self.frame);
        page.set_owner(Page::NOBODY);
        page.set(PageFlags::ANON);
    }

    /// Clears the page from `end`, where the content ends, given that it has been written up to
    /// `written`; what the host says reads as zero is not cleared again.
    pub fn clear_behind(&mut self, end: usize, written: usize) {
        const ZEROES: [u8; PAGE_SIZE] = [0; PAGE_SIZE];
        let stop = if self.zero { written } else { PAGE_SIZE };
        if self.zero && written < PAGE_SIZE {
            self.mm.stats.clears_skipped.add(1);
        }
        if end < stop {
            // SAFETY: the page is ours until it is complete.
            unsafe { storage::copy_in(self.address() + end as u64, &ZEROES[end..stop]) }
        }
    }

    /// From now on, whoever looks for the page, which holds its content now, finds it.
    ///
    /// `None` if a file was truncated meanwhile: what was read may be gone from the file, and has to be
    /// read again.
    #[must_use]
    pub fn complete(self) -> Option<StableRef<'m>> {
        let (mm, frame) = (self.mm, self.frame);
        if !self.is_current() {
            return None;
        }
        core::mem::forget(self);
        mm.put_back(frame);
        mm.unlock_page(frame);
        Some(StableRef { mm, frame })
    }

    /// As [`Filling::complete`], of a page that was read ahead: it becomes volatile, now that it is
    /// unlocked, if nobody waits for it.
    pub(super) fn complete_ahead(self) {
        if let Some(page) = self.complete() {
            page.mm.put_reader(page.into_frame());
        }
    }

    /// Marks the page up to date, unless there was a truncation since it was begun; slots are not
    /// truncated.
    fn is_current(&self) -> bool {
        let page = self.mm.page(self.frame);
        let _cache = self.mm.cache.lock();
        let now = self.mm.truncations.load(Ordering::SeqCst);
        let is_current = self.truncations == now
            || slot_of(page).is_some()
            || !self.mm.has(Guard::TruncationSeen);
        if is_current {
            page.set(PageFlags::UP_TO_DATE);
        }
        is_current
    }
}

impl Drop for Filling<'_> {
    /// Takes the page out of the cache: what was to fill it has failed. Whoever waits for it tries himself.
    fn drop(&mut self) {
        let (mm, frame) = (self.mm, self.frame);
        let page = mm.page(frame);
        let slot = slot_of(page);
        mm.leave_cache(frame);
        slot.into_iter().for_each(|slot| mm.put_slot(slot));
        mm.unlock_page(frame);
        // The cache's and ours.
        page.put();
        mm.put_page(frame);
    }
}
