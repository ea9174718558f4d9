//! Ticks, the idle wait, and counting instructions.
//!
//! Each CPU ticks a hundred times a second by its clock comparator, unless it is idle. A thread runs
//! with interruptions disabled and asks the clock at [`crate::sync::poll`] whether a tick is due; the
//! interruption itself comes only while the CPU waits for a device, or runs in the problem state.

use core::sync::atomic::{AtomicU64, Ordering};

use arch::clock::{self, UNITS_PER_MICROSECOND};
use arch::handler::{self, external};
use arch::{PswMask, cpu};

use crate::smp::{Cpu, mm};
use crate::task;

/// Length of a tick, in TOD units: 10 ms.
pub const TICK: u64 = 10_000 * UNITS_PER_MICROSECOND;

/// A millisecond, in TOD units.
pub const MILLISECOND: u64 = 1000 * UNITS_PER_MICROSECOND;

/// Lost ticks in a row that a word is said about: a second.
const WORTH_A_WORD: u64 = 100;

/// When ticks began.
static START: AtomicU64 = AtomicU64::new(0);
/// Time that was spent in idle waits, in nanoseconds.
static WAITED: AtomicU64 = AtomicU64::new(0);

/// Makes ticks come, on the first CPU.
pub fn install() {
    START.store(clock::now(), Ordering::Relaxed);
    handler::on_external(external::CLOCK_COMPARATOR, on_clock_comparator);
}

/// The number of the current tick.
fn tick_number(now: u64) -> u32 {
    ((now - START.load(Ordering::Relaxed)) / TICK) as u32
}

fn on_clock_comparator() {
    take_tick(Cpu::current());
}

/// From now on this CPU ticks.
pub fn start_ticking() {
    let next = clock::now() + TICK;
    Cpu::current().next_tick.store(next, Ordering::Relaxed);
    clock::set_comparator(next);
}

/// Whether a tick is due on this CPU.
#[must_use]
pub fn is_tick_due(cpu: &Cpu) -> bool {
    clock::now() >= cpu.next_tick.load(Ordering::Relaxed)
}

/// Makes a tick due on this CPU now.
pub fn make_tick_due() {
    Cpu::current()
        .next_tick
        .store(clock::now(), Ordering::Relaxed);
}

/// Does what a tick is for if one is due, and wakes whoever has slept long enough.
pub fn take_tick(cpu: &Cpu) {
    let (now, due) = (clock::now(), cpu.next_tick.load(Ordering::Relaxed));
    task::wake_sleepers(now);
    if now >= due {
        let lost = (now - due) / TICK;
        cpu.counters.ticks.add(1);
        cpu.counters.ticks_lost.add(lost);
        if lost >= WORTH_A_WORD && !cpu.told_of_lost_ticks.swap(true, Ordering::Relaxed) {
            log::warn!(
                "CPU {} took no tick for {} ms; said once, counted as ticks_lost",
                cpu.address,
                (now - due) / UNITS_PER_MICROSECOND / 1000
            );
        }
        cpu.next_tick
            .store(due + (lost + 1) * TICK, Ordering::Relaxed);
        mm().sign_off(tick_number(now));
        cpu.yield_wanted.store(task::any_waits(), Ordering::Relaxed);
    }
    set_alarm(cpu);
}

/// Arms the clock comparator for the next tick; in idle, for the first thread that sleeps.
fn set_alarm(cpu: &Cpu) {
    let tick = cpu.next_tick.load(Ordering::Relaxed);
    let alarm = if tick == u64::MAX {
        task::next_wake_up()
    } else {
        tick
    };
    clock::set_comparator(alarm);
}

/// Waits for an interruption, without ticks. The CPU is idle for the memory manager.
pub fn wait_idle(cpu: &Cpu) {
    cpu.next_tick.store(u64::MAX, Ordering::Relaxed);
    set_alarm(cpu);
    let before = clock::now();
    cpu::wait(PswMask::EXTERNAL | PswMask::IO);
    mm().note_tick(tick_number(clock::now()));
    let waited = clock::now() - before;
    cpu.counters.waited.add(waited);
    WAITED.fetch_add(nanoseconds(waited), Ordering::Relaxed);
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
#[must_use]
pub const fn nanoseconds(units: u64) -> u64 {
    (units * 125 + 256) / 512
}
