//! The transitions as a graph, against edges written by hand.

use cmm::graph::{Mover, edges, faults};
use cmm::{Access, PageState};

fn edges_from(state: &str) -> Vec<String> {
    edges()
        .filter(|edge| edge.from.name() == state)
        .map(|edge| {
            let who = match edge.by {
                Mover::Guest => "guest",
                Mover::Host => "host",
            };
            format!("{} by {who}: {edge}", edge.to)
        })
        .collect()
}

/// The edges out of the preserved, the potentially volatile and the discarded state: every kind of label.
#[test]
fn edges_carry_the_requests_and_events_that_cause_them() {
    assert_eq!(
        edges_from("Sp"),
        [
            "Sr by guest: 5",
            "Sr by host: page in",
            "Sz by host: release",
            "Uz by guest: 2",
            "Vz by guest: 3, 4 unchanged",
        ]
    );
    assert_eq!(
        edges_from("Pr"),
        [
            "Sr by guest: 1, 5, 6, 7",
            "Sp by host: evict changed",
            "Ur by guest: 2",
            "Vr by guest: 3",
            "Vz by host: evict clean, release",
        ]
    );
    assert_eq!(edges_from("Vz"), ["Sz by guest: 1, 5, 7", "Uz by guest: 2"]);
}

#[test]
fn two_states_cannot_be_touched() {
    let found: Vec<_> = faults().collect();
    let expected = [
        (PageState::UZ, Access::AddressingException),
        (PageState::VZ, Access::DiscardFault),
    ];
    assert_eq!(found, expected);
}
