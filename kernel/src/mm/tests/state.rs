use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use arch::sim;
use arch::{Frame, storage};
use cmm::{Orc, PageState, Usage};

use super::super::page::Page;
use super::super::state::{Obstacle, obstacle};
use super::super::{Discarded, Hinting, Lookup, PageFlags};
use super::{Rig, key};

/// A page in the cache with a reference besides the cache's, which is what `known` = 2 accounts for.
fn held_page() -> (Rig, Frame) {
    let rig = Rig::new(32, Hinting::Full);
    let page = rig.fill(key(0), 1);
    let frame = page.frame();
    core::mem::forget(page);
    (rig, frame)
}

/// Raises an obstacle, expects it to keep the page stable without any ESSA, takes it away again and
/// expects the page to become volatile.
fn check(expected: Obstacle, raise: impl Fn(&Page), lower: impl Fn(&Page)) {
    let (rig, frame) = held_page();
    let page = rig.mm.page(frame);
    raise(page);
    assert_eq!(obstacle(page, 2), Some(expected));
    let before = rig.essa_count();
    assert!(!rig.mm.make_volatile(frame, 2), "{expected:?}");
    assert_eq!(rig.essa_count(), before, "{expected:?}");
    assert_eq!(rig.machine.state(frame), PageState::SR, "{expected:?}");
    assert_eq!(rig.mm.stats.volatile_refused.get(), 1);
    assert!(!page.flags().contains(PageFlags::STATE_CHANGE));
    lower(page);
    assert!(rig.mm.make_volatile(frame, 2), "{expected:?} is gone");
    assert_eq!(rig.machine.state(frame), PageState::VR);
}

fn set(flag: PageFlags) -> impl Fn(&Page) {
    move |page| {
        page.set(flag);
    }
}

fn reset(flag: PageFlags) -> impl Fn(&Page) {
    move |page| {
        page.reset(flag);
    }
}

#[test]
fn a_reserved_page_stays_stable() {
    check(
        Obstacle::Reserved,
        set(PageFlags::RESERVED),
        reset(PageFlags::RESERVED),
    );
}

#[test]
fn a_dirty_page_stays_stable() {
    check(
        Obstacle::Dirty,
        set(PageFlags::DIRTY),
        reset(PageFlags::DIRTY),
    );
}

#[test]
fn a_page_being_written_stays_stable() {
    check(
        Obstacle::Writeback,
        set(PageFlags::WRITEBACK),
        reset(PageFlags::WRITEBACK),
    );
}

#[test]
fn a_locked_page_stays_stable() {
    check(
        Obstacle::Locked,
        set(PageFlags::LOCKED),
        reset(PageFlags::LOCKED),
    );
}

#[test]
fn an_anonymous_page_without_swap_stays_stable() {
    check(
        Obstacle::Anonymous,
        set(PageFlags::ANON),
        reset(PageFlags::ANON),
    );
}

#[test]
fn an_anonymous_page_in_the_swap_cache_may_be_volatile() {
    let (rig, frame) = held_page();
    rig.mm.page(frame).reset(PageFlags::CACHED);
    rig.mm
        .page(frame)
        .set(PageFlags::ANON | PageFlags::SWAP_CACHE);
    assert!(rig.mm.make_volatile(frame, 2));
}

#[test]
fn a_page_of_no_cache_stays_stable() {
    check(
        Obstacle::NoMapping,
        reset(PageFlags::CACHED),
        set(PageFlags::CACHED),
    );
}

#[test]
fn a_page_not_up_to_date_stays_stable() {
    check(
        Obstacle::NotUpToDate,
        reset(PageFlags::UP_TO_DATE),
        set(PageFlags::UP_TO_DATE),
    );
}

#[test]
fn a_page_with_private_data_stays_stable() {
    check(
        Obstacle::Private,
        set(PageFlags::PRIVATE),
        reset(PageFlags::PRIVATE),
    );
}

#[test]
fn a_removed_page_stays_stable() {
    check(
        Obstacle::Discarded,
        set(PageFlags::DISCARDED),
        reset(PageFlags::DISCARDED),
    );
}

#[test]
fn a_page_off_the_lru_list_stays_stable() {
    check(
        Obstacle::NotOnLru,
        reset(PageFlags::LRU),
        set(PageFlags::LRU),
    );
}

#[test]
fn a_page_with_an_unknown_reference_stays_stable() {
    check(Obstacle::References, Page::get, |page| assert!(!page.put()));
}

