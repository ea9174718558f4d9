//! Storage keys of the simulated machine. They protect nothing.

use super::machine::with_host;
use crate::addr::Frame;

/// Bit of the key: the frame was accessed.
pub const REFERENCE: u8 = 0x04;
/// Bit of the key: the frame was stored into.
pub const CHANGE: u8 = 0x02;
/// Bits of the key: access control and fetch protection.
const PROTECTION: u8 = 0xf8;

/// The key of a frame.
#[must_use]
pub fn get(frame: Frame) -> u8 {
    with_host(|host| {
        host.key_count += 1;
        let bit = |on, bit| if on { bit } else { 0 };
        host.protection(frame)
            | bit(host.is_referenced(frame), REFERENCE)
            | bit(host.is_changed(frame), CHANGE)
    })
}

/// Sets the key of a frame.
pub fn set(frame: Frame, key: u8) {
    with_host(|host| {
        host.key_count += 1;
        host.set_referenced(frame, key & REFERENCE != 0);
        host.set_changed(frame, key & CHANGE != 0);
        host.set_protection(frame, key & PROTECTION);
    });
}

/// Resets the reference bit of a frame; returns whether it was on.
pub fn reset_reference(frame: Frame) -> bool {
    with_host(|host| {
        host.key_count += 1;
        let was = host.is_referenced(frame);
        host.set_referenced(frame, false);
        was
    })
}
