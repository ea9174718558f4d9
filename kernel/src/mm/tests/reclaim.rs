use arch::translation;
use cmm::Usage;

use super::super::{Hinting, Lookup, PageFlags};
use super::space::Device;
use super::{Rig, key, shared_area};

#[test]
fn a_full_cache_makes_room_and_loses_what_was_not_used_lately() {
    let rig = Rig::new(129, Hinting::Full);
    for index in 0..128 {
        rig.fill_and_leave(key(index));
    }
    assert_eq!(rig.mm.free_page_count(), 0);
    // The first round takes the second chances of all, and the oldest 32 pages.
    rig.fill_and_leave(key(128));
    assert_eq!(rig.mm.stats.reclaimed.get(), 32);
    assert!(matches!(rig.mm.lookup_stable(key(31)), Lookup::Miss));
    // Page 32 is the next to go, but it has been looked up since.
    assert!(matches!(rig.mm.lookup_stable(key(32)), Lookup::Hit(_)));
    assert_eq!(rig.mm.shrink_cache(), 32);
    assert!(matches!(rig.mm.lookup_stable(key(32)), Lookup::Hit(_)));
    assert!(matches!(rig.mm.lookup_stable(key(33)), Lookup::Miss));
}

#[test]
fn a_page_in_use_is_not_reclaimed() {
    let rig = Rig::new(16, Hinting::Full);
    let used = rig.fill(key(0), 0x77);
    for index in 1..40 {
        rig.fill_and_leave(key(index));
    }
    let mut byte = [0];
    used.read(0, &mut byte);
    assert_eq!(byte, [0x77]);
    assert!(rig.flags(used.frame()).contains(PageFlags::CACHED));
}

#[test]
fn a_dirty_page_is_not_reclaimed() {
    let rig = Rig::new(16, Hinting::Full);
    let page = rig.fill(key(0), 0x77);
    let frame = page.frame();
    rig.mm.page(frame).set(PageFlags::DIRTY);
    drop(page);
    for index in 1..40 {
        rig.fill_and_leave(key(index));
    }
    let Lookup::Hit(page) = rig.mm.lookup_stable(key(0)) else {
        panic!("the only copy is still there")
    };
    assert_eq!(page.frame(), frame);
}

/// More pages of a file than there are, all of them mapped to be written, and written: what was stored is written to
/// the device before its page goes.
#[test]
fn a_page_goes_that_is_mapped_to_be_written_when_the_device_has_it() {
    const PAGES: usize = 40;
    const FRAMES: usize = 24;
    let rig = Rig::new(FRAMES, Hinting::Full);
    rig.mm.set_store(&Device);
    let space = rig.mm.new_space(PAGES, &[shared_area(PAGES)]).unwrap();
    for page in 0..PAGES {
        assert_eq!(rig.mm.map_page(&space, page, true), Ok(()));
        translation::store(space.tables(), page, 0, 1).unwrap();
    }
    let written = rig.mm.stats.pages_written.get() as usize;
    let mapped = (0..PAGES)
        .filter(|page| translation::load(space.tables(), *page, 0).is_ok())
        .count();
    assert!(
        mapped < FRAMES && written >= PAGES - mapped,
        "{mapped}, {written}"
    );
    rig.mm.end_space(&space);
}

#[test]
fn when_nothing_can_go_there_is_no_page() {
    let rig = Rig::new(9, Hinting::Full);
    let held: Vec<_> = (0..8).map(|index| rig.fill(key(index), 1)).collect();
    assert!(rig.mm.begin_fill(key(8)).is_err());
    drop(held);
    assert!(rig.mm.begin_fill(key(8)).is_ok());
}

#[test]
fn a_block_is_made_by_reclaiming_its_pages() {
    let rig = Rig::new(64, Hinting::Full);
    for index in 0..63 {
        rig.fill_and_leave(key(index));
    }
    assert!(rig.mm.allocate_pages(4).is_none());
    assert!(rig.mm.allocate_reclaiming(4).is_some());
}

#[test]
fn what_is_used_again_outlasts_a_file_that_is_read_once() {
    let rig = Rig::new(129, Hinting::Full);
    for index in 0..32 {
        rig.fill_and_leave(key(index));
        drop(rig.mm.lookup_stable(key(index)));
    }
    for index in 100..600 {
        rig.fill_and_leave(key(index));
    }
    let left = (0..32).filter(|index| matches!(rig.mm.lookup_stable(key(*index)), Lookup::Hit(_)));
    assert_eq!(left.count(), 32);
}

