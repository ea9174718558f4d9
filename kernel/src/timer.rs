//! Waiting for a time, and counting instructions.

use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use arch::control::{self, cr0};
use arch::handler::{self, external};
use arch::{PswMask, clock, cpu};

static RUNG: AtomicBool = AtomicBool::new(false);
/// Time that was spent waiting, in TOD units.
static WAITED: AtomicU64 = AtomicU64::new(0);

fn on_clock_comparator() {
    clock::set_comparator(u64::MAX);
    RUNG.store(true, Ordering::Release);
}

/// Waits until the time of day is `at`, in TOD units.
pub fn wait_until(at: u64) {
    handler::on_external(external::CLOCK_COMPARATOR, on_clock_comparator);
    RUNG.store(false, Ordering::Release);
    clock::set_comparator(at);
    control::enable_cr0(cr0::CLOCK_COMPARATOR);
    while !RUNG.load(Ordering::Acquire) {
        let before = clock::now();
        cpu::wait(PswMask::EXTERNAL);
        WAITED.fetch_add(clock::now() - before, Ordering::Relaxed);
    }
    control::disable_cr0(cr0::CLOCK_COMPARATOR);
}

/// Counts instructions by the clock of a machine that executes one a nanosecond.
pub struct Stopwatch {
    start: u64,
    waited: u64,
}

impl Stopwatch {
    /// Starts.
    #[must_use]
    pub fn start() -> Self {
        let waited = WAITED.load(Ordering::Relaxed);
        Self {
            start: clock::now(),
            waited,
        }
    }

    /// TOD units since the start, less those of waiting.
    #[must_use]
    pub fn units(&self) -> u64 {
        let now = clock::now();
        (now - self.start) - (WAITED.load(Ordering::Relaxed) - self.waited)
    }
}

/// Instructions in so many TOD units, at one a nanosecond.
#[must_use]
pub const fn instructions(units: u64) -> u64 {
    units * 125 / 512
}
