use super::*;

const SIZE: u32 = 4096;

fn guest(is_alive: bool) -> Seen {
    Seen {
        size: if is_alive { SIZE } else { 0 },
        has_balloon: is_alive,
    }
}

const fn frames(free: usize, paged_out: u64) -> Frames {
    Frames {
        total: 4096,
        free,
        paged_out,
    }
}

const SHORT: Frames = frames(100, 0);
const PLENTY: Frames = frames(1000, 0);
const ENOUGH: Frames = frames(300, 0);

/// A monitor of guests that have used so many pages, and all of whose memory is asked for.
fn pressed(used: &[u32]) -> Monitor {
    let mut monitor = Monitor::new(Settings::DEFAULT, used.len());
    for (at, used) in used.iter().enumerate() {
        monitor.see(at, *used);
    }
    let guests = vec![guest(true); used.len()];
    (0..4).for_each(|_| monitor.plan(SHORT, &guests));
    monitor
}

fn targets(monitor: &Monitor) -> Vec<u32> {
    (0..monitor.estimates.len())
        .map(|at| monitor.target(at))
        .collect()
}

#[test]
fn nothing_is_asked_for_while_frames_are_plenty() {
    let mut monitor = Monitor::new(Settings::DEFAULT, 2);
    for frames in [PLENTY, ENOUGH] {
        monitor.plan(frames, &[guest(true); 2]);
        assert_eq!(targets(&monitor), [0, 0]);
    }
}

#[test]
fn idle_guests_give_more_and_all_fit_in_the_end() {
    let monitor = pressed(&[2600, 0]);
    let [busy, idle] = targets(&monitor)[..] else {
        unreachable!()
    };
    // In proportion to 1496 and 3072 pages that are idle.
    assert!(busy * 2 < idle, "{busy} {idle}");
    let left = 2 * SIZE - busy - idle;
    assert!((3700..=3840 + 64).contains(&left), "{left}");
}

#[test]
fn a_guest_keeps_what_it_uses_and_its_floor() {
    let monitor = pressed(&[4096, 0, 0, 0]);
    let targets = targets(&monitor);
    assert_eq!(targets[0], 0);
    // All that they have beyond a quarter, although that is not enough.
    assert_eq!(targets[1..], [3072; 3]);
}

#[test]
fn paging_is_a_shortage_whatever_is_free() {
    let mut monitor = Monitor::new(Settings::DEFAULT, 2);
    let paged_out = Frames {
        paged_out: 1,
        ..PLENTY
    };
    monitor.plan(paged_out, &[guest(true); 2]);
    assert!(monitor.target(0) > 0);
    let before = monitor.pressure;
    // The same as before: it is over.
    monitor.plan(paged_out, &[guest(true); 2]);
    assert!(monitor.pressure < before);
}

#[test]
fn memory_comes_back_more_slowly_than_it_goes() {
    let mut monitor = pressed(&[0, 0]);
    let all = monitor.target(0);
    monitor.plan(ENOUGH, &[guest(true); 2]);
    assert_eq!(monitor.target(0), all);
    monitor.plan(PLENTY, &[guest(true); 2]);
    let some = monitor.target(0);
    assert!(some < all && some > all * 3 / 4, "{some} of {all}");
    (0..16).for_each(|_| monitor.plan(PLENTY, &[guest(true); 2]));
    assert_eq!(monitor.target(0), 0);
}

#[test]
fn a_guest_that_has_ended_leaves_its_memory_to_the_others() {
    let mut monitor = pressed(&[0, 0]);
    monitor.plan(ENOUGH, &[guest(true), guest(false)]);
    // What is left is short of what is to be free.
    assert!(monitor.target(0) <= 256 && monitor.target(1) == 0);
}

#[test]
fn estimates_rise_at_once_and_fall_slowly() {
    let mut monitor = Monitor::new(Settings::DEFAULT, 1);
    monitor.see(0, 1000);
    assert_eq!(monitor.estimates[0].needed, 1000);
    monitor.see(0, 0);
    assert_eq!(monitor.estimates[0].needed, 750);
    monitor.see(0, 2000);
    assert_eq!(monitor.estimates[0].needed, 2000);
}

#[test]
fn guests_are_not_told_of_small_changes() {
    let mut monitor = pressed(&[1500, 1500]);
    let before = targets(&monitor);
    monitor.see(0, 1520);
    monitor.plan(SHORT, &[guest(true); 2]);
    assert_eq!(targets(&monitor), before);
}

#[test]
fn each_guest_has_its_turn_in_an_interval() {
    let mut monitor = Monitor::new(Settings::DEFAULT, 2);
    let ms = 1000 * UNITS_PER_MICROSECOND;
    assert_eq!(monitor.turn(ms), Some(0));
    assert!(!monitor.is_round());
    assert_eq!(monitor.turn(100 * ms), None);
    assert_eq!(monitor.turn(101 * ms), Some(1));
    assert!(monitor.is_round());
    assert_eq!(monitor.next(), 201 * ms);
}

#[test]
fn nobody_is_asked_who_has_no_balloon() {
    let mut monitor = Monitor::new(Settings::DEFAULT, 2);
    let mute = Seen {
        has_balloon: false,
        ..guest(true)
    };
    (0..4).for_each(|_| monitor.plan(SHORT, &[guest(true), mute]));
    assert_eq!(targets(&monitor), [3072, 0]);
}
