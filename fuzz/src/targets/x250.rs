//! Lists of DIAGNOSE X'250' against a disk that does one entry after the other: same statuses, same blocks, same storage,
//! whichever pages are away, discarded or waited for, and whichever blocks the disk cannot move.

use arbitrary::{Result, Unstructured};
use drivers::block::BLOCK_SIZE;
use drivers::x250::layout::{self, Entry};
use host::dev::x250::{Failed, Run, Shape, carry_out};
use host::mem::{AccessError, Want};

/// Pages of the guest, and the most entries of a list.
const PAGES: u64 = 4;
const PAGE: u64 = 4096;
const MOST: usize = 64;

/// A guest's storage and a disk, with what is wrong with them.
#[derive(Clone)]
struct World {
    storage: Vec<u8>,
    disk: Vec<u8>,
    /// Pages that cannot be accessed, by bit.
    gone: u8,
    /// Blocks that cannot be moved, by bit.
    broken: u64,
    /// By page: how often it has to be waited for.
    waits: [u8; PAGES as usize],
}

impl World {
    /// Moves what a run names, all or nothing.
    fn mover(&mut self, run: &Run) -> Result<std::result::Result<(), Failed>, AccessError> {
        let page = run.real / PAGE;
        assert!(run.bytes > 0 && run.bytes.is_multiple_of(BLOCK_SIZE));
        assert_eq!(
            (run.real + run.bytes as u64 - 1) / PAGE,
            page,
            "in one page"
        );
        let first = run.block as usize * BLOCK_SIZE;
        assert!(first + run.bytes <= self.disk.len(), "on the disk");
        if page >= PAGES || self.gone >> page & 1 != 0 {
            return Ok(Err(Failed::Buffer));
        }
        let waits = &mut self.waits[page as usize];
        if *waits > 0 {
            *waits -= 1;
            return Err(AccessError::Wait(Want::Page(page as u32)));
        }
        let blocks = run.block..run.block + (run.bytes / BLOCK_SIZE) as u64;
        if blocks
            .into_iter()
            .any(|block| self.broken >> (block % 64) & 1 != 0)
        {
            return Ok(Err(Failed::Disk));
        }
        let real = run.real as usize;
        let storage = &mut self.storage[real..real + run.bytes];
        let disk = &mut self.disk[first..first + run.bytes];
        if run.to_guest {
            storage.copy_from_slice(disk);
        } else {
            disk.copy_from_slice(storage);
        }
        Ok(Ok(()))
    }

    /// What an entry is to do, by itself.
    fn one(&mut self, shape: &Shape, entry: &Entry) -> u8 {
        let (block, real) = (entry.block.get(), entry.buffer.get());
        if block == 0 || block > shape.blocks {
            return layout::STATUS_OUT_OF_RANGE;
        }
        let to_guest = match entry.kind {
            layout::READ => true,
            layout::WRITE if shape.is_read_only => return layout::STATUS_READ_ONLY,
            layout::WRITE => false,
            _ => return layout::STATUS_BAD_TYPE,
        };
        let bytes = BLOCK_SIZE;
        if real % PAGE + bytes as u64 > PAGE {
            return layout::STATUS_BAD_BUFFER;
        }
        let block = block - 1;
        match self.mover(&Run {
            block,
            real,
            bytes,
            to_guest,
        }) {
            Ok(Ok(())) => 0,
            Ok(Err(Failed::Buffer)) => layout::STATUS_BAD_BUFFER,
            Ok(Err(Failed::Disk)) => layout::STATUS_IO_ERROR,
            Err(_) => unreachable!("nothing has to be waited for here"),
        }
    }
}

/// Tries a list.
pub fn run(data: &[u8]) {
    let _ = check(&mut Unstructured::new(data));
}

