//! What holds when other CPUs do the same, or something that could come in between, at the same time.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::hint::spin_loop;
use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use arch::clock::{self, UNITS_PER_MICROSECOND};
use arch::{Frame, PswMask, diagnose, essa};
use cmm::{Content, Orc, PageState, Usage};

use super::pressure::{self, Sweep};
use super::stage::{Stage, asking_for};
use super::{NO_ESSA, NOT_OBSERVED, ONE_CPU, observed};
use crate::{smp, task};

/// How often two CPUs meet: where they share one of another machine, each time takes a time slice.
const ROUNDS: u32 = 500;
/// How often each of them changes a state.
const CHANGES: usize = 10_000;
/// How often pages are made volatile while all memory is used, and how many.
const SWEEPS: u32 = 3;
const SWEPT: usize = 16;
/// Longest time for one sweep, in TOD units: a second.
const PATIENCE: u64 = 1_000_000 * UNITS_PER_MICROSECOND;
/// How often an instruction is executed that uses a storage key.
const KEYS: usize = 1000;

/// Is ESSA serialising: do both CPUs see the other's store that went before it?
const SERIALISING: u16 = 501;
/// Is each change of state atomic: is every state that was set seen by just one that changes it?
const ATOMIC: u16 = 502;
/// Does what is told of a page that the hypervisor may take meanwhile hold: what is asked for, and the operation that
/// asks for it to be stable again.
const TOLD: [(u16, Usage, Orc); 3] = [
    (503, Usage::Volatile, Orc::SetStableIfNotDiscarded),
    (504, Usage::Volatile, Orc::SetStableMakeResident),
    (
        505,
        Usage::PotentiallyVolatile,
        Orc::SetStableIfNotDiscarded,
    ),
];
/// Do instructions that use the storage key need the page's content?
const KEY: u16 = 506;

/// What two CPUs share. Each has a word of its own, a round that it is in, and what it has found in it.
#[derive(Default)]
struct Shared {
    words: [AtomicU32; 2],
    rounds: [AtomicU32; 2],
    old: [AtomicBool; 2],
    /// Whether the first one has done its part.
    ended: AtomicBool,
}

/// What is counted, by usage state or by check.
type Tally = [i64; 4];

fn tell(check: u16, what: &dyn fmt::Display) {
    observed(check, &"2 CPUs", what);
}

pub(super) fn run(stage: &mut Stage<'_>) {
    let why = match () {
        () if !stage.has_essa => Some(NO_ESSA),
        () if smp::all().count() < 2 => Some(ONE_CPU),
        () => None,
    };
    if let Some(why) = why {
        return (SERIALISING..=KEY).for_each(|check| tell(check, &why));
    }
    let page = stage.take();
    serialising(page);
    atomic(stage, page);
    stage.give_back(page);
    for (check, usage, orc) in TOLD {
        told(stage, check, usage, orc);
    }
    let page = stage.take();
    keys(stage, page);
    stage.give_back(page);
}

/// Does its part while another CPU does theirs; what both count, or why there is no other.
fn together(
    check: u16,
    page: Frame,
    theirs: fn(&Shared, Frame) -> Tally,
    ours: &mut dyn FnMut(&Shared) -> Tally,
) -> Option<Tally> {
    let shared = Arc::new(Shared::default());
    let its = shared.clone();
    let Ok(other) = task::spawn(move || theirs(&its, page)) else {
        tell(check, &"skipped: no memory");
        return None;
    };
    let own = ours(&shared);
    shared.ended.store(true, Ordering::SeqCst);
    let mut sum = other.join();
    for (sum, own) in sum.iter_mut().zip(own) {
        *sum += own;
    }
    Some(sum)
}

/// Waits until the other CPU is in the round.
fn meet(shared: &Shared, own: usize, round: u32) {
    shared.rounds[own].store(round, Ordering::SeqCst);
    while shared.rounds[1 - own].load(Ordering::SeqCst) < round {
        spin_loop();
    }
}

/// One CPU's part: a store, ESSA, and a fetch of the other's word; the first counts the rounds in which both words were old.
fn cross(shared: &Shared, own: usize, page: Frame) -> Tally {
    let mut both = 0;
    for round in 1..=ROUNDS {
        meet(shared, own, 2 * round - 1);
        // Nothing here orders but the instruction.
        shared.words[own].store(round, Ordering::Relaxed);
        let _ = essa::try_essa(Orc::GetState, page.address());
        let old = shared.words[1 - own].load(Ordering::Relaxed) != round;
        shared.old[own].store(old, Ordering::SeqCst);
        meet(shared, own, 2 * round);
        let is_both = old && shared.old[1 - own].load(Ordering::SeqCst);
        both += i64::from(own == 0 && is_both);
    }
    [both, 0, 0, 0]
}

fn serialising(page: Frame) {
    let theirs = |shared: &Shared, page| cross(shared, 1, page);
    let ours = &mut |shared: &Shared| cross(shared, 0, page);
    if let Some([both, ..]) = together(SERIALISING, page, theirs, ours) {
        tell(SERIALISING, &format_args!("both old in {both} rounds"));
    }
}

