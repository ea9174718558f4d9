//! Who has found the page that a place of a space shows, and comes late with it: others have been there meanwhile.

use arch::translation;

use super::super::{Discarded, MaybeDiscarded};
use super::space::rig;
use super::{Rig, key};

/// The first page of the file.
fn found(rig: &Rig) -> MaybeDiscarded<'static> {
    rig.mm.lookup_no_discard(key(0)).expect("it was filled")
}

#[test]
fn a_place_that_has_lost_the_right_is_not_made_writable() {
    let (rig, space) = rig(true);
    let page = found(&rig);
    rig.mm.protect_range(&space, 0..1, false).unwrap();
    let establish = |writable| rig.mm.establish(&space, 0, page.frame(), writable);
    assert_eq!(establish(true), Err(Discarded));
    assert_eq!(space.tables().get(0).frame(), None);
    assert_eq!(establish(false), Ok(()));
}

#[test]
fn a_place_that_shows_something_else_does_not_show_the_page() {
    let (rig, space) = rig(true);
    let page = found(&rig);
    let establish = |place| rig.mm.establish(&space, place, page.frame(), false);
    assert_eq!(establish(1), Err(Discarded));
    rig.mm.unmap_range(&space, 0..1).unwrap();
    assert_eq!(establish(0), Err(Discarded));
    assert_eq!(rig.mm.page(page.frame()).mappings(), 0);
}

#[test]
fn what_was_stored_into_a_private_place_stays_there() {
    let (rig, space) = rig(false);
    rig.mm.add_swap(8).unwrap();
    let page = found(&rig);
    let establish = |writable| rig.mm.establish(&space, 0, page.frame(), writable);
    rig.mm.map_page(&space, 0, true).unwrap();
    translation::store(space.tables(), 0, 0, 7).unwrap();
    assert_eq!([false, true].map(establish), [Err(Discarded); 2]);
    assert_eq!(translation::load(space.tables(), 0, 0), Ok(7));
    while rig.mm.shrink_cache() > 0 {}
    let slot = space.tables().get(0).slot();
    assert!(slot.is_some(), "it was swapped out");
    assert_eq!([false, true].map(establish), [Err(Discarded); 2]);
    assert_eq!(space.tables().get(0).slot(), slot);
}

#[test]
fn a_page_that_is_mapped_already_is_mapped_once_with_all_rights() {
    let (rig, space) = rig(true);
    let page = found(&rig);
    for (writable, is_protected) in [(false, true), (false, true), (true, false), (false, false)] {
        let outcome = rig.mm.establish(&space, 0, page.frame(), writable);
        assert_eq!(outcome, Ok(()));
        assert_eq!(space.tables().get(0).is_protected(), is_protected);
        assert_eq!(rig.mm.page(page.frame()).mappings(), 1);
    }
}
