//! The service-call logical processor (SCLP): what the machine has, and its event facility.
//!
//! A request is a service-call control block (SCCB) of one page. SERVICE CALL starts it; an external
//! interruption 0x2401 that names the block says that it is complete.

pub mod block;
#[cfg(target_os = "none")]
mod call;

pub use block::Machine;
#[cfg(target_os = "none")]
pub use call::{Error, exclusively, read_info, seize};
#[cfg(target_os = "none")]
pub(crate) use call::{read_events, write_event, write_event_mask};
