//! Which hypervisor the host passes for: what it does with page states where hypervisors differ.
//!
//! All of it is decided here, once, for whoever asks: what a request does to a state, what an access finds, which pages
//! may go, and what becomes of an address that the guest does not have. `docs/personalities.md` tells where it is from.

#[cfg(feature = "controls")]
use crate::control::Mistake;
use arch::program;
use cmm::{Dialect, EssaResult, HostEvent, IllegalEvent, PageState, Usage, extended};

use crate::mem::GuestFault;

/// A hypervisor to pass for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Hypervisor {
    /// Nobody's: the scheme as it was published.
    Model,
    /// Linux KVM, which interprets page states in its page tables.
    Kvm,
    /// As that, with the newer implementation of them.
    KvmNew,
    /// z/VM, as its books say.
    Zvm,
}

impl Hypervisor {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Model, Self::Kvm, Self::KvmNew, Self::Zvm];
    /// The parameter's words for them, in that order.
    pub const NAMES: &str = "model|kvm|kvm-new|zvm";

    /// The parameter's word for it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Model => "model",
            Self::Kvm => "kvm",
            Self::KvmNew => "kvm-new",
            Self::Zvm => "zvm",
        }
    }

    /// What it calls itself where a guest asks for the control program.
    #[must_use]
    pub const fn identification(self) -> &'static [u8; 16] {
        match self {
            Self::Model => b"GPH HOST        ",
            Self::Kvm | Self::KvmNew => b"KVM/Linux       ",
            Self::Zvm => b"z/VM            ",
        }
    }
}

/// How much of the guests' hints the host acts on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Hinting {
    /// ESSA is not installed.
    None,
    /// All requests are accepted and remembered, but only unused pages are ever taken, and a page
    /// without content reads as zero: what Linux and KVM have.
    Unused,
    /// The whole scheme.
    Full,
    /// As that, but a volatile page goes to expanded storage first, and is discarded there.
    Extended,
}

impl Hinting {
    /// The parameter's word for it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Unused => "unused",
            Self::Full => "full",
            Self::Extended => "full+extended",
        }
    }
}

/// What a hypervisor does with page states.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Personality {
    /// Who is passed for.
    pub hypervisor: Hypervisor,
    /// What requests do to states, and what accesses find.
    pub dialect: Dialect,
    /// A bit for each usage whose resident pages may go without I/O; none if ESSA is not installed.
    discards: u8,
    /// Whether a volatile page goes to expanded storage before it is discarded.
    pub keeps_volatile: bool,
    /// What it does wrong on purpose.
    #[cfg(feature = "controls")]
    mistake: Option<Mistake>,
}

impl Personality {
    /// What a hypervisor does, of which so much is wanted. Of what KVM does with hints nothing can be left out but all.
    #[must_use]
    pub const fn new(hypervisor: Hypervisor, hinting: Hinting) -> Self {
        let dialect = match (hypervisor, hinting) {
            (Hypervisor::KvmNew, _) => Dialect::KvmNew,
            (Hypervisor::Kvm, _) | (_, Hinting::Unused) => Dialect::Kvm,
            (Hypervisor::Model | Hypervisor::Zvm, _) => Dialect::Model,
        };
        let discards = match (hinting, dialect) {
            (Hinting::None, _) => 0,
            (_, Dialect::Model) => !(1 << Usage::Stable.encoding()),
            (_, Dialect::Kvm | Dialect::KvmNew) => 1 << Usage::Unused.encoding(),
        };
        Self {
            hypervisor,
            dialect,
            discards,
            keeps_volatile: matches!((hinting, dialect), (Hinting::Extended, Dialect::Model)),
            #[cfg(feature = "controls")]
            mistake: None,
        }
    }

    /// A negative control: the same with a mistake, if it is one about pages.
    #[cfg(feature = "controls")]
    #[must_use]
    pub const fn err(self, mistake: Option<Mistake>) -> Self {
        Self { mistake, ..self }
    }

    /// Whether a potentially volatile page that was changed is kept, as it must be.
    #[must_use]
    #[inline(always)]
    pub const fn minds_changes(self) -> bool {
        #[cfg(feature = "controls")]
        if matches!(self.mistake, Some(Mistake::DiscardChanged)) {
            return false;
        }
        true
    }

    /// Whether a page's copy is given up when the page is stored into, as it must be.
    #[must_use]
    #[inline(always)]
    pub const fn minds_stores(self) -> bool {
        #[cfg(feature = "controls")]
        if matches!(self.mistake, Some(Mistake::KeepCopy)) {
            return false;
        }
        true
    }

    /// Whether ESSA is installed.
    #[must_use]
    #[inline]
    pub const fn has_essa(self) -> bool {
        self.discards != 0
    }

    /// Whether resident pages in a usage state may go without I/O, as far as that goes.
    #[must_use]
    #[inline(always)]
    pub const fn discards(self, usage: Usage) -> bool {
        self.discards >> usage.encoding() & 1 != 0
    }

    /// Whether a request to make a page resident has its content brought in.
    #[must_use]
    pub fn makes_resident(self) -> bool {
        self.dialect == Dialect::Model
    }

    /// Whether a reset of the machine makes all pages stable, whatever their guest has called them.
    #[must_use]
    pub fn forgets_at_reset(self) -> bool {
        self.dialect != Dialect::Model
    }

    /// What a request answers where the guest has no page: KVM's newer implementation says so in the result.
    ///
    /// # Errors
    /// The exception of the others.
    pub fn bad_address(self) -> Result<EssaResult, GuestFault> {
        match self.dialect {
            Dialect::KvmNew => Ok(EssaResult::from(0).with_exception(true)),
            Dialect::Model | Dialect::Kvm => Err(GuestFault::plain(program::ADDRESSING)),
        }
    }

    /// What the host's own doing makes of a state. KVM keeps volatile pages as it keeps others. Who has them kept for a
    /// while does so with volatile ones only: whether potentially volatile ones were changed is known while they are
    /// resident.
    ///
    /// # Errors
    /// The event cannot happen to a page in that state.
    pub fn apply(self, state: PageState, event: HostEvent) -> Result<PageState, IllegalEvent> {
        match self.dialect {
            Dialect::Kvm | Dialect::KvmNew => cmm::kvm::apply(state, event),
            Dialect::Model if self.keeps_volatile && state.usage() == Usage::Volatile => {
                extended::apply(state, event)
            }
            Dialect::Model => cmm::apply(state, event),
        }
    }
}

#[cfg(test)]
impl Personality {
    /// The whole scheme.
    pub(crate) const MODEL: Self = Self::new(Hypervisor::Model, Hinting::Full);
    /// Without ESSA.
    pub(crate) const NO_HINTS: Self = Self::new(Hypervisor::Model, Hinting::None);
}

#[cfg(test)]
mod tests;
