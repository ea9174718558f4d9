//! The page descriptor, one for each frame.

use core::sync::atomic::{AtomicU32, AtomicU64};

use bitflags::bitflags;
use cmm::Usage;

use crate::sync::atomic::{AtomicU32 as SharedU32, Ordering};

bitflags! {
    /// Flags of a page.
    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    pub struct PageFlags: u32 {
        /// Somebody has the page for himself: it is being filled.
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
        /// Carries a record of its file system; only an active page does.
        const PRIVATE = 1 << 8;
        /// Not the allocator's: image, tables, holes.
        const RESERVED = 1 << 9;
        /// Taken out of its cache, for good: by a discard or by normal removal.
        const DISCARDED = 1 << 10;
        /// A writable mapping exists, or existed since the last time that none of any kind did.
        const WRITABLE = 1 << 11;
        /// The page state is being changed.
        const STATE_CHANGE = 1 << 12;
        /// In the page cache or, with SwapCache, in the swap cache.
        const CACHED = 1 << 13;
        /// Looked up since reclaim last saw it.
        const REFERENCED = 1 << 14;
        /// Free: in a block of the buddy allocator, or on a CPU's list.
        const FREE = 1 << 15;
        /// Locked in memory by a task.
        const MEMORY_LOCKED = 1 << 20;
        /// Stable, and reads as zero: said of a free page, of which the host has said so and that nobody has used since.
        const ZERO = 1 << 19;
        /// Waits in a CPU's batch to become volatile.
        const PENDING = 1 << 22;
        /// In the balloon.
        const BALLOONED = 1 << 21;
        /// High bit of the usage that this kernel set last ("Hinted").
        const HINTED_HIGH = 1 << 16;
        /// Low bit of the usage that this kernel set last ("Hinted").
        const HINTED_LOW = 1 << 17;
        /// Read ahead, and looked up by nobody so far.
        const READ_AHEAD = 1 << 18;
    }
}

impl PageFlags {
    /// Both bits of the usage that this kernel set last.
    pub(super) const HINTED: Self = Self::HINTED_HIGH.union(Self::HINTED_LOW);

    /// The flags that stand for a usage.
    const fn hinted(usage: Usage) -> Self {
        match usage {
            Usage::Stable => Self::empty(),
            Usage::Unused => Self::HINTED_LOW,
            Usage::PotentiallyVolatile => Self::HINTED_HIGH,
            Usage::Volatile => Self::HINTED,
        }
    }

    /// The usage that the flags stand for.
    pub(super) const fn usage(self) -> Usage {
        match (
            self.contains(Self::HINTED_HIGH),
            self.contains(Self::HINTED_LOW),
        ) {
            (false, false) => Usage::Stable,
            (false, true) => Usage::Unused,
            (true, false) => Usage::PotentiallyVolatile,
            (true, true) => Usage::Volatile,
        }
    }
}

/// What a link to no page holds.
pub(super) const NOWHERE: u32 = u32::MAX;

/// The descriptor of a frame: 64 bytes, on a boundary of its own, so that it never shares a cache line
/// half with its neighbour.
///
/// Links are frame numbers. All fields are atomic because descriptors are shared; those without an
/// accessor of their own belong to the lock of the list that they link.
#[repr(C, align(64))]
pub struct Page {
    flags: SharedU32,
    /// References: of caches, mappings and users.
    count: SharedU32,
    /// Mappings in address spaces, each of which has a reference, too.
    mappings: SharedU32,
    /// Of a page that waits for sign-off, the tick since when.
    pub(super) waits_since: AtomicU32,
    /// Number of the file, of a page in the page cache.
    pub(super) file: AtomicU32,
    /// Index in the file, in pages.
    pub(super) index: AtomicU32,
    /// Links of the list that the page is on: LRU or buddy.
    pub(super) previous: AtomicU32,
    pub(super) next: AtomicU32,
    /// The next page in the same bucket of the page cache's hash.
    pub(super) chain: AtomicU32,
    /// The first page in the bucket with this frame's number; nothing to do with the frame itself.
    pub(super) bucket: AtomicU32,
    /// How often the page has left a cache: whoever has no reference sees by it that it did.
    generation: SharedU32,
    /// Who may map it, of an anonymous page: one space, or a family of them.
    owner: SharedU32,
    /// Where in those spaces, in pages.
    pub(super) place: AtomicU32,
    /// What free block starts here, if one does: the buddy allocator's.
    pub(super) block: AtomicU32,
    /// The record that its file system has attached, while Private says that there is one.
    pub(super) record: AtomicU64,
}

// Explored atomics are larger.
#[cfg(not(feature = "explore"))]
const _: () = assert!(size_of::<Page>() == 64);

