//! The page cache: pages of files by (file, index).
//!
//! Content can be touched through a [`StableRef`] only. A [`MaybeDiscarded`] is a reference to a page
//! that may be volatile: all it offers is a copy that may fail.
//!
//! ```text
//!   begin_fill ──> Filling ── complete ──┐
//!   lookup_stable ── make_stable ────────┴──> StableRef      read
//!   lookup_no_discard ──────────────────────> MaybeDiscarded try_read
//! ```
//!
//! When any of the references is dropped, the page is made volatile unless something stands against it.
//!
//! What was read before a truncation must not enter the cache behind it. Whoever truncates counts that
//! first and looks for pages then; whoever fills looks at the count, under the cache's lock, when the page
//! enters: so either the page is found or the count is seen.

use core::sync::atomic::Ordering;

use arch::{Absolute, Frame, PAGE_SIZE, program, storage};
use cmm::PageState;

use super::guard::Guard;
use super::hash::Key;
use super::page::{Page, PageFlags};
use super::swap::slot_of;
use super::{Discarded, Mm};
use crate::sync;

/// What a lookup found.
pub enum Lookup<'m> {
    /// The page, stable.
    Hit(StableRef<'m>),
    /// Nothing.
    Miss,
    /// A page whose content was gone; it is out of the cache now.
    WasDiscarded,
}

impl Mm<'_> {
    /// The page with a key, with a reference to it.
    pub(super) fn find(&self, key: Key) -> Option<Frame> {
        let cache = self.cache.lock();
        let frame = cache.find(self.pages, key)?;
        let page = self.page(frame);
        // Under the lock: the cache's own reference cannot go before ours is there.
        page.get();
        page.set(PageFlags::REFERENCED);
        Some(frame)
    }

    /// Looks a page up and makes it stable.
    // Inline, or what make_stable decides is passed through memory.
    #[inline]
    pub fn lookup_stable(&self, key: Key) -> Lookup<'_> {
        let Some(frame) = self.find(key) else {
            self.stats.cache_misses.add(1);
            return Lookup::Miss;
        };
        match self.stable_or_removed(frame) {
            Ok(page) => {
                self.stats.cache_hits.add(1);
                Lookup::Hit(page)
            }
            Err(Discarded) => {
                self.stats.cache_misses.add(1);
                Lookup::WasDiscarded
            }
        }
    }

    /// Looks a page up and leaves its state alone.
    #[inline]
    pub fn lookup_no_discard(&self, key: Key) -> Option<MaybeDiscarded<'_>> {
        let Some(frame) = self.find(key) else {
            self.stats.cache_misses.add(1);
            return None;
        };
        self.stats.cache_hits.add(1);
        Some(MaybeDiscarded { mm: self, frame })
    }

    /// Begins to fill a page with what the cache does not have; `None` if memory is out.
    pub fn begin_fill(&self, key: Key) -> Option<Filling<'_>> {
        let block = self.allocate_reclaiming(0)?;
        let page = self.page(block.frame);
        key.assign(page);
        let of_swap = PageFlags::ANON | PageFlags::SWAP_CACHE;
        page.set(if key.file == Key::SWAP {
            PageFlags::LOCKED | of_swap
        } else {
            PageFlags::LOCKED
        });
        Some(Filling {
            truncations: self.truncations.load(Ordering::SeqCst),
            mm: self,
            frame: block.frame,
            zero: block.zero,
        })
    }

    /// Enters a page under the key that was assigned to it, unless there was a truncation after the first
    /// `truncations`; slots are not truncated.
    pub(super) fn enter(&self, frame: Frame, truncations: Option<u32>) -> Result<(), NotEntered> {
        let mut cache = self.cache.lock();
        let page = self.page(frame);
        let now = self.truncations.load(Ordering::SeqCst);
        if truncations.is_some_and(|seen| seen != now) && self.has(Guard::TruncationSeen) {
            return Err(NotEntered::Truncated);
        }
        if cache.insert(self.pages, frame) {
            page.set(PageFlags::CACHED);
            return Ok(());
        }
        let other = cache.find(self.pages, Key::of(page));
        let other = other.expect("something is in the way under the key");
        self.page(other).get();
        Err(NotEntered::Taken(other))
    }

    /// Makes a page stable to which the caller has a reference; a discarded one is removed.
    #[inline]
    pub(super) fn stable_or_removed(&self, frame: Frame) -> Result<StableRef<'_>, Discarded> {
        if let Err(Discarded) = self.make_stable(frame) {
            self.remove_discarded(frame);
            return Err(Discarded);
        }
        Ok(StableRef { mm: self, frame })
    }

    /// Removes a discarded page, and drops the caller's reference to it.
    #[cold]
    #[inline(never)]
    fn remove_discarded(&self, frame: Frame) {
        self.remove_page(frame);
        self.put_page(frame);
    }

    /// Drops both references to a page that was filled for nothing and is in no cache.
    fn give_up(&self, frame: Frame) {
        self.page(frame)
            .reset(PageFlags::LOCKED | PageFlags::UP_TO_DATE | PageFlags::SWAP_CACHE);
        self.put_page(frame);
        self.put_page(frame);
    }
}

/// A reference to a page that was made stable after it was taken: its content is there.
pub struct StableRef<'m> {
    pub(super) mm: &'m Mm<'m>,
    pub(super) frame: Frame,
}

