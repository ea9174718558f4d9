//! A lock for CPUs that may have to wait long: who does not get it soon waits in an enabled wait.

use core::cell::UnsafeCell;
use core::ops::{Deref, DerefMut};
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use arch::sigp::{self, Answer};
use arch::{PswMask, clock, cpu};

/// How often a CPU looks before it waits: about as long as the emulation of an instruction takes.
const PATIENCE: u32 = 100;

/// How long a CPU that gives way leaves the lock to one that has to be woken first, in TOD units: 500 us.
const TURN: u64 = 500 * clock::UNITS_PER_MICROSECOND;

/// Nobody has a lock, or somebody.
const FREE: u32 = 0;
const HELD: u32 = 1;

/// Something that one CPU at a time has.
///
/// It is not fair, on purpose: a CPU that takes it again has done something else in between, and a
/// queue would wait for a CPU that has lost its real one.
pub struct Lock<T> {
    /// Whether somebody has it. A word, for nothing shorter can be compared and swapped.
    is_held: AtomicU32,
    /// CPUs that wait for it, by address.
    waiting: AtomicU64,
    value: UnsafeCell<T>,
}

// SAFETY: `Guard` gives the value to one CPU at a time.
unsafe impl<T: Send> Sync for Lock<T> {}

impl<T> Lock<T> {
    /// A lock that nobody has.
    pub fn new(value: T) -> Self {
        Self {
            is_held: AtomicU32::new(FREE),
            waiting: AtomicU64::new(0),
            value: UnsafeCell::new(value),
        }
    }

    fn try_lock(&self) -> Option<Guard<'_, T>> {
        let was_free =
            self.is_held
                .compare_exchange(FREE, HELD, Ordering::SeqCst, Ordering::Relaxed);
        was_free.is_ok().then(|| Guard { lock: self })
    }

    /// Takes the lock. External interruptions may be taken meanwhile; emergency signals, which must
    /// be enabled and handled, are how this CPU is told to look again.
    #[inline]
    pub fn lock(&self) -> Guard<'_, T> {
        self.try_lock().unwrap_or_else(|| self.wait())
    }

    /// Takes the lock that somebody has.
    #[inline(never)]
    fn wait(&self) -> Guard<'_, T> {
        for _ in 0..PATIENCE {
            if let Some(guard) = self.try_lock() {
                return guard;
            }
            core::hint::spin_loop();
        }
        let own = 1 << cpu::address();
        loop {
            // First the bit, then another look: whoever gives the lock up does it the other way round.
            self.waiting.fetch_or(own, Ordering::SeqCst);
            if let Some(guard) = self.try_lock() {
                self.waiting.fetch_and(!own, Ordering::Relaxed);
                return guard;
            }
            cpu::wait(PswMask::EXTERNAL);
        }
    }

    /// Gives the lock up and takes it again, behind somebody who waits for it.
    // Who waits may have to be woken first, which takes longer than anything else here: without that time, a CPU
    // that gives way often would have the lock again each time, and others none of their turns.
    #[inline(never)]
    pub fn give_way(&self, guard: Guard<'_, T>) -> Guard<'_, T> {
        let is_wanted = self.waiting.load(Ordering::Relaxed) != 0;
        drop(guard);
        if is_wanted {
            let until = clock::now() + TURN;
            while self.is_held.load(Ordering::Relaxed) == FREE && clock::now() < until {
                core::hint::spin_loop();
            }
        }
        self.lock()
    }

    #[inline]
    fn unlock(&self) {
        self.is_held.store(FREE, Ordering::SeqCst);
        let waiting = self.waiting.load(Ordering::SeqCst);
        if waiting != 0 {
            self.wake(waiting);
        }
    }

    /// Tells one of those that wait to look again.
    #[inline(never)]
    fn wake(&self, waiting: u64) {
        let next = next_after(cpu::address(), waiting);
        self.waiting.fetch_and(!(1 << next), Ordering::SeqCst);
        signal(next);
    }
}

/// The next of some CPUs behind this one, in a circle: everybody's turn comes.
fn next_after(own: u16, waiting: u64) -> u16 {
    let first = (u32::from(own) + 1) % u64::BITS;
    ((waiting.rotate_right(first).trailing_zeros() + first) % u64::BITS) as u16
}

/// Sends a CPU an emergency signal: it comes out of its guest, or stops waiting.
#[inline]
pub fn signal(cpu: u16) {
    while sigp::emergency_signal(cpu) == Answer::Busy {}
}

/// The right to use what a lock protects.
pub struct Guard<'a, T> {
    lock: &'a Lock<T>,
}

impl<T> Deref for Guard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: there is one guard at a time.
        unsafe { &*self.lock.value.get() }
    }
}

impl<T> DerefMut for Guard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: there is one guard at a time.
        unsafe { &mut *self.lock.value.get() }
    }
}

impl<T> Drop for Guard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        self.lock.unlock();
    }
}
