//! virtio-balloon (Virtual I/O Device specification 1.2, "Traditional Memory Balloon Device").
//!
//! The device takes memory from the driver in two ways. Pages of the balloon stay with the device
//! until the driver has taken them back: how many it wants is its target. Free blocks that are
//! reported stay the driver's, and only their content goes.

#[cfg(target_os = "none")]
mod device;
mod layout;

use core::fmt;

#[cfg(target_os = "none")]
pub use device::VirtioBalloon;
pub use layout::{AT_A_TIME, BLOCKS_AT_A_TIME, Statistics};

/// Why the device cannot be used, or be used any more.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BalloonError {
    /// Number of the device.
    pub device: u16,
    /// What went wrong.
    pub why: &'static str,
    /// Whether the device may still take the content of pages that it was told of last: it could
    /// neither be reset, nor is it gone.
    pub at_large: bool,
}

impl fmt::Display for BalloonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "balloon {:04x}: {}", self.device, self.why)
    }
}

impl core::error::Error for BalloonError {}