#[test]
fn references_of_mappings_are_known() {
    let (rig, frame) = held_page();
    rig.mm.page(frame).pretend_mappings(3);
    assert!(!rig.mm.make_volatile(frame, 1), "ours is not known");
    assert!(rig.mm.make_volatile(frame, 2));
}

#[test]
fn a_page_mapped_writable_becomes_potentially_volatile() {
    let (rig, frame) = held_page();
    rig.mm.page(frame).set(PageFlags::WRITABLE);
    assert!(rig.mm.make_volatile(frame, 2));
    assert_eq!(rig.machine.state(frame), PageState::PR);
    assert_eq!(rig.mm.page(frame).hinted(), Usage::PotentiallyVolatile);
    // It has been stored into, so the host must not discard it.
    assert!(!rig.machine.evict(frame));
}

#[test]
fn make_volatile_gives_up_while_somebody_changes_the_state() {
    let (rig, frame) = held_page();
    rig.mm.page(frame).set(PageFlags::STATE_CHANGE);
    let before = rig.essa_count();
    assert!(!rig.mm.make_volatile(frame, 2));
    assert_eq!(rig.essa_count(), before);
    assert_eq!(rig.machine.state(frame), PageState::SR);
    assert!(
        rig.flags(frame).contains(PageFlags::STATE_CHANGE),
        "it is the other's to reset"
    );
}

#[test]
fn make_stable_waits_for_whoever_changes_the_state() {
    let (rig, frame) = held_page();
    assert!(rig.mm.make_volatile(frame, 2));
    rig.mm.page(frame).set(PageFlags::STATE_CHANGE);
    let done = AtomicBool::new(false);
    let before = rig.essa_count();
    thread::scope(|scope| {
        scope.spawn(|| {
            let _entered = rig.machine.enter();
            assert_eq!(rig.mm.make_stable(frame), Ok(()));
            done.store(true, Ordering::SeqCst);
        });
        thread::sleep(Duration::from_millis(30));
        assert!(!done.load(Ordering::SeqCst));
        assert_eq!(rig.essa_count(), before);
        rig.mm.page(frame).reset(PageFlags::STATE_CHANGE);
    });
    assert_eq!(rig.machine.state(frame), PageState::SR);
}

/// The same with a page whose descriptor says stable: somebody may be about to make it volatile.
#[test]
fn make_stable_waits_even_if_the_page_looks_stable() {
    let (rig, frame) = held_page();
    rig.mm.page(frame).set(PageFlags::STATE_CHANGE);
    let done = AtomicBool::new(false);
    let before = rig.essa_count();
    thread::scope(|scope| {
        scope.spawn(|| {
            let _entered = rig.machine.enter();
            assert_eq!(rig.mm.make_stable(frame), Ok(()));
            done.store(true, Ordering::SeqCst);
        });
        thread::sleep(Duration::from_millis(30));
        assert!(!done.load(Ordering::SeqCst));
        rig.mm.page(frame).reset(PageFlags::STATE_CHANGE);
    });
    assert_eq!(rig.essa_count(), before, "it was stable all the time");
}

/// One CPU takes references and makes the page stable, another tries to make it volatile all the
/// time, and a host would discard at any moment: who has made it stable never loses it.
#[test]
fn a_reference_made_stable_keeps_the_page() {
    let rig = Rig::new(32, Hinting::Full);
    let frame = rig.fill_and_leave(key(0));
    let page = rig.mm.page(frame);
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            let _entered = rig.machine.enter();
            while !done.load(Ordering::SeqCst) {
                rig.mm.make_volatile(frame, 1);
            }
        });
        let mut kept = 0;
        for _ in 0..3000 {
            page.get();
            assert_eq!(
                rig.mm.make_stable(frame),
                Ok(()),
                "nobody evicts in between"
            );
            assert_eq!(rig.machine.state(frame).usage(), Usage::Stable);
            kept += u32::from(!rig.machine.evict(frame));
            assert!(!page.put());
        }
        done.store(true, Ordering::SeqCst);
        assert_eq!(kept, 3000);
    });
}

#[test]
fn a_discarded_page_cannot_be_made_stable() {
    let (rig, frame) = held_page();
    assert!(rig.mm.make_volatile(frame, 2));
    assert!(rig.machine.evict(frame));
    assert_eq!(rig.mm.make_stable(frame), Err(Discarded));
    assert_eq!(rig.machine.state(frame), PageState::VZ);
    assert_eq!(rig.mm.stats.stable_failures.get(), 1);
    assert_eq!(rig.mm.stats.made_stable.get(), 0);
    assert!(!rig.flags(frame).contains(PageFlags::STATE_CHANGE));
}

