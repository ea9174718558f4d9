//! Random histories of one page, with its storage kept apart from its state: the two agree after
//! every step, and content goes only after the guest has given it up.

use cmm::{
    Access, Content, Dialect, Effect, HostEvent, IllegalEvent, Orc, PageState, Usage, access,
    apply, essa, extended,
};
use proptest::prelude::*;

type Apply = fn(PageState, HostEvent) -> Result<PageState, IllegalEvent>;

/// One thing that happens to the page.
#[derive(Clone, Copy, Debug)]
enum Step {
    Essa(Orc),
    Evict,
    PageIn,
    Release,
    Touch {
        write: bool,
    },
    /// The guest copies the page to where it can be read again, and resets the change bit.
    WriteBack,
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => proptest::sample::select(&Orc::ALL[..]).prop_map(Step::Essa),
        3 => Just(Step::Evict),
        1 => Just(Step::PageIn),
        1 => Just(Step::Release),
        3 => any::<bool>().prop_map(|write| Step::Touch { write }),
        1 => Just(Step::WriteBack),
    ]
}

/// A page as the host and the guest know it.
struct Page {
    apply: Apply,
    state: PageState,
    /// A frame backs it.
    frame: bool,
    /// A slot of the paging device (or of expanded storage) holds it.
    slot: bool,
    changed: bool,
    /// The guest relies on the content: it could not make it again.
    needed: bool,
}

impl Page {
    fn new(apply: Apply) -> Self {
        let state = PageState::SZ;
        Self {
            apply,
            state,
            frame: false,
            slot: false,
            changed: false,
            needed: false,
        }
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Essa(orc) => self.essa(orc),
            Step::Evict => self.host(HostEvent::Evict {
                changed: self.changed,
            }),
            Step::PageIn => self.host(HostEvent::PageIn),
            Step::Release => {
                self.needed = false;
                self.host(HostEvent::Release);
            }
            Step::Touch { write } => self.touch(write),
            Step::WriteBack => {
                self.changed = false;
                self.needed &= self.state.usage() == Usage::Stable;
            }
        }
        self.check(step);
    }

    fn essa(&mut self, orc: Orc) {
        let is = essa(self.state, self.changed, orc, Dialect::Model);
        match is.effect {
            Effect::Nothing => {}
            Effect::DropSlot => {
                assert!(
                    self.slot,
                    "{orc} on {} drops a slot that is not there",
                    self.state
                );
                self.slot = false;
            }
            Effect::PageIn => {
                assert!(
                    self.slot,
                    "{orc} on {} reads a slot that is not there",
                    self.state
                );
                (self.slot, self.frame) = (false, true);
            }
        }
        self.state = is.new;
        match orc {
            Orc::SetUnused | Orc::SetVolatile => self.needed = false,
            Orc::SetPotentiallyVolatile => self.needed &= self.changed,
            _ if is.new.usage() == Usage::Stable => self.needed |= self.frame || self.slot,
            _ => {}
        }
    }

    /// Does what the event means to storage; the host refuses impossible events.
    fn host(&mut self, event: HostEvent) {
        let Ok(new) = (self.apply)(self.state, event) else {
            return;
        };
        (self.frame, self.slot) = match event {
            // Whether what is taken gets written out is what the new state decides.
            HostEvent::Evict { .. } => (false, new.content() == Content::Preserved),
            HostEvent::PageIn | HostEvent::FirstTouch => (true, false),
            HostEvent::Release => (false, false),
        };
        self.state = new;
    }

    fn touch(&mut self, write: bool) {
        let outcome = access(self.state, Dialect::Model);
        if matches!(outcome, Access::DiscardFault | Access::AddressingException) {
            assert!(!self.needed, "{outcome:?} on content that the guest needs");
            return;
        }
        if let Some(event) = outcome.event() {
            self.host(event);
        }
        assert!(
            self.frame,
            "an access to {} goes through without a frame",
            self.state
        );
        self.changed |= write;
        match self.state.usage() {
            Usage::Stable => self.needed = true,
            Usage::PotentiallyVolatile => self.needed |= write,
            // Writing there is the guest's own risk.
            Usage::Unused | Usage::Volatile => {}
        }
    }

    fn check(&mut self, step: Step) {
        let state = self.state;
        assert_eq!(
            self.frame,
            state.content() == Content::Resident,
            "{step:?} to {state}"
        );
        assert_eq!(
            self.slot,
            state.content() == Content::Preserved,
            "{step:?} to {state}"
        );
        if !self.frame && !self.slot {
            assert!(
                !self.needed,
                "{step:?} to {state} loses content that the guest needs"
            );
            self.changed = false;
        }
    }
}

proptest! {
    #[test]
    fn plain_host_keeps_what_the_guest_needs(
        steps in proptest::collection::vec(any_step(), 1..200),
    ) {
        let mut page = Page::new(apply);
        for step in steps {
            page.take(step);
            prop_assert!(!extended::is_extended(page.state));
        }
    }

    #[test]
    fn extended_host_keeps_what_the_guest_needs(
        steps in proptest::collection::vec(any_step(), 1..200),
    ) {
        let mut page = Page::new(extended::apply);
        for step in steps {
            page.take(step);
            prop_assert_ne!(page.state, extended::UP);
        }
    }
}
