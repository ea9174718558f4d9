//! A split virtqueue, device side: each request is what a second reader finds, and what is completed is where the driver
//! looks for it.

use arbitrary::{Result, Unstructured};
use host::dev::virtio::{Broken, Queue};

use super::virtio::{AVAILABLE, DESCRIPTORS, INDIRECT, NEXT, TO_DRIVER, USED, fill, ring};
use crate::storage::Memory;

/// Address, length, and whether the device may write.
type Piece = (u64, u32, bool);

/// Tries a queue.
pub fn run(data: &[u8]) {
    let mut input = Unstructured::new(data);
    let _ = check_new(&mut input);
    let _ = check(&mut Unstructured::new(data));
}

/// A queue that is accepted is one.
fn check_new(input: &mut Unstructured<'_>) -> Result<()> {
    let entries: u16 = input.arbitrary()?;
    let parts: [u64; 3] = input.arbitrary()?;
    let is_good = (entries == 0 || entries.is_power_of_two())
        && parts[0].is_multiple_of(16)
        && parts[1].is_multiple_of(2)
        && parts[2].is_multiple_of(4)
        && parts.iter().all(|part| part >> 62 == 0);
    let queue = Queue::new(entries, parts);
    assert_eq!(queue.is_some(), is_good);
    if let Some(mut queue) = queue {
        let mut memory = Memory::new(0);
        while let Ok(Some(request)) = queue.next(&mut memory) {
            assert!(request.pieces.len() <= entries.into());
            queue.take();
        }
    }
    Ok(())
}

fn check(input: &mut Unstructured<'_>) -> Result<()> {
    let mut memory = Memory::new(0);
    let entries = fill(&mut memory, input)?;
    let mut queue = Queue::new(entries, [DESCRIPTORS, AVAILABLE, USED]).expect("it is a good one");
    for taken in 0..=2 * entries {
        let expected = next(&memory, entries, taken);
        let found = match queue.next(&mut memory) {
            Ok(found) => Ok(found),
            Err(Broken::Driver) => Err(()),
            Err(Broken::Storage) => panic!("nothing has to be waited for"),
        };
        let pieces = |request: host::dev::virtio::Request| {
            let each = request.pieces.iter();
            let each = each.map(|piece| (piece.address, piece.length, piece.to_driver));
            (request.head, each.collect::<Vec<Piece>>())
        };
        let found = found.map(|request| request.map(pieces));
        assert_eq!(found, expected);
        let Ok(Some((head, _))) = found else { break };
        queue.take();
        complete(&mut memory, &mut queue, head, entries, taken);
    }
    Ok(())
}

/// What the driver has offered behind so many requests, as the specification has it.
fn next(memory: &Memory, entries: u16, taken: u16) -> Result<Option<(u16, Vec<Piece>)>, ()> {
    let word = |at| memory.get(at).map(u16::from_le_bytes).ok_or(());
    let offered = word(AVAILABLE + 2)?.wrapping_sub(taken);
    if offered == 0 || offered > entries {
        return if offered == 0 { Ok(None) } else { Err(()) };
    }
    let head = word(AVAILABLE + 4 + 2 * u64::from(taken % entries))?;
    let mut pieces = Vec::new();
    let (mut table, mut length, mut number) = (DESCRIPTORS, u64::from(entries), u64::from(head));
    loop {
        let at = table.wrapping_add(16 * number);
        if number >= length || pieces.len() == usize::from(entries) {
            return Err(());
        }
        let address = u64::from_le_bytes(memory.get(at).ok_or(())?);
        let bytes = u32::from_le_bytes(memory.get(at + 8).ok_or(())?);
        let flags = word(at + 12)?;
        if flags & INDIRECT != 0 {
            // No queue here has agreed on tables.
            return Err(());
        }
        pieces.push((address, bytes, flags & TO_DRIVER != 0));
        if flags & NEXT == 0 {
            return Ok(Some((head, pieces)));
        }
        (table, length, number) = (table, length, word(at + 14)?.into());
    }
}

/// A completed request changes its element of the used ring and the ring's index, and nothing else.
fn complete(memory: &mut Memory, queue: &mut Queue, head: u16, entries: u16, completed: u16) {
    let mut expected = memory.bytes.clone();
    let written = u32::from(head) * 3;
    let at = (USED + 4 + 8 * u64::from(completed % entries)) as usize;
    expected[at..at + 4].copy_from_slice(&u32::from(head).to_le_bytes());
    expected[at + 4..at + 8].copy_from_slice(&written.to_le_bytes());
    let index = USED as usize + 2;
    expected[index..index + 2].copy_from_slice(&(completed + 1).to_le_bytes());
    let wants = memory.bytes[AVAILABLE as usize] & 1 == 0;
    assert_eq!(queue.complete(memory, head, written), Ok(wants));
    assert!(memory.bytes == expected);
}

/// One descriptor, a chain, and a circle.
#[must_use]
pub fn seeds() -> Vec<Vec<u8>> {
    let last: &[u8] = &[0x10, 0, 0, 0, 8];
    let chained: &[u8] = &[0x11, 1, 0, 0, 8];
    let back: &[u8] = &[0x13, 0, 0, 1, 8];
    vec![
        ring(&[0], &[last], &[]),
        ring(&[0, 1], &[chained, last], &[]),
        ring(&[0, 1], &[chained, back], &[]),
    ]
}
