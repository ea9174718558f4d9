//! What each CPU has for itself.

use alloc::sync::Arc;
use core::ptr::with_exposed_provenance;
use core::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, Ordering};

use arch::{lowcore_field, set_lowcore_field};

use crate::mm::{Counter, MOST_CPUS};
use crate::sync::Mutex;
use crate::task::Thread;

/// What a CPU has counted. Times are in TOD units.
#[derive(Default, Debug)]
pub struct Counters {
    /// Ticks taken.
    pub ticks: Counter,
    /// Ticks that never came, because the next one was due before they were taken.
    pub ticks_lost: Counter,
    /// Time in the idle wait.
    pub waited: Counter,
    /// Time of waiting for other CPUs.
    pub spun: Counter,
    /// Threads that were given the CPU.
    pub switches: Counter,
    /// Pages that a task waited for while the host brought them in, and others ran.
    pub page_faults_waited: Counter,
    /// Those that were there when that was to begin.
    pub page_faults_late: Counter,
}

/// A CPU of this kernel. Fields without a lock are changed by the CPU itself.
#[derive(Debug)]
pub struct Cpu {
    /// Its number in this kernel.
    pub number: usize,
    /// Its address in the machine.
    pub address: u16,
    /// When the next tick is due; never while the CPU is idle.
    pub(crate) next_tick: AtomicU64,
    /// Whether the thread that runs should let another run.
    pub(crate) yield_wanted: AtomicBool,
    /// Whether that is for one that resumes, and the one that runs has not had all of its turn.
    pub(crate) preempted: AtomicBool,
    /// Whether it has said that ticks were lost.
    pub(crate) told_of_lost_ticks: AtomicBool,
    /// Whether somebody wants it to stop.
    pub(crate) offline_wanted: AtomicBool,
    /// Whether it runs threads.
    pub(crate) online: AtomicBool,
    /// Number of the task whose space control register 1 has.
    pub(crate) task: AtomicU64,
    /// Where to switch to when the thread that runs stops running.
    pub(crate) scheduler: AtomicU64,
    /// The thread that runs.
    pub(crate) thread: Mutex<Option<Arc<Thread>>>,
    /// What happened.
    pub counters: Counters,
}

/// All CPUs that were set up, by number.
static ALL: [AtomicPtr<Cpu>; MOST_CPUS] =
    [const { AtomicPtr::new(core::ptr::null_mut()) }; MOST_CPUS];

impl Cpu {
    /// A CPU that does not run yet.
    #[must_use]
    pub const fn new(number: usize, address: u16) -> Self {
        Self {
            number,
            address,
            next_tick: AtomicU64::new(u64::MAX),
            yield_wanted: AtomicBool::new(false),
            preempted: AtomicBool::new(false),
            told_of_lost_ticks: AtomicBool::new(false),
            offline_wanted: AtomicBool::new(false),
            online: AtomicBool::new(false),
            task: AtomicU64::new(0),
            scheduler: AtomicU64::new(0),
            thread: Mutex::new(None),
            counters: Counters::new(),
        }
    }

    /// Enters it into the list of all.
    pub(super) fn register(&'static self) {
        ALL[self.number].store(core::ptr::from_ref(self).cast_mut(), Ordering::Release);
    }

    /// From now on the running CPU is this one.
    pub(super) fn become_current(&'static self) {
        set_lowcore_field!(
            this_cpu,
            core::ptr::from_ref(self).expose_provenance() as u64
        );
    }

    /// The running CPU.
    #[must_use]
    pub fn current() -> &'static Self {
        let at = with_exposed_provenance::<Self>(lowcore_field!(this_cpu) as usize);
        // SAFETY: null until `become_current` has stored the address of a static there.
        unsafe { at.as_ref() }.expect("the CPU has been set up")
    }
}

impl Counters {
    const fn new() -> Self {
        Self {
            ticks: Counter::new(),
            ticks_lost: Counter::new(),
            waited: Counter::new(),
            spun: Counter::new(),
            switches: Counter::new(),
            page_faults_waited: Counter::new(),
            page_faults_late: Counter::new(),
        }
    }
}

/// All CPUs that were set up, in the order of their numbers.
pub fn all() -> impl Iterator<Item = &'static Cpu> {
    ALL.iter().map_while(|slot| {
        // SAFETY: null, or the address of a static that `register` has stored.
        unsafe { slot.load(Ordering::Acquire).as_ref() }
    })
}
