//! Address spaces on the simulated machine against a model of plain bytes: files and anonymous memory,
//! private and shared, copied, locked, swapped out and truncated, under hosts that discard.

mod device;
mod model;
mod pair;

use std::sync::atomic::Ordering::Relaxed;

use arch::sim::Eviction;
use kernel::mm::{Hinting, Parts};
use pair::Pair;

/// Operations of each seed.
const OPERATIONS: usize = 10_000;
/// What happened while operations were played.
#[derive(Default, Debug)]
struct Happened {
    swapped_in: u64,
    written: u64,
    copied: u64,
    reused: u64,
    discards: u64,
    failures: u64,
    write_errors: u64,
    remapped: u64,
    /// Places that were looked at because of that.
    non_linear: u64,
    ahead: u64,
    saved: u64,
}

impl Happened {
    fn add(&mut self, pair: &Pair) {
        let stats = &pair.mm.stats;
        self.swapped_in += stats.swapped_in.get();
        self.written += stats.pages_written.get();
        self.copied += stats.copies_on_write.get();
        self.reused += stats.reused.get();
        self.discards += pair.machine.discards();
        self.failures += stats.stable_failures.get();
        self.write_errors += stats.write_errors.get();
        self.remapped += pair.remapped;
        self.non_linear += stats.non_linear_steps.get();
        self.ahead += stats.read_ahead_used.get();
        self.saved += u64::from(pair.device.saved.load(Relaxed));
    }
}

/// Plays so many operations of each seed.
///
/// Returns what happened on the way, without which the test would prove little.
fn play(hinting: Hinting, eviction: Eviction, batch: usize, seeds: u64) -> Happened {
    let prepare = |pair: &Pair| pair.mm.set_release_batch(batch);
    play_prepared(&prepare, hinting, eviction, seeds)
}

/// As [`play`], with what `prepare` does to each pair.
fn play_prepared(
    prepare: &dyn Fn(&Pair),
    hinting: Hinting,
    eviction: Eviction,
    seeds: u64,
) -> Happened {
    let mut happened = Happened::default();
    for seed in 0..seeds {
        let mut pair = Pair::new(hinting, eviction, seed);
        prepare(&pair);
        for number in 0..OPERATIONS {
            let step = std::panic::AssertUnwindSafe(|| pair.step());
            if let Err(payload) = std::panic::catch_unwind(step) {
                eprintln!("{hinting:?}, {eviction:?}, seed {seed}, operation {number}");
                std::panic::resume_unwind(payload);
            }
        }
        happened.add(&pair);
        pair.end();
    }
    let all = happened.swapped_in * happened.written * happened.copied * happened.reused;
    let remapped = happened.remapped * happened.non_linear;
    assert!(all > 0 && remapped > 0, "{happened:?}");
    assert!(happened.ahead > 0 && happened.saved > 0, "{happened:?}");
    happened
}

#[test]
fn spaces_show_what_the_model_does_without_hints() {
    play(Hinting::Off, Eviction::Never, 8, 25);
}

#[test]
fn spaces_show_what_the_model_does_with_unused_pages() {
    play(Hinting::Unused, Eviction::OneIn(20), 8, 25);
}

#[test]
fn spaces_show_what_the_model_does_under_a_host_that_discards() {
    let happened = play(Hinting::Full, Eviction::OneIn(20), 8, 40);
    assert!(
        happened.discards > 0 && happened.failures > 0,
        "{happened:?}"
    );
}

#[test]
fn spaces_show_what_the_model_does_under_the_worst_host() {
    let happened = play(Hinting::Full, Eviction::Always, 0, 20);
    assert!(
        happened.discards > 0 && happened.failures > 0,
        "{happened:?}"
    );
}

#[test]
fn spaces_show_what_the_model_does_on_a_device_that_fails_to_write() {
    // One write in nine.
    let prepare = |pair: &Pair| pair.device.fails.store(9, Relaxed);
    let happened = play_prepared(&prepare, Hinting::Full, Eviction::OneIn(20), 20);
    assert!(
        happened.discards > 0 && happened.write_errors > 100,
        "{happened:?}"
    );
}

#[test]
fn spaces_show_what_the_model_does_without_parts_of_the_scheme() {
    for (name, part) in Parts::NAMES {
        let prepare = |pair: &Pair| pair.mm.leave_out(part);
        let happened = play_prepared(&prepare, Hinting::Full, Eviction::OneIn(20), 5);
        assert!(happened.discards > 0, "without {name}: {happened:?}");
    }
}
