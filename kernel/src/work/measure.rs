//! Counting instructions on the paths that hinting adds, on a machine that executes one a nanosecond.
//!
//! Under a host, what the host executes for this kernel counts too. The page that is measured with
//! belongs to no file and is filled from memory: a device would add its waiting, which is the host's.
//! Which of the paths behind an ESSA is taken is the host's choice; a figure is reported only if it
//! chose the same each time.

use alloc::format;
use alloc::string::String;

use arch::{PAGE_SIZE, clock, essa, storage};
use cmm::Orc;

use crate::mm::{Hinting, Key, Lookup, Mm, Optimistic, StableRef};
use crate::report;
use crate::time::{self, Stopwatch};
use crate::work::measure_faults;
use crate::{sync, task};

/// How often each path is taken.
const COUNT: u64 = 1000;
/// The page that is measured with; no file has that number, nor a piece of shared memory.
const KEY: Key = Key {
    file: i32::MAX as u32,
    index: 0,
};
const CONTENT: [u8; PAGE_SIZE] = [0x5a; PAGE_SIZE];

/// Instructions that [`COUNT`] times `path` takes, without `before`, which precedes each; `None` if it
/// did not take the way that it was meant to.
fn instructions(mut before: impl FnMut(), mut path: impl FnMut() -> bool) -> Option<u64> {
    let mut total = 0;
    for _ in 0..COUNT {
        before();
        let watch = Stopwatch::start();
        let taken = core::hint::black_box(path());
        total += watch.instructions();
        if !taken {
            return None;
        }
    }
    Some(total)
}

/// Reports the instructions of a path, less what reading the clock takes.
fn count(name: &str, before: impl FnMut(), path: impl FnMut() -> bool) {
    let nothing = instructions(|| {}, || true).unwrap_or(0);
    match instructions(before, path) {
        Some(all) => report::measure(name, COUNT, all.saturating_sub(nothing)),
        None => log::warn!("no figure for '{name}': the host chose otherwise"),
    }
}

/// Takes all figures.
///
/// # Errors
/// There is no page to measure with.
pub fn run(mm: &Mm<'_>) -> Result<(), String> {
    pure_wait();
    tick();
    allocation(mm)?;
    // Brings the page into the cache, where all that follows finds it.
    drop(load(mm).ok_or("no memory for the page to measure with")?);
    hits(mm);
    optimistic(mm);
    measure_faults::run(mm, KEY).map_err(|error| format!("no faults: {error}"))?;
    if mm.hinting() == Hinting::Full {
        transitions(mm);
        discards(mm);
    }
    Ok(())
}

/// The page, stable; filled if it is not in the cache.
fn load<'m>(mm: &'m Mm<'_>) -> Option<StableRef<'m>> {
    if let Lookup::Hit(page) = mm.lookup_stable(KEY) {
        return Some(page);
    }
    let filling = mm.begin_fill(KEY).ok()?;
    // SAFETY: the page is new and locked.
    unsafe { storage::copy_in(filling.address(), &CONTENT) }
    filling.complete()
}

/// Reads the page by a fault-tolerant copy; returns whether that worked.
// In all builds a call, or they cannot be compared.
#[inline(never)]
fn try_read(mm: &Mm<'_>) -> bool {
    let mut bytes = [0; 64];
    let page = mm.lookup_no_discard(KEY);
    page.is_some_and(|page| page.try_read(0, &mut bytes).is_ok())
}

/// A wait executes nothing: what is left after the time of waiting is taken off must be nothing but
/// the code around it, which is the same for a short wait and a long one.
fn pure_wait() {
    const MILLISECOND: u64 = 1000 * clock::UNITS_PER_MICROSECOND;
    // One piece of code for both, which the compiler cannot tailor to either. The first is a trial run.
    let [_, short, long] = core::hint::black_box([1, 1, 10]).map(|milliseconds| {
        let watch = Stopwatch::start();
        task::sleep_until(clock::now() + milliseconds * MILLISECOND);
        watch.instructions()
    });
    report::measure(
        "wait of 10 ms, beyond that of a wait of 1 ms",
        1,
        long.abs_diff(short),
    );
}

/// A tick that finds nothing to do, by way of the poll that takes it.
fn tick() {
    count("tick, nothing discarded", time::make_tick_due, || {
        sync::poll();
        true
    });
}

/// A page from the allocator and back, and what a query of its state costs.
fn allocation(mm: &Mm<'_>) -> Result<(), String> {
    // Its buddy is what is measured: neither split nor merged.
    let neighbour = mm.allocate_pages(0).ok_or("no memory to measure with")?;
    count(
        "page allocated and freed",
        || {},
        || {
            let block = mm.allocate_pages(0);
            block.is_some_and(|block| {
                mm.free_pages(block.frame, 0);
                true
            })
        },
    );
    if mm.hinting() != Hinting::Off {
        count(
            "ESSA, state queried",
            || {},
            || !essa::essa(Orc::GetState, neighbour.frame.address()).exception(),
        );
    }
    mm.free_pages(neighbour.frame, 0);
    Ok(())
}

/// What the page cache costs while the page is held, and therefore there.
fn hits(mm: &Mm<'_>) {
    let _held = load(mm);
    count(
        "page-cache hit by a stable reference",
        || {},
        || matches!(mm.lookup_stable(KEY), Lookup::Hit(_)),
    );
    count(
        "page-cache hit by a fault-tolerant copy of 64 bytes",
        || {},
        || try_read(mm),
    );
}

/// What an optimistic copy costs; it needs nobody to hold the page.
fn optimistic(mm: &Mm<'_>) {
    let mut bytes = [0; 64];
    count(
        "page-cache hit by an optimistic copy of 64 bytes",
        || drop(load(mm)),
        || mm.read_optimistic(KEY, 0, &mut bytes) == Optimistic::Read,
    );
}

/// Volatile and back, if the host leaves the page alone, or not back, if it takes it.
fn transitions(mm: &Mm<'_>) {
    count(
        "page made volatile and stable again",
        || drop(load(mm)),
        || matches!(mm.lookup_stable(KEY), Lookup::Hit(_)),
    );
    count(
        "page made volatile, then found discarded and removed",
        || drop(load(mm)),
        || matches!(mm.lookup_stable(KEY), Lookup::WasDiscarded),
    );
}

/// The discard fault, if the host takes the page as soon as it may.
fn discards(mm: &Mm<'_>) {
    count(
        "discard fault, page removed",
        || drop(load(mm)),
        || !try_read(mm),
    );
    count(
        "discard fault, page removed and filled again",
        || drop(load(mm)),
        || !try_read(mm) && load(mm).is_some(),
    );
}
