//! What mapping and unmapping costs: changes of page states, and key instructions.

use std::sync::Arc;

use arch::translation::{self, UserFault};
use arch::{Frame, PAGE_SIZE, storage};
use cmm::PageState;

use super::super::{Area, Backing, Hinting, Key, PageFlags, Space, Store, StoreError};
use super::{Rig, key, shared_area};

/// Pages of the file that is mapped.
const PAGES: usize = 4;

/// Every page is there, and takes what is written.
pub(super) struct Device;

impl Store for Device {
    fn read(&self, _: Key, to: Frame) -> Result<(), StoreError> {
        // SAFETY: the page is new and locked.
        unsafe { storage::copy_in(to.address(), &[0x55; PAGE_SIZE]) }
        Ok(())
    }

    fn write(&self, _: Key, _: Frame) -> Result<(), StoreError> {
        Ok(())
    }
}

/// A file that is in the cache, volatile, and a space that shows it.
pub(super) fn rig(shared: bool) -> (Rig, Arc<Space>) {
    let rig = Rig::new(32, Hinting::Full);
    rig.mm.set_store(&Device);
    for index in 0..PAGES {
        rig.fill_and_leave(key(index as u32));
    }
    let area = Area {
        shared,
        ..shared_area(PAGES)
    };
    let space = rig.mm.new_space(PAGES, &[area]).unwrap();
    (rig, space)
}

impl Rig {
    /// ESSA and key instructions that some work takes.
    pub(super) fn cost(&self, work: impl FnOnce()) -> (u64, u64) {
        let before = (self.essa_count(), self.machine.key_count());
        work();
        let after = (self.essa_count(), self.machine.key_count());
        (after.0 - before.0, after.1 - before.1)
    }

    /// Volatile pages that a host discards which wants all it may have.
    pub(super) fn discarded(&self) -> usize {
        let before = self.machine.discards();
        self.machine.evict_all();
        (self.machine.discards() - before) as usize
    }
}

#[test]
fn a_minor_read_fault_and_its_unmap_cost_nothing() {
    let (rig, space) = rig(true);
    for page in 0..PAGES {
        let cost = rig.cost(|| rig.mm.map_page(&space, page, false).unwrap());
        assert_eq!(cost, (0, 0), "a fault");
    }
    assert_eq!(
        rig.cost(|| rig.mm.unmap_range(&space, 0..PAGES).unwrap()),
        (0, 0)
    );
    assert_eq!(rig.discarded(), PAGES, "they were volatile all the time");
}

#[test]
fn the_first_writable_mapping_costs_one_essa_and_the_second_none() {
    let (rig, space) = rig(true);
    let first = rig.cost(|| rig.mm.map_page(&space, 0, true).unwrap());
    assert_eq!(first.0, 1);
    let other = rig.mm.copy_space(&space).unwrap();
    let second = rig.cost(|| rig.mm.map_page(&other, 0, true).unwrap());
    assert_eq!(second, (0, 0));
}

#[test]
fn the_last_unmap_of_a_writable_page_reads_the_key_and_resets_a_change() {
    let (rig, space) = rig(true);
    for changed in [false, true] {
        rig.mm.map_page(&space, 0, true).unwrap();
        if changed {
            translation::store(space.tables(), 0, 0, 7).unwrap();
        }
        let cost = rig.cost(|| rig.mm.unmap_range(&space, 0..1).unwrap());
        // Only what was written is made stable, and has its change bit reset.
        assert_eq!(cost, if changed { (1, 2) } else { (0, 1) });
        rig.mm.map_area(&space, shared_area(1)).unwrap();
    }
}

#[test]
fn a_page_that_was_written_is_not_discarded_before_it_is_on_the_device() {
    let (rig, space) = rig(true);
    rig.mm.map_page(&space, 0, true).unwrap();
    translation::store(space.tables(), 0, 0, 7).unwrap();
    assert_eq!(rig.discarded(), PAGES - 1);
    assert_eq!(translation::load(space.tables(), 0, 0), Ok(7));
    assert_eq!(rig.mm.write_back(key(0)), Ok(true));
    assert_eq!(rig.mm.write_back(key(0)), Ok(false), "it is clean now");
    assert_eq!(rig.discarded(), 1, "and may go");
}

