//! Which facilities the machine has (STORE FACILITY LIST).

use core::arch::asm;

use crate::lowcore_field;

/// Whether the facility with this number, 0 to 31, is installed in the z/Architecture mode (Principles of
/// Operation, "Facility Indications").
#[must_use]
pub fn is_installed(number: u32) -> bool {
    // SAFETY: stores into the word of this CPU's lowcore that is meant for it.
    unsafe { asm!("stfl 0", options(nostack)) }
    lowcore_field!(facilities) >> (31 - number) & 1 != 0
}
