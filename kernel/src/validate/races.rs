//! What holds when other CPUs do the same at the same time.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::hint::spin_loop;
use core::sync::atomic::{AtomicU32, Ordering};

use arch::{Frame, essa};
use cmm::{Orc, Usage};

use super::stage::Stage;
use super::{NO_ESSA, observed};
use crate::{smp, task};

/// How often two CPUs meet: where they share one of another machine, each time takes a time slice.
const ROUNDS: u32 = 500;
/// How often each of them changes a state.
const CHANGES: usize = 10_000;
/// Is ESSA serialising: do both CPUs see the other's store that went before it?
const SERIALISING: u16 = 501;
/// Is each change of state atomic: is every state that was set seen by just one that changes it?
const ATOMIC: u16 = 502;

/// What two CPUs share. Each has a word of its own and a round that it is in.
#[derive(Default)]
struct Shared {
    words: [AtomicU32; 2],
    rounds: [AtomicU32; 2],
}

pub(super) fn run(stage: &mut Stage<'_>) {
    let why = match () {
        () if !stage.has_essa => Some(NO_ESSA),
        () if smp::all().count() < 2 => Some("skipped: one CPU"),
        () => None,
    };
    if let Some(why) = why {
        for check in [SERIALISING, ATOMIC] {
            observed(check, format_args!("2 CPUs"), format_args!("{why}"));
        }
        return;
    }
    let page = stage.take();
    serialising(page);
    atomic(stage, page);
    stage.give_back(page);
}

/// Waits until the other CPU is in the round.
fn meet(shared: &Shared, own: usize, round: u32) {
    shared.rounds[own].store(round, Ordering::SeqCst);
    while shared.rounds[1 - own].load(Ordering::SeqCst) < round {
        spin_loop();
    }
}

/// One CPU's part: a store, ESSA, and a fetch of the other's word; for each round, whether that word was old.
fn cross(shared: &Shared, own: usize, page: Frame) -> Vec<bool> {
    let mut old = Vec::with_capacity(ROUNDS as usize);
    for round in 1..=ROUNDS {
        meet(shared, own, 2 * round - 1);
        // Nothing here orders but the instruction.
        shared.words[own].store(round, Ordering::Relaxed);
        let _ = essa::try_essa(Orc::GetState, page.address());
        old.push(shared.words[1 - own].load(Ordering::Relaxed) != round);
        meet(shared, own, 2 * round);
    }
    old
}

fn serialising(page: Frame) {
    let shared = Arc::new(Shared::default());
    let theirs = shared.clone();
    let case = format_args!("2 CPUs");
    let Ok(other) = task::spawn(move || cross(&theirs, 1, page)) else {
        return observed(SERIALISING, case, format_args!("skipped: no memory"));
    };
    let own = cross(&shared, 0, page);
    let both = own
        .iter()
        .zip(other.join())
        .filter(|(own, other)| **own && *other)
        .count();
    observed(SERIALISING, case, format_args!("both old in {both} rounds"));
}

/// How often each usage state was set, less how often it was found.
type Balance = [i64; 4];

/// Sets usage states in turn, each CPU in its own order.
fn change(shared: &Shared, own: usize, page: Frame) -> Balance {
    const ORDERS: [[Orc; 4]; 2] = [
        [
            Orc::SetVolatile,
            Orc::SetStable,
            Orc::SetUnused,
            Orc::SetPotentiallyVolatile,
        ],
        [
            Orc::SetUnused,
            Orc::SetPotentiallyVolatile,
            Orc::SetStable,
            Orc::SetVolatile,
        ],
    ];
    let mut balance = [0; 4];
    meet(shared, own, 1);
    for round in 0..CHANGES {
        let orc = ORDERS[own][round % 4];
        let set = match orc {
            Orc::SetStable => Usage::Stable,
            Orc::SetUnused => Usage::Unused,
            Orc::SetVolatile => Usage::Volatile,
            _ => Usage::PotentiallyVolatile,
        };
        if let Ok(old) = essa::try_essa(orc, page.address()) {
            balance[set as usize] += 1;
            balance[old.usage() as usize] -= 1;
        }
    }
    balance
}

fn atomic(stage: &Stage<'_>, page: Frame) {
    let usage = || stage.state(page).0.map(|told| told.usage());
    let before = usage();
    let shared = Arc::new(Shared::default());
    let theirs = shared.clone();
    let case = format_args!("2 CPUs");
    let Ok(other) = task::spawn(move || change(&theirs, 1, page)) else {
        return observed(ATOMIC, case, format_args!("skipped: no memory"));
    };
    let own = change(&shared, 0, page);
    let mut sum = other.join();
    for (sum, own) in sum.iter_mut().zip(own) {
        *sum += own;
    }
    // Before anything was set, and what was set last, have nobody who sets and nobody who finds.
    if let (Some(before), Some(after)) = (before, usage()) {
        sum[before as usize] += 1;
        sum[after as usize] -= 1;
    }
    let lost: i64 = sum.iter().map(|count| count.abs()).sum();
    observed(ATOMIC, case, format_args!("{lost} changes lost"));
}
