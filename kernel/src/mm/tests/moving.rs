//! Free pages that are under way, for which an allocation tries again.

use arch::Frame;

use super::super::Hinting;
use super::Rig;

#[test]
fn who_finds_nothing_tries_again_once_for_what_has_arrived() {
    let rig = Rig::new(64, Hinting::Off);
    let mut seen = None;
    assert!(rig.mm.await_moves(&mut seen), "it may have arrived since");
    assert!(!rig.mm.await_moves(&mut seen));
    let page = rig.mm.allocate_page().expect("there is memory");
    assert!(rig.mm.await_moves(&mut seen), "a list was refilled");
    assert!(!rig.mm.await_moves(&mut seen));
    rig.mm.free_allocated(page);
    assert!(!rig.mm.await_moves(&mut seen), "it was on a list at once");
    rig.mm.drain_page_list();
    assert!(rig.mm.await_moves(&mut seen), "lists were emptied");
    assert!(!rig.mm.await_moves(&mut seen));
}

#[test]
fn who_finds_nothing_waits_for_what_is_on_its_way_to_a_list() {
    let rig = Rig::new(64, Hinting::Off);
    let mut batch = [Frame(0); 4];
    rig.mm.buddy.lock().take_pages(rig.mm.pages, &mut batch);
    let mut seen = None;
    assert!((0..3).all(|_| rig.mm.await_moves(&mut seen)));
    rig.mm.stats.list_refills.add(1);
    assert!(rig.mm.await_moves(&mut seen), "it has arrived");
    assert!(!rig.mm.await_moves(&mut seen));
}

#[test]
fn who_finds_nothing_waits_for_what_is_on_its_way_to_a_block() {
    for counter in [0, 1] {
        let rig = Rig::new(64, Hinting::Off);
        let stats = &rig.mm.stats;
        [&stats.list_drains, &stats.list_flushes][counter].add(1);
        let mut seen = None;
        assert!((0..3).all(|_| rig.mm.await_moves(&mut seen)));
        rig.mm.buddy.lock().batches_given += 1;
        assert!(rig.mm.await_moves(&mut seen), "it has arrived");
        assert!(!rig.mm.await_moves(&mut seen));
    }
}

#[test]
fn who_finds_nothing_waits_for_what_the_device_is_told_of() {
    let rig = Rig::new(64, Hinting::Off);
    let block = rig.mm.take_unreported(0).expect("there is a block");
    let mut seen = None;
    assert!((0..3).all(|_| rig.mm.await_moves(&mut seen)));
    rig.mm.give_reported(block, true);
    assert!(rig.mm.await_moves(&mut seen), "it is back");
    assert!(!rig.mm.await_moves(&mut seen));
}
