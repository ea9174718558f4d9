//! Pages read by one request, and what becomes of those that nobody has asked for.

use std::cell::RefCell;
use std::ops::Range;

use arch::{PAGE_SIZE, storage};
use cmm::PageState;

use super::super::{
    Filling, Hinting, Key, Lookup, MapError, OutOfMemory, PageFlags, StableRef, Wanted,
};
use super::{Rig, key, shared_area};

/// Pages of the file.
const END: u32 = 200;

/// What went wrong.
#[derive(Debug, PartialEq, Eq)]
enum Error {
    OutOfMemory,
    Device,
}

impl From<OutOfMemory> for Error {
    fn from(OutOfMemory: OutOfMemory) -> Self {
        Self::OutOfMemory
    }
}

/// A device that notes its requests and cannot read some pages.
#[derive(Default)]
struct Device {
    requests: RefCell<Vec<Range<u32>>>,
    broken: Range<u32>,
}

impl Device {
    fn read(&self, first: Key, pages: &mut [Filling<'_>]) -> Result<(), Error> {
        let range = first.index..first.index + pages.len() as u32;
        self.requests.borrow_mut().push(range.clone());
        for (index, page) in range.clone().zip(pages) {
            // SAFETY: the page is new and locked.
            unsafe { storage::copy_in(page.address(), &[index as u8; PAGE_SIZE]) }
        }
        let is_broken = range.into_iter().any(|index| self.broken.contains(&index));
        if is_broken {
            Err(Error::Device)
        } else {
            Ok(())
        }
    }

    fn take_requests(&self) -> Vec<Range<u32>> {
        self.requests.take()
    }

    /// Reads a page as readers do, `pages` of which are wanted.
    fn get(&self, rig: &Rig, index: u32, pages: u32) -> Result<StableRef<'static>, Error> {
        if let Lookup::Hit(page) = rig.mm.lookup_stable(key(index)) {
            return Ok(page);
        }
        let wanted = Wanted {
            key: key(index),
            pages,
            end: END,
        };
        let page = rig
            .mm
            .load(&wanted, |first, pages| self.read(first, pages))?;
        let mut byte = [0];
        page.read(99, &mut byte);
        assert_eq!(byte, [index as u8]);
        Ok(page)
    }
}

/// One request.
fn only(request: Range<u32>) -> Vec<Range<u32>> {
    vec![request]
}

fn rig() -> (Rig, Device) {
    (Rig::new(400, Hinting::Full), Device::default())
}

#[test]
fn windows_of_a_sequential_reader_double() {
    let (rig, device) = rig();
    for index in 0..END {
        device.get(&rig, index, 1).unwrap();
    }
    let windows = [
        0..4,
        4..12,
        12..28,
        28..60,
        60..92,
        92..124,
        124..156,
        156..188,
    ];
    let requests = device.take_requests();
    assert_eq!(requests[..8], windows);
    assert_eq!(
        requests[8..],
        only(188..END),
        "nothing behind the end is read"
    );
    let stats = &rig.mm.stats;
    assert_eq!(stats.read_requests.get(), 9);
    assert_eq!(stats.read_ahead.get(), u64::from(END) - 9);
    assert_eq!(stats.read_ahead_used.get(), stats.read_ahead.get());
    assert_eq!(stats.read_ahead_unused.get(), 0);
}

#[test]
fn a_reader_at_random_gets_what_he_wants() {
    let (rig, device) = rig();
    for (index, pages) in [(50, 1), (20, 3), (100, 1), (70, 16)] {
        device.get(&rig, index, pages).unwrap();
    }
    assert_eq!(device.take_requests(), [50..51, 20..23, 100..101, 70..86]);
    // He goes on behind what he got: then he is sequential from there.
    for index in [23, 27] {
        device.get(&rig, index, 1).unwrap();
    }
    assert_eq!(device.take_requests(), [23..27, 27..35]);
}

#[test]
fn readers_of_the_same_file_are_told_apart() {
    let (rig, device) = rig();
    device.get(&rig, 0, 1).unwrap();
    device.get(&rig, 100, 1).unwrap();
    for index in 1..5 {
        device.get(&rig, index, 1).unwrap();
        device.get(&rig, 100 + index, 1).unwrap();
    }
    assert_eq!(device.take_requests(), [0..4, 100..101, 101..105, 4..12]);
}

#[test]
fn without_read_ahead_each_page_is_a_request() {
    let (rig, device) = rig();
    rig.mm.set_read_ahead(0);
    for index in 0..5 {
        device.get(&rig, index, 8).unwrap();
    }
    assert_eq!(device.take_requests(), [0..1, 1..2, 2..3, 3..4, 4..5]);
    assert_eq!(rig.mm.stats.read_ahead.get(), 0);
}

#[test]
fn a_request_ends_in_front_of_what_is_there() {
    let (rig, device) = rig();
    rig.fill_and_leave(key(2));
    device.get(&rig, 0, 1).unwrap();
    assert_eq!(device.take_requests(), only(0..2));
}

/// Attempt "page unlocked": nobody has ever asked for the page, and it is volatile once it is complete.
#[test]
fn a_page_read_ahead_is_volatile_when_it_has_been_unlocked() {
    let (rig, device) = rig();
    let first = device.get(&rig, 0, 1).unwrap();
    for index in 1..4 {
        let page = rig.mm.lookup_no_discard(key(index)).unwrap();
        assert_eq!(rig.machine.state(page.frame()), PageState::VR);
    }
    assert_eq!(rig.machine.state(first.frame()), PageState::SR);
}

