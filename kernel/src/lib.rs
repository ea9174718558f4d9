//! A unikernel that hints page states with ESSA and survives the host discarding its pages.
//!
//! [`mm`] is memory management: page descriptors, buddy allocator, page states, page cache. [`fs`]
//! reads files through it, [`work`] is what the kernel does. All of that runs on the build machine
//! too, on `arch::sim`; what drives the machine itself is there on the machine only.
#![cfg_attr(target_os = "none", no_std)]

extern crate alloc;

pub mod control;
pub mod fs;
pub mod handshake;
pub mod mm;
pub mod sync;
pub mod trace;
pub mod work;

#[cfg(target_os = "none")]
pub mod balloon;
#[cfg(target_os = "none")]
pub mod heap;
#[cfg(target_os = "none")]
pub mod job;
#[cfg(target_os = "none")]
pub mod report;
#[cfg(target_os = "none")]
pub mod smp;
#[cfg(target_os = "none")]
pub mod start;
#[cfg(target_os = "none")]
pub mod task;
#[cfg(target_os = "none")]
pub mod time;
#[cfg(target_os = "none")]
pub mod trap;
#[cfg(target_os = "none")]
pub mod user;
#[cfg(target_os = "none")]
pub mod validate;
