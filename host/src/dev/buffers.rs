//! The buffer of a block device: a page that a transfer uses stays where it is until that is over.

use core::ops::Range;
use core::sync::atomic::{AtomicU32, Ordering};

use crate::mem::notifier::{Notifier, Pinned, Right};

/// No page.
const NONE: u32 = u32::MAX;

/// The page that the transfer of a device uses; a device does one at a time.
pub struct Buffers(AtomicU32);

impl Default for Buffers {
    fn default() -> Self {
        Self(AtomicU32::new(NONE))
    }
}

impl Buffers {
    /// Keeps a page where it is until what this returns is dropped.
    pub fn pin(&self, page: u32) -> Pin<'_> {
        let other = self.0.swap(page, Ordering::SeqCst);
        debug_assert_eq!(other, NONE, "two transfers at a time");
        Pin(self)
    }
}

/// A page that a transfer uses.
#[must_use = "the page may go when this is dropped"]
pub struct Pin<'a>(&'a Buffers);

impl Drop for Pin<'_> {
    fn drop(&mut self) {
        self.0.0.store(NONE, Ordering::SeqCst);
    }
}

impl Notifier for Buffers {
    fn age_page(&self, page: u32) -> bool {
        // Devices leave the reference bit as it is.
        self.0.load(Ordering::SeqCst) == page
    }

    fn invalidate_range(&self, pages: Range<u32>, _: Right) -> Result<(), Pinned> {
        if pages.contains(&self.0.load(Ordering::SeqCst)) {
            return Err(Pinned);
        }
        Ok(())
    }

    fn invalidate_batch(&self, pages: &[u32], _: Right) -> u64 {
        match self.0.load(Ordering::SeqCst) {
            NONE => 0,
            pinned => pages
                .iter()
                .position(|page| *page == pinned)
                .map_or(0, |at| 1 << at),
        }
    }

    fn release(&self) {
        // A transfer ends by itself, whoever has the host's lock.
        while self.0.load(Ordering::SeqCst) != NONE {
            core::hint::spin_loop();
        }
    }
}
