//! Locking pages in memory: they are there, they stay, and they are never volatile.

use alloc::vec::Vec;
use core::ops::Range;

use super::super::hash::Key;
use super::super::page::{Page, PageFlags};
use super::super::{Lookup, Mm, OutOfMemory, Parts, with_capacity};
use super::{Area, MapError, Space};
use crate::sync::atomic::Ordering;

impl Mm<'_> {
    /// Locks a range of pages in memory. What is discarded or swapped out comes back; pages of files
    /// that were locked once stay stable for good, those of the space alone until it unmaps them.
    ///
    /// # Errors
    /// A page cannot be had; what was locked up to there stays so.
    pub fn lock_range(&self, space: &Space, range: Range<usize>) -> Result<(), MapError> {
        let leaving = self.change_areas(space, &range, &|area| {
            Some(Area {
                locked: true,
                ..area
            })
        })?;
        self.leave(&leaving);
        for number in range {
            let Some(area) = space.area(number) else {
                continue;
            };
            if let Some(key) = area.key(number) {
                self.keep_file_stable(key.file)?;
            }
            self.lock_one(space, number, &area)?;
        }
        Ok(())
    }

    /// From now on all pages of a file stay stable.
    fn keep_file_stable(&self, file: u32) -> Result<(), OutOfMemory> {
        if !self.note_kept(file)? {
            return Ok(());
        }
        // Whoever has not seen that is changing a page's state now: making it stable waits for him.
        let cached = self
            .pages
            .iter()
            .filter(|page| page.flags().contains(PageFlags::CACHED))
            .map(Key::of)
            .filter(|key| key.file == file);
        for key in cached {
            drop(self.lookup_stable(key));
        }
        Ok(())
    }

    /// Notes that a file is kept stable; returns whether it was not until now. The list grows while it is
    /// not locked: an allocation may have to look at it.
    fn note_kept(&self, file: u32) -> Result<bool, OutOfMemory> {
        let mut larger = Vec::new();
        loop {
            let count = {
                let mut kept = self.kept_files.lock();
                let Err(place) = kept.binary_search(&file) else {
                    return Ok(false);
                };
                if kept.capacity() == kept.len() && larger.capacity() > kept.len() {
                    larger.append(&mut kept);
                    core::mem::swap(&mut *kept, &mut larger);
                }
                if kept.capacity() > kept.len() {
                    kept.insert(place, file);
                    self.any_kept.store(true, Ordering::SeqCst);
                    return Ok(true);
                }
                kept.len()
            };
            larger = with_capacity(2 * count + 8)?;
        }
    }

    /// Whether a page is one of a file of which a mapping was locked once.
    pub(in crate::mm) fn is_kept(&self, page: &Page) -> bool {
        let file = Key::of(page).file;
        self.any_kept.load(Ordering::SeqCst)
            && !self.lacks(Parts::MEMORY_LOCK)
            && self.kept_files.lock().binary_search(&file).is_ok()
    }

    /// Makes sure that a page is there, in an area that is locked in memory.
    pub(super) fn lock_one(
        &self,
        space: &Space,
        number: usize,
        area: &Area,
    ) -> Result<(), MapError> {
        loop {
            self.map_page(space, number, area.writable && !area.shared)?;
            // A page of the file that is discarded goes out here, and comes back in the next round.
            let key = self.shown(space, area, number);
            if key.is_some_and(|key| matches!(self.lookup_stable(key), Lookup::WasDiscarded)) {
                continue;
            }
            let _table = space.lock.lock();
            if let Some(frame) = space.tables.get(number).frame() {
                let page = self.page(frame);
                if page.flags().contains(PageFlags::ANON) {
                    page.set(PageFlags::MEMORY_LOCKED);
                }
                return Ok(());
            }
        }
    }

    /// Unlocks a range of pages. Pages of files stay stable: a mapping of them was locked once.
    ///
    /// # Errors
    /// There is no memory for the list of areas: nothing has changed.
    pub fn unlock_range(&self, space: &Space, range: Range<usize>) -> Result<(), OutOfMemory> {
        let leaving = self.change_areas(space, &range, &|area| {
            Some(Area {
                locked: false,
                ..area
            })
        })?;
        self.leave(&leaving);
        for number in range {
            let _table = space.lock.lock();
            if let Some(frame) = space.tables.get(number).frame() {
                self.page(frame).reset(PageFlags::MEMORY_LOCKED);
            }
        }
        Ok(())
    }
}
