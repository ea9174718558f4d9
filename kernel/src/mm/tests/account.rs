//! Accounting for all pages.

use super::super::Hinting;
use super::{Rig, key};

#[test]
fn every_page_is_somewhere() {
    let rig = Rig::new(32, Hinting::Full);
    assert!(rig.mm.account().is_complete());
    rig.fill_and_leave(key(0));
    rig.mm.allocate_pages(2).expect("there is memory");
    rig.mm.keep(2);
    let account = rig.mm.account();
    assert_eq!((account.cached, account.kernel, account.held), (1, 4, 4));
    assert!(account.is_complete(), "{account}");
}

#[test]
fn a_page_that_nobody_gives_back_is_missed() {
    let rig = Rig::new(32, Hinting::Full);
    rig.mm.allocate_pages(0).expect("there is memory");
    assert!(!rig.mm.account().is_complete());
}

#[test]
fn a_page_that_is_given_back_and_was_kept_is_noticed() {
    let rig = Rig::new(32, Hinting::Full);
    let block = rig.mm.allocate_pages(0).expect("there is memory");
    rig.mm.keep(0);
    rig.mm.free_pages(block.frame, 0);
    assert!(!rig.mm.account().is_complete());
}
