//! A disk: whatever a driver puts into its queue, sectors are moved within the disk and pages, a disk that cannot be
//! written is not, and a device that had to wait for storage has done the same in the end as one that had not.

use std::sync::Arc;

use arbitrary::{Result, Unstructured};
use host::dev::buffers::Buffers;
use host::dev::virtio::{Block, Virtio};
use host::mem::notifier::{Notifier as _, Right};

use super::virtio::{
    AVAILABLE, DATA, INDICATORS, USED, assert_same, command_all, disturb, driven, fill, ring,
    serve_all,
};
use crate::storage::{Memory, PAGES};

/// The disk's number.
const NUMBER: u16 = 0x0103;

/// Tries a disk.
pub fn run(data: &[u8]) {
    let _ = check(&mut Unstructured::new(data));
}

fn check(input: &mut Unstructured<'_>) -> Result<()> {
    let how: u8 = input.arbitrary()?;
    let (has_tables, is_read_only, is_discarded) = (how & 1 != 0, how & 2 != 0, how & 4 != 0);
    let sectors = u64::from(how >> 3);
    let mut memory = Memory::new(sectors);
    memory.is_read_only = is_read_only;
    memory.discarded = is_discarded.then_some(DATA / 4096 + 1);
    memory.broken = u64::from(input.arbitrary::<u8>()?) << 56;
    let entries = fill(&mut memory, input)?;
    let make = || {
        let buffers = Arc::<Buffers>::default();
        let block = Block::new(NUMBER, sectors, is_read_only, Arc::clone(&buffers));
        (driven(block.into(), 0, entries, 0, has_tables), buffers)
    };
    let ((mut plain, held), (mut waiting, also_held)) = (make(), make());
    let (before, mut other) = (memory.clone(), memory.clone());
    disturb(&mut other, input)?;
    serve_all(&mut plain, 0, &mut memory);
    serve_all(&mut waiting, 0, &mut other);
    assert_same(&memory, &other);
    assert_eq!(plain.is_driven(), waiting.is_driven());
    for buffers in [held, also_held] {
        let all = buffers.invalidate_range(0..PAGES as u32, Right::Content);
        assert!(all.is_ok(), "nothing is held when nothing is under way");
    }
    if is_read_only {
        assert!(memory.disk == before.disk);
    }
    check_progress(&before, &memory, entries, &plain);
    command_all(&mut plain, input)
}

/// A device that goes on has completed all that it was offered, unless its answers went where the rings are.
fn check_progress(before: &Memory, after: &Memory, entries: u16, device: &Virtio) {
    let word = |memory: &Memory, at| memory.get(at).map_or(0, u16::from_le_bytes);
    let is_kept = before.bytes[..USED as usize] == after.bytes[..USED as usize];
    let ends = INDICATORS[1] as usize + 8..DATA as usize;
    let is_kept = is_kept && before.bytes[ends.clone()] == after.bytes[ends];
    let offered = word(before, AVAILABLE + 2);
    if device.is_driven() && is_kept && offered <= entries {
        let used = word(after, USED + 2);
        assert_eq!(used, offered, "of {offered} requests {used} are complete");
    }
}

/// A read, a write, a flush, the identification, and one of an unknown kind.
#[must_use]
pub fn seeds() -> Vec<Vec<u8>> {
    // Header of 16 bytes at the start of the data, sectors behind it, status behind those.
    let header: &[u8] = &[0x11, 1, 0, 0, 16];
    let status: &[u8] = &[0x12, 0, 0, 0x20, 1];
    let read: &[u8] = &[0x23, 2, 16, 3];
    let write: &[u8] = &[0x21, 2, 16, 3];
    let with = |kind: u8, sector: u8, data: &[u8]| {
        let mut order = [0; 16];
        (order[0], order[8]) = (kind, sector);
        let mut bytes = vec![31 << 3, 0];
        let four = ring(
            &[0, 0, 0, 0],
            &[header, data, status, status],
            &[(0, &order)],
        );
        bytes.extend(four);
        bytes.extend([2; PAGES as usize]);
        bytes
    };
    vec![
        with(0, 1, read),
        with(1, 2, write),
        with(1, 30, write),
        with(4, 0, write),
        with(8, 0, read),
        with(9, 0, read),
    ]
}
