//! The lock of everything shared.

use core::cell::UnsafeCell;
use core::ops::{Deref, DerefMut};
use core::sync::atomic::{AtomicU32, Ordering};

use super::relax;

/// Nobody holds the lock.
const FREE: u32 = 0;
/// Somebody does.
const HELD: u32 = 1;

/// A lock that a CPU spins for, and lets others run while it does.
///
/// It is a word, because a byte is no operand of COMPARE AND SWAP: to change one takes four times the
/// instructions. It is no ticket lock: where there are more virtual CPUs than real ones, the one whose
/// turn it is may be the one that does not run.
#[derive(Debug)]
pub struct Mutex<T> {
    state: AtomicU32,
    value: UnsafeCell<T>,
}

// SAFETY: whoever holds the lock has the only access to the value, and hands it on with the lock.
unsafe impl<T: Send> Sync for Mutex<T> {}

/// The lock is held as long as this exists.
#[derive(Debug)]
pub struct Held<'a, T>(&'a Mutex<T>);

// SAFETY: as a `&T`, which is all that a shared one gives.
unsafe impl<T: Sync> Sync for Held<'_, T> {}

impl<T> Mutex<T> {
    /// A lock that is free.
    pub const fn new(value: T) -> Self {
        Self {
            state: AtomicU32::new(FREE),
            value: UnsafeCell::new(value),
        }
    }

    fn try_take(&self) -> bool {
        let taken = self
            .state
            .compare_exchange(FREE, HELD, Ordering::Acquire, Ordering::Relaxed);
        taken.is_ok()
    }

    /// Takes the lock.
    #[inline]
    pub fn lock(&self) -> Held<'_, T> {
        if !self.try_take() {
            self.wait();
        }
        Held(self)
    }

    /// Waits for the lock and takes it: out of the way of who finds it free.
    #[cold]
    #[inline(never)]
    fn wait(&self) {
        loop {
            // Reading does not take the line away from who holds the lock.
            while self.state.load(Ordering::Relaxed) != FREE {
                relax();
            }
            if self.try_take() {
                return;
            }
        }
    }
}

impl<T> Deref for Held<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: the lock is held.
        unsafe { &*self.0.value.get() }
    }
}

impl<T> DerefMut for Held<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: the lock is held, and this is the only access by way of it.
        unsafe { &mut *self.0.value.get() }
    }
}

impl<T> Drop for Held<'_, T> {
    #[inline]
    fn drop(&mut self) {
        self.0.state.store(FREE, Ordering::Release);
    }
}

#[cfg(all(test, not(feature = "explore")))]
mod tests {
    use super::*;

    /// Threads that read, wait and write under the lock lose no step of one another.
    #[test]
    fn one_at_a_time() {
        const STEPS: u32 = 2000;
        let counter = Mutex::new(0_u32);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..STEPS {
                        let mut counter = counter.lock();
                        let seen = *counter;
                        std::thread::yield_now();
                        *counter = seen + 1;
                    }
                });
            }
        });
        assert_eq!(*counter.lock(), 4 * STEPS);
    }
}
