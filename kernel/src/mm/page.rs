//! The page descriptor, one for each frame, and lists of them.

use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use arch::Frame;
use bitflags::bitflags;

bitflags! {
    /// Flags of a page.
    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    pub struct PageFlags: u32 {
        /// Somebody has the page for himself.
        const LOCKED = 1 << 0;
        /// The content is newer than on the device.
        const DIRTY = 1 << 1;
        /// The content is that of its file.
        const UP_TO_DATE = 1 << 2;
        /// The content is being written to the device.
        const WRITEBACK = 1 << 3;
        /// On the LRU list.
        const LRU = 1 << 4;
        /// On the active part of the LRU list.
        const ACTIVE = 1 << 5;
        /// Anonymous memory.
        const ANON = 1 << 6;
        /// In the swap cache.
        const SWAP_CACHE = 1 << 7;
        /// Carries private data of its file system.
        const PRIVATE = 1 << 8;
        /// Not the allocator's: image, tables, holes.
        const RESERVED = 1 << 9;
        /// Taken out of its cache, for good: by a discard or by normal removal.
        const DISCARDED = 1 << 10;
        /// A writable mapping exists or existed since the last one went.
        const WRITABLE = 1 << 11;
        /// The page state is being changed.
        const STATE_CHANGE = 1 << 12;
        /// In the page cache.
        const CACHED = 1 << 13;
        /// Looked up since reclaim last saw it.
        const REFERENCED = 1 << 14;
        /// The first page of a free block of the buddy allocator.
        const BUDDY = 1 << 15;
        /// High bit of the usage that this kernel set last.
        const HINTED_HIGH = 1 << 16;
        /// Low bit of the usage that this kernel set last.
        const HINTED_LOW = 1 << 17;
    }
}

/// What links of a page that is on no list hold.
pub(super) const NOWHERE: u32 = u32::MAX;

/// The descriptor of a frame: 64 bytes.
#[repr(C, align(64))]
pub struct Page {
    flags: AtomicU32,
    /// References: of caches, mappings and users.
    pub(super) count: AtomicU32,
    /// Mappings in address spaces.
    pub(super) mappings: AtomicU32,
    /// Order of the free block that starts here.
    pub(super) order: AtomicU32,
    /// The file, of a page in the cache.
    pub(super) file: AtomicU32,
    /// Index in the file, in pages.
    pub(super) index: AtomicU32,
    previous: AtomicU32,
    next: AtomicU32,
    /// Private data of its file system.
    private: AtomicU64,
    reserved: [u32; 6],
}

const _: () = assert!(size_of::<Page>() == 64);

impl Page {
    /// A page that nobody may use.
    #[must_use]
    pub const fn reserved() -> Self {
        Self {
            flags: AtomicU32::new(PageFlags::RESERVED.bits()),
            count: AtomicU32::new(1),
            mappings: AtomicU32::new(0),
            order: AtomicU32::new(0),
            file: AtomicU32::new(0),
            index: AtomicU32::new(0),
            previous: AtomicU32::new(NOWHERE),
            next: AtomicU32::new(NOWHERE),
            private: AtomicU64::new(0),
            reserved: [0; 6],
        }
    }

    /// The flags now.
    #[must_use]
    pub fn flags(&self) -> PageFlags {
        PageFlags::from_bits_truncate(self.flags.load(Ordering::SeqCst))
    }

    /// Sets flags; returns the flags before.
    pub fn set(&self, flags: PageFlags) -> PageFlags {
        PageFlags::from_bits_truncate(self.flags.fetch_or(flags.bits(), Ordering::SeqCst))
    }

    /// Resets flags; returns the flags before.
    pub fn reset(&self, flags: PageFlags) -> PageFlags {
        PageFlags::from_bits_truncate(self.flags.fetch_and(!flags.bits(), Ordering::SeqCst))
    }

    /// Sets one flag; returns whether it was set already.
    pub(super) fn test_and_set(&self, flag: PageFlags) -> bool {
        self.set(flag).contains(flag)
    }

    /// References now.
    #[must_use]
    pub fn references(&self) -> u32 {
        self.count.load(Ordering::SeqCst)
    }

    /// Takes a reference.
    pub(super) fn get(&self) {
        self.count.fetch_add(1, Ordering::SeqCst);
    }

    /// Private data of the file system, 0 for none.
    #[must_use]
    pub fn private(&self) -> u64 {
        self.private.load(Ordering::SeqCst)
    }
}

/// A list of pages, linked through their descriptors by frame number.
#[derive(Debug)]
pub(super) struct List {
    first: u32,
    last: u32,
    length: usize,
}

impl List {
    pub(super) const fn new() -> Self {
        Self {
            first: NOWHERE,
            last: NOWHERE,
            length: 0,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.length
    }

    pub(super) fn first(&self) -> Option<Frame> {
        (self.first != NOWHERE).then_some(Frame(self.first))
    }

    pub(super) fn last(&self) -> Option<Frame> {
        (self.last != NOWHERE).then_some(Frame(self.last))
    }

    /// Puts a page that is on no list in front.
    pub(super) fn push(&mut self, pages: &[Page], frame: Frame) {
        let page = &pages[frame.index()];
        page.previous.store(NOWHERE, Ordering::Relaxed);
        page.next.store(self.first, Ordering::Relaxed);
        match self.first() {
            Some(first) => pages[first.index()]
                .previous
                .store(frame.0, Ordering::Relaxed),
            None => self.last = frame.0,
        }
        self.first = frame.0;
        self.length += 1;
    }

    /// Takes a page of this list off it.
    pub(super) fn remove(&mut self, pages: &[Page], frame: Frame) {
        let page = &pages[frame.index()];
        let previous = page.previous.swap(NOWHERE, Ordering::Relaxed);
        let next = page.next.swap(NOWHERE, Ordering::Relaxed);
        match previous {
            NOWHERE => self.first = next,
            _ => pages[previous as usize].next.store(next, Ordering::Relaxed),
        }
        match next {
            NOWHERE => self.last = previous,
            _ => pages[next as usize]
                .previous
                .store(previous, Ordering::Relaxed),
        }
        self.length -= 1;
    }
}