/// Sets usage states in turn, each CPU in its own order; counts how often each was set, less how often it was found.
fn change(shared: &Shared, own: usize, page: Frame) -> Tally {
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
    let theirs = |shared: &Shared, page| change(shared, 1, page);
    let ours = &mut |shared: &Shared| change(shared, 0, page);
    let Some(mut sum) = together(ATOMIC, page, theirs, ours) else {
        return;
    };
    // Before anything was set, and what was set last, have nobody who sets and nobody who finds.
    if let (Some(before), Some(after)) = (before, usage()) {
        sum[before as usize] += 1;
        sum[after as usize] -= 1;
    }
    let lost: i64 = sum.iter().map(|count| count.abs()).sum();
    tell(ATOMIC, &format_args!("{lost} changes lost"));
}

/// Uses all free pages until the other CPU has done its part; each time is a round.
fn use_all(shared: &Shared, _: Frame) -> Tally {
    let sweep = Sweep::new(smp::mm());
    while !shared.ended.load(Ordering::SeqCst) {
        sweep.run(&mut task::poll);
        shared.rounds[1].fetch_add(1, Ordering::SeqCst);
    }
    [0; 4]
}

/// Waits until the other CPU has used all pages once more.
fn await_sweep(shared: &Shared) {
    let (now, end) = (
        shared.rounds[1].load(Ordering::SeqCst),
        clock::now() + PATIENCE,
    );
    while shared.rounds[1].load(Ordering::SeqCst) == now && clock::now() < end {
        spin_loop();
    }
}

/// Pages are made volatile and stable again while the hypervisor takes pages: who is told that the content is there
/// must find it, and one that was stored into must never go.
fn told(stage: &mut Stage<'_>, check: u16, usage: Usage, orc: Orc) {
    let pages: Vec<Frame> = (0..SWEPT.min(stage.spare()))
        .map(|_| stage.take())
        .collect();
    let (mut taken, mut wrong) = (0, 0);
    let ours = &mut |shared: &Shared| {
        for _ in 0..SWEEPS {
            for page in &pages {
                // What is paged out is not kept then, which is told at once.
                while {
                    stage.fill(*page);
                    pressure::store(stage, *page);
                    let old = essa::try_essa(asking_for(usage), page.address());
                    old.is_ok_and(|old| old.content() != Some(Content::Resident))
                } {
                    let _ = essa::try_essa(Orc::SetStable, page.address());
                }
            }
            await_sweep(shared);
            for page in &pages {
                let Ok(old) = essa::try_essa(orc, page.address()) else {
                    continue;
                };
                taken += i64::from(old.content() != Some(Content::Resident));
                let is_lost = old.state() == Ok(PageState::VZ);
                let may_be_lost = usage == Usage::Volatile;
                let is_right = if is_lost {
                    may_be_lost
                } else {
                    stage.content(*page) == "kept"
                };
                wrong += i64::from(!is_right);
                let _ = essa::try_essa(Orc::SetStable, page.address());
            }
        }
        [taken, wrong, 0, 0]
    };
    match pages
        .first()
        .and_then(|page| together(check, *page, use_all, ours))
    {
        Some([0, ..]) | None => tell(check, &NOT_OBSERVED),
        Some([_, wrong, ..]) => tell(check, &format_args!("{wrong} told wrongly")),
    }
    pages.into_iter().for_each(|page| stage.give_back(page));
}

/// Loses the page's content over and over.
fn lose(shared: &Shared, page: Frame) -> Tally {
    let at = page.address();
    while !shared.ended.load(Ordering::SeqCst) {
        let _ = essa::try_essa(Orc::SetVolatile, at);
        // SAFETY: the page is the stage's, its content is of no worth.
        let _ = unsafe { diagnose::release_pages(at, at) };
        let _ = essa::try_essa(Orc::SetStable, at);
        task::poll();
    }
    [0; 4]
}

/// ISKE, SSKE, RRBE.
fn keys(stage: &Stage<'_>, page: Frame) {
    const CODES: [[u8; 4]; 3] = [
        [0xb2, 0x29, 0x00, 0x42],
        [0xb2, 0x2b, 0x00, 0x42],
        [0xb2, 0x2a, 0x00, 0x42],
    ];
    let ours = &mut |_: &Shared| {
        let mut code = 0;
        let at = [(2, page.address().0)];
        for number in 0..KEYS {
            let seen = stage.attempt(PswMask::empty(), &CODES[number % 3], page, &at);
            if !seen.is_complete() {
                code = seen.ended.code.into();
            }
        }
        [code, 0, 0, 0]
    };
    match together(KEY, page, lose, ours) {
        Some([0, ..]) => tell(KEY, &"no exception"),
        Some([code, ..]) => tell(KEY, &format_args!("{code:04x}")),
        None => {}
    }
}
