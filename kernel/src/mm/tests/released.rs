use arch::{Frame, sim};
use cmm::{Content, PageState, Usage};

use super::super::{Hinting, Lookup, PageFlags};
use super::buddy::check_zero;
use super::{Rig, key};

const FRAMES: u32 = 200;

fn all() -> impl Iterator<Item = Frame> {
    (1..FRAMES).map(Frame)
}

/// Two looks at what the host has done are all that it takes until a page is given back.
#[test]
fn released_memory_is_used_without_a_state_change() {
    for hinting in [Hinting::Unused, Hinting::Full] {
        let rig = Rig::released(FRAMES as usize, hinting);
        assert_eq!(rig.essa_count(), 2);
        assert!(all().all(|frame| rig.machine.state(frame) == PageState::SZ));
        let block = rig.mm.allocate_pages(4).expect("there is memory");
        check_zero(&rig, block.frame, 4, block.zero);
        let pages: Vec<_> = core::iter::from_fn(|| rig.mm.allocate_page()).collect();
        assert_eq!(pages.len() + 16, all().count());
        for page in &pages {
            assert!(page.zero);
            check_zero(&rig, page.frame, 0, true);
        }
        assert_eq!(rig.essa_count(), 2);
        for page in pages {
            rig.mm.free_allocated(page);
        }
        rig.mm.drain_page_list();
        // What was used is told as ever.
        let is_unused = |frame| rig.machine.state(frame).usage() == Usage::Unused;
        assert_eq!(
            all().filter(|frame| is_unused(*frame)).count() + 16,
            all().count()
        );
    }
}

/// Pages that nobody has used since they were released go to a list and back without a word.
#[test]
fn released_pages_on_a_list_stay_so() {
    let rig = Rig::released(FRAMES as usize, Hinting::Full);
    let page = rig.mm.allocate_page().expect("there is memory");
    assert!(rig.mm.listed_page_count() > 0);
    rig.mm.drain_page_list();
    assert_eq!(rig.essa_count(), 2);
    let is_released = |frame: &Frame| rig.flags(*frame).contains(PageFlags::ZERO);
    assert_eq!(all().filter(is_released).count() + 1, all().count());
    assert!(!is_released(&page.frame));
}

/// A hypervisor may answer and do nothing.
#[test]
fn memory_that_the_host_keeps_is_marked_unused() {
    let rig = Rig::reserved(sim::Hinting::Full, FRAMES as usize, Hinting::Full);
    rig.machine.keep_released();
    rig.mm.add_free_released(Frame(1), FRAMES - 1);
    assert!(all().all(|frame| rig.machine.state(frame) == PageState::UR));
    let page = rig.mm.allocate_page().expect("there is memory");
    assert!(!page.zero);
}

#[test]
fn nothing_is_released_where_nothing_is_hinted() {
    let rig = Rig::released(FRAMES as usize, Hinting::Off);
    assert!(all().all(|frame| rig.machine.state(frame) == PageState::SR));
    assert_eq!(rig.essa_count(), 0);
    assert!(!rig.mm.allocate_page().expect("there is memory").zero);
}

/// What was discarded holds nothing: set stable, it is as if it had been released.
#[test]
fn a_discarded_page_is_released_by_the_look_at_its_state() {
    let rig = Rig::released(FRAMES as usize, Hinting::Full);
    let frame = rig.fill_and_leave(key(0));
    rig.machine.evict(frame);
    let before = rig.essa_count();
    assert!(matches!(rig.mm.lookup_stable(key(0)), Lookup::WasDiscarded));
    assert_eq!(rig.machine.state(frame), PageState::SZ);
    // The attempt to make it stable, and setting it stable whatever it is.
    assert_eq!(rig.essa_count() - before, 2);
    let pages: Vec<_> = core::iter::from_fn(|| rig.mm.allocate_page()).collect();
    assert!(pages.iter().any(|page| page.frame == frame && page.zero));
    assert_eq!(rig.essa_count() - before, 2);
}

/// One that is discarded while another CPU may have a fault before it waits, and is as good afterwards.
#[test]
fn a_discarded_page_that_waited_for_sign_off_is_released() {
    let rig = Rig::released(FRAMES as usize, Hinting::Full);
    sim::become_cpu(1);
    rig.mm.go_online();
    sim::become_cpu(0);
    let frame = rig.fill_and_leave(key(0));
    rig.machine.evict(frame);
    assert!(matches!(rig.mm.lookup_stable(key(0)), Lookup::WasDiscarded));
    assert_eq!(rig.mm.sign_off_stats().waiting(), 1);
    let account = rig.mm.account();
    assert_eq!(account.waiting, 1);
    assert!(account.is_complete(), "{account}");
    assert!(!rig.flags(frame).contains(PageFlags::FREE));
    let before = rig.essa_count();
    for cpu in [0, 1, 0] {
        sim::become_cpu(cpu);
        rig.mm.sign_off(0);
    }
    assert_eq!(rig.mm.sign_off_stats().waiting(), 0);
    assert!(rig.flags(frame).contains(PageFlags::FREE | PageFlags::ZERO));
    assert_eq!(rig.essa_count(), before);
}

/// Reclaim frees pages because somebody wants them: they become stable at once, and unused never.
#[test]
fn a_page_that_displaces_another_one_costs_two_state_changes() {
    let rig = Rig::released(FRAMES as usize, Hinting::Full);
    (0..2 * FRAMES).for_each(|index| drop(rig.fill(key(index), 1)));
    let before = rig.machine.essa_counts();
    let pages = 4 * FRAMES;
    (2 * FRAMES..2 * FRAMES + pages).for_each(|index| drop(rig.fill(key(index), 1)));
    let now = rig.machine.essa_counts();
    let changes: u64 = (0..8).map(|orc| now[orc] - before[orc]).sum();
    let bound = 2 * u64::from(pages) + 64;
    assert!(changes <= bound, "{changes} for {pages} pages");
}

/// A hypervisor may have paged out what is volatile, instead of discarding it: nobody needs that any more.
#[test]
fn a_page_that_was_paged_out_while_volatile_is_freed_unused() {
    let rig = Rig::under(sim::Hinting::Kvm, FRAMES as usize, Hinting::Full);
    let frame = rig.fill_and_leave(key(0));
    assert!(rig.machine.evict(frame));
    assert_eq!(rig.machine.state(frame).content(), Content::Preserved);
    assert_eq!(rig.mm.shrink_cache(), 1);
    assert_eq!(rig.machine.state(frame), PageState::UZ);
    assert!(rig.flags(frame).contains(PageFlags::FREE));
    assert!(!rig.flags(frame).contains(PageFlags::ZERO));
}
