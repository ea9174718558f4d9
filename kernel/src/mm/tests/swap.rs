//! Slots, from the first user to the last.

use std::sync::Arc;

use super::super::{Area, Hinting, Space};
use super::Rig;
use super::space::Device;

/// Pages of the space.
const PAGES: usize = 3;

/// A machine with a store, and a task all of whose pages were written.
fn rig() -> (Rig, Arc<Space>) {
    let rig = Rig::new(64, Hinting::Full);
    rig.mm.set_store(&Device);
    let area = Area::memory(0, PAGES);
    let space = rig.mm.new_space(PAGES, &[area]).unwrap();
    for page in 0..PAGES {
        rig.mm.map_page(&space, page, true).unwrap();
    }
    (rig, space)
}

impl Rig {
    fn swap_all_out(&self) {
        while self.mm.shrink_cache() > 0 {}
    }
}

#[test]
fn a_slot_is_taken_for_each_page_and_freed_with_its_last_user() {
    let (rig, space) = rig();
    rig.mm.add_swap(8).unwrap();
    assert_eq!(rig.mm.swap_slots(), (8, 8));
    rig.swap_all_out();
    assert_eq!(rig.mm.swap_slots(), (8, 8 - PAGES));
    let child = rig.mm.copy_space(&space).unwrap();
    rig.mm.end_space(&space);
    assert_eq!(rig.mm.swap_slots(), (8, 8 - PAGES), "the child has them");
    rig.mm.end_space(&child);
    assert_eq!(rig.mm.swap_slots(), (8, 8));
}

#[test]
fn a_page_in_the_swap_cache_goes_when_no_place_keeps_its_slot() {
    let (rig, space) = rig();
    rig.mm.add_swap(8).unwrap();
    rig.swap_all_out();
    let child = rig.mm.copy_space(&space).unwrap();
    rig.mm.map_page(&space, 0, false).unwrap();
    rig.mm.end_space(&space);
    assert_eq!(rig.mm.cached_page_count(), 1, "the child may want it");
    rig.mm.end_space(&child);
    assert_eq!(rig.mm.cached_page_count(), 0);
    assert_eq!(rig.mm.free_page_count(), 63);
}

#[test]
fn a_page_is_not_reused_whose_slot_somebody_else_keeps() {
    let (rig, space) = rig();
    rig.mm.add_swap(8).unwrap();
    rig.swap_all_out();
    let child = rig.mm.copy_space(&space).unwrap();
    let stats = &rig.mm.stats;
    rig.mm.map_page(&space, 0, true).unwrap();
    assert_eq!((stats.copies_on_write.get(), stats.reused.get()), (1, 0));
    rig.mm.map_page(&child, 0, true).unwrap();
    assert_eq!((stats.copies_on_write.get(), stats.reused.get()), (1, 1));
}

#[test]
fn without_a_swap_area_no_slot_is_looked_for() {
    let (rig, space) = rig();
    rig.swap_all_out();
    assert!((0..PAGES).all(|page| space.tables().get(page).frame().is_some()));
    assert_eq!(rig.mm.stats.swap_full.get(), 0);
    rig.mm.add_swap(1).unwrap();
    rig.swap_all_out();
    assert_eq!(rig.mm.swap_slots(), (1, 0));
    assert!(rig.mm.stats.swap_full.get() > 0);
}