#[test]
fn what_was_used_once_goes_in_the_end() {
    let rig = Rig::new(129, Hinting::Full);
    for index in 0..96 {
        rig.fill_and_leave(key(index));
        drop(rig.mm.lookup_stable(key(index)));
    }
    while rig.mm.shrink_cache() > 0 {}
    assert_eq!(rig.mm.cached_page_count(), 0);
}

#[test]
fn an_active_page_that_becomes_inactive_becomes_volatile() {
    let rig = Rig::new(64, Hinting::Full);
    let frame = rig.fill_and_leave(key(0));
    let Lookup::Hit(page) = rig.mm.lookup_stable(key(0)) else {
        panic!("it was filled")
    };
    page.set_dirty();
    drop(page);
    // Nobody has noticed that there is no obstacle any more.
    rig.mm.page(frame).reset(PageFlags::DIRTY);
    assert_eq!(rig.mm.page(frame).hinted(), Usage::Stable);
    for index in 1..3 {
        rig.fill_and_leave(key(index));
    }
    assert_eq!(
        rig.mm.shrink_cache(),
        3,
        "first it becomes active, then inactive, then it goes"
    );
    assert_eq!(rig.mm.stats.made_volatile.get(), 4);
}

#[test]
fn a_block_that_cannot_be_made_does_not_cost_the_whole_cache() {
    let rig = Rig::new(2049, Hinting::Full);
    for index in 0..2048 {
        rig.fill_and_leave(key(index));
    }
    let mut held = Vec::new();
    for index in (0..2048).step_by(8) {
        let Lookup::Hit(page) = rig.mm.lookup_stable(key(index)) else {
            panic!("it was filled")
        };
        held.push(page);
    }
    assert!(rig.mm.allocate_reclaiming(4).is_none());
    let taken = rig.mm.stats.reclaimed.get();
    assert!(taken <= (16 << 4) + 32, "{taken} pages for a block of 16");
}

#[test]
fn one_round_goes_around_the_list_again_for_what_was_looked_up() {
    let rig = Rig::new(64, Hinting::Full);
    for index in 0..20 {
        rig.fill_and_leave(key(index));
        drop(rig.mm.lookup_stable(key(index)));
    }
    assert_eq!(rig.mm.shrink_cache(), 20);
}

/// However many were looked up, a round need not look at them all.
#[test]
fn so_many_pages_have_a_second_chance_and_those_behind_them_go() {
    const CHANCES: u32 = 256;
    let rig = Rig::new(641, Hinting::Full);
    for index in 0..640 {
        rig.fill_and_leave(key(index));
        drop(rig.mm.lookup_stable(key(index)));
    }
    assert_eq!(rig.mm.shrink_cache(), 32);
    let is_there = |index| matches!(rig.mm.lookup_stable(key(index)), Lookup::Hit(_));
    let gone: Vec<u32> = (0..640).filter(|index| !is_there(*index)).collect();
    assert_eq!(gone, (CHANCES..CHANCES + 32).collect::<Vec<_>>());
}

#[test]
fn one_round_takes_no_more_than_a_batch_whatever_it_has_to_leave() {
    let rig = Rig::new(256, Hinting::Full);
    let held: Vec<_> = (0..20).map(|index| rig.fill(key(index), 1)).collect();
    for index in 20..200 {
        rig.fill_and_leave(key(index));
    }
    assert_eq!(rig.mm.shrink_cache(), 32);
    drop(held);
}

#[test]
fn active_pages_go_where_all_others_are_in_use() {
    let rig = Rig::new(64, Hinting::Full);
    for index in 0..10 {
        let frame = rig.fill_and_leave(key(index));
        rig.mm.lru.lock().activate(rig.mm.pages, frame);
    }
    let held: Vec<_> = (10..50).map(|index| rig.fill(key(index), 1)).collect();
    assert_eq!(rig.mm.shrink_cache(), 10);
    assert!(
        held.iter()
            .all(|page| rig.flags(page.frame()).contains(PageFlags::CACHED))
    );
}
