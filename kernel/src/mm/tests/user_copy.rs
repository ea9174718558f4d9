//! Copies between pages of the page cache and tasks, while the host takes what it may.

use std::cell::Cell;
use std::sync::Arc;

use arch::fault::Fault;
use arch::program;
use arch::sim::Eviction;
use arch::sim::move_spaces;
use arch::{Absolute, PAGE_SIZE, translation};

use super::super::{Area, Backing, CopyError, Hinting, Lookup, MapError, Piece, Space, UserSpace};
use super::space::Device;
use super::{Rig, key};

/// Pages of each area of the space: memory, pages of the file that may be written and that may not.
const PAGES: usize = 2;
/// Where they begin.
const MEMORY: usize = 0;
const WRITABLE: usize = 3;
const READ_ONLY: usize = 6;
const END: usize = 8;

const WHOLE: Piece = Piece {
    offset: 0,
    length: PAGE_SIZE,
};

/// A task as far as copies see it, and a fault by which the next copy from it ends.
struct Task(Arc<Space>, Cell<Option<Fault>>);

impl UserSpace for Task {
    fn space(&self) -> &Space {
        &self.0
    }

    unsafe fn move_to(&self, from: Absolute, to: u64, length: usize) -> Result<usize, Fault> {
        // SAFETY: the caller's promise.
        unsafe { move_spaces::to_user(self.0.tables(), from, to, length) }
    }

    unsafe fn move_from(&self, from: u64, to: Absolute, length: usize) -> Result<usize, Fault> {
        self.1.take().map_or(Ok(()), Err)?;
        // SAFETY: the caller's promise.
        unsafe { move_spaces::from_user(self.0.tables(), from, to, length) }
    }
}

impl Task {
    fn address(&self, page: usize) -> u64 {
        self.0.tables().address(page)
    }

    /// A byte of the task's, as it finds it.
    fn load(&self, rig: &Rig, page: usize, offset: usize) -> u8 {
        loop {
            match translation::load(self.0.tables(), page, offset) {
                Ok(byte) => return byte,
                Err(translation::UserFault::Discarded(page)) => {
                    rig.mm.discard_fault(page.frame());
                }
                Err(_) => rig.mm.map_page(&self.0, page, false).unwrap(),
            }
        }
    }
}

/// A task with memory of its own, which also shows pages 0 and 1 of the file, to be written, and pages 2
/// and 3, not to be written.
fn rig() -> (Rig, Task) {
    let rig = Rig::new(64, Hinting::Full);
    rig.mm.set_store(&Device);
    let area = |start, backing, writable| Area {
        start,
        pages: PAGES,
        backing,
        writable,
        shared: backing != Backing::Anonymous,
        locked: false,
    };
    let file = key(0).file;
    let shows = |first| Backing::File { file, first };
    let areas = vec![
        area(MEMORY, Backing::Anonymous, true),
        area(WRITABLE, shows(0), true),
        area(READ_ONLY, shows(2), false),
    ];
    let space = rig.mm.new_space(END, &areas).unwrap();
    (rig, Task(space, Cell::new(None)))
}

#[test]
fn a_page_of_the_cache_that_is_discarded_ends_the_copy_and_is_removed() {
    let (rig, task) = rig();
    rig.fill_and_leave(key(5));
    let page = rig.mm.lookup_no_discard(key(5)).unwrap();
    rig.machine.evict_all();
    let outcome = page.copy_to_user(&task, WHOLE, task.address(MEMORY));
    assert_eq!(outcome, Err(CopyError::Discarded));
    assert_eq!(rig.mm.stats.user_copy_fix_ups.get(), 1);
    assert!(rig.mm.lookup_no_discard(key(5)).is_none());
}

#[test]
fn reading_goes_on_with_a_stable_page_then() {
    let (rig, task) = rig();
    rig.fill_and_leave(key(5));
    rig.machine.evict_all();
    let to = task.address(MEMORY) + 100;
    rig.mm.read_to_user(&task, key(5), WHOLE, to).unwrap();
    for (page, offset, byte) in [(0, 99, 0), (0, 100, 0x55), (1, 99, 0x55), (1, 100, 0)] {
        assert_eq!(task.load(&rig, MEMORY + page, offset), byte);
    }
    assert_eq!(rig.mm.stats.reloads.get(), 1);
}

#[test]
fn a_page_as_it_is_is_copied_from_without_a_change_of_its_state() {
    let (rig, task) = rig();
    rig.fill_and_leave(key(5));
    rig.mm.map_page(&task.0, MEMORY, true).unwrap();
    let before = rig.essa_count();
    let to = task.address(MEMORY);
    rig.mm.read_to_user(&task, key(5), WHOLE, to).unwrap();
    assert_eq!(rig.essa_count(), before);
    assert_eq!(task.load(&rig, MEMORY, 7), 0xa5);
}

#[test]
fn a_discarded_page_of_the_task_is_removed_and_comes_again() {
    let (rig, task) = rig();
    rig.fill_and_leave(key(2));
    rig.mm.map_page(&task.0, READ_ONLY, false).unwrap();
    rig.machine.evict_all();
    let from = task.address(READ_ONLY);
    rig.mm.write_from_user(&task, key(5), WHOLE, from).unwrap();
    assert_eq!(rig.mm.stats.user_copy_fix_ups.get(), 0);
    assert_eq!(
        rig.mm.stats.user_copy_faults.get(),
        2,
        "discarded, and missing then"
    );
    let Lookup::Hit(page) = rig.mm.lookup_stable(key(5)) else {
        panic!("what was written stays in the cache")
    };
    let mut bytes = [0; 2];
    page.read(PAGE_SIZE - 2, &mut bytes);
    assert_eq!(bytes, [0x55; 2]);
}

