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

/// Whether the machine has vector registers: facility 129, in the list that facility 7 makes longer.
#[must_use]
pub fn has_vectors() -> bool {
    /// Of the facility in the third doubleword of the list.
    const BIT: u64 = 1 << (63 - (129 - 128));
    let mut list = [0_u64; 3];
    if is_installed(7) {
        // SAFETY: stores so many doublewords as register 0 says, less one, into a local variable.
        unsafe {
            asm!(
                "stfle 0({at})",
                at = in(reg_addr) &raw mut list,
                inlateout("r0") list.len() as u64 - 1 => _,
                options(nostack),
            );
        }
    }
    list[2] & BIT != 0
}
