//! A guest's memory: for each guest absolute page its state and what backs it, and the tables by
//! which the guest runs.
//!
//! State changes go through `cmm`; this module keeps frame, change bit, key and translation in step
//! with them. Translations are made when a page is first touched: those of a guest with DAT off in its
//! tables, those of one with DAT on in shadows of its own tables. When a frame is taken away, they go: these
//! and all other users of pages are told by [`notifier`]s.

mod entry;
mod guest;
pub mod notifier;
pub mod prefix;
pub mod shadow;
mod tables;
mod translate;
mod translations;
pub mod walk;

pub use entry::{PageEntry, PageFlags};
pub use guest::{Counters, GuestMemory, MOST_RELEASED, Standing, is_in_one_page, pieces};
pub use translate::{Virtual, address_space_control};

use arch::program;

use crate::trace;

/// Why an access to guest storage cannot be done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AccessError {
    /// The guest gets this program interruption.
    Fault(GuestFault),
    /// The access is to be done again when there is what it wants.
    Wait(Want),
    /// The host has no frame left and nothing that costs no I/O to take away, and there is no paging.
    Exhausted,
    /// The page's content cannot be read from the paging device.
    Unreadable,
}

/// What a CPU waits for before it does an access again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Want {
    /// The content of a guest absolute page.
    Page(u32),
    /// Any frame.
    Frame,
}

impl Want {
    /// The page, for records.
    #[must_use]
    pub const fn page(self) -> u32 {
        match self {
            Self::Page(page) => page,
            Self::Frame => trace::ANY,
        }
    }
}

/// A program interruption that an access of the guest leads to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct GuestFault {
    /// Program-interruption code.
    pub code: u16,
    /// What to store at 0xa8, if the code defines it.
    pub identification: Option<u64>,
}

impl GuestFault {
    /// An exception without an address.
    #[must_use]
    pub const fn plain(code: u16) -> Self {
        Self {
            code,
            identification: None,
        }
    }

    /// The discard fault for a page at a guest absolute address.
    #[must_use]
    pub const fn discarded(page_address: u64) -> Self {
        Self {
            code: program::BLOCK_VOLATILITY,
            identification: Some(page_address),
        }
    }
}

impl From<GuestFault> for AccessError {
    fn from(fault: GuestFault) -> Self {
        Self::Fault(fault)
    }
}
