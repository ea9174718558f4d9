//! Atomics and locks under a scheduler that explores interleavings; CPUs are its threads.

use core::cell::Cell;

pub use shuttle::sync::atomic;

/// A lock whose acquisition is a point where another CPU may go on.
#[derive(Debug)]
pub struct Mutex<T>(shuttle::sync::Mutex<T>);

impl<T> Mutex<T> {
    /// A lock that is free.
    pub const fn new(value: T) -> Self {
        Self(shuttle::sync::Mutex::new(value))
    }

    /// Takes the lock; a deadlock ends the exploration.
    pub fn lock(&self) -> shuttle::sync::MutexGuard<'_, T> {
        self.0.lock().expect("no CPU panics and goes on")
    }
}

/// Lets another CPU get on.
pub fn relax() {
    shuttle::thread::yield_now();
}

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
