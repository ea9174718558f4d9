//! A lock whose waiters sleep: for what is held while a device works.

use core::cell::UnsafeCell;
use core::ops::{Deref, DerefMut};

use super::queue::Queue;
use super::{current, make_runnable};
use crate::sync::Mutex;

struct State {
    held: bool,
    waiters: Queue,
}

/// A lock that is handed to those who wait for it in their order.
pub struct SleepLock<T> {
    state: Mutex<State>,
    value: UnsafeCell<T>,
}

// SAFETY: one thread at a time has the value, which may move to another CPU with it.
unsafe impl<T: Send> Sync for SleepLock<T> {}

impl<T> SleepLock<T> {
    /// A lock that is free.
    pub fn new(value: T) -> Self {
        Self {
            state: Mutex::new(State {
                held: false,
                waiters: Queue::new(),
            }),
            value: UnsafeCell::new(value),
        }
    }

    /// Takes the lock.
    pub fn lock(&self) -> SleepGuard<'_, T> {
        let waits = {
            let mut state = self.state.lock();
            if state.held {
                state.waiters.push(current());
            }
            core::mem::replace(&mut state.held, true)
        };
        if waits {
            // Whoever makes us runnable has left the lock to us.
            current().wait();
        }
        SleepGuard(self)
    }
}

/// The lock is held as long as this exists.
pub struct SleepGuard<'a, T>(&'a SleepLock<T>);

impl<T> Deref for SleepGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: the lock is held.
        unsafe { &*self.0.value.get() }
    }
}

impl<T> DerefMut for SleepGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: the lock is held.
        unsafe { &mut *self.0.value.get() }
    }
}

impl<T> Drop for SleepGuard<'_, T> {
    fn drop(&mut self) {
        let next = {
            let mut state = self.0.state.lock();
            let next = state.waiters.pop();
            state.held = next.is_some();
            next
        };
        next.into_iter().for_each(make_runnable);
    }
}
