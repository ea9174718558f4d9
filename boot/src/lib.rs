//! How an s390x image starts, for kernel and host alike: entry, lowcore, stacks, parameter line,
//! bundle, and how it ends.
#![cfg_attr(target_os = "none", no_std)]
#![deny(missing_docs)]

pub mod bundle;
#[cfg(not(target_os = "none"))]
pub mod launch;
pub mod params;
pub mod trace;

#[cfg(target_os = "none")]
pub mod fatal;
#[cfg(target_os = "none")]
pub mod secondary;
#[cfg(target_os = "none")]
pub mod start;
