//! Several pages at a time.

use super::super::{GANG, Hinting, Key, PageFlags, Store, StoreError};
use super::{Rig, key, shared_area};
use arch::Frame;
use cmm::PageState;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

/// Counts what is written.
struct Device(AtomicU32);

impl Store for Device {
    fn read(&self, _: Key, _: Frame) -> Result<(), StoreError> {
        Err(StoreError)
    }

    fn write(&self, _: Key, _: Frame) -> Result<(), StoreError> {
        self.0.fetch_add(1, Relaxed);
        Ok(())
    }
}

fn frames(rig: &Rig, range: &mut std::ops::Range<u32>) -> Vec<Frame> {
    let gang = rig.mm.lookup_gang(key(0).file, range);
    gang.iter().map(|page| page.frame()).collect()
}

#[test]
fn pages_come_in_their_order_and_those_that_are_missing_are_left_out() {
    let rig = Rig::new(128, Hinting::Full);
    let filled: Vec<_> = (0..40)
        .map(|index| rig.fill_and_leave(key(2 * index)))
        .collect();
    let mut range = 0..100;
    assert_eq!(frames(&rig, &mut range), filled[..GANG]);
    assert_eq!(frames(&rig, &mut range), filled[GANG..2 * GANG]);
    assert_eq!(frames(&rig, &mut range), filled[2 * GANG..]);
    assert_eq!(frames(&rig, &mut range), []);
    assert!(range.is_empty());
}

#[test]
fn discarded_pages_are_left_out_and_what_is_behind_is_found() {
    let rig = Rig::new(128, Hinting::Full);
    for index in 0..2 * GANG as u32 {
        rig.fill_and_leave(key(index));
    }
    rig.machine.evict_all();
    let last = rig.fill_and_leave(key(99));
    let mut range = 0..100;
    assert_eq!(frames(&rig, &mut range), [last]);
    assert_eq!(rig.mm.cached_page_count(), 1);
}

#[test]
fn a_gang_is_stable_until_it_is_dropped() {
    let rig = Rig::new(64, Hinting::Full);
    for index in 0..4 {
        rig.fill_and_leave(key(index));
    }
    let gang = rig.mm.lookup_gang(key(0).file, &mut (0..4));
    let discards = rig.machine.discards();
    rig.machine.evict_all();
    assert_eq!(rig.machine.discards(), discards);
    drop(gang);
    rig.machine.evict_all();
    assert_eq!(rig.machine.discards(), discards + 4);
}

#[test]
fn only_what_was_written_to_is_written_back() {
    let rig = Rig::new(64, Hinting::Full);
    let device: &Device = Box::leak(Box::new(Device(AtomicU32::new(0))));
    rig.mm.set_store(device);
    for index in 0..30 {
        let page = rig.fill(key(index), 1);
        if index % 3 == 0 {
            page.set_dirty();
        }
    }
    let essa = rig.essa_count();
    assert_eq!(rig.mm.write_back_range(key(0).file, 0..30), Ok(10));
    assert_eq!(device.0.load(Relaxed), 10);
    assert_eq!(
        rig.essa_count() - essa,
        10,
        "each becomes volatile, and no other page is touched"
    );
    assert_eq!(rig.mm.write_back_range(key(0).file, 0..30), Ok(0));
    let dirty = |index| {
        let frame = rig.mm.lookup_no_discard(key(index)).unwrap().frame();
        rig.flags(frame).contains(PageFlags::DIRTY)
    };
    assert!(!(0..30).any(dirty));
}

#[test]
fn a_page_that_was_looked_up_and_locked_is_stable_until_it_is_dropped() {
    let rig = Rig::new(64, Hinting::Full);
    let frame = rig.fill_and_leave(key(0));
    let page = rig.mm.lookup_locked(key(0)).expect("it was filled");
    assert!(rig.flags(frame).contains(PageFlags::LOCKED));
    rig.machine.evict_all();
    assert_eq!(rig.machine.discards(), 0);
    drop(page);
    assert!(!rig.flags(frame).contains(PageFlags::LOCKED));
    assert_eq!(rig.machine.state(frame), PageState::VR);
}

#[test]
fn a_discarded_page_is_removed_instead_of_being_locked() {
    let rig = Rig::new(64, Hinting::Full);
    rig.fill_and_leave(key(0));
    rig.machine.evict_all();
    assert!(rig.mm.lookup_locked(key(0)).is_none());
    assert_eq!(rig.mm.cached_page_count(), 0);
    assert_eq!(rig.mm.free_page_count(), 63);
}

/// Somebody removes the page while another waits for its lock.
#[test]
fn a_page_that_is_removed_before_it_is_locked_is_not_there() {
    let rig = Rig::new(64, Hinting::Full);
    let frame = rig.fill_and_leave(key(0));
    let held = rig.mm.lookup_locked(key(0)).expect("it was filled");
    let mm = rig.mm;
    std::thread::scope(|scope| {
        let waiter = scope.spawn(|| {
            let _entered = rig.machine.enter();
            mm.lookup_locked(key(0)).is_none()
        });
        while mm.page(frame).references() < 3 {
            std::thread::yield_now();
        }
        assert!(mm.remove_page(frame));
        drop(held);
        assert!(waiter.join().expect("the waiter gets on"));
    });
    assert_eq!(mm.free_page_count(), 63);
}

/// Tagged lookups, too: a page that may be written through a mapping, and is clean, can be discarded.
#[test]
fn a_discarded_page_of_a_writable_mapping_is_not_written_back() {
    let rig = Rig::new(64, Hinting::Full);
    let device: &Device = Box::leak(Box::new(Device(AtomicU32::new(0))));
    rig.mm.set_store(device);
    let space = rig.mm.new_space(2, &[shared_area(2)]).unwrap();
    for index in 0..2 {
        rig.fill_and_leave(key(index));
        assert_eq!(rig.mm.map_page(&space, index as usize, true), Ok(()));
    }
    rig.machine.evict_all();
    assert_eq!(rig.machine.discards(), 2);
    assert_eq!(rig.mm.write_back_range(key(0).file, 0..2), Ok(0));
    assert_eq!(rig.mm.cached_page_count(), 0);
    rig.mm.end_space(&space);
}

#[test]
fn a_long_range_is_looked_at_to_its_end() {
    let rig = Rig::new(64, Hinting::Full);
    let last = rig.fill_and_leave(key(99_999));
    let mut range = 0..100_000;
    assert_eq!(frames(&rig, &mut range), [last]);
    rig.mm.truncate(key(0).file, 0..100_000);
    assert_eq!(rig.mm.cached_page_count(), 0);
}
