//! Waiting for a time, and counting instructions.

use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use arch::control::{self, cr0};
use arch::handler::{self, external};
use arch::{PswMask, clock, cpu};

static RUNG: AtomicBool = AtomicBool::new(false);
/// Time that was spent waiting, in nanoseconds.
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
        WAITED.fetch_add(nanoseconds(clock::now() - before), Ordering::Relaxed);
    }
    control::disable_cr0(cr0::CLOCK_COMPARATOR);
}

/// Counts instructions by the clock of a machine that executes one a nanosecond.
///
/// Every interval is converted by itself: the clock is exact to a unit, a quarter of a nanosecond, so
/// that rounding to the nearest nanosecond gets each one right, and sums of them too.
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

    /// Instructions since the start: nanoseconds, less those of waiting.
    ///
    /// Reading the clock twice is among them.
    #[must_use]
    pub fn instructions(&self) -> u64 {
        let all = nanoseconds(clock::now() - self.start);
        all - (WAITED.load(Ordering::Relaxed) - self.waited)
    }
}

/// The nearest number of nanoseconds to so many TOD units, 512 of which are 125.
const fn nanoseconds(units: u64) -> u64 {
    (units * 125 + 256) / 512
}
