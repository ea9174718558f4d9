//! Which pages a guest uses, for a monitor that looks at reference bits beside the pager.
//!
//! A frame has one reference bit, and whoever has seen it on resets it. So each of the two notes what the
//! other one has not seen.

use alloc::vec;
use alloc::vec::Vec;

use arch::key;

use super::super::entry::PageFlags;
use super::GuestMemory;

/// References that one has seen and the other has not, a bit for each page.
pub(super) struct Sightings {
    /// Seen by the monitor.
    for_pager: Vec<u64>,
    /// Seen by the pager.
    for_monitor: Vec<u64>,
}

fn place(page: u32) -> (usize, u64) {
    (page as usize / 64, 1 << (page % 64))
}

/// Resets the bit of a page; returns whether it was on.
fn take(bits: &mut [u64], page: u32) -> bool {
    let (word, bit) = place(page);
    let was_on = bits[word] & bit != 0;
    bits[word] &= !bit;
    was_on
}

impl Sightings {
    /// Whether the monitor has seen a reference that the pager has not.
    pub(super) fn is_for_pager(&self, page: u32) -> bool {
        let (word, bit) = place(page);
        self.for_pager[word] & bit != 0
    }

    /// The pager has seen all references of a page.
    pub(super) fn pager_has_seen(&mut self, page: u32) {
        take(&mut self.for_pager, page);
        let (word, bit) = place(page);
        self.for_monitor[word] |= bit;
    }
}

impl GuestMemory {
    /// From now on the pages that the guest uses are counted.
    pub fn watch(&mut self) {
        let bits = || vec![0; self.pages.len().div_ceil(64)];
        self.sightings = Some(Sightings {
            for_pager: bits(),
            for_monitor: bits(),
        });
    }

    /// How many pages have been used since this was asked last, of those that are resident.
    pub fn count_used(&mut self) -> u32 {
        let Some(mut sightings) = self.sightings.take() else {
            return 0;
        };
        let mut count = 0;
        for page in 0..self.pages.len() as u32 {
            let was_seen = take(&mut sightings.for_monitor, page);
            let Some(frame) = self.pages[page as usize].resident() else {
                take(&mut sightings.for_pager, page);
                continue;
            };
            // Reading the bit is cheap and resetting it is not.
            let is_on = key::get(frame) & key::REFERENCE != 0;
            if is_on {
                self.pages[page as usize].flags |= PageFlags::REFERENCED;
                key::reset_reference(frame);
                let (word, bit) = place(page);
                sightings.for_pager[word] |= bit;
            }
            count += u32::from(is_on || was_seen);
        }
        self.sightings = Some(sightings);
        count
    }
}
