//! What becomes of free pages: state changes by the way in which they are used, and what the host has
//! left of those that come back.

use alloc::string::String;
use alloc::vec::Vec;

use arch::{Frame, essa, storage};
use cmm::{Content, Orc, Usage};
use rand_core::Rng as _;
use rand_pcg::Pcg64Mcg;

use super::page_churn::{Churn, Turn};
use crate::mm::{Key, Mm, PageAllocation};
use crate::report;
use crate::time::Stopwatch;

/// Pages that live, on average, in churn.
const LIVE: usize = 4096;
/// Turns of churn before counting, which bring the allocator into the state that it stays in.
const SETTLING: usize = 20_000;
/// Turns that are counted.
const TURNS: usize = 100_000;
/// Pages that are used at a time otherwise.
const BULK: usize = 4096;
/// Pages that the page cache gets. No file has that number, nor a piece of shared memory.
const CACHED: u32 = 1024;
const FILE: u32 = i32::MAX as u32 - 1;
/// Pages that go to and fro among some that do not, so that a fifth of those that are free are resident.
const MOVING: usize = 256;
const FREE: usize = 4 * MOVING;
/// How often they do.
const ROUNDS: usize = 100;
/// Shares of resident pages among the free ones with which their preference is judged, in thousandths.
const SHARES: core::ops::RangeInclusive<usize> = 100..=500;

/// Takes all figures.
///
/// # Errors
/// There is too little memory.
pub fn run(mm: &Mm<'_>, seed: u64) -> Result<(), String> {
    churn(mm, seed)?;
    bulk(mm)?;
    cache(mm)?;
    cleared(mm)?;
    resident(mm, seed)
}

fn page(mm: &Mm<'_>) -> Result<PageAllocation, String> {
    mm.allocate_page()
        .ok_or_else(|| String::from("too little memory for this work: 64 MiB will do"))
}

/// ESSA so far.
fn essa_count(mm: &Mm<'_>) -> u64 {
    mm.stats.essa.iter().map(|counter| counter.get()).sum()
}

/// Does something; reports the state changes for `count` times.
fn count_essa<T>(
    mm: &Mm<'_>,
    name: &str,
    count: usize,
    work: impl FnOnce() -> Result<T, String>,
) -> Result<T, String> {
    let before = essa_count(mm);
    let outcome = work()?;
    report::tally(name, count as u64, essa_count(mm) - before);
    Ok(outcome)
}

/// Random churn: a page that is used again soon is not hinted in between.
fn churn(mm: &Mm<'_>, seed: u64) -> Result<(), String> {
    let mut churn = Churn::new(LIVE, u128::from(seed));
    for _ in 0..LIVE {
        churn.add(page(mm)?);
    }
    turns(mm, &mut churn, SETTLING)?;
    let name = "state changes of half-full random churn, a pair";
    let instructions = count_essa(mm, name, TURNS / 2, || turns(mm, &mut churn, TURNS))?;
    let nothing = Stopwatch::start().instructions() * TURNS as u64;
    let name = "half-full random churn, an allocation and a free";
    report::measure(name, TURNS as u64 / 2, instructions - nothing);
    free(mm, &churn.end());
    Ok(())
}

/// Returns the instructions of all operations, with two looks at the clock for each.
fn turns(mm: &Mm<'_>, churn: &mut Churn<PageAllocation>, turns: usize) -> Result<u64, String> {
    let mut instructions = 0;
    for _ in 0..turns {
        match churn.turn() {
            Turn::Allocate => {
                let watch = Stopwatch::start();
                let new = page(mm);
                instructions += watch.instructions();
                churn.add(new?);
            }
            Turn::Free(page) => {
                let watch = Stopwatch::start();
                mm.free_allocated(page);
                instructions += watch.instructions();
            }
        }
    }
    Ok(instructions)
}

fn allocate(mm: &Mm<'_>, count: usize) -> Result<Vec<PageAllocation>, String> {
    let mut pages = Vec::with_capacity(count);
    for _ in 0..count {
        pages.push(page(mm)?);
    }
    Ok(pages)
}

