//! The hash by which the page cache finds its pages, chained through their descriptors.
//!
//! It allocates nothing: pages enter the cache when memory is short. The heads of the chains stand in
//! the descriptors too, one a frame, so there are as many buckets as there can be pages.

use core::sync::atomic::AtomicU32;
use core::sync::atomic::Ordering::Relaxed;

use arch::Frame;

use super::page::{NOWHERE, Page};

/// Which page of which file.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Key {
    /// Number of the file.
    pub file: u32,
    /// Number of the page in it, from 0.
    pub index: u32,
}

impl Key {
    /// The number that stands for the swap area; its pages are slots.
    pub const SWAP: u32 = u32::MAX;

    /// What a slot of the swap area holds.
    #[must_use]
    pub const fn swap(slot: u32) -> Self {
        Self {
            file: Self::SWAP,
            index: slot,
        }
    }

    /// What a page in the cache holds.
    pub(super) fn of(page: &Page) -> Self {
        Self {
            file: page.file.load(Relaxed),
            index: page.index.load(Relaxed),
        }
    }

    /// Notes what a page is going to hold. It is not in the cache yet.
    pub(super) fn assign(self, page: &Page) {
        page.file.store(self.file, Relaxed);
        page.index.store(self.index, Relaxed);
    }

    /// Fibonacci hashing: neighbours in a file, and first pages of neighbouring files, spread well.
    fn bucket(self, buckets: usize) -> usize {
        let key = u64::from(self.file) << 32 | u64::from(self.index);
        let mixed = (key ^ key >> 29).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        ((u128::from(mixed) * buckets as u128) >> 64) as usize
    }
}

/// Right to change the chains; whoever locks it may.
pub(super) struct CacheHash(());

impl CacheHash {
    pub(super) const fn new() -> Self {
        Self(())
    }

    /// The link that leads to the page with that key, or that ends its chain.
    fn link_to<'a>(&self, pages: &'a [Page], key: Key) -> &'a AtomicU32 {
        let mut link = &pages[key.bucket(pages.len())].bucket;
        loop {
            let number = link.load(Relaxed);
            if number == NOWHERE || Key::of(&pages[number as usize]) == key {
                return link;
            }
            link = &pages[number as usize].chain;
        }
    }

    #[inline]
    pub(super) fn find(&self, pages: &[Page], key: Key) -> Option<Frame> {
        let number = self.link_to(pages, key).load(Relaxed);
        (number != NOWHERE).then_some(Frame(number))
    }

    /// Enters a page under the key that was assigned to it; returns whether that was free.
    pub(super) fn insert(&mut self, pages: &[Page], frame: Frame) -> bool {
        let page = &pages[frame.index()];
        let link = self.link_to(pages, Key::of(page));
        let free = link.load(Relaxed) == NOWHERE;
        if free {
            page.chain.store(NOWHERE, Relaxed);
            link.store(frame.0, Relaxed);
        }
        free
    }

    /// Takes a page out that is in.
    pub(super) fn remove(&mut self, pages: &[Page], frame: Frame) {
        let page = &pages[frame.index()];
        let link = self.link_to(pages, Key::of(page));
        assert!(
            link.load(Relaxed) == frame.0,
            "{frame} is not in the page cache"
        );
        link.store(page.chain.swap(NOWHERE, Relaxed), Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The most of some keys that share a bucket.
    fn longest_chain(keys: impl ExactSizeIterator<Item = Key>) -> usize {
        let buckets = keys.len();
        let mut chains = vec![0; buckets];
        keys.for_each(|key| chains[key.bucket(buckets)] += 1);
        chains.into_iter().max().expect("there are some")
    }

    /// Of as many keys as there are buckets, thrown at random, eight or so would be in the fullest one.
    #[test]
    fn pages_of_a_file_and_files_of_one_page_spread_well() {
        let pages = |file| (0..4096).map(move |index| Key { file, index });
        for file in [0, 1, 7, 0x8000_0000, Key::SWAP] {
            assert!(longest_chain(pages(file)) <= 8, "{file:#x}");
        }
        let files = |index| (0..4096).map(move |file| Key { file, index });
        for index in [0, 1, 100] {
            assert!(longest_chain(files(index)) <= 8, "{index}");
        }
        let both = (0..4096_u32).map(|number| Key {
            file: number / 64,
            index: number % 64,
        });
        assert!(longest_chain(both) <= 8);
    }
}
