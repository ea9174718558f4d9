use std::collections::BTreeSet;

use arch::{Frame, sim};

use super::super::Hinting;
use super::{Rig, key};

/// Pages that inflating leaves.
const LEFT: usize = 512;

/// Inflates as far as it goes; returns the frames.
fn inflate(rig: &Rig, most: usize) -> BTreeSet<Frame> {
    let mut all = BTreeSet::new();
    loop {
        let batch = rig.mm.take_for_balloon(most - all.len());
        if batch.is_empty() {
            return all;
        }
        rig.mm.put_into_balloon(&batch);
        assert!(
            batch.iter().all(|frame| all.insert(*frame)),
            "each page once"
        );
    }
}

fn untold(rig: &Rig) -> BTreeSet<Frame> {
    let mut all = BTreeSet::new();
    loop {
        let batch = rig.mm.take_untold_withdrawn();
        if batch.is_empty() {
            return all;
        }
        assert!(
            batch.iter().all(|frame| all.insert(*frame)),
            "each page once"
        );
    }
}

#[test]
fn what_goes_in_comes_out() {
    let rig = Rig::new(2049, Hinting::Off);
    let all = inflate(&rig, 1000);
    assert_eq!((all.len(), rig.mm.ballooned_page_count()), (1000, 1000));
    assert_eq!(rig.mm.free_page_count(), 1048);
    let mut out;
    let mut left = all;
    while {
        out = rig.mm.take_from_balloon(900);
        !out.is_empty()
    } {
        assert!(out.iter().all(|frame| left.remove(frame)));
        rig.mm.free_ballooned(&out);
    }
    assert!(left.is_empty());
    assert_eq!(
        (rig.mm.ballooned_page_count(), rig.mm.free_page_count()),
        (0, 2048)
    );
}

#[test]
fn inflating_reclaims_and_leaves_enough() {
    let rig = Rig::new(2049, Hinting::Off);
    for index in 0..2000 {
        rig.fill_and_leave(key(index));
    }
    let all = inflate(&rig, usize::MAX);
    assert_eq!(all.len(), 2048 - LEFT);
    assert_eq!(rig.mm.free_page_count() + rig.mm.cached_page_count(), LEFT);
    assert!(rig.mm.stats.reclaimed.get() >= 1488);
}

/// They are in no block, and where the cache is empty nothing else calls them back.
#[test]
fn pages_that_other_cpus_have_at_hand_go_into_the_balloon() {
    let rig = Rig::new(1025, Hinting::Off);
    let mut pages: Vec<_> = core::iter::from_fn(|| rig.mm.allocate_page()).collect();
    for cpu in 1..=9 {
        sim::become_cpu(cpu);
        pages
            .drain(..64)
            .for_each(|page| rig.mm.free_allocated(page));
    }
    sim::become_cpu(0);
    assert_eq!(inflate(&rig, usize::MAX).len(), 9 * 64 - LEFT);
}

#[test]
fn a_page_in_use_does_not_go_into_the_balloon() {
    let rig = Rig::new(1025, Hinting::Off);
    let used: Vec<_> = (0..600).map(|index| rig.fill(key(index), 0x77)).collect();
    let all = inflate(&rig, usize::MAX);
    assert!(used.iter().all(|page| !all.contains(&page.frame())));
    // Those in use are in the cache, so only free pages could go.
    assert_eq!(all.len(), 424);
    let mut byte = [0];
    used.iter().for_each(|page| {
        page.read(0, &mut byte);
        assert_eq!(byte, [0x77]);
    });
}

#[test]
fn memory_that_is_short_is_withdrawn_and_told_afterwards() {
    let rig = Rig::new(1025, Hinting::Off);
    rig.mm.allow_withdrawal();
    let all = inflate(&rig, 500);
    let held: Vec<_> = (0..600).map(|index| rig.fill(key(index), 1)).collect();
    let in_use: BTreeSet<_> = held.iter().map(|page| page.frame()).collect();
    let withdrawn = rig.mm.stats.withdrawn.get() as usize;
    assert_eq!(withdrawn, 128, "two times as many as go at a time");
    assert_eq!(rig.mm.ballooned_page_count(), 500 - withdrawn);
    let untold = untold(&rig);
    assert_eq!(untold.len(), withdrawn);
    assert!(untold.is_subset(&all));
    assert!(
        in_use
            .intersection(&all)
            .all(|frame| untold.contains(frame))
    );
}

#[test]
fn nothing_is_withdrawn_unless_it_is_allowed() {
    let rig = Rig::new(1025, Hinting::Off);
    inflate(&rig, 500);
    let held: Vec<_> = (0..524).map(|index| rig.fill(key(index), 1)).collect();
    assert!(rig.mm.begin_fill(key(524)).is_err());
    assert_eq!((rig.mm.ballooned_page_count(), held.len()), (500, 524));
    assert!(rig.mm.take_untold_withdrawn().is_empty());
}

#[test]
#[should_panic(expected = "cannot be freed")]
fn a_page_in_the_balloon_is_not_freed() {
    let rig = Rig::new(1025, Hinting::Off);
    let batch = rig.mm.take_for_balloon(1);
    rig.mm.put_into_balloon(&batch);
    rig.mm.free_pages(batch[0], 0);
}
