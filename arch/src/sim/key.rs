//! Storage keys of the simulated machine: the change bit.

use super::machine::with_host;
use crate::addr::Frame;

/// Bit of the key: the frame was stored into.
pub const CHANGE: u8 = 0x02;

/// The key of a frame.
#[must_use]
pub fn get(frame: Frame) -> u8 {
    with_host(|host| {
        host.key_count += 1;
        if host.is_changed(frame) { CHANGE } else { 0 }
    })
}

/// Sets the key of a frame.
pub fn set(frame: Frame, key: u8) {
    with_host(|host| {
        host.key_count += 1;
        host.set_changed(frame, key & CHANGE != 0);
    });
}