fn entry(input: &mut Unstructured<'_>, before: Option<Entry>) -> Result<Entry> {
    let how: u8 = input.arbitrary()?;
    if let Some(before) = before.filter(|_| how & 3 != 0) {
        // Runs are what is interesting, and chance seldom makes any.
        let buffer = before.buffer.get().wrapping_add(BLOCK_SIZE as u64);
        return Ok(Entry::new(
            before.kind,
            before.block.get().wrapping_add(1),
            buffer,
        ));
    }
    let kind = match how >> 2 & 7 {
        0 => input.arbitrary()?,
        kind => 1 + (kind & 1),
    };
    let (block, buffer) = if how >> 5 == 0 {
        (input.arbitrary()?, input.arbitrary()?)
    } else {
        let block = input.arbitrary::<u8>()?;
        let buffer = input.arbitrary::<u16>()?;
        let unit = if how >> 6 == 0 { 1 } else { BLOCK_SIZE as u64 };
        (
            block.into(),
            u64::from(buffer) * unit % ((PAGES + 1) * PAGE),
        )
    };
    Ok(Entry::new(kind, block, buffer))
}

fn check(input: &mut Unstructured<'_>) -> Result<()> {
    let shape = Shape {
        blocks: u64::from(input.arbitrary::<u8>()? & 31),
        is_read_only: input.arbitrary()?,
    };
    let pattern = |salt: u32, length: usize| -> Vec<u8> {
        let byte = |at: usize| (at as u32 / 512 * 7 + at as u32 + salt) as u8;
        (0..length).map(byte).collect()
    };
    let mut world = World {
        storage: pattern(1, (PAGES * PAGE) as usize),
        disk: pattern(100, shape.blocks as usize * BLOCK_SIZE),
        gone: input.arbitrary()?,
        broken: input.arbitrary()?,
        waits: input
            .arbitrary::<[u8; PAGES as usize]>()?
            .map(|count| count & 3),
    };
    let mut list: Vec<Entry> = Vec::new();
    while list.len() < MOST && !input.is_empty() {
        let next = entry(input, list.last().copied())?;
        list.push(next);
    }
    let mut expected = world.clone();
    expected.waits = [0; PAGES as usize];
    let statuses: Vec<u8> = list
        .iter()
        .map(|entry| expected.one(&shape, entry))
        .collect();
    let mut done: Vec<u8> = Vec::new();
    loop {
        // The instruction begins again, with the list as the guest has it.
        let mut again = list.clone();
        for (entry, status) in again.iter_mut().zip(&done) {
            entry.status = *status;
        }
        let outcome = carry_out(&shape, &mut again, done.len(), &mut |run| world.mover(run));
        let count = match outcome {
            Ok(()) => again.len(),
            Err((at, error)) => {
                assert!(matches!(error, AccessError::Wait(_)) && at < again.len());
                at
            }
        };
        done = again[..count].iter().map(|entry| entry.status).collect();
        if outcome.is_ok() {
            break;
        }
    }
    assert_eq!(done, statuses);
    assert!(world.storage == expected.storage && world.disk == expected.disk);
    Ok(())
}

/// Runs, single blocks, and both ends of a disk.
#[must_use]
pub fn seeds() -> Vec<Vec<u8>> {
    let list = |blocks: u8, broken: u64, waits: [u8; 4], entries: &[&[u8]]| {
        let mut bytes = vec![blocks, 0, 0];
        bytes.extend(broken.to_le_bytes());
        bytes.extend(waits);
        bytes.extend(entries.concat());
        bytes
    };
    let read: &[u8] = &[0x40, 1, 0, 0];
    let write: &[u8] = &[0x64, 3, 8, 0];
    let next: &[u8] = &[1];
    vec![
        list(31, 0, [0; 4], &[read, next, next, next]),
        list(
            31,
            0x10,
            [1, 2, 0, 0],
            &[read, next, next, write, next, next],
        ),
        list(8, 0, [0; 4], &[write, next, read, next, next, next]),
    ]
}
