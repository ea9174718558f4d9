//! Atomics and locks that everything shared is made of.
//!
//! On the machine these are those of `core`, and a lock of our own. With the feature `explore` they are those of a
//! scheduler that tries out interleavings: every operation on them is a point where another CPU may go
//! on, so that memory management runs on the build machine under any schedule.
//!
//! Locks need no variant for interruption handlers, because the kernel runs its threads with
//! interruptions disabled and opens them only where it holds no lock: while a CPU waits, and in the
//! problem state. A thread that computes for long asks the clock instead whether a tick is due, which
//! costs nothing under a hypervisor, while changing the mask traps.

#[cfg(not(feature = "explore"))]
mod mutex;
#[cfg(not(feature = "explore"))]
mod plain;
#[cfg(not(feature = "explore"))]
pub use mutex::Mutex;
#[cfg(not(feature = "explore"))]
pub use plain::{atomic, relax};

#[cfg(feature = "explore")]
mod explored;
#[cfg(feature = "explore")]
pub use explored::{Mutex, atomic, become_cpu, relax, this_cpu};

#[cfg(all(not(target_os = "none"), not(feature = "explore")))]
pub use arch::sim::this_cpu;

/// A lock for what is held while a device works.
#[cfg(target_os = "none")]
pub use crate::task::SleepLock;
#[cfg(not(target_os = "none"))]
pub use Mutex as SleepLock;

/// A clock, in microseconds, to give up by.
#[cfg(target_os = "none")]
#[must_use]
pub fn microseconds() -> u64 {
    arch::clock::now() / arch::clock::UNITS_PER_MICROSECOND
}

/// A clock to give up by: it advances when it is read, so that every run is the same.
#[cfg(not(target_os = "none"))]
#[must_use]
pub fn microseconds() -> u64 {
    use core::sync::atomic::{AtomicU64, Ordering};
    static READ: AtomicU64 = AtomicU64::new(0);
    READ.fetch_add(100, Ordering::Relaxed)
}

/// Lets ticks come, and other threads run if they should. For threads that compute for long, at points
/// where they hold no lock.
pub fn poll() {
    #[cfg(target_os = "none")]
    crate::task::poll();
}

/// Lets another thread get on, which may be one that waits for a CPU: for threads that wait for what a
/// sleeping thread has, and hold no lock.
pub fn let_others_run() {
    #[cfg(target_os = "none")]
    {
        crate::task::poll();
        crate::task::yield_now();
    }
    #[cfg(not(target_os = "none"))]
    relax();
}

/// The number of the running CPU, from 0: among those of this kernel, whatever their addresses.
#[cfg(target_os = "none")]
#[must_use]
#[inline]
pub fn this_cpu() -> usize {
    crate::smp::Cpu::current().number
}