fn free(mm: &Mm<'_>, pages: &[PageAllocation]) {
    pages.iter().for_each(|page| mm.free_allocated(*page));
}

/// More pages than a list holds, all of them allocated and then all of them freed; then the CPU idles.
fn bulk(mm: &Mm<'_>) -> Result<(), String> {
    mm.drain_page_list();
    count_essa(mm, "state changes of bulk phases, a pair", BULK, || {
        free(mm, &allocate(mm, BULK)?);
        Ok(())
    })?;
    let before = mm.stats.list_flushed.get();
    let essa = essa_count(mm);
    mm.drain_page_list();
    let flushed = mm.stats.list_flushed.get() - before;
    let name = "state changes of an idle flush, a page";
    report::tally(name, flushed, essa_count(mm) - essa);
    Ok(())
}

/// Pages that come into the page cache, are left alone, and go again.
fn cache(mm: &Mm<'_>) -> Result<(), String> {
    let name = "state changes of the page cache, a page that comes and goes";
    count_essa(mm, name, CACHED as usize, || {
        for index in 0..CACHED {
            let key = Key { file: FILE, index };
            let filling = mm
                .begin_fill(key)
                .map_err(|_| "no memory for the page cache")?;
            drop(filling.complete());
        }
        while mm.shrink_cache() > 0 {}
        Ok(())
    })
}

/// The content of a free page that the host knows to be one.
fn free_content(frame: Frame) -> Option<Content> {
    let state = essa::essa(Orc::GetState, frame.address());
    let content = state.content();
    content.filter(|_| state.usage() == Usage::Unused)
}

/// Stores into a page, so that the host has something to keep or to take.
fn touch(page: &PageAllocation) {
    // SAFETY: the page is the caller's.
    unsafe { storage::copy_in(page.frame.address(), &[1]) }
}

/// Of the pages that the host says are zero, those that are said to be when they are handed out.
fn cleared(mm: &Mm<'_>) -> Result<(), String> {
    let pages = allocate(mm, BULK)?;
    pages.iter().for_each(touch);
    free(mm, &pages);
    mm.drain_page_list();
    let zero: Vec<Frame> = (0..mm.frame_count() as u32)
        .map(Frame)
        .filter(|frame| free_content(*frame) == Some(Content::Zero))
        .collect();
    let pages = allocate(mm, BULK)?;
    let possible = pages
        .iter()
        .filter(|page| zero.binary_search(&page.frame).is_ok());
    let (possible, skipped) = possible.fold((0, 0), |(possible, skipped), page| {
        (possible + 1, skipped + u64::from(page.zero))
    });
    if possible > 0 {
        report::tally("clears skipped, of the possible", possible, skipped);
    }
    free(mm, &pages);
    Ok(())
}

/// How many of the pages that come back are resident, against what a choice at random would bring.
fn resident(mm: &Mm<'_>, seed: u64) -> Result<(), String> {
    let mut random = Pcg64Mcg::new(u128::from(seed));
    mm.drain_page_list();
    let all = mm.free_page_count().saturating_sub(FREE);
    let mut held = allocate(mm, all)?;
    let (mut chosen, mut by_chance) = (0, 0);
    for _ in 0..ROUNDS {
        for _ in 0..MOVING {
            let which = random.next_u64() as usize % held.len();
            let page = held.swap_remove(which);
            touch(&page);
            mm.free_allocated(page);
        }
        mm.drain_page_list();
        let frames = (0..mm.frame_count() as u32).map(Frame);
        let (count, resident) = frames
            .filter_map(free_content)
            .fold((0, 0), |sum, content| {
                (sum.0 + 1, sum.1 + usize::from(content == Content::Resident))
            });
        let share = resident * 1000 / count.max(1);
        let pages = allocate(mm, MOVING)?;
        if SHARES.contains(&share) {
            by_chance += MOVING * share;
            chosen += pages.iter().filter(|page| !page.zero).count() * 1000;
        }
        held.extend(pages);
    }
    free(mm, &held);
    if by_chance > 0 {
        let name = "resident pages handed out, of those by chance";
        report::tally(name, by_chance as u64, chosen as u64);
    }
    Ok(())
}
