//! The transitions as a graph: who moves a page from which state to which, and by what.

use core::fmt;

use crate::access::{Access, access};
use crate::essa::{Dialect, essa};
use crate::event::{HostEvent, apply};
use crate::orc::Orc;
use crate::state::PageState;

/// Who moves pages from one state to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mover {
    /// The guest, by ESSA.
    Guest,
    /// The host, of its own accord or for the guest's sake.
    Host,
}

/// All that leads from one state of the model to another one and has the same mover.
///
/// Its `Display` says what that is: operation request codes (ORC 4 with the change bit it needs) or
/// events of the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Edge {
    /// The state before.
    pub from: PageState,
    /// The state behind, which is another one.
    pub to: PageState,
    /// Who does it.
    pub by: Mover,
}

impl Edge {
    /// Whether a request leads there, with the change bit zero and one.
    fn requested(self, orc: Orc) -> (bool, bool) {
        let leads = |changed| essa(self.from, changed, orc, Dialect::Model).new == self.to;
        (leads(false), leads(true))
    }

    fn happens(self, event: HostEvent) -> bool {
        apply(self.from, event) == Ok(self.to)
    }

    fn exists(self) -> bool {
        match self.by {
            _ if self.from == self.to => false,
            Mover::Guest => Orc::ALL
                .into_iter()
                .any(|orc| self.requested(orc) != (false, false)),
            Mover::Host => HostEvent::ALL.into_iter().any(|event| self.happens(event)),
        }
    }
}

/// Every edge of the model's graph, those of one state next to each other.
pub fn edges() -> impl Iterator<Item = Edge> {
    let movers = [Mover::Guest, Mover::Host];
    PageState::ALL
        .into_iter()
        .flat_map(|from| PageState::ALL.into_iter().map(move |to| (from, to)))
        .flat_map(move |(from, to)| movers.into_iter().map(move |by| Edge { from, to, by }))
        .filter(|edge| edge.exists())
}

/// Every state whose pages cannot be touched, with what the guest gets for it.
pub fn faults() -> impl Iterator<Item = (PageState, Access)> {
    PageState::ALL
        .into_iter()
        .map(|state| (state, access(state, Dialect::Model)))
        .filter(|(_, access)| matches!(access, Access::DiscardFault | Access::AddressingException))
}

impl fmt::Display for Edge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        let mut part = |text: fmt::Arguments<'_>| {
            let written = write!(f, "{separator}{text}");
            separator = ", ";
            written
        };
        match self.by {
            Mover::Guest => Orc::ALL.into_iter().try_for_each(|orc| {
                let code = orc.code();
                match self.requested(orc) {
                    (true, true) => part(format_args!("{code}")),
                    (true, false) => part(format_args!("{code} unchanged")),
                    (false, true) => part(format_args!("{code} changed")),
                    (false, false) => Ok(()),
                }
            }),
            Mover::Host => {
                let evictions = [false, true].map(|changed| HostEvent::Evict { changed });
                let always = evictions.into_iter().all(|event| self.happens(event));
                if always {
                    part(format_args!("evict"))?;
                }
                let others = |event: &HostEvent| !(always && evictions.contains(event));
                HostEvent::ALL
                    .into_iter()
                    .filter(others)
                    .filter(|event| self.happens(*event))
                    .try_for_each(|event| part(format_args!("{event}")))
            }
        }
    }
}