#[test]
fn pages_of_a_file_that_was_locked_in_memory_stay_stable() {
    let (rig, space) = rig(false);
    rig.machine.evict_all();
    rig.mm.lock_range(&space, 0..2).unwrap();
    assert_eq!(rig.discarded(), 0);
    rig.mm.unlock_range(&space, 0..2).unwrap();
    drop(rig.mm.lookup_stable(key(3)));
    drop(rig.fill(key(3), 1));
    assert_eq!(rig.discarded(), 0, "other pages of the file, too");
}

#[test]
fn a_child_locks_nothing_in_memory() {
    let (rig, space) = rig(false);
    rig.mm.lock_range(&space, 0..PAGES).unwrap();
    let child = rig.mm.copy_space(&space).unwrap();
    let locked = |space: &Space| {
        space
            .areas()
            .iter()
            .map(|area| area.locked)
            .collect::<Vec<_>>()
    };
    assert_eq!((locked(&space), locked(&child)), (vec![true], vec![false]));
}

#[test]
fn a_copy_leaves_the_parent_the_right_to_write_what_is_shared() {
    let (rig, space) = rig(true);
    rig.mm.map_page(&space, 0, true).unwrap();
    let child = rig.mm.copy_space(&space).unwrap();
    assert_eq!(translation::store(space.tables(), 0, 0, 7), Ok(()));
    assert_eq!(
        translation::store(child.tables(), 0, 0, 7),
        Err(UserFault::Protected)
    );
}

#[test]
fn what_the_parent_may_not_write_costs_a_copy_nothing() {
    let (rig, space) = rig(false);
    for page in 0..PAGES {
        rig.mm.map_page(&space, page, false).unwrap();
    }
    let cost = rig.cost(|| drop(rig.mm.copy_space(&space).unwrap()));
    assert_eq!(cost, (0, 0));
}

#[test]
fn each_shared_memory_has_a_number_of_its_own() {
    let rig = Rig::new(32, Hinting::Full);
    let numbers = [(); 3].map(|()| rig.mm.new_shared_memory());
    let is_memory = |file| Key { file, index: 0 }.is_shared_memory();
    assert!(numbers.into_iter().all(is_memory));
    assert!(numbers[0] != numbers[1] && numbers[1] != numbers[2]);
    assert!(
        !is_memory(key(0).file) && !is_memory(Key::SWAP),
        "files are on devices"
    );
}

/// It is on no device: nobody could bring it back.
#[test]
fn shared_memory_is_zero_at_first_and_never_volatile() {
    let (rig, _) = rig(true);
    let backing = Backing::File {
        file: rig.mm.new_shared_memory(),
        first: 0,
    };
    let area = Area {
        backing,
        ..shared_area(PAGES)
    };
    let space = rig.mm.new_space(PAGES, &[area]).unwrap();
    rig.mm.map_page(&space, 0, false).unwrap();
    let frame = space.tables().get(0).frame().expect("it is mapped");
    assert_eq!(rig.machine.state(frame), PageState::SR);
    assert_eq!(translation::load(space.tables(), 0, 0), Ok(0));
}

/// Who finds no mapping left takes a change for one from when the page was filled.
#[test]
fn a_change_is_noted_before_its_mapping_is_counted_away() {
    let (rig, space) = rig(true);
    rig.mm.map_page(&space, 0, true).unwrap();
    translation::store(space.tables(), 0, 0, 7).unwrap();
    let frame = space.tables().get(0).frame().expect("it is mapped");
    let flags = rig.mm.transfer_change(frame, || rig.flags(frame));
    assert!(flags.contains(PageFlags::STATE_CHANGE | PageFlags::DIRTY));
}
