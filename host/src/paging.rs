//! Paging: content that must be kept goes to expanded storage and on to slots of a paging device when
//! frames run short, and comes back when the guest touches it.
//!
//! ```text
//!   GuestMemory ── states, translations ──┐
//!                                         ├── Ledger: expanded storage, slots, list of resident pages
//!   Pager ── what goes, what comes ───────┘
//!     └── PagingDevice: a disk, or storage that behaves like one
//! ```
//!
//! A page that is written stays where it is, mapped read-only, until the copy is complete; a store in
//! between makes the copy stale and costs nothing else. So the frame of a page that was cleaned is taken
//! without waiting, and a slot stays good as long as its page is not changed.

mod device;
#[cfg(target_os = "none")]
mod disk;
mod expanded;
mod model;
mod pace;
mod pager;
mod resident;
mod slots;
#[cfg(test)]
mod tests;

pub use device::{Direction, PagingDevice};
#[cfg(target_os = "none")]
pub use disk::{PagingDisk, SUBCLASS};
pub use expanded::Expanded;
pub use model::Model;
pub use pace::{Pace, Timing};
pub use pager::{Memories, Pager, Wanted};
pub use resident::Resident;
pub use slots::{Ledger, PageId, Slot, Slots, Transfer};
