//! Counts the instructions of our page allocator, and of others under exactly the same churn.
//!
//! Each figure is a JSON line, for `cargo xtask bench`. Instructions are those of the build machine,
//! counted by executing one at a time (`trace`); there is nothing random in them. Only the throughput
//! of several CPUs is a matter of the clock.

mod scenarios;
mod subjects;
mod threads;
mod trace;

use std::io::{self, Write as _};

use anyhow::{Context as _, Result};
use kernel::mm::{MAX_ORDER, PAGE_BATCH};
use serde::Serialize;

use scenarios::{churn, holes};
use subjects::{BuddySystem, GoodMemory, LinkedList, Ours, OursDirect, Subject, Talc};

/// Pages of the arena: 64 MiB.
const PAGES: usize = 64 << 8;
/// Pages that live, on average.
const LIVE: usize = 4096;
/// Instructions that a pair may take.
const PAIR: f64 = 100.0;
/// Instructions that an operation may take, and more for each page that it moves to or from a list.
const WORST: f64 = 256.0;
const WORST_PER_PAGE: f64 = 32.0;
/// Arenas from 64 MiB to 16 GiB, in MiB.
const GROWTH: [usize; 5] = [64, 256, 1024, 4096, 16384];

/// As `cargo xtask bench` has them.
#[derive(Serialize)]
struct Figure<'a> {
    name: String,
    value: f64,
    unit: &'a str,
    bound: Option<f64>,
}

fn say(name: String, value: f64, unit: &str, bound: Option<f64>) -> Result<()> {
    // Two digits are enough for everybody.
    let value = (value * 100.0).round() / 100.0;
    let figure = Figure {
        name,
        value,
        unit,
        bound,
    };
    let line = serde_json::to_string(&figure)?;
    writeln!(io::stdout(), "{line}").context("the figure cannot be written")
}

/// What an operation of ours may take.
fn worst_bound() -> f64 {
    WORST + WORST_PER_PAGE * PAGE_BATCH as f64
}

/// The worst operation with holes of any size in an arena.
fn worst_of_holes<S: Subject>(pages: usize, make: impl Fn(usize) -> S) -> Result<f64> {
    let mut worst = 0;
    for order in 1..=MAX_ORDER {
        worst = worst.max(holes(pages, order, &make)?);
    }
    Ok(worst.into())
}

/// What one allocator takes.
fn subject<S: Subject>(name: &str, make: impl Fn(usize) -> S, bounded: bool) -> Result<()> {
    let bound = |bound| bounded.then_some(bound);
    let say = |what: &str, value, bound| {
        say(
            format!("allocator, {name}: {what}"),
            value,
            "instructions",
            bound,
        )
    };
    let cost = churn(PAGES, LIVE, &make)?;
    say("half-full random churn, pair", cost.pair, bound(PAIR))?;
    say(
        "worst operation of churn",
        cost.worst.into(),
        bound(worst_bound()),
    )?;
    let worst = worst_of_holes(PAGES, &make)?;
    say(
        "worst operation, holes of any size",
        worst,
        bound(worst_bound()),
    )
}

/// How ours grows with the memory.
fn growth() -> Result<()> {
    for mebibytes in GROWTH {
        let pages = mebibytes << 8;
        let say = |what: &str, value, bound| {
            let name = format!("allocator, ours, {mebibytes} MiB: {what}");
            say(name, value, "instructions", Some(bound))
        };
        let cost = churn(pages, pages / 4, Ours::new)?;
        say("half-full random churn, pair", cost.pair, PAIR)?;
        let worst = holes(pages, MAX_ORDER, Ours::new)?;
        say(
            "worst operation",
            f64::from(cost.worst.max(worst)),
            worst_bound(),
        )?;
    }
    Ok(())
}

fn throughput() -> Result<()> {
    let (one, two) = threads::throughput();
    let say =
        |what: &str, value, unit: &str| say(format!("allocator, ours, {what}"), value, unit, None);
    say("one CPU: churn", one.round(), "operations a second")?;
    say("two CPUs: churn", two.round(), "operations a second")?;
    say("two CPUs to one (1.8 at least)", two / one, "times")
}

/// By the clock first: whoever counts stays on one CPU.
fn main() -> Result<()> {
    throughput()?;
    trace::stay_on_one_cpu()?;
    counts()
}

fn counts() -> Result<()> {
    subject("ours", Ours::new, true)?;
    subject("ours without lists", OursDirect::new, false)?;
    subject("good_memory_allocator", GoodMemory::new, false)?;
    subject("talc", Talc::new, false)?;
    subject("buddy_system_allocator", BuddySystem::new, false)?;
    subject("linked_list_allocator", LinkedList::new, false)?;
    growth()
}
