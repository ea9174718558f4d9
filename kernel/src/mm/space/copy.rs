//! Copying a space for a child.

use alloc::sync::Arc;

use super::super::guard::Guard;
use super::super::page::PageFlags;
use super::super::{Mm, OutOfMemory};
use super::{Area, Space};

impl Mm<'_> {
    /// Copies a space: the child shows what the parent shows, and has mapped what the parent has. What
    /// either writes into private areas from now on is its own.
    ///
    /// The entry of a page that is being removed becomes in the child what the removal leaves in the
    /// parent: empty for a page of a file, its index where the place does not tell it, or the number of
    /// the page's slot.
    ///
    /// # Errors
    /// There is no memory for its tables.
    pub fn copy_space(&self, parent: &Space) -> Result<Arc<Space>, OutOfMemory> {
        let areas = parent.areas();
        // Locked memory is the parent's alone.
        let unlocked = |area: &Area| Area {
            locked: false,
            ..*area
        };
        let of_child = areas.iter().map(unlocked);
        let child = self.make_space(parent.family, parent.tables.page_count(), of_child)?;
        if self.has(Guard::EnterFirst) {
            self.enter_space(&child)?;
        }
        for area in areas.iter() {
            for number in area.pages() {
                self.copy_entry(parent, &child, number, area);
            }
        }
        if !self.has(Guard::EnterFirst) {
            self.enter_space(&child)?;
        }
        Ok(child)
    }

    /// The child's entry is read-only, whatever it is a copy of: so nobody can write who was not there
    /// when all mappings were made read-only.
    fn copy_entry(&self, parent: &Space, child: &Space, number: usize, area: &Area) {
        let _parent = parent.lock.lock();
        let entry = parent.tables.get(number);
        let _child = child.lock.lock();
        let Some(frame) = entry.frame() else {
            entry
                .slot()
                .into_iter()
                .for_each(|slot| self.get_slot(slot));
            child.tables.keep(number, entry.kept());
            return;
        };
        let page = self.page(frame);
        if self.has(Guard::OwnerFirst) {
            self.share(page, child);
        }
        if page.flags().contains(PageFlags::DISCARDED) && self.has(Guard::CopyCheck) {
            child
                .tables
                .keep(number, self.get_kept(frame, area.order()));
            return;
        }
        if !area.shared && !entry.is_protected() && self.has(Guard::ProtectParent) {
            self.protect_entry(parent, number, frame);
        }
        page.get();
        page.add_mapping();
        child.tables.map(number, frame, true);
        self.share(page, child);
    }
}
