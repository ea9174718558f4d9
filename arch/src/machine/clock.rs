//! Clocks: time of day, clock comparator, CPU timer (Principles of Operation, "Timing").
//!
//! All values are in TOD units: 4096 of them are a microsecond.

use core::arch::asm;
use core::mem::MaybeUninit;

pub use crate::tod::{Patience, UNITS_PER_MICROSECOND};

/// The time of day (STORE CLOCK FAST).
///
/// QEMU's TCG ends with a failed assertion where this instruction finds its operand's page missing behind an addition
/// or subtraction of logical operands, whose carry it has still to make a condition code of. A comparison in front
/// makes another one, and a host may take the pages of a stack.
#[inline]
#[must_use]
pub fn now() -> u64 {
    read::<false>()
}

/// As [`now`], of a program whose storage is always there: one instruction less.
#[inline]
#[must_use]
pub fn now_resident() -> u64 {
    read::<true>()
}

#[inline]
fn read<const RESIDENT: bool>() -> u64 {
    let mut value = MaybeUninit::<u64>::uninit();
    let at = value.as_mut_ptr();
    // SAFETY: compares a register with itself, and stores eight bytes into a local variable, which it initializes.
    unsafe {
        if RESIDENT {
            asm!("stckf 0({at})", at = in(reg_addr) at, options(nostack));
        } else {
            asm!("cr {at}, {at}", "stckf 0({at})", at = in(reg_addr) at, options(nostack));
        }
        value.assume_init()
    }
}

/// What is left on this CPU's timer, which runs down while the CPU does (STORE CPU TIMER). It may be negative.
#[must_use]
pub fn cpu_timer() -> i64 {
    let mut value = MaybeUninit::<i64>::uninit();
    // SAFETY: stores eight bytes into a local variable, which it initializes.
    unsafe {
        asm!("stpt 0({at})", at = in(reg_addr) value.as_mut_ptr(), options(nostack));
        value.assume_init()
    }
}

/// Sets the clock comparator: an external interruption 0x1004 is pending once the time of day exceeds `at`.
pub fn set_comparator(at: u64) {
    // SAFETY: reads eight bytes of a local variable.
    unsafe { asm!("sckc 0({at})", at = in(reg_addr) &raw const at, options(nostack)) }
}