#[test]
fn what_was_written_by_a_copy_is_dirty() {
    let (rig, task) = rig();
    let from = task.address(MEMORY);
    let piece = Piece {
        offset: 8,
        length: 8,
    };
    rig.mm.write_from_user(&task, key(5), piece, from).unwrap();
    rig.machine.evict_all();
    let Lookup::Hit(page) = rig.mm.lookup_stable(key(5)) else {
        panic!("a dirty page cannot be discarded")
    };
    let mut bytes = [1; 3];
    page.read(7, &mut bytes);
    assert_eq!(bytes, [0x55, 0, 0]);
    drop(page);
    assert_eq!(rig.mm.write_back(key(5)), Ok(true));
}

#[test]
fn a_task_that_may_not_use_the_address_gets_one_error_and_all_else_stays() {
    let (rig, task) = rig();
    let refused = [
        (0, MapError::NoArea),
        (task.address(MEMORY + PAGES), MapError::NoArea),
        (task.address(MEMORY + PAGES) - 8, MapError::NoArea),
        (task.address(READ_ONLY), MapError::ReadOnly),
        (1 << 40, MapError::NoArea),
        (u64::MAX - 7, MapError::NoArea),
    ];
    for (address, error) in refused {
        let outcome = rig.mm.read_to_user(&task, key(5), WHOLE, address);
        assert_eq!(outcome, Err(error), "{address:#x}");
    }
    for address in [0, 1 << 40, u64::MAX - 7] {
        let outcome = rig.mm.write_from_user(&task, key(5), WHOLE, address);
        assert_eq!(outcome, Err(MapError::NoArea), "{address:#x}");
    }
    rig.mm.write_back(key(5)).unwrap();
    let page = rig.mm.lookup_no_discard(key(5)).unwrap();
    let mut byte = [0];
    page.try_read(0, &mut byte).unwrap();
    assert_eq!(byte, [0x55]);
    assert_eq!(task.load(&rig, READ_ONLY, 0), 0x55);
    assert!(rig.mm.account().is_complete());
}

#[test]
fn one_page_may_be_both_operands() {
    let (rig, task) = rig();
    rig.fill_and_leave(key(0));
    rig.mm.map_page(&task.0, WRITABLE, false).unwrap();
    rig.machine.evict_all();
    let at = task.address(WRITABLE);
    rig.mm.read_to_user(&task, key(0), WHOLE, at).unwrap();
    rig.mm.write_from_user(&task, key(0), WHOLE, at).unwrap();
    assert_eq!(task.load(&rig, WRITABLE, 1), 0x55);
}

/// Every copy is right and ends, with a host that discards around every step.
#[test]
fn no_host_keeps_a_copy_from_getting_on() {
    for (seed, eviction) in [
        (1, Eviction::Always),
        (2, Eviction::OneIn(2)),
        (3, Eviction::OneIn(5)),
        (4, Eviction::OneIn(20)),
    ] {
        let (rig, task) = rig();
        rig.machine.set_eviction(eviction, seed);
        for round in 0..200_usize {
            let piece = Piece {
                offset: round * 8 % 2048,
                length: 1 + round * 37 % 2048,
            };
            let to = task.address(MEMORY) + (round * 61 % 4096) as u64;
            rig.mm.read_to_user(&task, key(4), piece, to).unwrap();
            let at = (to - task.address(MEMORY)) as usize + piece.length - 1;
            assert_eq!(
                task.load(&rig, MEMORY + at / PAGE_SIZE, at % PAGE_SIZE),
                0x55
            );
            // From volatile pages of the file, over the border of two.
            let from = task.address(READ_ONLY) + (round * 61 % 4096) as u64;
            rig.mm.write_from_user(&task, key(5), piece, from).unwrap();
            rig.mm.write_back(key(5)).unwrap();
        }
        assert!(rig.mm.stats.user_copy_fix_ups.get() > 5, "{eviction:?}");
        assert!(rig.mm.stats.user_copy_faults.get() > 5, "{eviction:?}");
        rig.machine.set_eviction(Eviction::Never, 0);
        assert!(rig.mm.account().is_complete());
    }
}

#[test]
fn a_copy_of_nothing_touches_nothing() {
    let (rig, task) = rig();
    let nothing = Piece {
        offset: PAGE_SIZE,
        length: 0,
    };
    assert_eq!(rig.mm.read_to_user(&task, key(5), nothing, 0), Ok(()));
    assert_eq!(rig.mm.stats.user_copies.get(), 0);
}

/// Copies from a task, which ends with such a fault at first.
fn copy_with_a_fault(code: u16, page: usize) -> Result<(), MapError> {
    let (rig, task) = rig();
    let from = task.address(READ_ONLY);
    let fault = Fault {
        code,
        identification: task.address(page),
    };
    task.1.set(Some(fault));
    rig.mm.write_from_user(&task, key(5), WHOLE, from)
}

#[test]
#[should_panic(expected = "a copy between spaces")]
fn a_protection_exception_of_who_only_reads_is_fatal() {
    let _ = copy_with_a_fault(program::PROTECTION, READ_ONLY);
}

#[test]
fn no_page_is_mapped_that_is_not_of_the_copy() {
    let outcome = |page| copy_with_a_fault(program::PAGE_TRANSLATION, page);
    assert_eq!(outcome(READ_ONLY), Ok(()));
    assert_eq!(outcome(READ_ONLY + 1), Err(MapError::NoArea));
    assert_eq!(outcome(MEMORY), Err(MapError::NoArea));
}
