//! Devices that guests see.

pub mod console;
#[cfg(target_os = "none")]
pub mod x250;
