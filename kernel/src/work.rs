//! What the unikernel does.

#[cfg(target_os = "none")]
pub mod churn;
#[cfg(target_os = "none")]
pub mod disks;
#[cfg(target_os = "none")]
pub mod farm;
#[cfg(target_os = "none")]
mod frames;
#[cfg(target_os = "none")]
pub mod idle;
pub mod latency;
#[cfg(target_os = "none")]
pub mod measure;
#[cfg(target_os = "none")]
mod measure_faults;
pub mod page_churn;
#[cfg(target_os = "none")]
pub mod pages;
#[cfg(target_os = "none")]
pub mod reporting;
#[cfg(target_os = "none")]
pub mod serve;
#[cfg(target_os = "none")]
pub mod share;
#[cfg(target_os = "none")]
pub mod swap;
#[cfg(target_os = "none")]
pub mod tasks;
pub mod verify;
