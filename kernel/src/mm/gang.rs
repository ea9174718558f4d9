//! Several pages of a file at a time: the cache's lock is taken once for all of them.

use core::ops::Range;

use arch::Frame;
use arrayvec::ArrayVec;

use super::hash::Key;
use super::page::PageFlags;
use super::{Mm, StableRef};

/// Most pages that are looked up at a time.
pub const GANG: usize = 16;

/// Pages of a file, stable, in the order of their indices.
pub type Gang<'m> = ArrayVec<StableRef<'m>, GANG>;

impl Mm<'_> {
    /// The first pages of a range that the cache has and that have one of these flags, each with a
    /// reference; `range` begins behind the last one that was looked at.
    fn find_gang(
        &self,
        file: u32,
        range: &mut Range<u32>,
        flags: PageFlags,
    ) -> ArrayVec<Frame, GANG> {
        let mut found = ArrayVec::new();
        let cache = self.cache.lock();
        while !found.is_full()
            && let Some(index) = range.next()
        {
            let Some(frame) = cache.find(self.pages, Key { file, index }) else {
                continue;
            };
            let page = self.page(frame);
            if page.flags().intersects(flags) {
                // Under the lock, as in `find`.
                page.get();
                found.push(frame);
            }
        }
        found
    }

    /// Looks the next pages of a range up, and makes them stable; what was discarded is removed and left
    /// out. `range` begins behind the last one that was looked at.
    pub fn lookup_gang(&self, file: u32, range: &mut Range<u32>) -> Gang<'_> {
        self.lookup_gang_tagged(file, range, PageFlags::UP_TO_DATE)
    }

    /// As [`Mm::lookup_gang`], of pages that have one of these flags.
    pub(super) fn lookup_gang_tagged(
        &self,
        file: u32,
        range: &mut Range<u32>,
        flags: PageFlags,
    ) -> Gang<'_> {
        loop {
            let found = self.find_gang(file, range, flags);
            let none = found.is_empty();
            let gang: Gang<'_> = found
                .into_iter()
                .filter_map(|frame| self.stable_or_removed(frame).ok())
                .collect();
            // All of them may have been discarded: then there are others behind.
            if none || !gang.is_empty() {
                return gang;
            }
        }
    }
}
