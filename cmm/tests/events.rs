//! Every host event on every state, in the model, in extended mode and on KVM, against tables
//! written by hand; `.` means that the event cannot happen to a page in that state.

use cmm::{HostEvent, IllegalEvent, PageState, apply, extended, kvm};

type Apply = fn(PageState, HostEvent) -> Result<PageState, IllegalEvent>;

//  state   evict clean   evict changed   page in   first touch   release
const MODEL: &str = "
    Sr      Sp            Sp              .         .             Sz
    Sp      .             .               Sr        .             Sz
    Sz      .             .               .         Sr            Sz
    Ur      Uz            Uz              .         .             Uz
    Uz      .             .               .         .             Uz
    Vr      Vz            Vz              .         .             Vz
    Vz      .             .               .         .             Vz
    Pr      Vz            Sp              .         .             Vz
";

const EXTENDED: &str = "
    Sr      Sp            Sp              .         .             Sz
    Sp      .             .               Sr        .             Sz
    Sz      .             .               .         Sr            Sz
    Ur      Uz            Uz              .         .             Uz
    Uz      .             .               .         .             Uz
    Vr      Vp            Vp              .         .             Vz
    Vz      .             .               .         .             Vz
    Pr      Pp            Pp              .         .             Vz
    Vp      Vz            Vz              Vr        .             Vz
    Pp      Vz            Sp              Pr        .             Vz
    Up      Uz            Uz              Ur        .             Uz
";

const KVM: &str = "
    Sr      Sp            Sp              .         .             Sz
    Sp      .             .               Sr        .             Sz
    Sz      .             .               .         Sr            Sz
    Ur      Uz            Uz              .         .             Uz
    Uz      .             .               .         Ur            Uz
    Vr      Vp            Vp              .         .             Vz
    Vz      .             .               .         Vr            Vz
    Pr      Pp            Pp              .         .             Vz
    Vp      .             .               Vr        .             Vz
    Pp      .             .               Pr        .             Vz
    Up      .             .               Ur        .             Uz
";

const COLUMNS: [HostEvent; 5] = [
    HostEvent::Evict { changed: false },
    HostEvent::Evict { changed: true },
    HostEvent::PageIn,
    HostEvent::FirstTouch,
    HostEvent::Release,
];

/// Compares one host with its table; returns how many cases it has compared.
fn walk(apply: Apply, table: &str) -> usize {
    let mut cases = 0;
    for row in table.lines().filter(|row| !row.trim().is_empty()) {
        let mut cells = row.split_whitespace();
        let state = extended::parse(cells.next().unwrap()).unwrap();
        for event in COLUMNS {
            let expected = match cells.next().unwrap() {
                "." => Err(IllegalEvent { state, event }),
                name => Ok(extended::parse(name).unwrap()),
            };
            assert_eq!(apply(state, event), expected, "{event} of {state}");
            cases += 1;
        }
        assert_eq!(cells.next(), None, "a row has a cell for each event");
    }
    cases
}

#[test]
fn model_follows_its_table() {
    assert_eq!(walk(apply, MODEL), 8 * 5);
}

#[test]
fn extended_mode_follows_its_table() {
    assert_eq!(walk(extended::apply, EXTENDED), 11 * 5);
}

#[test]
fn kvm_follows_its_table() {
    assert_eq!(walk(kvm::apply, KVM), 11 * 5);
}

/// A host in plain mode that meets an extended state has made it by mistake; only releasing it is
/// beyond doubt.
#[test]
fn model_refuses_extended_states() {
    for state in [extended::VP, extended::PP, extended::UP] {
        for event in &COLUMNS[..4] {
            assert_eq!(
                apply(state, *event),
                Err(IllegalEvent {
                    state,
                    event: *event
                })
            );
        }
    }
}

#[test]
fn columns_are_every_event() {
    assert_eq!(COLUMNS, HostEvent::ALL);
}

/// The host changes its half only, with two exceptions: Pr→Sp and Pr→Vz.
#[test]
fn host_changes_usage_only_of_potentially_volatile_pages() {
    let mut crossing = Vec::new();
    for state in PageState::ALL {
        for event in COLUMNS {
            if let Ok(new) = apply(state, event)
                && new.usage() != state.usage()
            {
                crossing.push((state, new));
            }
        }
    }
    crossing.sort();
    crossing.dedup();
    assert_eq!(
        crossing,
        [
            (PageState::PR, PageState::SP),
            (PageState::PR, PageState::VZ)
        ]
    );
}

/// What the host may not drop, it does not drop: stable content and changed content survive.
#[test]
fn eviction_never_loses_stable_or_changed_content() {
    for apply in [apply as Apply, extended::apply, kvm::apply] {
        for changed in [false, true] {
            assert_eq!(
                apply(PageState::SR, HostEvent::Evict { changed }),
                Ok(PageState::SP)
            );
        }
        let mut state = PageState::PR;
        // In extended mode the second step is the one that leaves expanded storage.
        while let Ok(next) = apply(state, HostEvent::Evict { changed: true }) {
            assert_ne!(next, PageState::VZ);
            state = next;
        }
    }
}

#[test]
fn discarded_pages_never_come_back_but_on_kvm() {
    for apply in [apply as Apply, extended::apply] {
        for event in COLUMNS {
            assert!(
                matches!(apply(PageState::VZ, event), Err(_) | Ok(PageState::VZ)),
                "{event}"
            );
        }
    }
    let mut silent = Vec::new();
    for state in extended::ALL {
        for event in COLUMNS {
            match (extended::apply(state, event), kvm::apply(state, event)) {
                (Err(_), Ok(new)) => silent.push((state, new)),
                (_, Err(_)) => {}
                (Ok(ours), Ok(theirs)) => assert_eq!(ours, theirs),
            }
        }
    }
    assert_eq!(silent, kvm::SILENT_ZERO_FILL);
    assert_eq!(
        silent,
        [
            (PageState::UZ, PageState::UR),
            (PageState::VZ, PageState::VR)
        ]
    );
}

#[test]
fn illegal_event_says_which_event_and_state() {
    let error = apply(PageState::VZ, HostEvent::PageIn).unwrap_err();
    assert_eq!(error.to_string(), "page in of a page in state Vz");
}
