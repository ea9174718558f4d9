//! What happens when the guest touches a page.

use crate::essa::Dialect;
use crate::event::HostEvent;
use crate::state::{Content, PageState, Usage};

/// Outcome of a guest CPU's access, loads and stores alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Access {
    /// Goes through.
    Ok,
    /// Waits for a zero frame, then goes through; the guest does not notice.
    ZeroFill,
    /// Waits for the paging device, then goes through; the guest does not notice.
    PageIn,
    /// Program interruption X'1A' (block volatility, discard fault); the instruction is nullified.
    DiscardFault,
    /// Program interruption 5.
    AddressingException,
}

impl Access {
    /// Returns the event that the host must bring about before the access can go through.
    ///
    /// `None` if it goes through as it is, or not at all.
    pub const fn event(self) -> Option<HostEvent> {
        match self {
            Self::ZeroFill => Some(HostEvent::FirstTouch),
            Self::PageIn => Some(HostEvent::PageIn),
            Self::Ok | Self::DiscardFault | Self::AddressingException => None,
        }
    }
}

/// Decides what an access to a page in `state` meets.
///
/// For Uz, CP Programming Services allows "addressing exception or unpredictable results"; the model
/// takes the exception, which finds more bugs. KVM fills every logically zero page; in the newer one
/// a page that reads as preserved may be such a page too, and is filled by its page-in.
#[inline]
pub const fn access(state: PageState, dialect: Dialect) -> Access {
    let faults = matches!(dialect, Dialect::Model);
    match (state.content(), state.usage()) {
        (Content::Resident, _) => Access::Ok,
        (Content::Preserved, _) => Access::PageIn,
        (Content::Zero, Usage::Volatile | Usage::PotentiallyVolatile) if faults => {
            Access::DiscardFault
        }
        (Content::Zero, Usage::Unused) if faults => Access::AddressingException,
        (Content::Zero, _) => Access::ZeroFill,
    }
}
