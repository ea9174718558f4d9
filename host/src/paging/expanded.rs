//! Expanded storage: frames set aside, where pages go before they go to the device. They come back by a
//! copy, and those that do not are moved on, the oldest first.

use arch::Frame;

use super::{PageId, Slot, Slots};

/// So much of it is kept free for pages to come.
const FREE_PART: u32 = 8;

/// The frames, by slots of their own.
#[derive(Debug)]
pub struct Expanded {
    first: Frame,
    slots: Slots,
    /// The slot to look at next for one to be moved on: slots are taken in a circle, so it is an old one.
    hand: u32,
}

impl Expanded {
    /// So many frames from the first.
    #[must_use]
    pub fn new(first: Frame, frames: u32) -> Self {
        Self {
            first,
            slots: Slots::new(frames),
            hand: 0,
        }
    }

    /// Takes a slot for a page, and with it a frame.
    pub fn take(&mut self, owner: PageId) -> Option<Slot> {
        self.slots.take(owner).map(Slot::to_expanded)
    }

    /// The frame of a slot.
    #[must_use]
    pub fn frame(&self, slot: Slot) -> Frame {
        Frame(self.first.0 + slot.number())
    }

    /// Gives a slot back.
    pub fn give(&mut self, slot: Slot) {
        self.slots.give(Slot::new(slot.number()));
    }

    /// Whether pages are to be moved on.
    #[must_use]
    pub fn is_short(&self) -> bool {
        self.slots.free() < self.slots.total().div_ceil(FREE_PART)
    }

    /// An old page, and its slot; the next time it is another one.
    pub fn oldest(&mut self) -> Option<(Slot, PageId)> {
        for _ in 0..self.slots.total() {
            let slot = Slot::new(self.hand);
            self.hand = (self.hand + 1) % self.slots.total();
            if let Some(owner) = self.slots.owner(slot) {
                return Some((slot.to_expanded(), owner));
            }
        }
        None
    }

    /// Slots that are free.
    #[must_use]
    pub fn free(&self) -> u32 {
        self.slots.free()
    }

    /// Slots in all.
    #[must_use]
    pub fn total(&self) -> u32 {
        self.slots.total()
    }
}
