//! MMU notifiers: whoever uses the pages of a guest's memory beside the memory itself is told what is taken
//! from them.
//!
//! ```text
//!   pager, evictor ──> GuestMemory: pages ──> Notifiers ──┬──> tables of CPUs with DAT off
//!                                                         ├──> shadow tables of those with DAT on
//!                                                         └──> buffers of each block device
//! ```
//!
//! The memory owns the frames and knows none of its users. Users own no frame, may know one at any time, and
//! give it up when they are told.

mod rcu;
#[cfg(test)]
mod tests;
#[cfg(any(test, feature = "explore"))]
pub mod witness;

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ops::Range;

use rcu::Rcu;

/// What is taken from the users of a page.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Right {
    /// To store: a change of the page is noticed from now on.
    Store,
    /// To access it at all: its frame will be somebody else's.
    Access,
    /// To find it again: its content goes, too.
    Content,
}

/// A page cannot be given up at the moment: it is pinned.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Pinned;

/// A user of a guest's pages, by guest absolute page.
///
/// It is told by any CPU, by several at a time, and for a while after it was unregistered.
pub trait Notifier: Send + Sync {
    /// Whether it has used a page since it was last asked, or uses it now, in a way that leaves the reference bit
    /// of the frame off.
    fn age_page(&self, page: u32) -> bool;

    /// Gives up a right to some pages. When this returns, nobody uses it any more.
    ///
    /// # Errors
    /// One of them is pinned and stays; the right to the others may be gone.
    fn invalidate_range(&self, pages: Range<u32>, right: Right) -> Result<(), Pinned>;

    /// Gives up a right to a page.
    ///
    /// # Errors
    /// The page is pinned and stays.
    fn invalidate_page(&self, page: u32, right: Right) -> Result<(), Pinned> {
        self.invalidate_range(page..page + 1, right)
    }

    /// As [`Notifier::age_page`] for each of some pages, at most 64: a bit for each that it has used, the first
    /// one's on the right.
    fn age_batch(&self, pages: &[u32]) -> u64 {
        let each = pages.iter().enumerate();
        each.fold(0, |used, (at, page)| {
            used | u64::from(self.age_page(*page)) << at
        })
    }

    /// As [`Notifier::invalidate_page`] for each of some pages, at most 64: a bit for each that is pinned. All of it is
    /// over when this returns, so what that takes is done once.
    fn invalidate_batch(&self, pages: &[u32], right: Right) -> u64 {
        let each = pages.iter().enumerate();
        each.fold(0, |pinned, (at, page)| {
            pinned | u64::from(self.invalidate_page(*page, right).is_err()) << at
        })
    }

    /// Gives up all pages, waiting for pinned ones: the memory goes.
    fn release(&self);
}

/// Most pages of a batch: a bit for each.
pub const BATCH: usize = u64::BITS as usize;

/// The users of one guest's memory. Walks through them take no lock and wait for nobody who comes or goes: they
/// reach who was there when they began.
pub struct Notifiers(Rcu<Vec<Arc<dyn Notifier>>>);

impl Default for Notifiers {
    fn default() -> Self {
        Self(Rcu::new(Vec::new()))
    }
}

impl Notifiers {
    /// Every walk that begins from now on reaches this one, too.
    pub fn register(&self, notifier: &Arc<dyn Notifier>) {
        self.replace(notifier, true);
    }

    /// No walk that begins from now on reaches this one. It is freed when those have ended that have begun.
    pub fn unregister(&self, notifier: &Arc<dyn Notifier>) {
        self.replace(notifier, false);
    }

    /// From now on a notifier is there, once, or is not.
    fn replace(&self, notifier: &Arc<dyn Notifier>, is_there: bool) {
        self.0.update(&|all| {
            let mut new = Vec::with_capacity(all.len() + 1);
            for one in all.iter().filter(|one| !Arc::ptr_eq(one, notifier)) {
                new.push(one.clone());
            }
            if is_there {
                new.push(notifier.clone());
            }
            new
        });
    }

    /// See [`Notifier::age_page`]: all are asked, for each forgets then.
    pub fn age_page(&self, page: u32) -> bool {
        let all = self.0.read();
        all.iter()
            .fold(false, |is_used, one| one.age_page(page) | is_used)
    }

    /// See [`Notifier::invalidate_page`].
    ///
    /// # Errors
    /// Somebody has pinned the page; others have given it up.
    pub fn invalidate_page(&self, page: u32, right: Right) -> Result<(), Pinned> {
        let all = self.0.read();
        all.iter()
            .try_for_each(|one| one.invalidate_page(page, right))
    }

    /// See [`Notifier::invalidate_range`].
    ///
    /// # Errors
    /// Somebody has pinned one of the pages.
    pub fn invalidate_range(&self, pages: &Range<u32>, right: Right) -> Result<(), Pinned> {
        let all = self.0.read();
        all.iter()
            .try_for_each(|one| one.invalidate_range(pages.clone(), right))
    }

    /// See [`Notifier::age_batch`].
    pub fn age_batch(&self, pages: &[u32]) -> u64 {
        let all = self.0.read();
        all.iter().fold(0, |used, one| used | one.age_batch(pages))
    }

    /// See [`Notifier::invalidate_batch`]: who is behind somebody who has pinned a page gives it up, too.
    pub fn invalidate_batch(&self, pages: &[u32], right: Right) -> u64 {
        let all = self.0.read();
        all.iter()
            .fold(0, |pinned, one| pinned | one.invalidate_batch(pages, right))
    }

    /// See [`Notifier::release`]. There are none afterwards.
    pub fn release(&self) {
        let all = self.0.update(&|_| Vec::new());
        all.iter().for_each(|one| one.release());
    }
}
