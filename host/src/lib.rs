//! A hypervisor that really discards pages: the host half of guest page hinting.
//!
//! Guests run in the problem state under DAT tables of the host's. What they may not do there is a
//! program interruption, and the host does it for them ([`emulate`]); a page that they do not have
//! is one too, and its state decides what happens ([`mem`]). Between exits the host takes frames
//! from pages whose states allow it ([`evict`]), and writes to a paging device what must be kept
//! ([`paging`]).
#![cfg_attr(target_os = "none", no_std)]

extern crate alloc;

pub mod control;
pub mod dev;
pub mod emulate;
pub mod evict;
pub mod limits;
pub mod mem;
pub mod memory;
pub mod monitor;
pub mod operator;
pub mod paging;
pub mod personality;
pub mod sched;
pub mod sync;
pub mod trace;
pub mod vcpu;

#[cfg(target_os = "none")]
pub mod guest;
#[cfg(target_os = "none")]
pub mod loader;
#[cfg(target_os = "none")]
pub mod lock;
#[cfg(target_os = "none")]
pub mod report;
#[cfg(target_os = "none")]
pub mod start;
