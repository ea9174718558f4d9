//! What pages are written to.

use arch::Frame;

use super::Slot;

/// Which way a page goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Direction {
    /// From a slot into a frame.
    Read,
    /// From a frame into a slot.
    Write,
}

/// A device with slots of one page each, which works while CPUs run.
pub trait PagingDevice {
    /// What it is, for people and programs.
    fn name(&self) -> &'static str;

    /// How many slots it has.
    fn slots(&self) -> u32;

    /// Begins a transfer; returns false if as many are under way as it can do. At most one is under way
    /// for a slot.
    ///
    /// # Safety
    /// The device may use the frame until the transfer is complete: nobody else stores into one that
    /// is read into, and whatever one that is written becomes meanwhile may be found in the slot.
    unsafe fn begin(&mut self, direction: Direction, slot: Slot, frame: Frame, now: u64) -> bool;

    /// All that was begun is to be done now.
    fn go(&mut self);

    /// The next transfer that is complete: its slot, and whether it succeeded.
    fn next_complete(&mut self, now: u64) -> Option<(Slot, bool)>;

    /// Whether it will interrupt a CPU when the next transfer is complete: not if one is by now.
    fn will_interrupt(&self) -> bool {
        false
    }

    /// When to look for complete transfers, if any are under way.
    fn look_at(&self, now: u64) -> Option<u64>;
}
