//! A simulated machine: storage is a vector, the host is `cmm`.
//!
//! A [`Machine`] is made by a test and entered by its threads; [`essa`], [`storage`] and
//! [`diagnose`] then work on it as the items of the same names do on a real one:
//!
//! ```text
//!   kernel code ──> essa, storage, diagnose ──> Machine: bytes, a cmm::PageState for each frame
//!   test ──────────────────────────────────────────┘ evict, evict_all, set_eviction
//! ```
//!
//! The host side is as hostile as the architecture allows. A discarded page has lost its content for
//! good, and an eviction policy can make the host discard before and after every operation, between
//! the parts of one copy too. A guarded copy from such a page reports the discard fault; any other
//! access to it panics, as the machine would stop.

mod host;
mod machine;
#[cfg(test)]
mod tests;

pub mod diagnose;
pub mod essa;
pub mod key;
pub mod move_spaces;
pub mod storage;
pub mod translation;

pub use machine::{Entered, Eviction, Hinting, Machine, become_cpu, on_every_step, this_cpu};
