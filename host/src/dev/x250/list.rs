//! A list of blocks to read and write: what each entry asks for, and what becomes of it.

use arch::PAGE_SIZE;
use drivers::block::BLOCK_SIZE;
use drivers::x250::layout::{self, Entry};

use crate::mem::{AccessError, is_in_one_page};

/// What a list needs to know of the disk.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Shape {
    /// How many blocks it has.
    pub blocks: u64,
    /// Whether it cannot be written.
    pub is_read_only: bool,
}

/// What is to be moved: whole blocks that are on the disk, to or from storage in one page.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Run {
    /// The first block, counted from 0.
    pub block: u64,
    /// Guest real address.
    pub real: u64,
    /// Length in bytes.
    pub bytes: usize,
    /// Which way.
    pub to_guest: bool,
}

/// Why nothing was moved.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Failed {
    /// The storage does not exist, or is discarded.
    Buffer,
    /// The disk says no.
    Disk,
}

/// How runs are moved. The only outer errors are those of the host: there is no frame, or the page must be waited for.
type Mover<'a> = dyn FnMut(&Run) -> Result<Result<(), Failed>, AccessError> + 'a;

/// Carries out the entries of a list from one on; each has its status then.
///
/// # Errors
/// How many entries of the list are done, and why it does not go on.
pub fn carry_out(
    disk: &Shape,
    list: &mut [Entry],
    from: usize,
    mover: &mut Mover<'_>,
) -> Result<(), (usize, AccessError)> {
    let mut at = from;
    let mut most = list.len();
    while at < list.len() {
        let run = run_length(&list[at..]).min(most);
        let status = run_entries(disk, &list[at..at + run], mover).map_err(|error| (at, error))?;
        if run > 1 && status != 0 {
            // One of them may be the reason, and each has a status of its own.
            most = 1;
            continue;
        }
        for entry in &mut list[at..at + run] {
            entry.status = status;
        }
        at += run;
    }
    Ok(())
}

/// How many entries from the first on are one run: consecutive blocks in one page of storage.
fn run_length(list: &[Entry]) -> usize {
    let page = |address: u64| address / PAGE_SIZE as u64;
    let first = list[0];
    let follows = |(at, entry): &(usize, &Entry)| {
        let step = *at as u64;
        entry.kind == first.kind
            && entry.block.get() == first.block.get().wrapping_add(step)
            && entry.buffer.get() == first.buffer.get().wrapping_add(step * BLOCK_SIZE as u64)
            && page(entry.buffer.get().wrapping_add(BLOCK_SIZE as u64 - 1))
                == page(first.buffer.get())
    };
    list.iter().enumerate().take_while(follows).count().max(1)
}

/// Runs entries that are one run; returns their status.
fn run_entries(disk: &Shape, run: &[Entry], mover: &mut Mover<'_>) -> Result<u8, AccessError> {
    let (first, bytes) = (run[0], run.len() * BLOCK_SIZE);
    // Blocks are counted from 1.
    let Some(block) = first.block.get().checked_sub(1) else {
        return Ok(layout::STATUS_OUT_OF_RANGE);
    };
    let end = block.checked_add(run.len() as u64);
    if end.is_none_or(|end| end > disk.blocks) {
        return Ok(layout::STATUS_OUT_OF_RANGE);
    }
    let to_guest = match first.kind {
        layout::READ => true,
        layout::WRITE if disk.is_read_only => return Ok(layout::STATUS_READ_ONLY),
        layout::WRITE => false,
        _ => return Ok(layout::STATUS_BAD_TYPE),
    };
    let real = first.buffer.get();
    if !is_in_one_page(real, bytes) {
        // A block across two pages: rare, and not offered.
        return Ok(layout::STATUS_BAD_BUFFER);
    }
    let run = Run {
        block,
        real,
        bytes,
        to_guest,
    };
    Ok(match mover(&run)? {
        Ok(()) => 0,
        Err(Failed::Buffer) => layout::STATUS_BAD_BUFFER,
        Err(Failed::Disk) => layout::STATUS_IO_ERROR,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const DISK: Shape = Shape {
        blocks: 8,
        is_read_only: false,
    };

    /// Statuses of reads of consecutive blocks to consecutive places of one page, and the runs that were moved.
    fn read(from: u64, count: u64, bad: Option<u64>) -> (Vec<u8>, Vec<(u64, usize)>) {
        let entry = |at| Entry::new(layout::READ, from.wrapping_add(at), BLOCK_SIZE as u64 * at);
        let mut list: Vec<Entry> = (0..count).map(entry).collect();
        let mut runs = Vec::new();
        let outcome = carry_out(&DISK, &mut list, 0, &mut |run| {
            let blocks = run.bytes / BLOCK_SIZE;
            let is_bad =
                bad.is_some_and(|bad| (run.block..run.block + blocks as u64).contains(&bad));
            if is_bad {
                return Ok(Err(Failed::Disk));
            }
            runs.push((run.block, blocks));
            Ok(Ok(()))
        });
        assert_eq!(outcome, Ok(()));
        (list.iter().map(|entry| entry.status).collect(), runs)
    }

    #[test]
    fn consecutive_blocks_of_one_page_are_moved_at_once() {
        assert_eq!(read(1, 8, None), (vec![0; 8], vec![(0, 8)]));
    }

    #[test]
    fn a_block_that_cannot_be_read_fails_alone() {
        let (statuses, runs) = read(1, 3, Some(1));
        assert_eq!(statuses, [0, layout::STATUS_IO_ERROR, 0]);
        assert_eq!(runs, [(0, 1), (2, 1)]);
    }

    #[test]
    fn blocks_in_front_of_the_end_of_the_disk_are_moved_and_those_behind_are_not() {
        const OUT: u8 = layout::STATUS_OUT_OF_RANGE;
        assert_eq!(
            read(7, 4, None),
            (vec![0, 0, OUT, OUT], vec![(6, 1), (7, 1)])
        );
        assert_eq!(read(0, 3, None), (vec![OUT, 0, 0], vec![(0, 1), (1, 1)]));
        assert_eq!(read(u64::MAX, 3, None).0, [OUT, OUT, 0]);
    }

    #[test]
    fn a_buffer_at_the_end_of_all_addresses_is_a_bad_one() {
        let mut list = [Entry::new(layout::WRITE, 1, u64::MAX - 100); 2];
        let outcome = carry_out(&DISK, &mut list, 0, &mut |_| unreachable!());
        assert_eq!(outcome, Ok(()));
        assert_eq!(
            list.map(|entry| entry.status),
            [layout::STATUS_BAD_BUFFER; 2]
        );
    }
}
