//! When making a page volatile is attempted: each time that an obstacle may have been the last.
//!
//! Here are those that belong to no other part: "writeback has ended", "a reference was dropped", and
//! "added to the LRU list". "The page was unlocked" stands in `readahead`, "from the active list to the
//! inactive one" in `record`, and "after waiting for a read" in `fill`.

use arch::Frame;
use cmm::PageState;

use super::super::{GANG, Hinting, Lookup, PageFlags, StableRef};
use super::space::Device;
use super::{Rig, key};

fn rig() -> Rig {
    let rig = Rig::new(64, Hinting::Full);
    rig.mm.set_store(&Device);
    rig
}

fn stable(rig: &Rig, index: u32) -> StableRef<'static> {
    match rig.mm.lookup_stable(key(index)) {
        Lookup::Hit(page) => page,
        Lookup::Miss | Lookup::WasDiscarded => panic!("it was filled"),
    }
}

#[test]
fn when_writeback_has_ended() {
    let rig = rig();
    let page = rig.fill(key(0), 1);
    let frame = page.frame();
    page.set_dirty();
    drop(page);
    assert_eq!(rig.machine.state(frame), PageState::SR);
    assert_eq!(rig.mm.write_back(key(0)), Ok(true));
    assert_eq!(rig.machine.state(frame), PageState::VR);
}

#[test]
fn when_the_last_reference_but_the_caches_is_dropped() {
    let rig = rig();
    rig.fill_and_leave(key(0));
    let (first, second) = (stable(&rig, 0), stable(&rig, 0));
    let frame = first.frame();
    drop(first);
    assert_eq!(rig.machine.state(frame), PageState::SR);
    drop(second);
    assert_eq!(rig.machine.state(frame), PageState::VR);
}

/// The vector forms: a gang, and a batch.
#[test]
fn when_many_references_are_dropped() {
    let rig = rig();
    let frames: Vec<Frame> = (0..GANG as u32)
        .map(|index| rig.fill_and_leave(key(index)))
        .collect();
    let all = |state| {
        frames
            .iter()
            .all(|frame| rig.machine.state(*frame) == state)
    };
    let gang = rig.mm.lookup_gang(key(0).file, &mut (0..GANG as u32));
    assert!(all(PageState::SR));
    drop(gang);
    assert!(all(PageState::VR));
    // The last one completes a batch, whose older half they are.
    rig.mm.set_release_batch(2 * GANG);
    (0..GANG as u32).for_each(|index| drop(stable(&rig, index)));
    for index in GANG as u32..2 * GANG as u32 {
        assert!(all(PageState::SR));
        rig.fill_and_leave(key(index));
    }
    assert!(all(PageState::VR));
}

/// A page that is isolated from the LRU list stays stable when its user drops it. It is volatile when it
/// has been put back: here by reclaim, which did not take it because its user was still there.
#[test]
fn when_the_page_has_been_added_to_the_lru_list() {
    let rig = rig();
    let page = rig.fill(key(0), 1);
    let frame = page.frame();
    // As `isolate_victims` does.
    rig.mm.page(frame).get();
    rig.mm.lru.lock().remove(rig.mm.pages, frame);
    assert!(!rig.mm.remove_unneeded(frame));
    drop(page);
    assert_eq!(rig.machine.state(frame), PageState::SR);
    rig.mm.restore_isolated(frame);
    assert!(rig.flags(frame).contains(PageFlags::LRU));
    assert_eq!(rig.machine.state(frame), PageState::VR);
    rig.mm.put_page(frame);
}
