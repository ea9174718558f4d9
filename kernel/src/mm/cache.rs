//! The page cache: pages of files by (file, index).
//!
//! Content can be touched through a [`StableRef`] only. A [`MaybeDiscarded`] is a reference to a page
//! that may be volatile: all it offers is a copy that may fail.
//!
//! ```text
//!   begin_fill ──> Filling ── complete ──┐                       (`fill`)
//!   lookup_stable ── make_stable ────────┴──> StableRef      read
//!   lookup_no_discard ──────────────────────> MaybeDiscarded try_read
//! ```
//!
//! When any of the references is dropped, the page is made volatile unless something stands against it.

use arch::{Frame, PAGE_SIZE, program, storage};
use cmm::PageState;

use super::guard::Guard;
use super::hash::Key;
use super::page::{Page, PageFlags};
use super::{Discarded, Mm};

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
        if !self.note_use(page) {
            return None;
        }
        // Under the lock: the cache's own reference cannot go before ours is there.
        page.get();
        Some(frame)
    }

    /// Notes that somebody looks a page up; returns whether its content is there.
    #[inline]
    pub(super) fn note_use(&self, page: &Page) -> bool {
        let before = page.set(PageFlags::REFERENCED);
        before.contains(PageFlags::UP_TO_DATE) || !self.has(Guard::CompleteFirst)
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
    ///
    /// If the page was cut off its file meanwhile, nobody wants to know.
    pub fn set_dirty(&self) {
        let page = self.mm.page(self.frame);
        // Who cuts it off sets Discarded first and resets Dirty then: one of the two does.
        if page.set(PageFlags::DIRTY).contains(PageFlags::DISCARDED) {
            page.reset(PageFlags::DIRTY);
        }
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
                self.mm.count_discard_fault(self.frame);
                if !self.mm.has(Guard::DiscardFault) {
                    return Ok(());
                }
                // The fault itself took no reference and no lock; we hold the reference, so it is
                // for us to remove the page.
                self.mm.remove_page(self.frame);
                Err(Discarded)
            }
            Err(fault) => panic!("a copy from {} of the page cache: {fault}", self.frame),
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
