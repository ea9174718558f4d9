//! Storage keys (Principles of Operation, "Storage Key"): access control, fetch protection,
//! reference and change bits of a frame.

use core::arch::asm;

use crate::addr::Frame;

/// Bit of the key: the frame was accessed.
pub const REFERENCE: u8 = 0x04;
/// Bit of the key: the frame was stored into.
pub const CHANGE: u8 = 0x02;

/// The key of a frame (INSERT STORAGE KEY EXTENDED).
#[must_use]
pub fn get(frame: Frame) -> u8 {
    let key: u64;
    // SAFETY: reads the key of a frame.
    unsafe {
        asm!("iske {key}, {frame}", key = inlateout(reg) 0_u64 => key,
            frame = in(reg) frame.address().0, options(nostack));
    }
    key as u8
}

/// Sets the key of a frame (SET STORAGE KEY EXTENDED).
pub fn set(frame: Frame, key: u8) {
    // SAFETY: keys decide nothing here but reference bits: this project uses access key 0.
    unsafe {
        asm!("sske {key}, {frame}", key = in(reg) u64::from(key),
            frame = in(reg) frame.address().0, options(nostack));
    }
}

/// Resets the reference bit of a frame; returns whether it was on.
///
/// Emulators flush every TLB for it.
pub fn reset_reference(frame: Frame) -> bool {
    let cc: u64;
    // SAFETY: resets the reference bit of a frame.
    unsafe {
        asm!("rrbe %r0, {frame}", "ipm {cc}", cc = out(reg) cc,
            frame = in(reg) frame.address().0, out("r0") _, options(nostack));
    }
    (cc >> 28) & 2 != 0
}
