//! Host events as KVM has them: it never discards, and it hands out zeroes where the model faults.

use crate::event::{HostEvent, IllegalEvent};
use crate::extended;
use crate::state::PageState;

/// The transitions by which a KVM guest loses content without being told, each (from, to).
///
/// In the model, access to the first of each pair is an exception. KVM supplies a zero frame
/// instead: harmless for Uz, silent loss for Vz. Nowhere else may a page go from Vz to Vr.
pub const SILENT_ZERO_FILL: [(PageState, PageState); 2] = [
    (PageState::UZ, PageState::UR),
    (PageState::VZ, PageState::VR),
];

/// Applies a host event in a KVM host.
///
/// Volatile pages are paged out like any other (Vr→Vp, Pr→Pp), nothing preserved is ever dropped by
/// eviction, and the first touch fills every logically zero page, see [`SILENT_ZERO_FILL`]. All else
/// is [`extended::apply`].
///
/// # Errors
///
/// [`IllegalEvent`] where the event cannot happen to a page in that state.
pub const fn apply(state: PageState, event: HostEvent) -> Result<PageState, IllegalEvent> {
    match (state, event) {
        (PageState::UZ | PageState::VZ, HostEvent::FirstTouch) => Ok(state.resident()),
        (extended::VP | extended::PP | extended::UP, HostEvent::Evict { .. }) => {
            Err(IllegalEvent { state, event })
        }
        _ => extended::apply(state, event),
    }
}
