//! The buffers of a block device: what a request uses keeps its content until that is over, and a page that is being
//! moved stays where it is.
//!
//! Pages of a request that is under way may be paged out while it waits for others: it has no frames that others
//! could wait for in turn.

use alloc::vec::Vec;
use core::ops::Range;
use core::sync::atomic::{AtomicU32, Ordering};

use spin::{Mutex, MutexGuard};

use crate::mem::notifier::{Notifier, Pinned, Right};

/// No page.
const NONE: u32 = u32::MAX;

/// What a device uses; it does one request at a time.
pub struct Buffers {
    /// The page that is being moved.
    moving: AtomicU32,
    /// The pages of the request.
    held: Mutex<Vec<Range<u32>>>,
}

impl Default for Buffers {
    fn default() -> Self {
        Self {
            moving: AtomicU32::new(NONE),
            held: Mutex::default(),
        }
    }
}

impl Buffers {
    /// Keeps a page where it is until what this returns is dropped.
    pub fn pin(&self, page: u32) -> Pin<'_> {
        let other = self.moving.swap(page, Ordering::SeqCst);
        debug_assert_eq!(other, NONE, "two transfers at a time");
        Pin(self)
    }

    /// From now on the contents of these pages stay, too.
    pub fn hold(&self, pages: Range<u32>) {
        self.held().push(pages);
    }

    /// The contents of all pages may go again.
    pub fn let_go(&self) {
        self.held().clear();
    }

    #[inline(never)]
    fn held(&self) -> MutexGuard<'_, Vec<Range<u32>>> {
        self.held.lock()
    }

    #[inline(never)]
    fn is_pinned(&self, pages: &Range<u32>, right: Right) -> bool {
        let is_held = |held: &Range<u32>| held.start < pages.end && pages.start < held.end;
        pages.contains(&self.moving.load(Ordering::SeqCst))
            || right == Right::Content && self.held().iter().any(is_held)
    }
}

/// A page that a transfer uses.
#[must_use = "the page may go when this is dropped"]
pub struct Pin<'a>(&'a Buffers);

impl Drop for Pin<'_> {
    fn drop(&mut self) {
        self.0.moving.store(NONE, Ordering::SeqCst);
    }
}

impl Notifier for Buffers {
    fn age_page(&self, page: u32) -> bool {
        // Devices leave the reference bit as it is.
        self.moving.load(Ordering::SeqCst) == page
    }

    fn invalidate_range(&self, pages: Range<u32>, right: Right) -> Result<(), Pinned> {
        if self.is_pinned(&pages, right) {
            return Err(Pinned);
        }
        Ok(())
    }

    fn invalidate_batch(&self, pages: &[u32], right: Right) -> u64 {
        let is_idle = self.moving.load(Ordering::SeqCst) == NONE && self.held().is_empty();
        if is_idle {
            return 0;
        }
        let each = pages.iter().enumerate();
        each.fold(0, |pinned, (at, page)| {
            pinned | u64::from(self.is_pinned(&(*page..page + 1), right)) << at
        })
    }

    fn release(&self) {
        // A transfer ends by itself, whoever has the host's lock.
        while self.moving.load(Ordering::SeqCst) != NONE {
            core::hint::spin_loop();
        }
    }
}
