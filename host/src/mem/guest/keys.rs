//! Storage keys as the guest sees them.

use arch::key;

use super::super::entry::PageFlags;
use super::GuestMemory;
use crate::mem::notifier::Right;

impl GuestMemory {
    /// Whether the guest's change bit of a page is on.
    #[must_use]
    pub fn is_changed(&self, page: u32) -> bool {
        self.pages[page as usize].flags.contains(PageFlags::CHANGED)
    }

    /// Whether the guest's reference bit of a page is on.
    #[must_use]
    pub fn is_referenced(&self, page: u32) -> bool {
        let entry = &self.pages[page as usize];
        entry.flags.contains(PageFlags::REFERENCED)
            || entry
                .resident()
                .is_some_and(|frame| key::get(frame) & key::REFERENCE != 0)
    }

    /// The guest's storage key of a page: access control, fetch protection, reference, change.
    #[must_use]
    pub fn key(&self, page: u32) -> u8 {
        let mut value = self.pages[page as usize].key;
        if self.is_referenced(page) {
            value |= key::REFERENCE;
        }
        if self.is_changed(page) {
            value |= key::CHANGE;
        }
        value
    }

    /// What the key of the page's frame is but for reference and change bits.
    pub(super) fn frame_key(&self, page: u32) -> u8 {
        if self.has_keys {
            self.pages[page as usize].key
        } else {
            0
        }
    }

    /// Sets the guest's storage key of a page.
    pub fn set_key(&mut self, page: u32, value: u8) {
        let entry = &mut self.pages[page as usize];
        entry.key = value & !(key::REFERENCE | key::CHANGE | 1);
        entry
            .flags
            .set(PageFlags::REFERENCED, value & key::REFERENCE != 0);
        entry
            .flags
            .set(PageFlags::CHANGED, value & key::CHANGE != 0);
        if let Some(frame) = entry.resident() {
            let protected = entry.is_write_protected();
            key::set(frame, if self.has_keys { entry.key } else { 0 });
            if protected && self.notifiers.invalidate_page(page, Right::Store).is_err() {
                // A transfer changes it afterwards.
                self.pages[page as usize].flags |= PageFlags::CHANGED;
            }
        }
        self.note_discardable(page);
    }

    /// Resets the guest's reference bit of a page.
    pub fn reset_reference(&mut self, page: u32) {
        let entry = &mut self.pages[page as usize];
        entry.flags.remove(PageFlags::REFERENCED);
        if let Some(frame) = entry.resident() {
            key::reset_reference(frame);
        }
    }

    /// Resets the reference bit of a page's frame for the host's own use; the guest still sees it on.
    pub fn reset_reference_of_host(&mut self, page: u32) {
        if let Some(sightings) = &mut self.sightings {
            sightings.pager_has_seen(page);
        }
        let entry = &mut self.pages[page as usize];
        if let Some(frame) = entry.resident() {
            entry.flags |= PageFlags::REFERENCED;
            key::reset_reference(frame);
        }
    }
}
