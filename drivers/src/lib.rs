//! What kernel and host both drive: the SCLP console and configuration, block devices by
//! virtio-ccw and by DIAGNOSE X'250', and the JSON lines that programs read.
#![cfg_attr(target_os = "none", no_std)]
#![deny(missing_docs)]

extern crate alloc;

pub mod block;
pub mod ebcdic;
pub mod line_mode;
pub mod record;
pub mod recorder;
pub mod sclp;
pub mod virtio;
pub mod x250;

#[cfg(target_os = "none")]
pub mod console;
#[cfg(target_os = "none")]
pub mod control_program;
#[cfg(target_os = "none")]
pub mod logger;
