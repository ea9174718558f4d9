//! Moves between storage and a task's storage on the simulated machine, which is told the tables that
//! the machine would find by control register 1.
//!
//! A move is done in parts, each of which translates anew: what was moved before a fault stays moved.

use super::host::Host;
use super::machine::with_host;
use crate::addr::{Absolute, PAGE_SIZE};
use crate::fault::Fault;
use crate::program;
use crate::table::PageTables;

/// Most bytes that one instruction moves.
const MOST: usize = 4096;
/// Most bytes of a part.
const PART: usize = 256;

/// Bits of a translation-exception identification; that the space is the primary one is none.
mod identification {
    pub(super) const STORE: u64 = 0x400;
    pub(super) const FETCH: u64 = 0x800;
    pub(super) const BY_DAT: u64 = 0x4;
}

fn translate(tables: &PageTables, address: u64, store: bool) -> Result<Absolute, Fault> {
    let kind = if store {
        identification::STORE
    } else {
        identification::FETCH
    };
    let fault = |code, more| Fault {
        code,
        identification: address & !0xfff | kind | more,
    };
    let page = tables
        .page_at(address)
        .ok_or_else(|| fault(program::SEGMENT_TRANSLATION, 0))?;
    let entry = tables.get(page);
    let frame = entry
        .frame()
        .ok_or_else(|| fault(program::PAGE_TRANSLATION, 0))?;
    if store && entry.is_protected() {
        return Err(fault(program::PROTECTION, identification::BY_DAT));
    }
    Ok(frame.address() + address % PAGE_SIZE as u64)
}

/// Moves as much as one instruction does, in parts that are in one page of either operand.
fn move_parts(
    user: u64,
    real: Absolute,
    length: usize,
    part: impl Fn(&mut Host, u64, Absolute, &mut [u8]) -> Result<(), Fault>,
) -> Result<usize, Fault> {
    let length = length.min(MOST);
    let mut done = 0;
    while done < length {
        let (at, from) = (user + done as u64, real + done as u64);
        let count = PART
            .min(length - done)
            .min(PAGE_SIZE - at as usize % PAGE_SIZE)
            .min(PAGE_SIZE - from.offset());
        let mut bytes = [0; PART];
        with_host(|host| part(host, at, from, &mut bytes[..count]))?;
        done += count;
    }
    Ok(length)
}

/// Moves to a virtual address; returns how many of the bytes were moved.
///
/// # Errors
/// The fault that ended the instruction.
///
/// # Safety
/// As on the machine.
pub unsafe fn to_user(
    tables: &PageTables,
    from: Absolute,
    to: u64,
    length: usize,
) -> Result<usize, Fault> {
    move_parts(to, from, length, |host, to, from, bytes| {
        host.load(from, bytes)?;
        host.store(translate(tables, to, true)?, bytes)
    })
}

/// Moves from a virtual address; returns how many of the bytes were moved.
///
/// # Errors
/// The fault that ended the instruction.
///
/// # Safety
/// As on the machine.
pub unsafe fn from_user(
    tables: &PageTables,
    from: u64,
    to: Absolute,
    length: usize,
) -> Result<usize, Fault> {
    move_parts(from, to, length, |host, from, to, bytes| {
        host.load(translate(tables, from, false)?, bytes)?;
        host.store(to, bytes)
    })
}
