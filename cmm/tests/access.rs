//! Every access outcome against a table written by hand.

use cmm::{Access, Dialect, HostEvent, PageState, access, apply, extended, kvm};

use Access::{
    AddressingException as Addressing, DiscardFault as Discard, Ok as Fine, PageIn as Back,
    ZeroFill as Fill,
};

/// State, then outcome in the model, on KVM and on newer KVM.
const TABLE: [(&str, [Access; 3]); 11] = [
    ("Sr", [Fine, Fine, Fine]),
    ("Sp", [Back, Back, Back]),
    ("Sz", [Fill, Fill, Fill]),
    ("Ur", [Fine, Fine, Fine]),
    ("Uz", [Addressing, Fill, Fill]),
    ("Vr", [Fine, Fine, Fine]),
    ("Vz", [Discard, Fill, Fill]),
    ("Pr", [Fine, Fine, Fine]),
    ("Vp", [Back, Back, Back]),
    ("Pp", [Back, Back, Back]),
    ("Up", [Back, Back, Back]),
];

#[test]
fn accesses_follow_the_table() {
    assert_eq!(
        TABLE.map(|(name, _)| extended::parse(name).unwrap()),
        extended::ALL
    );
    for (name, expected) in TABLE {
        let state = extended::parse(name).unwrap();
        let outcomes = [Dialect::Model, Dialect::Kvm, Dialect::KvmNew].map(|d| access(state, d));
        assert_eq!(outcomes, expected, "{name}");
    }
}

#[test]
fn only_waiting_accesses_ask_the_host_for_something() {
    assert_eq!(Access::ZeroFill.event(), Some(HostEvent::FirstTouch));
    assert_eq!(Access::PageIn.event(), Some(HostEvent::PageIn));
    for outcome in [
        Access::Ok,
        Access::DiscardFault,
        Access::AddressingException,
    ] {
        assert_eq!(outcome.event(), None);
    }
}

/// The event that an access asks for is legal, and afterwards the access goes through.
#[test]
fn waiting_accesses_end_resident_with_usage_kept() {
    for dialect in Dialect::ALL {
        for state in extended::ALL {
            let Some(event) = access(state, dialect).event() else {
                continue;
            };
            let new = match dialect {
                Dialect::Model if extended::is_extended(state) => extended::apply(state, event),
                Dialect::Model => apply(state, event),
                Dialect::Kvm | Dialect::KvmNew => kvm::apply(state, event),
            };
            let new = new.unwrap();
            assert_eq!(access(new, dialect), Access::Ok);
            assert_eq!(new.usage(), state.usage());
        }
    }
}

#[test]
fn discard_fault_means_discarded_and_nothing_else() {
    for state in extended::ALL {
        let faults = access(state, Dialect::Model) == Access::DiscardFault;
        assert_eq!(faults, state == PageState::VZ);
        assert_eq!(faults, state.is_discarded());
    }
}
