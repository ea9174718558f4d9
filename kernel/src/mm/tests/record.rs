//! Records of file systems: an active page carries one, and stays stable with it.

use arch::Frame;
use cmm::PageState;

use super::super::{Hinting, Key, Lookup, Mm, PageFlags, Store, StoreError};
use super::{Rig, key};

/// Takes what is written, and records it as file systems do.
struct Device(&'static Mm<'static>);

impl Store for Device {
    fn read(&self, _: Key, _: Frame) -> Result<(), StoreError> {
        Err(StoreError)
    }

    fn write(&self, _: Key, from: Frame) -> Result<(), StoreError> {
        let count = self.0.take_record(from).unwrap_or(0);
        self.0.attach_record(from, count + 1);
        Ok(())
    }
}

/// A page that is written to its device, and used in between.
fn written(times: usize) -> (Rig, Frame) {
    let rig = Rig::new(64, Hinting::Full);
    rig.mm.set_store(Box::leak(Box::new(Device(rig.mm))));
    let frame = rig.fill_and_leave(key(0));
    for _ in 0..times {
        write(&rig);
    }
    (rig, frame)
}

fn write(rig: &Rig) {
    let Lookup::Hit(page) = rig.mm.lookup_stable(key(0)) else {
        panic!("the page is in the cache")
    };
    page.set_dirty();
    drop(page);
    assert_eq!(rig.mm.write_back(key(0)), Ok(true));
}

#[test]
fn a_page_that_is_written_while_it_is_used_is_active_and_stable() {
    let (rig, frame) = written(1);
    assert!(rig.mm.may_carry_record(frame));
    let carries = PageFlags::ACTIVE | PageFlags::PRIVATE;
    assert!(rig.flags(frame).contains(carries));
    assert_eq!(rig.machine.state(frame), PageState::SR);
    rig.machine.evict_all();
    for _ in 0..3 {
        write(&rig);
    }
    assert_eq!(rig.mm.take_record(frame), Some(4));
    assert_eq!(rig.mm.take_record(frame), None);
}

/// Attempt "from the active list to the inactive one".
#[test]
fn a_page_that_becomes_inactive_loses_its_record_and_becomes_volatile() {
    let (rig, frame) = written(2);
    assert_eq!(rig.machine.state(frame), PageState::SR);
    rig.mm.age(true);
    let carries = PageFlags::ACTIVE | PageFlags::PRIVATE;
    assert!(!rig.flags(frame).intersects(carries));
    assert_eq!(rig.machine.state(frame), PageState::VR);
    assert_eq!(rig.mm.take_record(frame), None);
}

#[test]
fn an_inactive_page_gets_no_record() {
    let (rig, frame) = written(0);
    rig.mm.attach_record(frame, 7);
    assert_eq!(rig.mm.take_record(frame), None);
    let Lookup::Hit(page) = rig.mm.lookup_stable(key(0)) else {
        panic!("the page is in the cache")
    };
    rig.mm.attach_record(frame, 7);
    drop(page);
    assert_eq!(rig.machine.state(frame), PageState::VR);
}

#[test]
fn a_page_that_is_written_once_becomes_volatile() {
    let rig = Rig::new(64, Hinting::Full);
    rig.mm.set_store(Box::leak(Box::new(Device(rig.mm))));
    let page = rig.fill(key(0), 1);
    let frame = page.frame();
    page.set_dirty();
    drop(page);
    assert_eq!(rig.mm.write_back(key(0)), Ok(true));
    assert_eq!(rig.machine.state(frame), PageState::VR);
}

#[test]
fn a_record_goes_with_its_page() {
    let (rig, frame) = written(1);
    rig.mm.truncate(key(0).file, 0..1);
    assert!(!rig.flags(frame).contains(PageFlags::PRIVATE));
    assert_eq!(rig.mm.free_page_count(), 63);
    let (rig, _) = written(1);
    while rig.mm.shrink_cache() > 0 {}
    assert_eq!(rig.mm.free_page_count(), 63, "reclaim takes it, too");
}
