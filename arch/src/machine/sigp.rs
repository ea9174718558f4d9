//! SIGNAL PROCESSOR: what CPUs do to one another (Principles of Operation, "CPU Signaling and Response").

use core::arch::asm;

use super::clock::Patience;
use super::{clock, exclusion};

/// An order for a CPU.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u64)]
pub enum Order {
    /// Tells its status.
    Sense = 0x01,
    /// External interruption 0x1202; one can be pending.
    ExternalCall = 0x02,
    /// External interruption 0x1201; one of each sender can be pending.
    EmergencySignal = 0x03,
    /// Goes on where it stopped.
    Start = 0x04,
    /// Stops.
    Stop = 0x05,
    /// Restart interruption; a stopped CPU starts.
    Restart = 0x06,
    /// Stops and clears registers and PSW.
    InitialCpuReset = 0x0b,
    /// Stops and forgets what is pending.
    CpuReset = 0x0c,
    /// Takes the parameter as its prefix; it must be stopped.
    SetPrefix = 0x0d,
}

/// Bit of a status: stopped.
pub const STOPPED: u32 = 0x0000_0040;
/// Bit of a status: an external call is pending already.
pub const EXTERNAL_CALL_PENDING: u32 = 0x0000_0080;

/// The condition code, with the status where there is one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Answer {
    /// Code 0: done, or accepted.
    Accepted,
    /// Code 1: not done, for this status.
    Status(u32),
    /// Code 2: another order is not complete.
    Busy,
    /// Code 3: there is no such CPU.
    NotOperational,
}

/// Signals a CPU.
///
/// # Safety
/// What the order makes the CPU do must be sound: what it runs may stop, and what it starts must be
/// prepared.
pub unsafe fn signal(cpu: u16, order: Order, parameter: u32) -> Answer {
    match order {
        // These the other CPU need not do anything for.
        Order::Sense | Order::ExternalCall | Order::EmergencySignal => {
            // SAFETY: the caller's promise.
            unsafe { execute(cpu, order, parameter) }
        }
        // A CPU that stops itself does not come back from it.
        // SAFETY: as above.
        _ if cpu == super::cpu::address() => unsafe { execute(cpu, order, parameter) },
        // SAFETY: as above.
        _ => exclusion::order(|| unsafe { execute(cpu, order, parameter) }),
    }
}

/// SIGNAL PROCESSOR.
///
/// # Safety
/// As for [`signal`].
unsafe fn execute(cpu: u16, order: Order, parameter: u32) -> Answer {
    let (status, cc): (u64, u64);
    // SAFETY: registers 2 and 3 are status and parameter; the caller vouches for the effect.
    unsafe {
        asm!(
            "sigp %r2, {cpu}, 0({order})",
            "ipm {cc}",
            inout("r2") 0_u64 => status,
            in("r3") u64::from(parameter),
            cpu = in(reg) u64::from(cpu),
            order = in(reg_addr) order as u64,
            cc = out(reg) cc,
        );
    }
    match (cc >> 28) & 3 {
        0 => Answer::Accepted,
        1 => Answer::Status(status as u32),
        2 => Answer::Busy,
        _ => Answer::NotOperational,
    }
}

/// As [`signal`], again while the CPU is busy, for `patience` TOD units at most in which this CPU runs.
///
/// # Safety
/// As for [`signal`].
pub unsafe fn signal_patiently(cpu: u16, order: Order, parameter: u32, patience: u64) -> Answer {
    let mut patience = Patience::new(patience, clock::now());
    loop {
        // SAFETY: the caller's promise.
        let answer = unsafe { signal(cpu, order, parameter) };
        if answer != Answer::Busy || patience.is_over(clock::now()) {
            return answer;
        }
        core::hint::spin_loop();
    }
}

/// Makes an external call pending for a CPU, which is woken by it if it waits. [`Answer::Status`] says that one is
/// pending already.
pub fn external_call(cpu: u16) -> Answer {
    // SAFETY: it interrupts a CPU only that is enabled for it, and who enables a CPU has a handler.
    unsafe { signal(cpu, Order::ExternalCall, 0) }
}

/// Makes an emergency signal of this CPU pending for a CPU, which is woken by it if it waits.
pub fn emergency_signal(cpu: u16) -> Answer {
    // SAFETY: it interrupts a CPU only that is enabled for it, and who enables a CPU has a handler.
    unsafe { signal(cpu, Order::EmergencySignal, 0) }
}

/// The status of a CPU; `None` if it does not answer.
fn sense(cpu: u16) -> Option<u32> {
    // SAFETY: sensing changes nothing.
    match unsafe { signal(cpu, Order::Sense, 0) } {
        Answer::Accepted => Some(0),
        Answer::Status(status) => Some(status),
        Answer::Busy | Answer::NotOperational => None,
    }
}

/// Whether a CPU says that it is stopped.
#[must_use]
pub fn is_stopped(cpu: u16) -> bool {
    sense(cpu).is_some_and(|status| status & STOPPED != 0)
}
