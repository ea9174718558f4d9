//! Atomics, and which CPU this is, for what CPUs share without a lock.
//!
//! With the feature `explore` they are those of a scheduler that tries out interleavings: every operation
//! on them is a point where another CPU may go on.

#[cfg(not(feature = "explore"))]
pub use core::sync::atomic;
#[cfg(feature = "explore")]
pub use shuttle::sync::atomic;

/// CPUs that there can be.
#[cfg(target_os = "none")]
pub const MOST_CPUS: usize = boot::secondary::MOST_CPUS;
/// CPUs that tests have: each is a point more in every schedule.
#[cfg(not(target_os = "none"))]
pub const MOST_CPUS: usize = 4;

/// The address of the running CPU. Threads of tests are CPU 0 until they become another one, and no two that
/// share something may be the same.
#[cfg(target_os = "none")]
#[must_use]
pub fn this_cpu() -> usize {
    arch::cpu::address().into()
}

#[cfg(all(not(target_os = "none"), not(feature = "explore")))]
pub use arch::sim::{become_cpu, this_cpu};

#[cfg(feature = "explore")]
mod explored {
    use core::cell::Cell;

    shuttle::thread_local! {
        static CPU: Cell<usize> = Cell::new(0);
    }

    /// From now on this thread is the CPU with this number.
    pub fn become_cpu(number: usize) {
        CPU.with(|cpu| cpu.set(number));
    }

    /// The number of the running CPU.
    #[must_use]
    pub fn this_cpu() -> usize {
        CPU.with(Cell::get)
    }
}
#[cfg(feature = "explore")]
pub use explored::{become_cpu, this_cpu};
