//! Pages that become volatile in batches.

use cmm::Usage;

use super::super::{Hinting, Lookup};
use super::{Rig, key};

fn rig(batch: usize) -> Rig {
    let rig = Rig::new(32, Hinting::Full);
    rig.mm.set_release_batch(batch);
    rig
}

#[test]
fn a_page_that_is_used_again_soon_costs_no_essa() {
    let rig = rig(4);
    let frame = rig.fill_and_leave(key(0));
    let before = rig.essa_count();
    for _ in 0..100 {
        assert!(matches!(rig.mm.lookup_stable(key(0)), Lookup::Hit(_)));
    }
    assert_eq!(rig.essa_count(), before);
    assert_eq!(rig.mm.page(frame).hinted(), Usage::Stable);
    assert_eq!(rig.mm.pending_page_count(), 1);
}

#[test]
fn the_older_half_of_a_complete_batch_becomes_volatile() {
    let rig = rig(4);
    let frames: Vec<_> = (0..4).map(|index| rig.fill_and_leave(key(index))).collect();
    let hinted: Vec<_> = frames
        .iter()
        .map(|frame| rig.mm.page(*frame).hinted())
        .collect();
    let (old, new) = (Usage::Volatile, Usage::Stable);
    assert_eq!(hinted, [old, old, new, new]);
    assert_eq!(rig.mm.pending_page_count(), 2);
}

#[test]
fn a_page_of_the_batch_that_is_in_use_stays_stable_until_it_is_dropped() {
    let rig = rig(2);
    let frame = rig.fill_and_leave(key(0));
    let Lookup::Hit(used) = rig.mm.lookup_stable(key(0)) else {
        panic!("it was filled")
    };
    rig.fill_and_leave(key(1));
    assert_eq!(rig.mm.page(frame).hinted(), Usage::Stable);
    drop(used);
    rig.fill_and_leave(key(2));
    assert_eq!(rig.mm.page(frame).hinted(), Usage::Volatile);
}

#[test]
fn who_goes_idle_or_offline_keeps_nothing_back() {
    for leave in [
        |rig: &Rig| rig.mm.enter_idle(),
        |rig: &Rig| rig.mm.go_offline(),
    ] {
        let rig = rig(4);
        rig.mm.go_online();
        let frame = rig.fill_and_leave(key(0));
        leave(&rig);
        assert_eq!(rig.mm.page(frame).hinted(), Usage::Volatile);
    }
}

#[test]
fn pages_of_a_batch_are_reclaimed_when_memory_is_short() {
    let rig = rig(32);
    for index in 0..31 {
        rig.fill_and_leave(key(index));
    }
    assert_eq!(rig.mm.pending_page_count(), 31);
    assert!(rig.mm.account().is_complete());
    assert_eq!(rig.mm.shrink_cache(), 31);
    assert!(rig.mm.account().is_complete());
}

#[test]
fn a_page_that_is_removed_while_it_waits_is_freed_with_its_batch() {
    let rig = rig(4);
    let free = rig.mm.free_page_count();
    rig.fill_and_leave(key(0));
    rig.mm.truncate(key(0).file, 0..1);
    assert_eq!(rig.mm.free_page_count(), free - 1);
    while rig.mm.shrink_cache() > 0 {}
    assert_eq!(rig.mm.free_page_count(), free);
}
