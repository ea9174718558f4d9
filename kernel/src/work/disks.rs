//! Writing the disks that may be written, and reading back: a check of drivers and host.
//!
//! Each block that is written says which disk, which block and which run (seed) it belongs to, so
//! that a look at the images from outside finds whose block it is.

use alloc::format;
use alloc::string::{String, ToString};

use arch::storage;
use drivers::block::{self, BLOCK_SIZE, Choice, Disk};

use crate::mm::Mm;

/// Disks that may be written, as far as they are there.
const DISKS: [u16; 3] = [0x0101, 0x0102, 0x0103];
/// How many blocks are written at the start of a disk; the last block is written, too.
const BLOCKS: u64 = 19;

/// What a block holds: a text, and the rest filled with its number.
fn content(disk: u16, number: u64, seed: u64) -> [u8; BLOCK_SIZE] {
    let mut block = [number as u8; BLOCK_SIZE];
    let text = format!("disk {disk:04x} block {number} seed {seed}\n");
    block[..text.len()].copy_from_slice(text.as_bytes());
    block
}

/// Writes and reads back every disk that is there and may be written.
///
/// # Errors
/// The first thing that is wrong, or there is no such disk.
pub fn run(mm: &Mm<'_>, seed: u64) -> Result<(), String> {
    let mut found = 0;
    for number in DISKS {
        let disk = block::find(number, Choice::Auto).map_err(|error| error.to_string())?;
        if let Some(disk) = disk.filter(|disk| !disk.is_read_only()) {
            found += 1;
            check(&disk, mm, seed)?;
        }
    }
    if found == 0 {
        return Err("there is no disk that may be written".to_string());
    }
    Ok(())
}

fn check(disk: &Disk, mm: &Mm<'_>, seed: u64) -> Result<(), String> {
    let frame = mm.allocate_reclaiming(0).ok_or("out of memory")?.frame;
    let at = frame.address();
    let last = disk.blocks() - 1;
    let numbers = || (0..BLOCKS).chain([last]);
    let text = |error: block::BlockError| error.to_string();
    for number in numbers() {
        // SAFETY: the frame is ours.
        unsafe {
            storage::copy_in(at, &content(disk.number(), number, seed));
            disk.write(number, at, BLOCK_SIZE).map_err(text)?;
        }
    }
    for number in numbers() {
        let mut read = [0; BLOCK_SIZE];
        // SAFETY: the frame is ours.
        unsafe {
            disk.read(number, at, BLOCK_SIZE).map_err(text)?;
            storage::copy_out(at, &mut read);
        }
        if read != content(disk.number(), number, seed) {
            return Err(format!(
                "disk {:04x}, block {number}: not what was written",
                disk.number()
            ));
        }
    }
    // SAFETY: the frame is ours; nothing is read from behind the end.
    if unsafe { disk.read(last + 1, at, BLOCK_SIZE) }.is_ok() {
        return Err(format!("disk {:04x} reads behind its end", disk.number()));
    }
    mm.free_pages(frame, 0);
    Ok(())
}
