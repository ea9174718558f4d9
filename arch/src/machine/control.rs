//! Control registers (Principles of Operation, "Control Registers").

use core::arch::asm;

pub use crate::cr0;

/// Control register 6: which I/O-interruption subclasses interrupt.
pub mod cr6 {
    /// All eight subclasses (bits 32-39).
    pub const ALL_SUBCLASSES: u64 = 0xff << 24;

    /// One of them.
    #[must_use]
    pub const fn subclass(number: u32) -> u64 {
        1 << (31 - number)
    }
}

/// Control register 8: which classes of MONITOR CALL interrupt.
pub mod cr8 {
    /// All sixteen classes (bits 48-63).
    pub const MONITOR_MASKS: u64 = 0xffff;
}

/// Reads control register `N`.
#[must_use]
pub fn get<const N: u8>() -> u64 {
    let mut value = 0_u64;
    // SAFETY: stores eight bytes into a local variable.
    unsafe {
        asm!("stctg {n},{n},0({at})", n = const N, at = in(reg_addr) &raw mut value, options(nostack));
    }
    value
}

/// Loads control register `N`. Emulators flush the CPU's whole TLB.
///
/// # Safety
/// The value must keep translation and protection such that running code stays as it is.
pub unsafe fn set<const N: u8>(value: u64) {
    // SAFETY: reads eight bytes of a local variable; the caller vouches for the effect.
    unsafe {
        asm!("lctlg {n},{n},0({at})", n = const N, at = in(reg_addr) &raw const value, options(nostack));
    }
}

/// Sets the given bits of control register 0, which must be interruption masks, [`cr0::AFP`] or
/// [`cr0::VECTOR`].
pub fn enable_cr0(bits: u64) {
    // SAFETY: masks decide only which external interruptions may come, and each has a handler.
    unsafe { set::<0>(get::<0>() | bits) }
}

/// Makes those bits of control register 0 that are in `which` what they are in `bits`. They may be
/// what [`enable_cr0`] takes, and low-address protection: images store into these places when they
/// begin, and only then.
pub fn choose_cr0(which: u64, bits: u64) {
    // SAFETY: running code stores nothing into protected places any more; else as for `enable_cr0`.
    unsafe { set::<0>(get::<0>() & !which | bits & which) }
}

/// Resets the given bits of control register 0.
pub fn disable_cr0(bits: u64) {
    // SAFETY: as for `enable_cr0`.
    unsafe { set::<0>(get::<0>() & !bits) }
}
