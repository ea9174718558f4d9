//! Discarded pages that are freed when all CPUs have signed off.

use arch::{Frame, sim};

use super::super::{Hinting, LATENCIES, Lookup, PageFlags};
use super::{Rig, key};

/// A machine with so many CPUs, of which this thread is the first.
fn rig(cpus: usize) -> Rig {
    let rig = Rig::new(64, Hinting::Full);
    for cpu in (0..cpus).rev() {
        sim::become_cpu(cpu);
        rig.mm.go_online();
    }
    rig
}

impl Rig {
    /// A page of the cache is found discarded by a CPU.
    fn find_discarded(&self, cpu: usize, index: u32) -> Frame {
        sim::become_cpu(cpu);
        let frame = self.fill_and_leave(key(index));
        self.machine.evict(frame);
        let found = self.mm.lookup_stable(key(index));
        assert!(matches!(found, Lookup::WasDiscarded));
        frame
    }

    /// CPUs sign off one after the other; returns how many pages wait after each.
    fn sign_off<const N: usize>(&self, cpus: [usize; N]) -> [u32; N] {
        cpus.map(|cpu| {
            sim::become_cpu(cpu);
            self.mm.sign_off(0);
            self.waiting()
        })
    }

    fn poll<const N: usize>(&self, cpus: [usize; N]) -> [u32; N] {
        cpus.map(|cpu| {
            sim::become_cpu(cpu);
            self.mm.sign_off_if_awaited();
            self.waiting()
        })
    }

    fn waiting(&self) -> u32 {
        self.mm.sign_off_stats().waiting()
    }
}

/// And when they have, nobody waits for anybody: the next page waits no longer.
#[test]
fn a_page_is_freed_when_all_cpus_have_signed_off_once() {
    let rig = rig(3);
    for index in 0..3 {
        let frame = rig.find_discarded(0, index);
        // And nothing is known of the old content.
        let allowed = PageFlags::HINTED | PageFlags::ZERO;
        assert!(allowed.contains(rig.flags(frame)));
        assert_eq!(rig.sign_off([0, 1, 1, 0, 2]), [1, 1, 1, 1, 0]);
        assert!(rig.flags(frame).contains(PageFlags::FREE));
    }
    let stats = rig.mm.sign_off_stats();
    assert_eq!((stats.rounds.get(), stats.longest()), (3, 1));
}

#[test]
fn pages_that_come_during_a_round_wait_for_the_next() {
    let rig = rig(2);
    let first: Vec<_> = (0..3).map(|index| rig.find_discarded(0, index)).collect();
    rig.sign_off([0]);
    let second: Vec<_> = (3..7).map(|index| rig.find_discarded(0, index)).collect();
    assert_eq!(rig.sign_off([0, 1]), [7, 4]);
    let are_free = |frames: &[Frame]| {
        let mut flags = frames.iter().map(|frame| rig.flags(*frame));
        flags.all(|flags| flags.contains(PageFlags::FREE))
    };
    assert!(are_free(&first) && !are_free(&second[..1]));
    assert_eq!(rig.sign_off([1, 0]), [4, 0]);
    assert!(are_free(&second));
    let stats = rig.mm.sign_off_stats();
    assert_eq!((stats.rounds.get(), stats.longest()), (2, 7));
    assert!(rig.mm.account().is_complete());
}

#[test]
fn pages_of_several_cpus_go_together() {
    let rig = rig(2);
    rig.find_discarded(0, 0);
    rig.find_discarded(1, 1);
    rig.find_discarded(1, 2);
    assert_eq!(rig.sign_off([0, 1, 0]), [3, 2, 0]);
}

#[test]
fn nobody_waits_for_a_cpu_that_is_idle_or_offline() {
    let rig = rig(2);
    sim::become_cpu(1);
    rig.mm.enter_idle();
    assert_eq!((rig.mm.online_cpus(), rig.mm.idle_cpus()), (0b11, 0b10));
    rig.find_discarded(0, 0);
    assert_eq!(rig.waiting(), 0);
    sim::become_cpu(1);
    rig.mm.leave_idle();
    assert_eq!(rig.mm.idle_cpus(), 0);
    rig.find_discarded(0, 1);
    assert_eq!(rig.waiting(), 1);
    assert_eq!(rig.sign_off([0, 1]), [1, 0]);
    sim::become_cpu(1);
    rig.mm.go_offline();
    assert_eq!(rig.mm.online_cpus(), 0b01);
    rig.find_discarded(0, 2);
    assert_eq!(rig.waiting(), 0);
}

#[test]
fn a_cpu_that_goes_idle_or_offline_signs_off_and_hands_its_pages_over() {
    for leave in [
        |rig: &Rig| rig.mm.enter_idle(),
        |rig: &Rig| rig.mm.go_offline(),
    ] {
        let rig = rig(2);
        rig.find_discarded(0, 0);
        rig.sign_off([0]);
        rig.find_discarded(1, 1);
        leave(&rig);
        assert_eq!(rig.waiting(), 1, "it was the last for the first page");
        assert_eq!(rig.sign_off([0]), [0]);
    }
}

#[test]
fn a_cpu_that_polls_signs_off_if_a_round_waits_for_it() {
    let rig = rig(2);
    rig.find_discarded(0, 0);
    assert_eq!(rig.poll([1, 0, 1]), [1, 1, 1], "there is no round so far");
    assert_eq!(rig.sign_off([0]), [1]);
    assert_eq!(rig.poll([0, 1]), [1, 0]);
}

#[test]
fn who_needs_pages_makes_others_sign_off_wherever_they_poll() {
    let rig = rig(2);
    sim::become_cpu(0);
    assert!(!rig.mm.hurry_sign_off(), "no page waits");
    rig.find_discarded(1, 0);
    sim::become_cpu(0);
    assert!(rig.mm.hurry_sign_off());
    assert_eq!(rig.poll([1, 0]), [1, 0]);
    assert!(!rig.mm.hurry_sign_off());
    // That is over when the pages are there.
    rig.find_discarded(1, 1);
    assert_eq!(rig.poll([1, 0, 1, 0]), [1; 4]);
}

#[test]
fn pages_are_counted_by_the_ticks_that_they_have_waited() {
    let rig = rig(2);
    for (index, (from, to)) in [(3, 5), (10, 10), (11, 100)].into_iter().enumerate() {
        sim::become_cpu(0);
        rig.mm.note_tick(from);
        rig.find_discarded(0, index as u32);
        for cpu in [0, 1] {
            sim::become_cpu(cpu);
            rig.mm.sign_off(to);
        }
    }
    let latency = &rig.mm.sign_off_stats().latency;
    let counted: Vec<_> = (0..LATENCIES).filter(|at| latency[*at].get() > 0).collect();
    assert_eq!(counted, [0, 2, LATENCIES - 1]);
}
