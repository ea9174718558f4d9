//! z/Architecture as Rust types and functions.
//!
//! This is the only crate with instructions in it. Types that are pure layout (PSW, lowcore,
//! interruption codes, table entries) exist everywhere; what executes instructions exists on the
//! machine itself (`target_os = "none"`). For the few operations that memory management needs, the
//! simulated machine in [`sim`] offers items of the same names on every other system: storage is a
//! vector, page states are kept by `cmm`, and a discarded page faults as it would on the machine.
#![cfg_attr(target_os = "none", no_std)]
#![deny(missing_docs)]

extern crate alloc;

pub mod addr;
pub mod cr0;
pub mod dat;
pub mod fault;
pub mod interruption;
pub mod lowcore;
pub mod program;
pub mod psw;
pub mod registers;
pub mod state_descriptor;
pub mod table;
pub mod tod;

#[cfg(target_os = "none")]
mod machine;
#[cfg(target_os = "none")]
pub use machine::*;

#[cfg(not(target_os = "none"))]
pub mod sim;
#[cfg(not(target_os = "none"))]
pub use sim::{diagnose, essa, key, storage, translation};

pub use addr::{Absolute, Frame, PAGE_SHIFT, PAGE_SIZE};
pub use lowcore::Lowcore;
pub use psw::{Psw, PswMask};
