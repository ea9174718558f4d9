use arch::Frame;
use arch::sim::{Hinting, Machine};
use cmm::PageState;

use super::super::{Discards, probe};

#[test]
fn a_host_that_delivers_discard_faults_is_found_out() {
    let machine = Machine::new(8, Hinting::Full);
    let _entered = machine.enter();
    let found = probe(Frame(3), true);
    assert!(found.essa);
    assert_eq!(found.discards, Discards::Faults);
    assert_eq!(machine.discard_faults(), 1);
    assert_eq!(machine.state(Frame(3)), PageState::SZ, "it is stable again");
    assert_eq!(found.essa_counts, machine.essa_counts());
}

#[test]
fn a_host_that_supplies_zeroes_is_found_out() {
    let machine = Machine::new(8, Hinting::Unused);
    let _entered = machine.enter();
    let found = probe(Frame(3), true);
    assert!(found.essa);
    assert_eq!(found.discards, Discards::Zero);
}

#[test]
fn a_machine_without_essa_is_found_out() {
    let machine = Machine::new(8, Hinting::None);
    let _entered = machine.enter();
    let found = probe(Frame(3), true);
    assert!(!found.essa);
    assert_eq!(found.discards, Discards::NotProbed);
    assert_eq!(found.essa_counts, [0; 8]);
}

#[test]
fn the_probe_for_essa_alone_leaves_the_page() {
    let machine = Machine::new(8, Hinting::Full);
    let _entered = machine.enter();
    assert_eq!(probe(Frame(3), false).discards, Discards::NotProbed);
    assert_eq!(machine.state(Frame(3)), PageState::SR);
}
