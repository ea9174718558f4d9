//! What a file system remembers of a page that it has written.
//!
//! A record is a word whose meaning is the file system's own: what the device holds of the page. It lies
//! in the descriptor and goes with the content, so the page stays stable while it carries one (Private).
//! That is worth it for a page that is written again and again, which is an active one. A page that
//! becomes inactive, or leaves the LRU list, loses its record, and can be volatile once more: the record
//! saves work and is missed by nobody. Unlike Linux's buffer heads it takes no reference, since nothing of it
//! outlives the page.
//!
//! Pages become inactive at any time. Whoever attaches a record sets Private and looks then whether the page
//! was active; whoever makes it inactive resets both flags at once: so either the one sees that it is
//! inactive or the other takes the record.

use core::sync::atomic::Ordering::Relaxed;

use arch::Frame;

use super::Mm;
use super::guard::Guard;
use super::page::PageFlags;

impl Mm<'_> {
    /// Whether a page can carry a record.
    #[must_use]
    pub fn may_carry_record(&self, frame: Frame) -> bool {
        self.page(frame).flags().contains(PageFlags::ACTIVE)
    }

    /// Attaches a record to a page that is being written to its device, unless it is inactive by now.
    pub fn attach_record(&self, frame: Frame, record: u64) {
        let page = self.page(frame);
        page.record.store(record, Relaxed);
        let before = page.set(PageFlags::PRIVATE);
        if !before.contains(PageFlags::ACTIVE) && self.has(Guard::ActiveRecord) {
            page.reset(PageFlags::PRIVATE);
        }
    }

    /// Takes the record off a page that is being written to its device, if it carries one.
    pub fn take_record(&self, frame: Frame) -> Option<u64> {
        let page = self.page(frame);
        // Whoever writes the page has locked it: nobody else attaches one.
        let before = page.reset(PageFlags::PRIVATE);
        let carried = before.contains(PageFlags::PRIVATE);
        carried.then(|| page.record.load(Relaxed))
    }
}
