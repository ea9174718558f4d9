//! The page cache: pages of files by (file, index).
//!
//! Content can be touched through a [`StableRef`] only. A [`MaybeDiscarded`] is a reference to a page
//! that may be volatile: all it offers is a copy that may fail.

use core::sync::atomic::Ordering;

use arch::{Absolute, Frame, PAGE_SIZE, program, storage};
use cmm::PageState;

use super::page::PageFlags;
use super::{Discarded, Mm, Page};

/// Which page of which file.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Key {
    /// Number of the file.
    pub file: u32,
    /// Number of the page in it.
    pub index: u32,
}

impl Key {
    pub(super) fn of(page: &Page) -> Self {
        Self {
            file: page.file.load(Ordering::Relaxed),
            index: page.index.load(Ordering::Relaxed),
        }
    }
}

/// What a lookup found.
pub enum Lookup<'m> {
    /// The page, stable.
    Hit(StableRef<'m>),
    /// Nothing.
    Miss,
    /// A page whose content is gone; it is out of the cache now.
    WasDiscarded,
}

impl Mm<'_> {
    fn find(&self, key: Key) -> Option<Frame> {
        let cache = self.cache.lock();
        let frame = *cache.get(&key)?;
        let page = self.page(frame);
        page.get();
        page.set(PageFlags::REFERENCED);
        Some(frame)
    }

    /// Looks a page up and makes it stable.
    pub fn lookup_stable(&self, key: Key) -> Lookup<'_> {
        let Some(frame) = self.find(key) else {
            self.stats.cache_misses.add(1);
            return Lookup::Miss;
        };
        match self.make_stable(frame) {
            Ok(()) => {
                self.stats.cache_hits.add(1);
                Lookup::Hit(StableRef { mm: self, frame })
            }
            Err(Discarded) => {
                self.stats.cache_misses.add(1);
                self.remove_page(frame);
                self.put_page(frame);
                Lookup::WasDiscarded
            }
        }
    }

    /// Looks a page up and leaves its state alone.
    pub fn lookup_no_discard(&self, key: Key) -> Option<MaybeDiscarded<'_>> {
        let Some(frame) = self.find(key) else {
            self.stats.cache_misses.add(1);
            return None;
        };
        self.stats.cache_hits.add(1);
        Some(MaybeDiscarded { mm: self, frame })
    }

    /// A page to be filled with a page of a file that is not in the cache, or `None` if memory is out.
    pub fn begin_fill(&self, key: Key) -> Option<Filling<'_>> {
        let frame = self.allocate_reclaiming()?;
        let page = self.page(frame);
        page.file.store(key.file, Ordering::Relaxed);
        page.index.store(key.index, Ordering::Relaxed);
        page.set(PageFlags::LOCKED);
        Some(Filling {
            mm: self,
            frame,
            complete: false,
        })
    }

    /// Pages in the page cache.
    #[must_use]
    pub fn cached_page_count(&self) -> usize {
        self.lru.lock().len()
    }

    /// Drops a reference to a page of the cache, which becomes volatile if it was the last user's.
    fn put_with_check(&self, frame: Frame) {
        if self.page(frame).flags().contains(PageFlags::CACHED) {
            self.make_volatile(frame, 2);
        }
        self.put_page(frame);
    }
}

/// A reference to a page that was made stable after it was taken: its content is there.
pub struct StableRef<'m> {
    mm: &'m Mm<'m>,
    frame: Frame,
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

    /// The frame.
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

impl Drop for StableRef<'_> {
    fn drop(&mut self) {
        self.mm.put_with_check(self.frame);
    }
}

/// A reference to a page whose content the host may discard at any moment.
pub struct MaybeDiscarded<'m> {
    mm: &'m Mm<'m>,
    frame: Frame,
}

impl MaybeDiscarded<'_> {
    /// Copies from the page as it is.
    ///
    /// # Errors
    /// The host had discarded it; the page is out of the cache now.
    ///
    /// # Panics
    /// If the range is not within the page, or on a fault that is no discard fault.
    pub fn try_read(&self, offset: usize, buffer: &mut [u8]) -> Result<(), Discarded> {
        assert!(
            offset + buffer.len() <= PAGE_SIZE,
            "a range within the page"
        );
        self.mm.stats.fault_tolerant_copies.add(1);
        // SAFETY: nobody writes pages of files; the host may discard this one, which the copy survives.
        let copied = unsafe { storage::try_copy_out(self.frame.address() + offset as u64, buffer) };
        match copied {
            Ok(()) => Ok(()),
            Err(fault) if fault.code == program::BLOCK_VOLATILITY => {
                self.mm.stats.discard_faults.add(1);
                if self.mm.ignores_discard_faults() {
                    return Ok(());
                }
                self.mm.remove_page(self.frame);
                Err(Discarded)
            }
            Err(fault) => panic!("a copy from a page of the page cache: {fault}"),
        }
    }

    /// The page's state as the host has it.
    #[must_use]
    pub fn page_state(&self) -> Option<PageState> {
        self.mm.page_state(self.frame)
    }
}

impl Drop for MaybeDiscarded<'_> {
    fn drop(&mut self) {
        self.mm.put_with_check(self.frame);
    }
}

/// A new page, locked, that is not in the cache before it is complete.
pub struct Filling<'m> {
    mm: &'m Mm<'m>,
    frame: Frame,
    complete: bool,
}

impl<'m> Filling<'m> {
    /// Where to read the content to: a whole page of storage that nobody else uses.
    #[must_use]
    pub fn address(&self) -> Absolute {
        self.frame.address()
    }

    /// The page is filled: it enters the cache, and the caller has it as a stable reference.
    #[must_use]
    pub fn complete(mut self) -> StableRef<'m> {
        self.complete = true;
        let (mm, frame) = (self.mm, self.frame);
        let page = mm.page(frame);
        page.set(
            PageFlags::UP_TO_DATE | PageFlags::CACHED | PageFlags::LRU | PageFlags::REFERENCED,
        );
        page.get();
        let other = mm.cache.lock().insert(Key::of(page), frame);
        assert!(other.is_none(), "two pages for {:?}", Key::of(page));
        mm.lru.lock().push(mm.pages, frame);
        page.reset(PageFlags::LOCKED);
        StableRef { mm, frame }
    }
}

impl Drop for Filling<'_> {
    fn drop(&mut self) {
        if !self.complete {
            self.mm.page(self.frame).reset(PageFlags::LOCKED);
            self.mm.put_page(self.frame);
        }
    }
}
