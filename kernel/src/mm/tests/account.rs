//! Accounting for all pages.

use super::super::{Account, Hinting};
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

/// A different number of pages in each class, so that no two of them can make up for each other.
const OF_EACH: Account = Account {
    all: 127,
    free: 1,
    cached: 2,
    anonymous: 4,
    kernel: 8,
    waiting: 16,
    ballooned: 32,
    reserved: 64,
    held: 8,
};

#[test]
fn all_classes_together_are_all_pages() {
    assert!(OF_EACH.is_complete());
    let wrong = [
        Account {
            all: 126,
            ..OF_EACH
        },
        Account { free: 2, ..OF_EACH },
        Account {
            cached: 1,
            ..OF_EACH
        },
        Account {
            anonymous: 5,
            ..OF_EACH
        },
        Account {
            waiting: 17,
            ..OF_EACH
        },
        Account {
            ballooned: 31,
            ..OF_EACH
        },
        Account {
            reserved: 63,
            ..OF_EACH
        },
        // As many pages as there should be, and one of them is not the kernel's.
        Account { held: 9, ..OF_EACH },
        // The kernel's are as many as are held, and there is one page too many.
        Account {
            kernel: 9,
            held: 9,
            ..OF_EACH
        },
    ];
    assert!(wrong.iter().all(|account| !account.is_complete()));
}

#[test]
fn half_of_the_memory_may_be_kept() {
    let rig = Rig::new(65, Hinting::Full);
    assert!(rig.mm.may_keep(5) && !rig.mm.may_keep(6));
    rig.mm.keep(4);
    assert!(rig.mm.may_keep(4) && !rig.mm.may_keep(5));
    rig.mm.keep(4);
    assert!(!rig.mm.may_keep(0));
}
