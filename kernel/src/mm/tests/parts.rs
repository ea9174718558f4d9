//! What is different when a part of the scheme is left out.

use arch::translation::{self, UserFault};
use cmm::PageState;

use super::super::state::obstacle;
use super::super::{Hinting, PageFlags, Parts};
use super::space::rig;
use super::{Rig, key};

#[test]
fn without_the_swap_cache_anonymous_pages_stay_stable() {
    let rig = Rig::new(32, Hinting::Full);
    rig.mm.leave_out(Parts::SWAP_CACHE);
    let page = rig.fill(key(0), 1);
    let flags = PageFlags::ANON | PageFlags::SWAP_CACHE;
    rig.mm.page(page.frame()).set(flags);
    assert_eq!(obstacle(rig.mm.page(page.frame()), 2), None);
    assert!(!rig.mm.make_volatile(page.frame(), 2));
    assert_eq!(rig.machine.state(page.frame()), PageState::SR);
    rig.mm.page(page.frame()).reset(flags);
    assert!(rig.mm.make_volatile(page.frame(), 2), "others need not");
}

#[test]
fn without_writable_mappings_their_pages_are_made_stable() {
    let (rig, space) = rig(true);
    rig.mm.leave_out(Parts::WRITABLE);
    let frame = rig.mm.lookup_no_discard(key(0)).unwrap().frame();
    assert_eq!(rig.machine.state(frame), PageState::VR);
    rig.mm.map_page(&space, 0, true).unwrap();
    assert_eq!(rig.machine.state(frame), PageState::SR);
    drop(rig.mm.lookup_stable(key(0)));
    assert_eq!(rig.machine.state(frame), PageState::SR, "as long as it is");
    rig.mm.unmap_range(&space, 0..1).unwrap();
    drop(rig.mm.lookup_stable(key(0)));
    assert_eq!(rig.machine.state(frame), PageState::VR);
    assert_eq!(rig.mm.stats.made_potentially_volatile.get(), 0);
}

#[test]
fn without_writable_mappings_a_discarded_page_comes_again() {
    let (rig, space) = rig(true);
    rig.mm.leave_out(Parts::WRITABLE);
    rig.machine.evict_all();
    rig.mm.map_page(&space, 0, true).unwrap();
    let Err(UserFault::Discarded(page)) = translation::store(space.tables(), 0, 0, 7) else {
        panic!("its content is gone");
    };
    rig.mm.discard_fault(page.frame());
    rig.mm.map_page(&space, 0, true).unwrap();
    assert_eq!(translation::store(space.tables(), 0, 0, 7), Ok(()));
}

#[test]
fn without_minor_faults_each_costs_two_changes_and_so_does_its_unmap() {
    let (rig, space) = rig(true);
    rig.mm.leave_out(Parts::MINOR_FAULTS);
    let fault = rig.cost(|| rig.mm.map_page(&space, 0, false).unwrap());
    let unmap = rig.cost(|| rig.mm.unmap_range(&space, 0..1).unwrap());
    assert_eq!((fault, unmap), ((2, 0), (2, 0)));
    assert_eq!(rig.mm.stats.minor_faults.get(), 0);
}

#[test]
fn without_memory_locks_pages_of_a_locked_file_may_go() {
    let (rig, space) = rig(false);
    rig.mm.leave_out(Parts::MEMORY_LOCK);
    rig.mm.lock_range(&space, 0..2).unwrap();
    drop(rig.mm.lookup_stable(key(3)));
    assert!(rig.discarded() > 0);
    assert_eq!(rig.mm.stats.refused_locked.get(), 0);
}
