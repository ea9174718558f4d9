//! The frames that back guests' pages.

use alloc::vec::Vec;

use arch::Frame;

use crate::paging::{Ledger, Slot};

/// Frames that are left for what cannot wait: interruptions of guests.
const RESERVE: usize = 8;

/// This part of the frames can not be withheld from guests.
const LEAST_LEFT: usize = 8;

/// Frames that guests' pages can have; last in, first out.
#[derive(Debug)]
pub struct FramePool {
    free: Vec<Frame>,
    total: usize,
    /// So many free frames only urgent requests get.
    reserve: usize,
    /// So many more count as used, for the operator wants it so.
    withheld: usize,
    /// Whether what is asked for now cannot wait.
    pub is_urgent: bool,
    /// If there is a paging device: what is kept of pages on it, and of those that may go there.
    pub ledger: Option<Ledger>,
}

impl FramePool {
    /// A pool of `count` frames from `first`.
    #[must_use]
    pub fn new(first: Frame, count: u32) -> Self {
        let free: Vec<_> = (first.0..first.0 + count).rev().map(Frame).collect();
        Self {
            total: free.len(),
            free,
            reserve: 0,
            withheld: 0,
            is_urgent: false,
            ledger: None,
        }
    }

    /// From now on pages can be paged out, with a ledger of that. What cannot wait for them keeps a
    /// reserve.
    pub fn allow_paging(&mut self, ledger: Ledger) {
        self.ledger = Some(ledger);
        self.reserve = RESERVE.min(self.total / 2);
    }

    /// So many free frames only urgent requests get.
    #[must_use]
    pub fn reserve(&self) -> usize {
        self.reserve
    }

    /// Makes the machine smaller by so many frames, as if somebody else had them: pages go until they are free. Where
    /// there is no paging a guest gets one of them rather than none. Not all frames can be withheld.
    pub fn withhold(&mut self, frames: usize) -> bool {
        let is_possible = frames <= self.total - self.total / LEAST_LEFT;
        if is_possible {
            self.withheld = frames;
        }
        is_possible
    }

    /// Whether there is no frame but for what is urgent.
    #[must_use]
    pub fn is_exhausted(&self) -> bool {
        let free = match self.ledger {
            Some(_) => self.free(),
            None => self.free.len(),
        };
        free <= self.reserve
    }

    /// Takes a frame; its content is whatever its last user left.
    pub fn take(&mut self) -> Option<Frame> {
        if self.is_exhausted() && !self.is_urgent {
            return None;
        }
        self.free.pop()
    }

    /// Gives a frame back.
    pub fn give(&mut self, frame: Frame) {
        debug_assert!(
            self.free.len() < self.total,
            "more frames came back than there are"
        );
        self.free.push(frame);
    }

    /// Gives some frames back.
    pub fn give_all(&mut self, frames: impl Iterator<Item = Frame>) {
        self.free.extend(frames);
        debug_assert!(self.free.len() <= self.total);
    }

    /// Gives the slot of a page back; one that is not good any more is for nobody.
    pub fn give_slot(&mut self, slot: Slot, is_good: bool) {
        match &mut self.ledger {
            Some(ledger) if is_good => ledger.give(slot),
            Some(ledger) => ledger.slots.retire(),
            None => {}
        }
    }

    /// Frames that are free, and not withheld.
    #[must_use]
    pub fn free(&self) -> usize {
        self.free.len().saturating_sub(self.withheld)
    }

    /// Whether so many are; asked after every exit.
    #[must_use]
    #[inline]
    pub fn has_free(&self, frames: usize) -> bool {
        self.free.len() >= frames + self.withheld
    }

    /// Frames that nobody has, whoever may have them.
    #[must_use]
    pub fn idle(&self) -> usize {
        self.free.len()
    }

    /// Frames in all.
    #[must_use]
    pub fn total(&self) -> usize {
        self.total
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_withheld_is_not_free() {
        let mut pool = FramePool::new(Frame(16), 16);
        assert!(!pool.withhold(15), "a guest must be able to run");
        assert!(pool.withhold(14));
        assert_eq!((pool.free(), pool.idle()), (2, 16));
        // Without paging, nobody goes without a frame for it.
        let taken = core::iter::from_fn(|| pool.take()).count();
        assert_eq!((taken, pool.free(), pool.idle()), (16, 0, 0));
        pool.give(Frame(17));
        assert!(pool.withhold(0));
        assert_eq!(pool.free(), 1);
    }

    #[test]
    fn what_is_withheld_is_not_had_where_pages_can_go_elsewhere() {
        let mut pool = FramePool::new(Frame(16), 64);
        pool.allow_paging(Ledger::new(None, 64, 1, 64));
        assert!(pool.withhold(40));
        let taken = core::iter::from_fn(|| pool.take()).count();
        assert_eq!(taken, 64 - 40 - RESERVE);
        pool.is_urgent = true;
        assert!(pool.take().is_some(), "an interruption cannot wait");
    }

    #[test]
    fn every_frame_is_handed_out_once() {
        let mut pool = FramePool::new(Frame(16), 3);
        let mut taken: Vec<_> = core::iter::from_fn(|| pool.take()).collect();
        taken.sort();
        assert_eq!(taken, [Frame(16), Frame(17), Frame(18)]);
        pool.give(Frame(17));
        assert_eq!(
            (pool.take(), pool.free(), pool.total()),
            (Some(Frame(17)), 0, 3)
        );
    }
}
