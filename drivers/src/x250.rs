//! DIAGNOSE X'250', block I/O ("CP Programming Services"; the 64-bit form that Linux uses).

#[cfg(target_os = "none")]
mod device;
pub mod layout;

#[cfg(target_os = "none")]
pub use device::X250;
