//! No sequence of operation requests, host events and accesses leaves the valid states.

use std::collections::BTreeSet;

use cmm::{
    Access, Content, Dialect, Effect, HostEvent, IllegalEvent, Orc, PageState, Usage, access,
    apply, essa, extended, kvm,
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

/// What a host really has of one page, kept apart from its state to check it against.
#[derive(Default)]
struct Storage {
    frame: bool,
    slot: bool,
    /// The guest's last writing is still somewhere.
    intact: bool,
    /// The guest has said since then that it may go.
    given_up: bool,
    /// The guest has written since it last made the page re-creatable.
    changed: bool,
}

impl Storage {
    /// Moves the content the way the state says, and checks that nothing was lost that mattered.
    fn follow(&mut self, old: PageState, new: PageState) {
        let dropped = new.content() == Content::Zero && old.content() != Content::Zero;
        self.frame = new.content() == Content::Resident;
        self.slot = new.content() == Content::Preserved;
        if dropped {
            assert!(
                self.given_up,
                "{old} to {new} loses content that the guest needs"
            );
            self.intact = false;
        }
    }
}

fn any_step() -> impl Strategy<Value = Step> {
    proptest::sample::select(every_step())
}

proptest! {
    /// Random sequences with a write now and then: storage and state agree after each step, content
    /// goes only if the guest allowed it, and the slot is dropped exactly when there is one.
    #[test]
    fn content_survives_until_the_guest_gives_it_up(
        extended_mode: bool,
        steps in proptest::collection::vec((any_step(), any::<bool>()), 1..200),
    ) {
        let apply = if extended_mode { extended::apply as Apply } else { apply };
        let (mut state, mut storage) = (PageState::SZ, Storage::default());
        for (step, write) in steps {
            // The change bit is the storage's, not the generator's.
            let step = match step {
                Step::Guest { orc, .. } => Step::Guest { orc, changed: storage.changed },
                Step::Host(HostEvent::Evict { .. }) =>
                    Step::Host(HostEvent::Evict { changed: storage.changed }),
                other => other,
            };
            match step {
                Step::Guest { orc: Orc::SetUnused | Orc::SetVolatile, .. }
                | Step::Host(HostEvent::Release) => storage.given_up = true,
                Step::Guest { orc: Orc::SetPotentiallyVolatile, .. } =>
                    storage.given_up |= !storage.changed,
                _ => {}
            }
            if let Step::Guest { orc, changed } = step {
                let is = essa(state, changed, orc, Dialect::Model);
                let drops = storage.slot && is.new.content() == Content::Zero;
                prop_assert_eq!(is.effect == Effect::DropSlot, drops);
                let brings_in = storage.slot && is.new.content() == Content::Resident;
                prop_assert_eq!(is.effect == Effect::PageIn, brings_in);
            }
            let outcome = access(state, Dialect::Model);
            let Some(new) = take(state, step, Dialect::Model, apply) else { continue };
            storage.follow(state, new);
            if new.usage() == Usage::Stable {
                storage.given_up = false;
            }
            let through = !matches!(outcome, Access::DiscardFault | Access::AddressingException);
            if matches!(step, Step::Touch) {
                prop_assert_eq!(through, new.content() == Content::Resident);
                if write && through {
                    storage.intact = true;
                    storage.changed = true;
                    // A write to an unused or volatile page is the guest's own risk.
                    storage.given_up = matches!(new.usage(), Usage::Unused | Usage::Volatile);
                }
            } else if write && new.content() != Content::Zero {
                // The guest has written the page back to where it came from: re-creatable again.
                storage.changed = false;
                storage.given_up = new.usage() != Usage::Stable;
            }
            prop_assert_eq!(storage.frame, new.content() == Content::Resident);
            prop_assert_eq!(storage.slot, new.content() == Content::Preserved);
            let valid = PageState::new(new.usage(), new.content()) == Some(new);
            prop_assert!(valid || extended_mode && [extended::VP, extended::PP].contains(&new));
            state = new;
        }
    }

    /// KVM keeps its own set of states whatever happens, and an access always goes through.
    #[test]
    fn kvm_accesses_always_go_through(
        new_kvm: bool,
        steps in proptest::collection::vec(any_step(), 1..200),
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
