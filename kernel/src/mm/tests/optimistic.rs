//! Reading without a reference, while anything may happen to the page.

use std::cell::Cell;

use arch::{Frame, PAGE_SIZE, sim};
use cmm::PageState;

use super::super::{Hinting, Optimistic};
use super::{Rig, key};

thread_local! {
    static MEANWHILE: Cell<Option<Box<dyn FnOnce()>>> = const { Cell::new(None) };
}

/// Something is done in front of the next operation of the machine, of this thread.
fn meanwhile(work: impl FnOnce() + 'static) {
    sim::on_every_step(|| {
        if let Some(work) = MEANWHILE.take() {
            work();
        }
    });
    MEANWHILE.set(Some(Box::new(work)));
}

/// A page of the cache that is volatile.
fn rig() -> (Rig, Frame) {
    let rig = Rig::new(32, Hinting::Full);
    let frame = rig.fill_and_leave(key(0));
    (rig, frame)
}

fn read(rig: &Rig) -> (Optimistic, [u8; 2]) {
    let mut bytes = [0; 2];
    let outcome = rig.mm.read_optimistic(key(0), PAGE_SIZE - 2, &mut bytes);
    (outcome, bytes)
}

#[test]
fn a_page_is_read_as_it_is_and_no_trace_is_left() {
    let (rig, frame) = rig();
    let before = rig.essa_count();
    assert_eq!(read(&rig), (Optimistic::Read, [0xa5; 2]));
    assert_eq!(rig.essa_count(), before);
    assert_eq!(rig.machine.state(frame), PageState::VR);
    assert_eq!(rig.mm.stats.cache_hits.get(), 1);
}

#[test]
fn a_discarded_page_is_removed() {
    let (rig, frame) = rig();
    rig.machine.evict(frame);
    assert_eq!(read(&rig).0, Optimistic::WasDiscarded);
    assert_eq!(read(&rig).0, Optimistic::Miss);
    assert_eq!(rig.mm.stats.discard_faults.get(), 1);
    assert_eq!(rig.mm.cached_page_count(), 0);
}

#[test]
fn what_was_read_of_a_page_that_became_another_one_is_void() {
    let (rig, frame) = rig();
    let mm = rig.mm;
    meanwhile(move || {
        mm.truncate(key(0).file, 0..1);
        let filling = mm.begin_fill(key(1)).ok().expect("there is memory");
        assert_eq!(filling.frame(), frame);
        drop(filling.complete());
    });
    assert_eq!(read(&rig).0, Optimistic::Miss);
    assert_eq!(rig.mm.stats.optimistic_failures.get(), 1);
}

#[test]
fn a_page_that_was_freed_and_is_gone_is_a_miss() {
    let (rig, frame) = rig();
    let (mm, machine) = (rig.mm, rig.machine.clone());
    meanwhile(move || {
        mm.truncate(key(0).file, 0..1);
        mm.drain_page_list();
        assert!(machine.evict(frame));
    });
    assert_eq!(read(&rig).0, Optimistic::Miss);
    assert_eq!(rig.mm.stats.optimistic_failures.get(), 1);
}

/// A page that is there and not in storage: something is wrong with what the kernel thinks of it.
#[test]
#[should_panic(expected = "an optimistic copy")]
fn a_page_that_is_gone_and_was_not_freed_is_fatal() {
    let (rig, frame) = rig();
    let _ = rig.mm.hint_unused(frame);
    rig.machine.evict(frame);
    read(&rig);
}

#[test]
fn reading_is_the_first_use_of_a_page_read_ahead() {
    let rig = Rig::new(32, Hinting::Full);
    let filling = rig.mm.begin_fill_ahead(key(0)).expect("there is memory");
    filling.complete_ahead();
    let mut byte = [0];
    for _ in 0..2 {
        let outcome = rig.mm.read_optimistic(key(0), 0, &mut byte);
        assert_eq!(outcome, Optimistic::Read);
        assert_eq!(rig.mm.stats.read_ahead_used.get(), 1);
    }
}

#[test]
#[should_panic(expected = "a range within the page")]
fn no_more_is_read_than_a_page() {
    let (rig, _) = rig();
    rig.mm.read_optimistic(key(0), PAGE_SIZE - 1, &mut [0; 2]);
}
