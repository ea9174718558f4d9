//! Random churn of an allocator: what its figures are taken with, here and for other allocators.
//!
//! At each turn a coin decides whether something is allocated or one of those that live, chosen at
//! random, is freed. How many live goes up and down between two limits, as random as that: an allocator
//! that keeps a few at hand runs out of them, and into too many of them, now and then.

use alloc::vec::Vec;

use rand_core::Rng as _;
use rand_pcg::Pcg64Mcg;

/// What happens next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Turn<T> {
    /// Something is allocated: the caller says what by [`Churn::add`].
    Allocate,
    /// This, which lived so far, is freed.
    Free(T),
}

/// What lives, and the coin.
pub struct Churn<T> {
    live: Vec<T>,
    least: usize,
    most: usize,
    random: Pcg64Mcg,
}

impl<T> Churn<T> {
    /// Nothing lives yet; once it does, `live` do on average, half as many at least and half as many
    /// more at most.
    #[must_use]
    pub fn new(live: usize, seed: u128) -> Self {
        Self {
            live: Vec::with_capacity(live + live / 2),
            least: live / 2,
            most: live + live / 2,
            random: Pcg64Mcg::new(seed),
        }
    }

    /// What happens next.
    pub fn turn(&mut self) -> Turn<T> {
        let live = self.live.len();
        let coin = self.random.next_u64();
        if live <= self.least || (live < self.most && coin & 1 == 0) {
            return Turn::Allocate;
        }
        // The upper half times the number, as a fraction: no division, no bias worth naming.
        let which = ((coin >> 32) * live as u64) >> 32;
        Turn::Free(self.live.swap_remove(which as usize))
    }

    /// This has been allocated.
    pub fn add(&mut self, new: T) {
        self.live.push(new);
    }

    /// All that live, which are freed.
    pub fn end(self) -> Vec<T> {
        self.live
    }
}
