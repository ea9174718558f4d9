//! Devices that guests see.

pub mod buffers;
pub mod channel;
pub mod console;
#[cfg(target_os = "none")]
pub mod disks;
pub mod message;
pub mod service;
pub mod virtio;
pub mod x250;
