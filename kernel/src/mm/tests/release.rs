//! Pages that become volatile in batches.

use std::sync::Arc;

use cmm::Usage;

use super::super::{Area, Hinting, Lookup, Space};
use super::space::Device;
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
fn what_waits_becomes_volatile_when_batches_have_another_size() {
    for batch in [0, 8] {
        let rig = rig(4);
        let frame = rig.fill_and_leave(key(0));
        rig.mm.set_release_batch(batch);
        assert_eq!(rig.mm.page(frame).hinted(), Usage::Volatile);
    }
}

#[test]
fn where_no_page_becomes_volatile_none_waits_for_it() {
    for hinting in [Hinting::Off, Hinting::Unused] {
        let rig = Rig::new(32, hinting);
        rig.mm.set_release_batch(4);
        rig.fill_and_leave(key(0));
        assert_eq!(rig.mm.pending_page_count(), 0);
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

/// A machine with pages of a task that were swapped out, and batches of four.
fn swapped_out() -> (Rig, Arc<Space>) {
    let rig = Rig::new(64, Hinting::Full);
    rig.mm.set_store(&Device);
    rig.mm.add_swap(8).unwrap();
    rig.mm.set_release_batch(4);
    let space = rig.mm.new_space(6, &[Area::memory(0, 6)]).unwrap();
    (0..6).for_each(|page| rig.mm.map_page(&space, page, true).unwrap());
    while rig.mm.shrink_cache() > 0 {}
    assert_eq!(space.tables().get(0).frame(), None, "it was swapped out");
    (rig, space)
}

#[test]
fn a_page_that_is_swapped_in_to_be_written_costs_no_essa() {
    let (rig, space) = swapped_out();
    let page = rig.mm.allocate_page().expect("there is memory");
    rig.mm.free_allocated(page);
    let before = rig.essa_count();
    rig.mm.map_page(&space, 0, false).unwrap();
    let frame = space.tables().get(0).frame().unwrap();
    assert_eq!(rig.mm.page(frame).hinted(), Usage::Stable);
    rig.mm.map_page(&space, 0, true).unwrap();
    assert_eq!(space.tables().get(0).frame(), Some(frame), "it was reused");
    assert_eq!(rig.essa_count(), before);
    // Its time in the batch comes, and it is nobody's copy any more.
    rig.mm.enter_idle();
    assert_eq!(rig.mm.page(frame).hinted(), Usage::Stable);
}

#[test]
fn a_page_that_is_swapped_in_to_be_read_becomes_volatile_with_its_batch() {
    let (rig, space) = swapped_out();
    (0..4).for_each(|page| rig.mm.map_page(&space, page, false).unwrap());
    let hinted = |page| {
        let frame = space.tables().get(page).frame().unwrap();
        rig.mm.page(frame).hinted()
    };
    let (old, new) = (Usage::Volatile, Usage::Stable);
    assert_eq!([0, 1, 2, 3].map(hinted), [old, old, new, new]);
    rig.mm.enter_idle();
    assert_eq!([2, 3].map(hinted), [old, old]);
}

/// The batch has no reference: what it names may be somebody's alone by then, who does not expect another one.
#[test]
fn a_page_that_has_gone_from_the_swap_cache_is_left_alone() {
    let (rig, space) = swapped_out();
    rig.mm.map_page(&space, 0, false).unwrap();
    let frame = space.tables().get(0).frame().unwrap();
    rig.mm.end_space(&space);
    let pages: Vec<_> = core::iter::from_fn(|| rig.mm.allocate_page()).collect();
    assert!(pages.iter().any(|page| page.frame == frame));
    let refused = rig.mm.stats.volatile_refused.get();
    rig.mm.enter_idle();
    assert_eq!(rig.mm.stats.volatile_refused.get(), refused, "nobody tries");
    assert_eq!(rig.mm.page(frame).references(), 1);
    assert_eq!(rig.mm.page(frame).hinted(), Usage::Stable);
    pages
        .into_iter()
        .for_each(|page| rig.mm.free_allocated(page));
    assert!(rig.mm.account().is_complete());
}
