//! No sequence of operation requests, host events and accesses leaves the valid states.

use std::collections::BTreeSet;

use cmm::{
    Content, Dialect, HostEvent, IllegalEvent, Orc, PageState, access, apply, essa, extended, kvm,
};
use proptest::prelude::*;

type Apply = fn(PageState, HostEvent) -> Result<PageState, IllegalEvent>;

/// One thing that can happen to a page.
#[derive(Clone, Copy, Debug)]
enum Step {
    Guest { orc: Orc, changed: bool },
    Host(HostEvent),
    Touch,
}

fn every_step() -> Vec<Step> {
    let guest = Orc::ALL
        .into_iter()
        .flat_map(|orc| [false, true].map(|changed| Step::Guest { orc, changed }));
    guest
        .chain(HostEvent::ALL.map(Step::Host))
        .chain([Step::Touch])
        .collect()
}

/// Takes a step; `None` if it cannot happen in this state.
fn take(state: PageState, step: Step, dialect: Dialect, apply: Apply) -> Option<PageState> {
    match step {
        Step::Guest { orc, changed } => Some(essa(state, changed, orc, dialect).new),
        Step::Host(event) => apply(state, event).ok(),
        Step::Touch => match access(state, dialect).event() {
            Some(event) => Some(apply(state, event).expect("an access asks for legal events")),
            None => Some(state),
        },
    }
}

/// Everything that can be reached from a page never touched.
fn reachable(dialect: Dialect, apply: Apply) -> BTreeSet<PageState> {
    let (mut seen, mut open) = (BTreeSet::from([PageState::SZ]), vec![PageState::SZ]);
    while let Some(state) = open.pop() {
        for step in every_step() {
            if let Some(next) = take(state, step, dialect, apply)
                && seen.insert(next)
            {
                open.push(next);
            }
        }
    }
    seen
}

fn eight_and(more: &[PageState]) -> BTreeSet<PageState> {
    PageState::ALL.iter().chain(more).copied().collect()
}

#[test]
fn model_reaches_all_eight_states_and_no_other() {
    assert_eq!(reachable(Dialect::Model, apply), eight_and(&[]));
}

#[test]
fn extended_mode_reaches_two_states_more() {
    let states = eight_and(&[extended::VP, extended::PP]);
    assert_eq!(reachable(Dialect::Model, extended::apply), states);
}

#[test]
fn kvm_reaches_two_states_more_and_newer_kvm_three() {
    let (vp, pp, up) = (extended::VP, extended::PP, extended::UP);
    assert_eq!(reachable(Dialect::Kvm, kvm::apply), eight_and(&[vp, pp]));
    assert_eq!(
        reachable(Dialect::KvmNew, kvm::apply),
        eight_and(&[vp, pp, up])
    );
}

/// In the model only the guest, by an operation request, ends a discard; and what it then has is a
/// page of zeroes, never resident content.
#[test]
fn volatile_zero_never_becomes_volatile_resident_in_one_step() {
    for apply in [apply as Apply, extended::apply] {
        for step in every_step() {
            let next = take(PageState::VZ, step, Dialect::Model, apply);
            assert!(
                next.is_none_or(|next| next.content() == Content::Zero),
                "{step:?}"
            );
            if !matches!(step, Step::Guest { .. }) {
                assert!(next.is_none_or(|next| next == PageState::VZ), "{step:?}");
            }
        }
    }
}

proptest! {
    /// KVM keeps its own set of states whatever happens, and an access always goes through.
    #[test]
    fn kvm_accesses_always_go_through(
        new_kvm: bool,
        steps in proptest::collection::vec(proptest::sample::select(every_step()), 1..200),
    ) {
        let dialect = if new_kvm { Dialect::KvmNew } else { Dialect::Kvm };
        let mut state = PageState::SZ;
        for step in steps {
            state = take(state, step, dialect, kvm::apply).unwrap_or(state);
            prop_assert!(new_kvm || state != extended::UP);
            let touched = take(state, Step::Touch, dialect, kvm::apply);
            prop_assert_eq!(touched.map(PageState::content), Some(Content::Resident));
        }
    }
}
