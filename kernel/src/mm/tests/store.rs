//! What a store need not say of itself.

use std::sync::Mutex;

use arch::{Frame, translation};

use super::super::{Hinting, Key, Store, StoreError};
use super::space::Device;
use super::{Rig, key, shared_area};

/// Pages of the file.
const PAGES: usize = 4;

/// Notes which pages are read one by one; its files have four.
#[derive(Default)]
struct OneByOne(Mutex<Vec<u32>>);

impl Store for OneByOne {
    fn read(&self, key: Key, to: Frame) -> Result<(), StoreError> {
        self.0.lock().unwrap().push(key.index);
        Device.read(key, to)
    }

    fn pages(&self, _: u32) -> u32 {
        PAGES as u32
    }

    fn write(&self, key: Key, from: Frame) -> Result<(), StoreError> {
        Device.write(key, from)
    }
}

#[test]
fn pages_that_a_store_cannot_read_by_one_request_are_read_one_by_one() {
    let rig = Rig::new(64, Hinting::Full);
    let store: &OneByOne = Box::leak(Box::default());
    rig.mm.set_store(store);
    let space = rig.mm.new_space(PAGES, &[shared_area(PAGES)]).unwrap();
    rig.mm.map_page(&space, 0, false).unwrap();
    assert_eq!(*store.0.lock().unwrap(), [0, 1, 2, 3]);
    assert_eq!(rig.mm.stats.read_requests.get(), 1);
    for page in 0..PAGES {
        rig.mm.map_page(&space, page, false).unwrap();
        assert_eq!(translation::load(space.tables(), page, 9), Ok(0x55));
    }
    assert_eq!(store.0.lock().unwrap().len(), PAGES);
}

#[test]
fn nothing_is_read_ahead_of_files_whose_ends_are_not_known() {
    let rig = Rig::new(64, Hinting::Full);
    rig.mm.set_store(&Device);
    let space = rig.mm.new_space(PAGES, &[shared_area(PAGES)]).unwrap();
    (0..PAGES).for_each(|page| rig.mm.map_page(&space, page, false).unwrap());
    assert_eq!(rig.mm.stats.read_ahead.get(), 0);
    assert!(rig.mm.lookup_no_discard(key(PAGES as u32)).is_none());
}

#[test]
#[should_panic(expected = "there is one store")]
fn there_is_one_store() {
    let rig = Rig::new(64, Hinting::Full);
    rig.mm.set_store(&Device);
    rig.mm.set_store(&Device);
}
