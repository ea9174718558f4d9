//! What ESSA does to a page state, in the model and on KVM.
//!
//! One function, [`essa`]; total over the eleven states, so that a host in extended mode and a test
//! against KVM use the same one. NODAT is kept beside the state, see [`Orc::nodat`].

use core::fmt;
use core::str::FromStr;

use crate::Orc;
use crate::result::EssaResult;
use crate::state::{Content, PageState, Usage};

/// Whose ESSA: implementations differ where the published description is silent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Dialect {
    /// The model: CP Programming Services and the 2008 guest page hinting series.
    Model,
    /// Linux KVM with `pgste_perform_essa`.
    Kvm,
    /// Linux KVM with `dat_perform_essa`.
    KvmNew,
}

impl Dialect {
    /// Every dialect.
    pub const ALL: [Self; 3] = [Self::Model, Self::Kvm, Self::KvmNew];

    /// Returns the name used in parameters: `model`, `kvm` or `kvm-new`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Model => "model",
            Self::Kvm => "kvm",
            Self::KvmNew => "kvm-new",
        }
    }
}

impl fmt::Display for Dialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// The text is no name of a dialect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParseDialectError;

impl fmt::Display for ParseDialectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a dialect (one of model, kvm, kvm-new)")
    }
}

impl core::error::Error for ParseDialectError {}

impl FromStr for Dialect {
    type Err = ParseDialectError;

    fn from_str(text: &str) -> Result<Self, ParseDialectError> {
        Self::ALL
            .into_iter()
            .find(|dialect| dialect.name() == text)
            .ok_or(ParseDialectError)
    }
}

/// What the host must do with storage to make a transition true.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Effect {
    /// Nothing: only the recorded state changes.
    Nothing,
    /// Free the copy on the paging device, if there is one; the content is gone.
    DropSlot,
    /// Read the copy on the paging device into a frame before the guest goes on.
    PageIn,
}

/// Outcome of one ESSA.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Transition {
    /// The state before, which is what the guest is told ("extract, then set").
    pub old: PageState,
    /// The state after.
    pub new: PageState,
    /// What the host must do besides.
    pub effect: Effect,
}

impl Transition {
    /// Returns the result register; NODAT, which is kept elsewhere, is off.
    pub const fn result(self) -> EssaResult {
        EssaResult::new(self.old)
    }
}

/// Executes the operation request `orc` on a page in `state`.
///
/// `changed` is the change bit of the page; only *set potentially volatile* on preserved content
/// looks at it.
///
/// Where the sources leave a choice, [`Dialect::Model`] takes these:
/// - *Set stable if not discarded* fails, that is, leaves the state, on Vz and nowhere else. The
///   name says so; the newer Linux name, "if resident", and KVM would also refuse Uz. A guest has no
///   reason to issue it on an unused page, and should not.
/// - *Set stable make resident* brings a preserved page in and leaves a logically zero one zero: there
///   is no content to wait for, and the first access supplies the frame.
/// - *Set stable nodat* is *set stable* as far as the state goes.
pub const fn essa(state: PageState, changed: bool, orc: Orc, dialect: Dialect) -> Transition {
    let (new, effect) = match dialect {
        Dialect::Model => model(state, changed, orc),
        Dialect::Kvm => kvm(state, changed, orc),
        Dialect::KvmNew => kvm_new(state, changed, orc),
    };
    Transition {
        old: state,
        new,
        effect,
    }
}

const fn model(state: PageState, changed: bool, orc: Orc) -> (PageState, Effect) {
    match orc {
        Orc::SetStableMakeResident if matches!(state.content(), Content::Preserved) => {
            (PageState::SR, Effect::PageIn)
        }
        Orc::SetStableIfNotDiscarded if !state.is_discarded() => keep(state, Usage::Stable),
        _ => common(state, changed, orc),
    }
}

const fn kvm(state: PageState, changed: bool, orc: Orc) -> (PageState, Effect) {
    match orc {
        Orc::SetStableIfNotDiscarded if matches!(state.content(), Content::Resident) => {
            keep(state, Usage::Stable)
        }
        _ => common(state, changed, orc),
    }
}

const fn kvm_new(state: PageState, changed: bool, orc: Orc) -> (PageState, Effect) {
    let discards = match orc {
        Orc::SetUnused | Orc::SetVolatile => true,
        Orc::SetPotentiallyVolatile => matches!(state.content(), Content::Preserved) && !changed,
        _ => false,
    };
    let (new, effect) = match (orc, state.content()) {
        (Orc::SetPotentiallyVolatile, Content::Preserved) if changed => (state, Effect::Nothing),
        _ => kvm(state, changed, orc),
    };
    // The zero bit is computed afresh by every ESSA, queries included, as "this one discarded", so
    // that any other makes a zero page look preserved.
    match new.content() {
        Content::Zero if !discards => (new.preserved(), effect),
        _ => (new, effect),
    }
}

/// The part that all dialects agree on; leaves the state for conditions that do not hold.
const fn common(state: PageState, changed: bool, orc: Orc) -> (PageState, Effect) {
    match orc {
        Orc::GetState | Orc::SetStableIfNotDiscarded => (state, Effect::Nothing),
        Orc::SetStable | Orc::SetStableMakeResident | Orc::SetStableNodat => {
            keep(state, Usage::Stable)
        }
        Orc::SetUnused => droppable(state, Usage::Unused),
        Orc::SetVolatile => droppable(state, Usage::Volatile),
        Orc::SetPotentiallyVolatile => match state.content() {
            Content::Resident => keep(state, Usage::PotentiallyVolatile),
            // The only copy of changed content must survive, and a preserved page has no frame
            // whose change bit the host could test later: so it stays, or becomes, stable.
            Content::Preserved if changed => keep(state, Usage::Stable),
            Content::Preserved | Content::Zero => droppable(state, Usage::Volatile),
        },
    }
}

/// Changes the guest's half only.
const fn keep(state: PageState, usage: Usage) -> (PageState, Effect) {
    (
        PageState::unchecked(usage, state.content()),
        Effect::Nothing,
    )
}

/// Changes the guest's half and drops preserved content, which no such usage is worth keeping for.
const fn droppable(state: PageState, usage: Usage) -> (PageState, Effect) {
    match state.content() {
        Content::Preserved => (PageState::unchecked(usage, Content::Zero), Effect::DropSlot),
        Content::Resident | Content::Zero => keep(state, usage),
    }
}
