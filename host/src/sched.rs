//! Which virtual CPU runs where, and for how long: a queue for all, slices of time, and what happens
//! when something becomes pending for a CPU that waits or runs elsewhere.

#[cfg(target_os = "none")]
mod host;
#[cfg(target_os = "none")]
mod physical;
mod queue;

#[cfg(target_os = "none")]
pub use host::{Host, Sampler};
#[cfg(target_os = "none")]
pub use physical::run;
pub use queue::{Id, RunQueue};
