//! What the host does to a page state of its own accord.
//!
//! The rules below are the model's. Hosts that keep more than they must use
//! [`extended::apply`](crate::extended::apply), and [`kvm::apply`](crate::kvm::apply) tells how KVM
//! behaves.

use core::fmt;

use crate::state::PageState;

/// Something that the host does to a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum HostEvent {
    /// Takes the storage that backs the page.
    Evict {
        /// The page's change bit, read after its last translation was invalidated.
        changed: bool,
    },
    /// Reads the content back from the paging device.
    PageIn,
    /// Supplies a zero frame because the guest touched the page.
    FirstTouch,
    /// Releases the content at the guest's request (DIAGNOSE X'10').
    Release,
}

impl HostEvent {
    /// Every event.
    pub const ALL: [Self; 5] = [
        Self::Evict { changed: false },
        Self::Evict { changed: true },
        Self::PageIn,
        Self::FirstTouch,
        Self::Release,
    ];
}

impl fmt::Display for HostEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Evict { changed: false } => "evict clean",
            Self::Evict { changed: true } => "evict changed",
            Self::PageIn => "page in",
            Self::FirstTouch => "first touch",
            Self::Release => "release",
        })
    }
}

/// An event that cannot happen to a page in this state: the host has lost track of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IllegalEvent {
    /// The state that the page is in.
    pub state: PageState,
    /// The event that does not fit it.
    pub event: HostEvent,
}

impl fmt::Display for IllegalEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of a page in state {}", self.event, self.state)
    }
}

impl core::error::Error for IllegalEvent {}

/// Applies a host event to one of the eight states.
///
/// The host changes its own half only, with two exceptions: evicting Pr makes it Sp if it was
/// changed and Vz if not, because neither Pp nor Pz exists (release treats Pr as unchanged). A
/// discarded page never comes back: nothing here leads from Vz to Vr.
///
/// # Errors
///
/// [`IllegalEvent`] where the event cannot happen to a page in that state, such as evicting a page
/// that is not resident.
pub const fn apply(state: PageState, event: HostEvent) -> Result<PageState, IllegalEvent> {
    match (state, event) {
        (PageState::UR, HostEvent::Evict { .. }) => Ok(PageState::UZ),
        (PageState::VR, HostEvent::Evict { .. }) => Ok(PageState::VZ),
        (PageState::PR, HostEvent::Evict { changed: false }) => Ok(PageState::VZ),
        (PageState::PR, HostEvent::Evict { changed: true }) => Ok(PageState::SP),
        (PageState::SR, HostEvent::Evict { .. }) => Ok(PageState::SP),
        (PageState::SP, HostEvent::PageIn) => Ok(PageState::SR),
        (PageState::SZ, HostEvent::FirstTouch) => Ok(PageState::SR),
        (_, HostEvent::Release) => Ok(state.zeroed()),
        _ => Err(IllegalEvent { state, event }),
    }
}