impl Page {
    /// A page that nobody may use, hinted stable as all pages are after IPL.
    #[must_use]
    pub const fn reserved() -> Self {
        Self {
            flags: SharedU32::new(PageFlags::RESERVED.bits()),
            count: SharedU32::new(1),
            mappings: SharedU32::new(0),
            waits_since: AtomicU32::new(0),
            file: AtomicU32::new(0),
            index: AtomicU32::new(0),
            previous: AtomicU32::new(NOWHERE),
            next: AtomicU32::new(NOWHERE),
            chain: AtomicU32::new(NOWHERE),
            bucket: AtomicU32::new(NOWHERE),
            generation: SharedU32::new(0),
            owner: SharedU32::new(Self::NOBODY),
            place: AtomicU32::new(0),
            block: AtomicU32::new(0),
            record: AtomicU64::new(0),
        }
    }

    /// The flags now.
    #[must_use]
    pub fn flags(&self) -> PageFlags {
        PageFlags::from_bits_retain(self.flags.load(Ordering::SeqCst))
    }

    /// Sets flags; returns the flags before.
    pub(super) fn set(&self, flags: PageFlags) -> PageFlags {
        PageFlags::from_bits_retain(self.flags.fetch_or(flags.bits(), Ordering::SeqCst))
    }

    /// Resets flags; returns the flags before.
    pub(super) fn reset(&self, flags: PageFlags) -> PageFlags {
        PageFlags::from_bits_retain(self.flags.fetch_and(!flags.bits(), Ordering::SeqCst))
    }

    /// Replaces all flags of a page without references. Nobody else changes any, so that this need not
    /// be one operation with the reading of them, which is expensive.
    pub(super) fn replace(&self, flags: PageFlags) {
        self.flags.store(flags.bits(), Ordering::Release);
    }

    /// Sets one flag; returns whether it was set already.
    pub(super) fn test_and_set(&self, flag: PageFlags) -> bool {
        self.set(flag).contains(flag)
    }

    /// The usage that this kernel set last.
    #[must_use]
    pub fn hinted(&self) -> Usage {
        self.flags().usage()
    }

    /// Whether it is in a cache, this kernel has set it stable last, and it is in no batch of those that
    /// are going to be volatile.
    pub(super) fn is_kept_stable(&self) -> bool {
        let asked = PageFlags::CACHED | PageFlags::HINTED | PageFlags::PENDING;
        self.flags() & asked == PageFlags::CACHED
    }

    /// Notes the usage that has been set. The caller has StateChange, or the page has no reference.
    pub(super) fn set_hinted(&self, usage: Usage) {
        let (keep, hinted) = (!PageFlags::HINTED.bits(), PageFlags::hinted(usage).bits());
        let noted = |flags| Some(flags & keep | hinted);
        let _ = self
            .flags
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, noted);
    }

    /// References now.
    #[must_use]
    pub fn references(&self) -> u32 {
        self.count.load(Ordering::SeqCst)
    }

    /// Takes a reference; the caller has one, or holds the lock of the cache that has one.
    pub(super) fn get(&self) {
        self.count.fetch_add(1, Ordering::SeqCst);
    }

    /// Takes a reference unless the last one is gone; returns whether there is one now.
    pub(super) fn get_unless_zero(&self) -> bool {
        let more = |count| (count > 0).then(|| count + 1);
        self.count
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, more)
            .is_ok()
    }

    /// Drops a reference; returns whether it was the last.
    ///
    /// # Panics
    /// If there is none: somebody has dropped what was not his.
    #[inline]
    pub(super) fn put(&self) -> bool {
        let before = self.count.fetch_sub(1, Ordering::SeqCst);
        assert!(before > 0, "a reference is dropped that nobody has");
        before == 1
    }

    /// Sets the number of references of a page that its allocator hands out or takes back.
    pub(super) fn set_references(&self, count: u32) {
        self.count.store(count, Ordering::SeqCst);
    }

    /// How often the page has left a cache.
    pub(super) fn generation(&self) -> u32 {
        self.generation.load(Ordering::SeqCst)
    }

    /// Notes that the page leaves its cache.
    pub(super) fn next_generation(&self) {
        self.generation.fetch_add(1, Ordering::SeqCst);
    }

    /// The owner of an anonymous page that is of no space's own memory, but of shared memory.
    pub(super) const NOBODY: u32 = 0;

    /// The number of the space that may map it, if it is one, or of the family.
    pub(super) fn owner(&self) -> u32 {
        self.owner.load(Ordering::SeqCst)
    }

    pub(super) fn set_owner(&self, owner: u32) {
        self.owner.store(owner, Ordering::SeqCst);
    }

    /// Counts a mapping, which has taken its reference before.
    pub(super) fn add_mapping(&self) {
        self.mappings.fetch_add(1, Ordering::SeqCst);
    }

    /// Counts a mapping less, whose reference is dropped later; returns whether it was the last.
    pub(super) fn remove_mapping(&self) -> bool {
        self.mappings.fetch_sub(1, Ordering::SeqCst) == 1
    }

    /// Mappings now.
    #[must_use]
    pub fn mappings(&self) -> u32 {
        self.mappings.load(Ordering::SeqCst)
    }
}

#[cfg(test)]
impl Page {
    /// Pretends that there are so many mappings, each with its reference.
    pub(super) fn pretend_mappings(&self, count: u32) {
        self.mappings.store(count, Ordering::SeqCst);
        self.count.fetch_add(count, Ordering::SeqCst);
    }
}
