//! Taking CPUs off and on while threads run.

use alloc::format;
use alloc::string::String;
use core::sync::atomic::{AtomicBool, Ordering};

use arch::clock::{self, Patience, UNITS_PER_MICROSECOND};
use arch::sigp;
use boot::secondary::{self, PATIENCE};
use rand_core::Rng;
use rand_pcg::Pcg64Mcg;

use super::{Cpu, alert, all, mm, start, wake};
use crate::mm::Counter;
use crate::task;

/// Longest pause between two changes, in TOD units.
const LONGEST_PAUSE: u64 = 50_000 * UNITS_PER_MICROSECOND;

/// CPUs that were taken off.
pub static TAKEN_OFF: Counter = Counter::new();

/// Stops a CPU, which is not the first and runs.
///
/// # Errors
/// It does not stop; the text names it.
pub fn take_off(cpu: &'static Cpu) -> Result<(), String> {
    cpu.offline_wanted.store(true, Ordering::SeqCst);
    alert(cpu);
    let mut patience = Patience::new(PATIENCE, clock::now());
    while !sigp::is_stopped(cpu.address) {
        if patience.is_over(clock::now()) {
            return Err(format!("CPU {} does not go offline", cpu.address));
        }
        task::sleep_until(clock::now() + 1000 * UNITS_PER_MICROSECOND);
    }
    TAKEN_OFF.add(1);
    Ok(())
}

/// Starts a CPU that was taken off.
///
/// # Errors
/// It does not start; the text names it.
pub fn bring_back(cpu: &'static Cpu) -> Result<(), String> {
    start::start_one(cpu)
}

/// Called by a CPU that runs no thread: stops it if somebody wants that.
pub(crate) fn stop_if_wanted(cpu: &'static Cpu) {
    if cpu.offline_wanted.swap(false, Ordering::SeqCst) {
        cpu.online.store(false, Ordering::SeqCst);
        mm().go_offline();
        task::page_fault::end(cpu);
        // A thread may have gone to sleep here last, and nobody else has set the clock for it.
        all().take(1).for_each(wake);
        secondary::stop_self();
    }
}

/// Takes CPUs off and on, one after the other, until `end` is set; all are on again then.
///
/// # Errors
/// One does not stop or start; the text names it.
pub fn take_off_and_on(seed: u64, end: &AtomicBool) -> Result<(), String> {
    let mut random = Pcg64Mcg::new(u128::from(seed) << 1 | 1);
    let count = all().count();
    while count > 1 && !end.load(Ordering::Acquire) {
        let number = 1 + random.next_u64() as usize % (count - 1);
        let cpu = all().nth(number).expect("a number of a CPU");
        let mut pause = || task::sleep_until(clock::now() + random.next_u64() % LONGEST_PAUSE);
        take_off(cpu)?;
        pause();
        bring_back(cpu)?;
        pause();
    }
    Ok(())
}
