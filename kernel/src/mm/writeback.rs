//! Dirty pages of files: writing them to the device, and dropping them with the end of a file.

use core::ops::Range;

use arch::Frame;

use super::hash::Key;
use super::page::PageFlags;
use super::{Mm, StoreError};
use crate::sync;
use crate::sync::atomic::Ordering;

impl Mm<'_> {
    /// Writes a page of a file to the store if it was written to, through a mapping or by the kernel.
    /// Returns whether it was.
    ///
    /// # Errors
    /// The store has failed: the page stays dirty.
    pub fn write_back(&self, key: Key) -> Result<bool, StoreError> {
        // A page that the host has discarded was clean.
        match self.lookup_locked(key) {
            Some(page) => self.write_if_dirty(page.frame()),
            None => Ok(false),
        }
    }

    /// Writes those pages of a range of a file to the store that were written to; returns how many.
    ///
    /// # Errors
    /// The store has failed for one of them, which stays dirty; all others are written.
    pub fn write_back_range(&self, file: u32, mut range: Range<u32>) -> Result<usize, StoreError> {
        let mut written = Ok(0);
        while !range.is_empty() {
            let written_to = PageFlags::DIRTY | PageFlags::WRITABLE;
            for page in self.lookup_gang_tagged(file, &mut range, written_to) {
                match self.write_stable(page.frame()) {
                    Ok(one) => written = written.map(|count| count + usize::from(one)),
                    Err(error) => written = Err(error),
                }
            }
            // Nothing is held here.
            sync::poll();
        }
        written
    }

    /// Writes a page to which the caller has a reference that made it stable, if it is dirty.
    fn write_stable(&self, frame: Frame) -> Result<bool, StoreError> {
        self.await_lock(frame);
        let written = self.write_if_dirty(frame);
        self.unlock_page(frame);
        written
    }

    /// As [`Mm::write_stable`], of a page that the caller has locked, too.
    fn write_if_dirty(&self, frame: Frame) -> Result<bool, StoreError> {
        let page = self.page(frame);
        // From here on, a store through a mapping is a fault, which makes the page dirty once more.
        self.protect_everywhere(frame);
        if !page.flags().contains(PageFlags::DIRTY) {
            return Ok(false);
        }
        self.activate_if_used(frame);
        let written = self.write_locked(frame, Key::of(page));
        written.then_some(true).ok_or(StoreError)
    }

    /// Writes an isolated page to where it belongs, so that it may go: an anonymous page to a slot, a
    /// page of a file to the file. The caller has a reference.
    pub(super) fn clean_isolated(&self, frame: Frame) {
        let page = self.page(frame);
        let flags = page.flags();
        let stays = PageFlags::MEMORY_LOCKED | PageFlags::WRITEBACK | PageFlags::PRIVATE;
        if flags.intersects(stays) {
            return;
        }
        if flags.contains(PageFlags::CACHED) {
            // Without a store there is nowhere to write to: the page stays.
            let written_to = flags.intersects(PageFlags::DIRTY | PageFlags::WRITABLE)
                && self.store.get().is_some();
            if written_to && !flags.contains(PageFlags::ANON) && self.make_stable(frame).is_ok() {
                // What fails stays dirty, and is counted.
                let _ = self.write_stable(frame);
            }
        } else if flags.contains(PageFlags::ANON) && self.has_swap() && self.lock_page(frame) {
            // It may have left the swap cache for good, or its task may have locked it in memory.
            let now = page.flags();
            if !now.intersects(stays | PageFlags::CACHED | PageFlags::DISCARDED) {
                self.swap_out(frame);
            }
            self.unlock_page(frame);
        }
    }

    /// Drops pages of a file that it does not have any more; what was written to them is lost.
    ///
    /// The store must not have them any more when this is called: who reads one from then on must not
    /// find what was there.
    pub fn truncate(&self, file: u32, pages: Range<u32>) {
        self.truncations.fetch_add(1, Ordering::SeqCst);
        let mut rest = pages;
        while !rest.is_empty() {
            for frame in self.find_gang(file, &mut rest, PageFlags::UP_TO_DATE) {
                // Nobody is writing it to the device while it is locked.
                self.await_lock(frame);
                self.remove_page(frame);
                // Also what was written through a mapping until now.
                self.page(frame).reset(PageFlags::DIRTY);
                self.unlock_page(frame);
                self.put_page(frame);
            }
        }
    }
}
