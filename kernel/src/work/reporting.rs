//! What becomes of pages that are reported as free: their content goes, and no other.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use arch::{Frame, PAGE_SIZE, clock, storage};

use crate::mm::{Mm, PageAllocation};
use crate::task;

/// Order of the blocks here: 2 MiB, so that both are more than inflating a balloon leaves.
const ORDER: u32 = 9;
/// Pages of a block.
const PAGES: u32 = 1 << ORDER;
/// How long a report may take, in TOD units: ten seconds.
const PATIENCE: u64 = 10_000_000 * clock::UNITS_PER_MICROSECOND;
/// How often is asked whether it has come, in TOD units: every 10 ms.
const POLL: u64 = 10_000 * clock::UNITS_PER_MICROSECOND;

/// Two blocks are written; one is freed and reported, and reads as zero then; the other is as it was.
///
/// # Errors
/// One line that says what was otherwise.
pub fn run(mm: &Mm<'_>) -> Result<(), String> {
    let kept = mm
        .allocate_reclaiming(ORDER)
        .ok_or("no memory for a block")?;
    let given = mm
        .allocate_reclaiming(ORDER)
        .ok_or("no memory for a block")?;
    for number in 0..PAGES {
        write(kept.frame, number);
        write(given.frame, number);
    }
    mm.free_pages(given.frame, ORDER);
    wait_until_reported(mm, given.frame)?;
    let all = allocate_until(mm, given.frame)?;
    let lost = (0..PAGES).filter(|number| read(given.frame, *number) == Some(0));
    let lost = lost.count();
    let intact = (0..PAGES).filter(|number| read(kept.frame, *number) == Some(pattern(*number)));
    let intact = intact.count();
    all.iter()
        .for_each(|block| mm.free_pages(block.frame, ORDER));
    mm.free_pages(kept.frame, ORDER);
    match (lost as u32, intact as u32) {
        (PAGES, PAGES) => Ok(()),
        (lost, intact) => Err(format!(
            "of {PAGES} pages that were reported {lost} read as zero, of {PAGES} others {intact} are intact"
        )),
    }
}

fn wait_until_reported(mm: &Mm<'_>, first: Frame) -> Result<(), String> {
    let end = clock::now() + PATIENCE;
    while !mm.is_all_reported(first, ORDER) {
        if clock::now() > end {
            return Err(String::from(
                "a free block was not reported within ten seconds",
            ));
        }
        task::sleep_until(clock::now() + POLL);
    }
    Ok(())
}

/// Allocates blocks until the one that starts with a frame is among them.
fn allocate_until(mm: &Mm<'_>, wanted: Frame) -> Result<Vec<PageAllocation>, String> {
    let mut all = Vec::with_capacity(mm.frame_count() >> ORDER);
    while let Some(block) = mm.allocate_pages(ORDER) {
        all.push(block);
        if block.frame == wanted {
            return Ok(all);
        }
    }
    Err(String::from("a reported block cannot be allocated again"))
}

/// What is written into a page, so that none is like another.
fn pattern(number: u32) -> u32 {
    0xb100_0000 | number
}

fn write(first: Frame, number: u32) {
    let mut bytes = [0; PAGE_SIZE];
    for word in bytes.chunks_exact_mut(4) {
        word.copy_from_slice(&pattern(number).to_be_bytes());
    }
    // SAFETY: the block is the caller's.
    unsafe { storage::copy_in(Frame(first.0 + number).address(), &bytes) }
}

/// What all words of a page hold, if they are alike.
fn read(first: Frame, number: u32) -> Option<u32> {
    let mut bytes = [0; PAGE_SIZE];
    // SAFETY: the block is the caller's.
    unsafe { storage::copy_out(Frame(first.0 + number).address(), &mut bytes) }
    let (word, _) = bytes.split_first_chunk::<4>()?;
    let alike = bytes.chunks_exact(4).all(|other| other == word);
    alike.then(|| u32::from_be_bytes(*word))
}