impl StableRef<'_> {
    /// Copies from the page.
    ///
    /// # Panics
    /// If the range is not within the page.
    pub fn read(&self, offset: usize, buffer: &mut [u8]) {
        assert!(
            offset + buffer.len() <= PAGE_SIZE,
            "a range within the page"
        );
        self.mm.stats.stable_copies.add(1);
        // SAFETY: the page is stable while the reference is held, and nobody writes pages of files.
        unsafe { storage::copy_out(self.frame.address() + offset as u64, buffer) }
    }

    /// The frame that the page is in.
    #[must_use]
    pub fn frame(&self) -> Frame {
        self.frame
    }

    /// The frame, with the reference, which the caller drops.
    pub(super) fn into_frame(self) -> Frame {
        let frame = self.frame;
        core::mem::forget(self);
        frame
    }

    /// Notes that the content is newer than the file's, because it was written or is about to be. The
    /// page stays stable until somebody has written it to the device and says so.
    pub fn set_dirty(&self) {
        self.mm.page(self.frame).set(PageFlags::DIRTY);
    }

    /// Notes that the file has the content now.
    pub fn set_clean(&self) {
        self.mm.page(self.frame).reset(PageFlags::DIRTY);
    }
}

impl Drop for StableRef<'_> {
    #[inline]
    fn drop(&mut self) {
        self.mm.put_user(self.frame);
    }
}

/// A reference to a page whose content the host may discard at any moment.
pub struct MaybeDiscarded<'m> {
    pub(super) mm: &'m Mm<'m>,
    pub(super) frame: Frame,
}

impl MaybeDiscarded<'_> {
    /// Copies from the page as it is.
    ///
    /// # Errors
    /// The host has discarded it; the page is out of the cache now, and what is in `buffer` is void.
    ///
    /// # Panics
    /// If the range is not within the page, or on a fault that is no discard fault.
    pub fn try_read(&self, offset: usize, buffer: &mut [u8]) -> Result<(), Discarded> {
        assert!(
            offset + buffer.len() <= PAGE_SIZE,
            "a range within the page"
        );
        self.mm.stats.fault_tolerant_copies.add(1);
        let source = self.frame.address() + offset as u64;
        // SAFETY: nobody writes pages of files; the host may discard this one, which the copy survives.
        match unsafe { storage::try_copy_out(source, buffer) } {
            Ok(()) => Ok(()),
            Err(fault) if fault.code == program::BLOCK_VOLATILITY => {
                self.mm.stats.discard_faults.add(1);
                if !self.mm.has(Guard::DiscardFault) {
                    return Ok(());
                }
                // The fault itself took no reference and no lock; we hold the reference, so it is
                // for us to remove the page.
                self.mm.remove_page(self.frame);
                Err(Discarded)
            }
            Err(fault) => panic!("a copy from {:?} of the page cache: {fault}", self.frame),
        }
    }

    /// The frame that the page is in.
    #[must_use]
    pub fn frame(&self) -> Frame {
        self.frame
    }

    /// The page's state as the host has it.
    #[must_use]
    pub fn page_state(&self) -> Option<PageState> {
        self.mm.page_state(self.frame)
    }
}

impl Drop for MaybeDiscarded<'_> {
    #[inline]
    fn drop(&mut self) {
        self.mm.put_user(self.frame);
    }
}

/// Why a page did not enter the cache.
pub(super) enum NotEntered {
    /// There is one with that key, to which the caller has a reference now.
    Taken(Frame),
    /// Its content may be from before a truncation.
    Truncated,
}

/// A new page, locked and stable, that enters the cache when it is complete.
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

    /// Enters the page, which holds its content now, into the cache.
    ///
    /// If another CPU has filled a page with the same key meanwhile, that one is returned. `None` if a
    /// file was truncated meanwhile: what was read may be gone from the file, and has to be read again.
    #[must_use]
    pub fn complete(self) -> Option<StableRef<'m>> {
        let (mm, frame) = (self.mm, self.frame);
        let slot = slot_of(mm.page(frame));
        let truncations = slot.is_none().then_some(self.truncations);
        core::mem::forget(self);
        let page = mm.page(frame);
        page.get();
        page.set(PageFlags::UP_TO_DATE);
        // The cache's, before anybody can find the page and drop it.
        slot.into_iter().for_each(|slot| mm.get_slot(slot));
        let other = loop {
            match mm.enter(frame, truncations) {
                Ok(()) => {
                    mm.put_back(frame);
                    page.reset(PageFlags::LOCKED);
                    return Some(StableRef { mm, frame });
                }
                Err(NotEntered::Truncated) => break None,
                Err(NotEntered::Taken(other)) => {
                    if let Ok(page) = mm.stable_or_removed(other) {
                        mm.stats.duplicate_fills.add(1);
                        break Some(page);
                    }
                    // Somebody else is removing it, and has to get on.
                    sync::relax();
                }
            }
        };
        slot.into_iter().for_each(|slot| mm.put_slot(slot));
        mm.give_up(frame);
        other
    }
}

impl Drop for Filling<'_> {
    /// Gives the page up: what was to fill it has failed.
    fn drop(&mut self) {
        let page = self.mm.page(self.frame);
        page.reset(PageFlags::LOCKED | PageFlags::SWAP_CACHE);
        self.mm.put_page(self.frame);
    }
}
