//! The lock on everything that the CPUs of the machine share.
//!
//! Whoever finds it taken sleeps until it is free. Spinning would not do: the lock is held while a disk
//! works, and an emulator has fewer real CPUs than it shows; the one that spins takes the time of the one
//! that it waits for.

use core::cell::UnsafeCell;
use core::ops::{Deref, DerefMut};
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use arch::sigp::{self, Order};
use arch::{PswMask, cpu};

/// Attempts before a CPU sleeps.
const SPINS: u32 = 64;

/// A value that one CPU of the machine has at a time.
pub struct HostLock<T> {
    taken: AtomicBool,
    /// CPUs that sleep until it is free, a bit for each address.
    sleepers: AtomicU64,
    value: UnsafeCell<T>,
}

// SAFETY: one CPU at a time has the value.
unsafe impl<T: Send> Sync for HostLock<T> {}

/// Interrupts a CPU of the machine, or its next wait.
pub fn kick(address: u16) {
    // SAFETY: the handler does nothing; if a call is pending, that one will do.
    unsafe { sigp::signal(address, Order::ExternalCall, 0) };
}

impl<T> HostLock<T> {
    /// A lock that is free.
    pub fn new(value: T) -> Self {
        Self {
            taken: AtomicBool::new(false),
            sleepers: AtomicU64::new(0),
            value: UnsafeCell::new(value),
        }
    }

    fn try_take(&self) -> bool {
        !self.taken.load(Ordering::Relaxed) && !self.taken.swap(true, Ordering::SeqCst)
    }

    /// Takes the lock. External interruptions may come meanwhile.
    pub fn lock(&self) -> HostGuard<'_, T> {
        let own = 1 << cpu::address();
        while !(0..SPINS).any(|_| self.try_take()) {
            // Whoever frees the lock from now on sees the bit, or has freed it before the next attempt.
            self.sleepers.fetch_or(own, Ordering::SeqCst);
            let taken = self.try_take();
            if !taken {
                cpu::wait(PswMask::EXTERNAL);
            }
            self.sleepers.fetch_and(!own, Ordering::SeqCst);
            if taken {
                break;
            }
        }
        HostGuard(self)
    }
}

/// The lock is held as long as this exists.
pub struct HostGuard<'a, T>(&'a HostLock<T>);

impl<T> Deref for HostGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: the lock is held.
        unsafe { &*self.0.value.get() }
    }
}

impl<T> DerefMut for HostGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: the lock is held.
        unsafe { &mut *self.0.value.get() }
    }
}

impl<T> Drop for HostGuard<'_, T> {
    fn drop(&mut self) {
        self.0.taken.store(false, Ordering::SeqCst);
        let sleepers = self.0.sleepers.load(Ordering::SeqCst);
        if sleepers != 0 {
            // The next one behind this CPU, so that each has its turn.
            let behind = u32::from(cpu::address()) + 1;
            let next = sleepers.rotate_right(behind).trailing_zeros() + behind;
            kick((next % u64::BITS) as u16);
        }
    }
}
