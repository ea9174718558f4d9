//! The CPUs of this kernel: what each has for itself, starting them, taking them off and on.
//!
//! CPUs have numbers from 0 in the order of their addresses, the one that the image was loaded on
//! first. Threads run on any of them (`task`).

mod cpu;
pub mod hotplug;
mod start;

use arch::handler::{self, external};
use arch::sigp;
use arch::{clock, diagnose};
use spin::Once;

pub use cpu::{Counters, Cpu, all};
pub use start::{grounds_size, set_up_first, start};

use crate::mm::Mm;

static MM: Once<&'static Mm<'static>> = Once::new();

/// The memory manager that all CPUs share.
///
/// # Panics
/// If there is none yet.
#[must_use]
pub fn mm() -> &'static Mm<'static> {
    MM.get()
        .expect("memory management comes before all that needs it")
}

/// From now on this is the memory manager.
pub fn share(mm: &'static Mm<'static>) {
    MM.call_once(|| mm);
}

/// Both signals of other CPUs only wake: who is woken looks at what it waited for.
fn on_signal() {}

/// Registers the handlers of signals.
fn install_handlers() {
    handler::on_external(external::EXTERNAL_CALL, on_signal);
    handler::on_external(external::EMERGENCY_SIGNAL, on_signal);
}

/// Ends the wait of a CPU, or its next one, because there is a thread to run.
pub fn wake(cpu: &Cpu) {
    // Where a call is pending already, that one wakes.
    sigp::external_call(cpu.address);
}

/// Ends the wait of a CPU, or its next one, because something is asked of the CPU itself.
fn alert(cpu: &Cpu) {
    sigp::emergency_signal(cpu.address);
}

/// Waits a little for another CPU: a bounded spin, then this one's time slice goes to who needs it.
pub fn spin_a_while() {
    const SPINS: u32 = 64;
    let before = clock::now();
    for _ in 0..SPINS {
        core::hint::spin_loop();
    }
    // Where the call is not offered there is nobody to give the time to.
    let _ = diagnose::yield_time_slice();
    Cpu::current().counters.spun.add(clock::now() - before);
}