/// Reading a page once is using it once, whoever has brought it.
#[test]
fn the_first_use_of_a_page_read_ahead_does_not_count_twice() {
    let (rig, device) = rig();
    device.get(&rig, 0, 1).unwrap();
    let use_it = || {
        let page = device.get(&rig, 1, 1).unwrap();
        page.frame()
    };
    let marks = PageFlags::REFERENCED | PageFlags::READ_AHEAD;
    assert!(!rig.flags(use_it()).intersects(marks));
    assert!(rig.flags(use_it()).contains(PageFlags::REFERENCED));
    assert_eq!(rig.mm.stats.read_ahead_used.get(), 1);
}

#[test]
fn pages_ahead_take_free_memory_only() {
    let rig = Rig::new(24, Hinting::Full);
    let device = Device::default();
    for index in 100..121 {
        rig.fill_and_leave(key(index));
    }
    assert_eq!(rig.mm.free_page_count(), 2);
    device.get(&rig, 0, 16).unwrap();
    assert_eq!(device.take_requests(), only(0..2));
    assert_eq!(rig.mm.stats.reclaimed.get(), 0);
    assert_eq!(rig.mm.free_page_count(), 0);
}

#[test]
fn a_page_ahead_that_cannot_be_read_is_for_who_wants_it_to_find_out() {
    let (rig, mut device) = rig();
    device.broken = 2..3;
    let free = rig.mm.free_page_count();
    let cached = |index| rig.mm.lookup_no_discard(key(index)).is_some();
    let page = device.get(&rig, 0, 1).unwrap();
    assert_eq!(device.take_requests(), [0..4, 0..1]);
    assert!(cached(0) && !cached(1) && !cached(2) && !cached(3));
    assert_eq!(rig.mm.free_page_count(), free - 1, "nothing else is held");
    drop(page);
    device.get(&rig, 1, 1).unwrap();
    assert_eq!(device.get(&rig, 2, 1).err(), Some(Error::Device));
    assert!(!cached(2));
}

#[test]
fn who_loses_pages_before_they_are_used_gets_none_ahead_for_a_while() {
    let (rig, device) = rig();
    device.get(&rig, 0, 1).unwrap();
    rig.machine.evict_all();
    device.get(&rig, 1, 1).unwrap();
    assert_eq!(device.take_requests(), [0..4, 1..2]);
    let stats = &rig.mm.stats;
    assert_eq!(stats.read_ahead_unused.get(), 1);
    // Their reader has found out as well, and asks no more than the others.
    for index in 50..65 {
        device.get(&rig, index, 1).unwrap();
    }
    let alone: Vec<_> = (50..65).map(|index| index..index + 1).collect();
    assert_eq!(device.take_requests(), alone);
    device.get(&rig, 65, 1).unwrap();
    assert_eq!(device.take_requests(), only(65..69), "sequential again");
    assert_eq!(stats.read_ahead_used.get(), 0);
}

#[test]
fn pages_that_are_cut_off_were_read_for_nothing() {
    let (rig, device) = rig();
    device.get(&rig, 0, 1).unwrap();
    device.get(&rig, 1, 1).unwrap();
    rig.mm.truncate(key(0).file, 0..END);
    let stats = &rig.mm.stats;
    let counts = [
        &stats.read_ahead,
        &stats.read_ahead_used,
        &stats.read_ahead_unused,
    ];
    assert_eq!(counts.map(|count| count.get()), [3, 1, 2]);
}

/// What was read before a truncation does not enter the cache behind it, ahead or not.
#[test]
fn pages_ahead_are_read_again_after_a_truncation() {
    let (rig, device) = rig();
    let truncated = RefCell::new(false);
    let wanted = Wanted {
        key: key(0),
        pages: 1,
        end: END,
    };
    let page = rig.mm.load(&wanted, |first, pages| {
        device.read(first, pages)?;
        if !truncated.replace(true) {
            rig.mm.truncate(key(0).file, 0..END);
        }
        Ok::<_, Error>(())
    });
    drop(page.unwrap());
    let requests = device.take_requests();
    assert_eq!(requests[0], 0..4);
    assert_eq!(requests[1].start, 0);
    let kept = requests[1].clone();
    for index in 0..4 {
        let is_there = rig.mm.lookup_no_discard(key(index)).is_some();
        assert_eq!(is_there, kept.contains(&index), "page {index}");
    }
}

#[test]
fn a_mapped_file_is_read_ahead_as_far_as_its_store_says() {
    use super::super::{Area, Store, StoreError};
    struct Pages;
    impl Store for Pages {
        fn read(&self, key: Key, to: arch::Frame) -> Result<(), StoreError> {
            if key.index == 3 {
                return Err(StoreError);
            }
            // SAFETY: the page is new and locked.
            unsafe { storage::copy_in(to.address(), &[key.index as u8; PAGE_SIZE]) }
            Ok(())
        }
        fn write(&self, _: Key, _: arch::Frame) -> Result<(), StoreError> {
            Err(StoreError)
        }
        fn pages(&self, _: u32) -> u32 {
            3
        }
    }
    let rig = Rig::new(32, Hinting::Full);
    rig.mm.set_store(&Pages);
    let area = Area {
        writable: false,
        ..shared_area(8)
    };
    let space = rig.mm.new_space(8, &[area]).unwrap();
    assert_eq!(rig.mm.map_page(&space, 0, false), Ok(()));
    assert_eq!(rig.mm.stats.read_ahead.get(), 2);
    for page in 1..3 {
        assert_eq!(rig.mm.map_page(&space, page, false), Ok(()));
    }
    assert_eq!(rig.mm.stats.read_requests.get(), 1);
    assert_eq!(rig.mm.map_page(&space, 3, false), Err(MapError::Store));
    rig.mm.end_space(&space);
}
