//! What the unikernel does.

pub mod churn;
#[cfg(target_os = "none")]
pub mod disks;
#[cfg(target_os = "none")]
pub mod idle;
#[cfg(target_os = "none")]
pub mod measure;
#[cfg(target_os = "none")]
pub mod share;
#[cfg(target_os = "none")]
pub mod swap;
pub mod verify;
