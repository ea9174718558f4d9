//! Copying and clearing storage of the simulated machine.
//!
//! Copies are done in parts, as the machine's are in instructions, and the host may act before each:
//! a page can be discarded in the middle of a copy. Nothing here needs the caller's promises to be
//! memory-safe; the signatures are the machine's.

use super::machine::with_host;
use crate::addr::{Absolute, PAGE_SIZE};
use crate::fault::Fault;

/// Most bytes that one MOVE (MVC) moves.
const PART: usize = 256;

/// Splits a range into parts that one instruction moves: no longer than [`PART`], within a page.
fn parts(start: Absolute, length: usize) -> impl Iterator<Item = (Absolute, usize, usize)> {
    let mut done = 0;
    core::iter::from_fn(move || {
        let at = start + done as u64;
        let count = PART.min(length - done).min(PAGE_SIZE - at.offset());
        done += count;
        (count > 0).then_some((at, done - count, done))
    })
}

/// What a fault outside a guarded instruction is: the end.
fn unguarded(outcome: Result<(), Fault>) {
    if let Err(fault) = outcome {
        panic!("in the supervisor state: {fault}");
    }
}

/// Copies out of storage.
///
/// # Panics
/// On any fault: outside a guarded copy it is a bug of the caller.
///
/// # Safety
/// As on the machine: `source` and the bytes behind it must be storage that is not discarded.
pub unsafe fn copy_out(source: Absolute, destination: &mut [u8]) {
    // SAFETY: the caller's promise.
    unguarded(unsafe { try_copy_out(source, destination) });
}

/// Copies into storage.
///
/// # Panics
/// On any fault, as [`copy_out`].
///
/// # Safety
/// As for [`copy_out`], and nobody else may read or write the destination meanwhile.
pub unsafe fn copy_in(destination: Absolute, source: &[u8]) {
    for (at, from, to) in parts(destination, source.len()) {
        unguarded(with_host(|host| host.store(at, &source[from..to])));
    }
}

/// Copies out of storage that may be discarded at any moment.
///
/// # Errors
/// The fault that ended the copy. `destination` is then partly written.
///
/// # Safety
/// As on the machine: nobody may write the source meanwhile, except the host by discarding it.
pub unsafe fn try_copy_out(source: Absolute, destination: &mut [u8]) -> Result<(), Fault> {
    for (at, from, to) in parts(source, destination.len()) {
        with_host(|host| host.load(at, &mut destination[from..to]))?;
    }
    Ok(())
}

/// Clears a page.
///
/// # Safety
/// As for [`copy_in`] with a whole page.
pub unsafe fn clear_page(page: Absolute) {
    // SAFETY: the caller owns the page.
    unsafe { copy_in(page, &[0; PAGE_SIZE]) }
}

/// Copies a page.
///
/// # Safety
/// As for [`copy_out`] and [`copy_in`] with whole pages.
pub unsafe fn copy_page(destination: Absolute, source: Absolute) {
    let mut page = [0; PAGE_SIZE];
    // SAFETY: the caller owns the destination and may read the source.
    unsafe {
        copy_out(source, &mut page);
        copy_in(destination, &page);
    }
}
