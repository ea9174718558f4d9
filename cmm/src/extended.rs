//! The extended mode: states outside the eight, for hosts that keep what they could drop.
//!
//! Two hosts leave the model. Ours, where so configured, moves a volatile page to expanded storage
//! before it drops it, and KVM pages volatile pages out like any other: both give [`VP`] and
//! [`PP`]. Newer KVM also forgets that a page is logically zero when the guest so much as queries
//! it, which makes [`UP`] of Uz. "Pz" exists nowhere: it would be Vz.

use crate::event::{HostEvent, IllegalEvent};
use crate::state::{Content, PageState, ParseStateError, Usage};

/// Volatile, preserved: kept although the host might have discarded it.
pub const VP: PageState = PageState::unchecked(Usage::Volatile, Content::Preserved);
/// Potentially volatile, preserved: kept although the host might have tested and discarded it.
pub const PP: PageState = PageState::unchecked(Usage::PotentiallyVolatile, Content::Preserved);
/// Unused, preserved: what newer KVM reports for Uz once somebody has looked.
pub const UP: PageState = PageState::unchecked(Usage::Unused, Content::Preserved);

/// The eight states of the model, then the three extended ones.
pub const ALL: [PageState; 11] = {
    let [sr, sp, sz, ur, uz, vr, vz, pr] = PageState::ALL;
    [sr, sp, sz, ur, uz, vr, vz, pr, VP, PP, UP]
};

/// Makes a state of the extended mode; `None` for Pz alone.
pub const fn state(usage: Usage, content: Content) -> Option<PageState> {
    match (usage, content) {
        (Usage::PotentiallyVolatile, Content::Zero) => None,
        _ => Some(PageState::unchecked(usage, content)),
    }
}

/// Tells whether `state` is none of the eight states of the model.
pub const fn is_extended(state: PageState) -> bool {
    PageState::new(state.usage(), state.content()).is_none()
}

/// Parses the name of one of the eleven states, such as "Vp".
///
/// # Errors
///
/// [`ParseStateError`] for any other text, "Pz" included.
pub fn parse(text: &str) -> Result<PageState, ParseStateError> {
    let mut letters = text.chars();
    let (usage, content) = (letters.next(), letters.next());
    let usage = Usage::ALL
        .into_iter()
        .find(|known| Some(known.letter()) == usage);
    let content = Content::ALL
        .into_iter()
        .find(|known| Some(known.letter()) == content);
    match (usage, content, letters.next()) {
        (Some(usage), Some(content), None) => state(usage, content).ok_or(ParseStateError),
        _ => Err(ParseStateError),
    }
}

/// Applies a host event in a host with an extended tier that holds V and P pages.
///
/// Eviction goes by two steps: out of memory into that tier (Vr→Vp, Pr→Pp), then out of the tier
/// (Vp→Vz, Pp→Vz if unchanged or Sp if changed). All else is [`apply`](crate::apply).
///
/// # Errors
///
/// [`IllegalEvent`] where the event cannot happen to a page in that state.
pub const fn apply(state: PageState, event: HostEvent) -> Result<PageState, IllegalEvent> {
    match (state, event) {
        (PageState::VR | PageState::PR, HostEvent::Evict { .. }) => Ok(state.preserved()),
        (VP, HostEvent::Evict { .. }) | (PP, HostEvent::Evict { changed: false }) => {
            Ok(PageState::VZ)
        }
        (PP, HostEvent::Evict { changed: true }) => Ok(PageState::SP),
        (UP, HostEvent::Evict { .. }) => Ok(PageState::UZ),
        (VP | PP | UP, HostEvent::PageIn) => Ok(state.resident()),
        _ => crate::apply(state, event),
    }
}
