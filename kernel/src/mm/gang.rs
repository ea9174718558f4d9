//! Several pages of a file at a time: the cache's lock is taken once for all of them. And one for who
//! wants to have it for himself.

use core::ops::Range;

use arch::Frame;
use arrayvec::ArrayVec;

use super::hash::Key;
use super::page::PageFlags;
use super::{Mm, StableRef};

/// Most pages that are looked up at a time.
pub const GANG: usize = 16;

/// Most indices that are looked at while the cache is locked.
const SPAN: usize = 8 * GANG;

/// Pages of a file, stable, in the order of their indices.
pub type Gang<'m> = ArrayVec<StableRef<'m>, GANG>;

/// A page that is stable, and locked as long as this exists.
pub(super) struct LockedRef<'m>(StableRef<'m>);

impl LockedRef<'_> {
    /// The frame that the page is in.
    pub(super) fn frame(&self) -> Frame {
        self.0.frame
    }
}

impl Drop for LockedRef<'_> {
    /// Unlocks the page, before its reference is dropped: then it may become volatile.
    fn drop(&mut self) {
        self.0.mm.unlock_page(self.0.frame);
    }
}

impl Mm<'_> {
    /// Looks a page up, makes it stable, and locks it as soon as nobody else has; `None` if the cache does
    /// not have it, or not any more, or if it was discarded, and removed now.
    ///
    /// It is no use of the page: what looks for it so is about to write it.
    pub(super) fn lookup_locked(&self, key: Key) -> Option<LockedRef<'_>> {
        let range = key.index..key.index + 1;
        let page = self.lookup_gang(key.file, &mut { range }).pop()?;
        self.await_lock(page.frame);
        let page = LockedRef(page);
        let removed = self
            .page(page.frame())
            .flags()
            .contains(PageFlags::DISCARDED);
        (!removed).then_some(page)
    }

    /// Some of the first pages of a range that the cache has and that have one of these flags, each with
    /// a reference; `range` begins behind the last one that was looked at.
    pub(super) fn find_gang(
        &self,
        file: u32,
        range: &mut Range<u32>,
        flags: PageFlags,
    ) -> ArrayVec<Frame, GANG> {
        let mut found = ArrayVec::new();
        let cache = self.cache.lock();
        for index in range.by_ref().take(SPAN) {
            let Some(frame) = cache.find(self.pages, Key { file, index }) else {
                continue;
            };
            let page = self.page(frame);
            if page.flags().intersects(flags) {
                // Under the lock, as in `find`.
                page.get();
                found.push(frame);
                if found.is_full() {
                    break;
                }
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
            let gang: Gang<'_> = found
                .into_iter()
                .filter_map(|frame| self.stable_or_removed(frame).ok())
                .collect();
            // None may be there, or all have been discarded: then there are others behind.
            if Range::is_empty(range) || !gang.is_empty() {
                return gang;
            }
        }
    }
}
