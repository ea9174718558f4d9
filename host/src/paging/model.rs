//! A paging device in storage that guests do not get, as slow as a disk is said to be.
//!
//! It does one transfer after the other. What takes how long is stated, so runs on a machine whose clock
//! counts instructions can be repeated exactly.

use alloc::collections::VecDeque;

use arch::{Absolute, Frame, PAGE_SIZE, storage};

use super::{Direction, Pace, PagingDevice, Slot, Timing};

/// Most transfers under way.
const MOST: usize = 32;

struct Pending {
    direction: Direction,
    slot: Slot,
    frame: Frame,
    complete: u64,
}

/// The device.
pub struct Model {
    first: Frame,
    slots: u32,
    pace: Pace,
    pending: VecDeque<Pending>,
}

impl Model {
    /// A device of so many frames from the first.
    ///
    /// # Safety
    /// Nobody else may use these frames.
    #[must_use]
    pub unsafe fn new(first: Frame, slots: u32, timing: Timing) -> Self {
        Self {
            first,
            slots,
            pace: Pace::new(timing),
            pending: VecDeque::with_capacity(MOST),
        }
    }

    fn address(&self, slot: Slot) -> Absolute {
        self.first.address() + u64::from(slot.number()) * PAGE_SIZE as u64
    }
}

impl PagingDevice for Model {
    fn name(&self) -> &'static str {
        "model"
    }

    fn slots(&self) -> u32 {
        self.slots
    }

    unsafe fn begin(&mut self, direction: Direction, slot: Slot, frame: Frame, now: u64) -> bool {
        if self.pending.len() == MOST {
            return false;
        }
        let at = u64::from(slot.number());
        let complete = self.pace.begin(at, at + 1, PAGE_SIZE, now);
        self.pending.push_back(Pending {
            direction,
            slot,
            frame,
            complete,
        });
        true
    }

    fn go(&mut self) {}

    fn next_complete(&mut self, now: u64) -> Option<(Slot, bool)> {
        let Pending {
            direction,
            slot,
            frame,
            ..
        } = self.pending.pop_front_if(|first| first.complete <= now)?;
        let (to, from) = match direction {
            Direction::Read => (frame.address(), self.address(slot)),
            Direction::Write => (self.address(slot), frame.address()),
        };
        // SAFETY: the slot is ours, and whoever began the transfer vouches for the frame.
        unsafe { storage::copy_page(to, from) }
        Some((slot, true))
    }

    fn look_at(&self, _: u64) -> Option<u64> {
        self.pending.front().map(|first| first.complete)
    }
}

#[cfg(test)]
mod tests {
    use arch::sim::{Hinting, Machine};

    use super::*;

    #[test]
    fn time_goes_into_seeks_and_pages() {
        let machine = Machine::new(8, Hinting::None);
        let _entered = machine.enter();
        let timing = Timing {
            seek: 100,
            page: 10,
        };
        // SAFETY: nobody else is on the machine.
        let mut model = unsafe { Model::new(Frame(4), 4, timing) };
        let mut begin = |slot, now| {
            // SAFETY: as before.
            assert!(unsafe { model.begin(Direction::Write, Slot::new(slot), Frame(1), now) });
            model.pending.back().unwrap().complete
        };
        assert_eq!(begin(2, 1000), 1110, "there is another slot in between");
        assert_eq!(begin(3, 1001), 1120, "it comes behind the first");
        assert_eq!(begin(0, 5000), 5110, "the device was idle");
        assert_eq!(model.next_complete(1109), None);
        assert_eq!(model.look_at(1109), Some(1110));
        let complete = |model: &mut Model, now| model.next_complete(now).map(|(slot, _)| slot);
        assert_eq!(complete(&mut model, 1120), Some(Slot::new(2)));
        assert_eq!(complete(&mut model, 1120), Some(Slot::new(3)));
        assert_eq!(complete(&mut model, 1120), None);
    }
}
