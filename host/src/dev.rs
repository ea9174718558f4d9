//! Devices that guests see.

pub mod buffers;
pub mod console;
pub mod message;
#[cfg(target_os = "none")]
pub mod x250;
