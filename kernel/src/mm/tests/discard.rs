//! Taking pages out of the cache, or leaving them there after all.

use arch::{Frame, translation};

use super::super::{Area, Hinting, PageFlags};
use super::space::rig;
use super::{Rig, key};

impl Rig {
    /// Takes a page of the cache off its list and locks it, with a reference, as reclaim does.
    fn isolate(&self, frame: Frame) {
        self.mm.page(frame).get();
        self.mm.lru.lock().remove(self.mm.pages, frame);
        assert!(self.mm.lock_page(frame));
    }
}

#[test]
fn a_page_stays_that_was_stored_into_until_its_last_mapping_went() {
    let (rig, space) = rig(true);
    rig.mm.map_page(&space, 0, true).unwrap();
    translation::store(space.tables(), 0, 0, 7).unwrap();
    let frame = space.tables().get(0).frame().expect("it is mapped");
    rig.isolate(frame);
    // Nobody has asked the key so far.
    assert!(!rig.flags(frame).contains(PageFlags::DIRTY));
    assert!(!rig.mm.remove_unneeded(frame));
    assert_eq!(
        space.tables().get(0).frame(),
        None,
        "it was unmapped for that"
    );
    let kept = PageFlags::CACHED | PageFlags::DIRTY;
    assert!(rig.flags(frame).contains(kept));
}

#[test]
fn a_page_stays_that_is_mapped_while_it_is_looked_at() {
    let rig = Rig::new(32, Hinting::Full);
    let frame = rig.fill_and_leave(key(0));
    rig.isolate(frame);
    // By who has found it before: a mapping that no walk has seen.
    rig.mm.page(frame).pretend_mappings(1);
    assert!(!rig.mm.remove_unneeded(frame));
    assert!(rig.flags(frame).contains(PageFlags::CACHED));
}

#[test]
fn an_isolated_page_that_was_removed_does_not_go_back_to_the_list() {
    let rig = Rig::new(32, Hinting::Full);
    let free = rig.mm.free_page_count();
    let frame = rig.fill_and_leave(key(0));
    rig.isolate(frame);
    rig.mm.unlock_page(frame);
    assert!(rig.mm.remove_page(frame));
    rig.mm.put_back(frame);
    assert_eq!(rig.mm.cached_page_count(), 0);
    rig.mm.put_page(frame);
    assert_eq!(rig.mm.free_page_count(), free);
}

#[test]
fn an_anonymous_page_leaves_the_list_with_its_last_mapping() {
    let rig = Rig::new(32, Hinting::Full);
    let free = rig.mm.free_page_count();
    let space = rig.mm.new_space(1, &[Area::memory(0, 1)]).unwrap();
    rig.mm.map_page(&space, 0, true).unwrap();
    assert_eq!(rig.mm.cached_page_count(), 1);
    rig.mm.unmap_range(&space, 0..1).unwrap();
    assert_eq!(rig.mm.cached_page_count(), 0);
    assert_eq!(rig.mm.free_page_count(), free);
}

#[test]
fn a_discard_fault_at_a_page_that_nobody_has_any_more_is_late() {
    let rig = Rig::new(32, Hinting::Full);
    let frame = rig.fill_and_leave(key(0));
    rig.mm.truncate(key(0).file, 0..1);
    rig.mm.discard_fault(frame);
    assert_eq!(rig.mm.stats.late_discard_faults.get(), 1);
    assert_eq!(rig.mm.page(frame).references(), 0);
    assert!(rig.flags(frame).contains(PageFlags::FREE));
}
