//! The machine as tests see it, and which machine a thread runs on.

use std::cell::{Cell, RefCell};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use cmm::PageState;

use crate::addr::Frame;
use crate::sim::host::Host;

/// Which hints the simulated host acts on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Hinting {
    /// All: volatile pages are discarded, and an access to one that was is a discard fault.
    Full,
    /// Unused pages are dropped, volatile ones are not; a logically zero page reads as zeroes.
    Unused,
    /// As KVM: volatile pages are paged out and in like any others, and never discarded.
    Kvm,
    /// ESSA is not installed.
    None,
}

/// What the simulated host evicts of its own accord.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Eviction {
    /// Nothing.
    Never,
    /// Everything it may, around every operation: the worst host that is allowed.
    Always,
    /// Around one operation in so many, one page or all of them.
    OneIn(u32),
}

/// A simulated machine; clones are the same machine, so that several threads can be its CPUs.
#[derive(Clone)]
pub struct Machine(Arc<Mutex<Host>>);

thread_local! {
    static CURRENT: RefCell<Vec<Machine>> = const { RefCell::new(Vec::new()) };
}

thread_local! {
    static CPU: Cell<usize> = const { Cell::new(0) };
}

/// The number of the CPU that this thread is: 0 unless [`become_cpu`] has said otherwise.
#[must_use]
pub fn this_cpu() -> usize {
    CPU.get()
}

/// From now on this thread is the CPU with this number.
pub fn become_cpu(number: usize) {
    CPU.set(number);
}

/// This thread runs on a machine until this is dropped.
#[must_use = "the thread leaves the machine when this is dropped"]
pub struct Entered(());

impl Drop for Entered {
    fn drop(&mut self) {
        CURRENT.with_borrow_mut(|machines| machines.pop());
    }
}

impl Machine {
    /// Makes a machine with `frames` page frames, all of them Sr and full of old content.
    #[must_use]
    pub fn new(frames: usize, hinting: Hinting) -> Self {
        Self(Arc::new(Mutex::new(Host::new(frames, hinting))))
    }

    /// Makes this thread a CPU of the machine.
    pub fn enter(&self) -> Entered {
        CURRENT.with_borrow_mut(|machines| machines.push(self.clone()));
        Entered(())
    }

    /// Chooses what the host evicts of its own accord, at random by `seed` where that plays a part.
    pub fn set_eviction(&self, eviction: Eviction, seed: u64) {
        self.host().set_eviction(eviction, seed);
    }

    /// From now on DIAGNOSE X'10' is answered, and releases nothing.
    pub fn keep_released(&self) {
        self.host().keeps_released = true;
    }

    /// Evicts a page if the host may and it costs no I/O; returns whether it did.
    pub fn evict(&self, frame: Frame) -> bool {
        self.host().evict(frame)
    }

    /// Evicts every page that [`Machine::evict`] would; returns how many those were.
    pub fn evict_all(&self) -> usize {
        self.host().evict_all()
    }

    /// Returns the state of a page.
    #[must_use]
    pub fn state(&self, frame: Frame) -> PageState {
        self.host().state(frame)
    }

    /// Returns how many ESSA have been executed, by operation request code.
    #[must_use]
    pub fn essa_counts(&self) -> [u64; 8] {
        self.host().essa_counts
    }

    /// Key instructions executed so far.
    #[must_use]
    pub fn key_count(&self) -> u64 {
        self.host().key_count
    }

    /// Returns how many volatile pages have been discarded.
    #[must_use]
    pub fn discards(&self) -> u64 {
        self.host().discards
    }

    /// Returns how many discard faults have been presented.
    #[must_use]
    pub fn discard_faults(&self) -> u64 {
        self.host().discard_faults
    }

    /// The host. A test that panicked meanwhile, as some are meant to, leaves it as it was.
    pub(super) fn host(&self) -> MutexGuard<'_, Host> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is called in front of every operation of the machine.
static STEP: OnceLock<fn()> = OnceLock::new();

/// From now on `step` is called in front of every operation of any simulated machine: an exploration of
/// schedules lets another CPU go on there. The first call decides.
pub fn on_every_step(step: fn()) {
    STEP.get_or_init(|| step);
}

/// Runs `operation` with the host of this thread's machine.
pub(super) fn with_host<T>(operation: impl FnOnce(&mut Host) -> T) -> T {
    if let Some(step) = STEP.get() {
        step();
    }
    let machine = CURRENT.with_borrow(|machines| machines.last().cloned());
    let machine = machine.expect("this thread has entered a machine");
    let mut host = machine.host();
    operation(&mut host)
}
