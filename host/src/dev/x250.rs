//! DIAGNOSE X'250': the host's disks as guests see them.
//!
//! Requests are synchronous. List and parameter block are copied once before anything is believed.

#[cfg(target_os = "none")]
mod call;
mod list;

#[cfg(target_os = "none")]
pub use call::{device_class, diagnose};
pub use list::{Failed, Run, Shape, carry_out};
