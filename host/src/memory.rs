//! The frames that back guests' pages.

use alloc::vec::Vec;

use arch::Frame;

/// Frames that guests' pages can have; last in, first out.
#[derive(Debug)]
pub struct FramePool {
    free: Vec<Frame>,
    total: usize,
}

impl FramePool {
    /// A pool of `count` frames from `first`.
    #[must_use]
    pub fn new(first: Frame, count: u32) -> Self {
        let free: Vec<_> = (first.0..first.0 + count).rev().map(Frame).collect();
        Self {
            total: free.len(),
            free,
        }
    }

    /// Takes a frame; its content is whatever its last user left.
    pub fn take(&mut self) -> Option<Frame> {
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

    /// Frames that are free.
    #[must_use]
    pub fn free(&self) -> usize {
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
