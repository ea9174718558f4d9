//! virtio over channel I/O (Virtual I/O Device specification 1.2, "Virtio Over Channel I/O").

pub mod blk;
mod ccw;
mod queue;
