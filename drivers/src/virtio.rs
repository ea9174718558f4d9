//! virtio over channel I/O (Virtual I/O Device specification 1.2, "Virtio Over Channel I/O").

#[cfg(target_os = "none")]
mod area;
#[cfg(any(test, target_os = "none"))]
pub mod balloon;
#[cfg(target_os = "none")]
pub mod blk;
#[cfg(target_os = "none")]
mod ccw;
pub mod command;
#[cfg(any(test, target_os = "none"))]
mod queue;

#[cfg(target_os = "none")]
pub use area::has_news;
#[cfg(target_os = "none")]
pub use ccw::{subchannel, take_interruptions};
