//! Two who want the same page that nobody has read so far.

use std::sync::OnceLock;
use std::thread;

use arch::Frame;
use cmm::{PageState, Usage};

use super::super::{
    Area, Hinting, Key, Lookup, Mm, NotBegun, PageFlags, StableRef, Store, StoreError,
};
use super::space::Device;
use super::{Rig, key};

/// Begins to fill a page and waits until somebody else wants it, too; then ends it. Returns what the
/// other one got.
fn with_a_waiter(
    rig: &Rig,
    end: impl FnOnce(super::super::Filling<'static>),
) -> Option<StableRef<'static>> {
    let filling = rig.mm.begin_fill(key(0)).ok().expect("there is memory");
    let frame = filling.frame();
    let mm = rig.mm;
    thread::scope(|scope| {
        let waiter = scope.spawn(|| {
            let _entered = rig.machine.enter();
            match mm.begin_fill(key(0)) {
                Ok(_) => None,
                Err(NotBegun::Filled(page)) => Some(page),
                Err(NotBegun::OutOfMemory) => panic!("there is memory"),
            }
        });
        while mm.page(frame).references() < 3 {
            thread::yield_now();
        }
        end(filling);
        waiter.join().expect("the waiter gets on")
    })
}

#[test]
fn a_page_that_is_being_filled_is_seen_by_nobody() {
    let rig = Rig::new(32, Hinting::Full);
    let filling = rig.mm.begin_fill(key(0)).ok().expect("there is memory");
    assert!(matches!(rig.mm.lookup_stable(key(0)), Lookup::Miss));
    assert!(rig.mm.lookup_no_discard(key(0)).is_none());
    assert!(rig.mm.lookup_gang(key(0).file, &mut (0..1)).is_empty());
    let mut byte = [0];
    let read = rig.mm.read_optimistic(key(0), 0, &mut byte);
    assert_eq!(read, super::super::Optimistic::Miss);
    drop(filling.complete());
    assert!(matches!(rig.mm.lookup_stable(key(0)), Lookup::Hit(_)));
}

/// Attempt "after a read fault has finished waiting": the page stays stable for who has waited, and is
/// volatile when he has dropped it.
#[test]
fn who_has_waited_for_a_page_makes_it_volatile_when_he_has_used_it() {
    let rig = Rig::new(32, Hinting::Full);
    let page = with_a_waiter(&rig, |filling| {
        let frame = filling.frame();
        drop(filling.complete());
        // The other one has a reference: nobody but him can make it volatile.
        assert_eq!(rig.machine.state(frame), PageState::SR);
    });
    let page = page.expect("it was filled");
    let frame = page.frame();
    assert_eq!(rig.machine.state(frame), PageState::SR);
    drop(page);
    assert_eq!(rig.machine.state(frame), PageState::VR);
    assert_eq!(rig.mm.stats.duplicate_fills.get(), 1);
    assert_eq!(rig.mm.cached_page_count(), 1);
}

#[test]
fn who_waits_for_a_page_that_cannot_be_read_tries_himself() {
    let rig = Rig::new(32, Hinting::Full);
    let free = rig.mm.free_page_count();
    assert!(with_a_waiter(&rig, drop).is_none(), "he began himself");
    assert_eq!(rig.mm.free_page_count(), free);
    assert!(matches!(rig.mm.lookup_stable(key(0)), Lookup::Miss));
}

/// The host takes the page before the one who has waited looks at it.
#[test]
fn who_waits_for_a_page_that_is_discarded_meanwhile_gets_a_whole_one() {
    let rig = Rig::new(32, Hinting::Full);
    for seed in 0..20 {
        rig.machine.set_eviction(arch::sim::Eviction::Always, seed);
        if let Some(page) = with_a_waiter(&rig, |filling| drop(filling.complete())) {
            assert!(rig.flags(page.frame()).contains(PageFlags::UP_TO_DATE));
            assert_eq!(rig.machine.state(page.frame()).usage(), Usage::Stable);
        }
        rig.mm.truncate(key(0).file, 0..1);
    }
}

/// A store under which a file is truncated whenever something is read.
#[derive(Default)]
struct Truncating(OnceLock<&'static Mm<'static>>);

impl Store for Truncating {
    fn read(&self, key: Key, to: Frame) -> Result<(), StoreError> {
        let mm = self.0.get().expect("the test has set it");
        mm.truncate(super::key(0).file, 0..1);
        Device.read(key, to)
    }

    fn write(&self, key: Key, from: Frame) -> Result<(), StoreError> {
        Device.write(key, from)
    }
}

#[test]
fn no_truncation_keeps_a_page_from_being_swapped_in() {
    let rig = Rig::new(32, Hinting::Full);
    let store: &Truncating = Box::leak(Box::default());
    assert!(store.0.set(rig.mm).is_ok());
    rig.mm.set_store(store);
    rig.mm.add_swap(8).unwrap();
    let space = rig.mm.new_space(1, &[Area::memory(0, 1)]).unwrap();
    rig.mm.map_page(&space, 0, true).unwrap();
    while rig.mm.shrink_cache() > 0 {}
    assert!(space.tables().get(0).slot().is_some());
    assert_eq!(rig.mm.map_page(&space, 0, false), Ok(()));
    assert_eq!(rig.mm.stats.swapped_in.get(), 1);
}
