//! Atomics of `core`, locks of `spin`.

pub use core::sync::atomic;

/// A lock that a CPU spins for, and lets others run while it does.
///
/// Not a ticket lock: where there are more virtual CPUs than real ones, the one whose turn it is may be
/// the one that does not run.
pub type Mutex<T> = spin::mutex::SpinMutex<T, Yield>;

/// Takes a lock that is hardly ever taken by anybody else: the waiting is out of the way.
#[inline]
pub fn lock<T>(mutex: &Mutex<T>) -> impl core::ops::DerefMut<Target = T> {
    #[cold]
    fn wait<T>(mutex: &Mutex<T>) -> spin::mutex::SpinMutexGuard<'_, T, Yield> {
        mutex.lock()
    }
    mutex.try_lock().unwrap_or_else(|| wait(mutex))
}

/// How a CPU waits for another: it spins for a while, then gives its time slice to whoever needs it.
#[derive(Debug)]
pub struct Yield;

impl spin::RelaxStrategy for Yield {
    fn relax() {
        relax();
    }
}

/// Waits a little for another CPU to get on: a bounded spin, then DIAGNOSE X'44'.
#[cfg(target_os = "none")]
pub fn relax() {
    crate::smp::spin_a_while();
}

/// Waits a little for another thread to get on.
#[cfg(not(target_os = "none"))]
pub fn relax() {
    std::thread::yield_now();
}
