//! Atomics of `core`, and waiting as it is on the machine.

pub use core::sync::atomic;

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
