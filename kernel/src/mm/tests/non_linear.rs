//! Pages of files that are mapped out of their order.

use std::sync::Arc;

use arch::dat::Kept;
use arch::translation;

use super::super::{Area, Backing, Hinting, Key, MapError, Space};
use super::space::Device;
use super::{Rig, key};

/// Pages of the file, and of the areas.
const PAGES: usize = 4;
/// The pages of the file that the areas show: nowhere the one whose turn it is.
const SHOWN: [u32; PAGES] = [2, 3, 0, 1];

fn area(backing: Backing, shared: bool) -> Area {
    Area {
        start: 0,
        pages: PAGES,
        backing,
        writable: true,
        shared,
        locked: false,
    }
}

const FILE: Backing = Backing::File {
    file: key(0).file,
    first: 0,
};

/// A file that is in the cache, volatile, and a space that shows it out of its order.
fn rig() -> (Rig, Arc<Space>) {
    let rig = Rig::new(32, Hinting::Full);
    rig.mm.set_store(&Device);
    for index in 0..PAGES {
        rig.fill_and_leave(key(index as u32));
    }
    let space = rig.mm.new_space(PAGES, &[area(FILE, true)]).unwrap();
    for (page, first) in [(0, 2), (2, 0)] {
        rig.mm.remap_range(&space, page..page + 2, first).unwrap();
    }
    (rig, space)
}

fn map_all(rig: &Rig, space: &Space) {
    for (page, shown) in SHOWN.into_iter().enumerate() {
        rig.mm.map_page(space, page, false).unwrap();
        let frame = space.tables().get(page).frame().expect("it is mapped");
        assert_eq!(Key::of(rig.mm.page(frame)), key(shown));
    }
}

fn kept(space: &Space) -> [Option<Kept>; PAGES] {
    core::array::from_fn(|page| space.tables().get(page).kept())
}

const INDICES: [Option<Kept>; PAGES] = [
    Some(Kept::Index(SHOWN[0])),
    Some(Kept::Index(SHOWN[1])),
    Some(Kept::Index(SHOWN[2])),
    Some(Kept::Index(SHOWN[3])),
];

#[test]
fn whatever_takes_a_page_away_leaves_its_index() {
    type Take = fn(&Rig);
    let discard: Take = |rig| {
        rig.machine.evict_all();
        for index in 0..PAGES {
            drop(rig.mm.lookup_stable(key(index as u32)));
        }
    };
    let truncate: Take = |rig| rig.mm.truncate(key(0).file, 0..PAGES as u32);
    let reclaim: Take = |rig| while rig.mm.shrink_cache() > 0 {};
    let (rig, space) = rig();
    assert_eq!(kept(&space), INDICES);
    for take in [discard, truncate, reclaim] {
        map_all(&rig, &space);
        assert_eq!(kept(&space), [None; PAGES]);
        let before = rig.mm.stats.non_linear_steps.get();
        take(&rig);
        assert_eq!(kept(&space), INDICES);
        // Every place was looked at for every page.
        let steps = rig.mm.stats.non_linear_steps.get() - before;
        assert_eq!(steps, (PAGES * PAGES) as u64);
    }
}

#[test]
fn a_child_shows_what_its_parent_shows() {
    let (rig, space) = rig();
    rig.mm.map_page(&space, 0, true).unwrap();
    translation::store(space.tables(), 0, 0, 9).unwrap();
    let child = rig.mm.copy_space(&space).unwrap();
    assert_eq!(kept(&child), [None, INDICES[1], INDICES[2], INDICES[3]]);
    map_all(&rig, &child);
    assert_eq!(translation::load(child.tables(), 0, 0), Ok(9));
    rig.mm.end_space(&child);
    rig.mm.end_space(&space);
}

#[test]
fn what_is_locked_in_memory_is_there_when_it_has_been_remapped() {
    let (rig, space) = rig();
    rig.mm.lock_range(&space, 0..PAGES).unwrap();
    rig.mm.remap_range(&space, 0..2, 0).unwrap();
    assert_eq!(kept(&space), [None; PAGES]);
    rig.machine.evict_all();
    for page in 0..PAGES {
        assert!(translation::load(space.tables(), page, 0).is_ok());
    }
}

#[test]
fn a_range_that_was_unmapped_shows_pages_in_their_order_again() {
    let (rig, space) = rig();
    map_all(&rig, &space);
    rig.mm.unmap_range(&space, 0..PAGES).unwrap();
    rig.mm.map_area(&space, area(FILE, true)).unwrap();
    assert_eq!(kept(&space), [None; PAGES]);
    rig.mm.map_page(&space, 1, false).unwrap();
    let before = rig.mm.stats.non_linear_steps.get();
    rig.mm.truncate(key(0).file, 0..PAGES as u32);
    assert_eq!(space.tables().get(1).frame(), None, "it was found");
    assert_eq!(rig.mm.stats.non_linear_steps.get(), before);
}

#[test]
fn only_shared_mappings_of_files_can_be_remapped() {
    let (rig, _) = rig();
    let remap = |areas: Vec<Area>, range, first| {
        let space = rig.mm.new_space(2 * PAGES, &areas).unwrap();
        rig.mm.remap_range(&space, range, first)
    };
    let refused = Err(MapError::NoArea);
    assert_eq!(remap(vec![area(FILE, true)], 0..PAGES, 0), Ok(()));
    assert_eq!(remap(vec![area(FILE, true)], 0..PAGES + 1, 0), refused);
    assert_eq!(remap(vec![area(FILE, true)], 0..PAGES, u32::MAX), refused);
    assert_eq!(remap(vec![area(FILE, false)], 0..1, 0), refused);
    let memory = area(Backing::Anonymous, false);
    assert_eq!(remap(vec![memory], 0..1, 0), refused);
    assert_eq!(remap(vec![], 0..1, 0), refused);
}