#[test]
fn a_transition_to_the_state_that_is_set_issues_no_essa() {
    let (rig, frame) = held_page();
    let counts = || rig.machine.essa_counts();
    let before = counts();
    let of =
        |orc: Orc| (counts()[usize::from(orc.code())] - before[usize::from(orc.code())]) as u32;
    for _ in 0..3 {
        assert_eq!(rig.mm.make_stable(frame), Ok(()));
    }
    assert_eq!(counts(), before);
    for _ in 0..3 {
        assert!(rig.mm.make_volatile(frame, 2));
    }
    assert_eq!(of(Orc::SetVolatile), 1);
    for _ in 0..3 {
        assert_eq!(rig.mm.make_stable(frame), Ok(()));
    }
    assert_eq!(of(Orc::SetStableIfNotDiscarded), 1);
    assert_eq!(rig.mm.stats.made_volatile.get(), 1);
    assert_eq!(rig.mm.stats.made_stable.get(), 1);
}

#[test]
fn the_kernel_counts_what_the_machine_executes() {
    let rig = Rig::new(64, Hinting::Full);
    for index in 0..40 {
        drop(rig.fill(key(index), 1));
        rig.machine.evict_all();
        let _ = rig.mm.lookup_stable(key(index / 2));
    }
    let counted = rig.mm.stats.essa.each_ref().map(|counter| counter.get());
    assert_eq!(counted, rig.machine.essa_counts());
}

#[test]
fn unused_hinting_never_makes_volatile() {
    let rig = Rig::new(32, Hinting::Unused);
    let frame = rig.fill_and_leave(key(0));
    assert_eq!(rig.machine.state(frame), PageState::SR);
    assert!(matches!(rig.mm.lookup_stable(key(0)), Lookup::Hit(_)));
    let counts = rig.machine.essa_counts();
    assert_eq!(counts[3..], [0; 5]);
}

/// What the simulated machine does to a kernel that uses a page without making it stable.
#[test]
#[should_panic(expected = "in the supervisor state: block-volatility")]
fn using_a_discarded_page_is_fatal() {
    let (rig, frame) = held_page();
    assert!(rig.mm.make_volatile(frame, 2));
    rig.machine.evict(frame);
    // SAFETY: not at all, which is what this shows.
    unsafe { storage::copy_out(frame.address(), &mut [0]) }
}

/// KVM pages volatile pages out like any others, and then refuses to make one stable if it is resident:
/// the page would stay volatile, and what comes next might drop it.
#[test]
fn a_page_that_was_paged_out_while_volatile_is_made_stable_without_the_condition() {
    let rig = Rig::under(sim::Hinting::Kvm, 32, Hinting::Full);
    let frame = rig.fill_and_leave(key(0));
    assert_eq!(rig.machine.state(frame), PageState::VR);
    assert!(rig.machine.evict(frame));
    assert_eq!(rig.machine.state(frame), cmm::extended::VP);
    let before = rig.machine.essa_counts();
    let Lookup::Hit(page) = rig.mm.lookup_stable(key(0)) else {
        panic!("the content is preserved");
    };
    let after = rig.machine.essa_counts();
    let count = |orc: Orc| after[usize::from(orc.code())] - before[usize::from(orc.code())];
    assert_eq!(
        (count(Orc::SetStableIfNotDiscarded), count(Orc::SetStable)),
        (1, 1)
    );
    assert_eq!(rig.machine.state(frame), PageState::SP);
    let mut content = [0; 16];
    page.read(0, &mut content);
    assert_eq!(content, [0xa5; 16]);
    assert_eq!(rig.mm.stats.stable_failures.get(), 0);
}

/// A second hint drops what was preserved: then it is gone, and the kernel is told so.
#[test]
fn a_page_that_was_dropped_after_it_was_paged_out_is_lost() {
    let rig = Rig::under(sim::Hinting::Kvm, 32, Hinting::Full);
    let frame = rig.fill_and_leave(key(0));
    assert!(rig.machine.evict(frame));
    let old = arch::essa::essa(Orc::SetVolatile, frame.address());
    assert_eq!(old.state(), Ok(cmm::extended::VP));
    assert_eq!(rig.machine.state(frame), PageState::VZ);
    assert!(matches!(rig.mm.lookup_stable(key(0)), Lookup::WasDiscarded));
    assert_eq!(rig.mm.stats.stable_failures.get(), 1);
}
