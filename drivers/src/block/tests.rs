//! The disk in memory, on the simulated machine, and the checks that all disks share.

use arch::sim::{Hinting, Machine};

use super::*;

/// A disk of two blocks and a part of one, filled with 1, 2 and 3.
static BYTES: [u8; 2 * BLOCK_SIZE + 100] = {
    let mut bytes = [1; 2 * BLOCK_SIZE + 100];
    let mut at = BLOCK_SIZE;
    while at < bytes.len() {
        bytes[at] = if at < 2 * BLOCK_SIZE { 2 } else { 3 };
        at += 1;
    }
    bytes
};

fn disk() -> Disk {
    Disk::Memory(MemoryDisk::new(&BYTES))
}

const TO: Absolute = Absolute(0x1000);

fn read(first: u64, bytes: usize) -> Result<(), Cause> {
    // SAFETY: storage of the simulated machine.
    unsafe { disk().read(first, TO, bytes) }.map_err(|error| error.cause)
}

#[test]
fn whole_blocks_are_read() {
    let machine = Machine::new(4, Hinting::None);
    let _cpu = machine.enter();
    assert_eq!(disk().blocks(), 2, "the part of a block is not on the disk");
    let mut bytes = [0; 2 * BLOCK_SIZE];
    assert_eq!(read(1, BLOCK_SIZE), Ok(()));
    // SAFETY: storage of the simulated machine.
    unsafe { storage::copy_out(TO, &mut bytes[..BLOCK_SIZE]) };
    assert_eq!(bytes[..BLOCK_SIZE], [2; BLOCK_SIZE]);
    assert_eq!(read(0, 2 * BLOCK_SIZE), Ok(()));
    // SAFETY: storage of the simulated machine.
    unsafe { storage::copy_out(TO, &mut bytes) };
    assert_eq!(bytes, BYTES[..2 * BLOCK_SIZE]);
}

#[test]
fn what_is_not_on_the_disk_is_an_error() {
    assert_eq!(read(2, BLOCK_SIZE), Err(Cause::OutOfRange));
    assert_eq!(read(1, 2 * BLOCK_SIZE), Err(Cause::OutOfRange));
    assert_eq!(read(u64::MAX, BLOCK_SIZE), Err(Cause::OutOfRange));
    assert_eq!(read(u64::MAX, 2 * BLOCK_SIZE), Err(Cause::OutOfRange));
}

#[test]
fn parts_of_blocks_are_an_error() {
    assert_eq!(read(0, 0), Err(Cause::Unaligned));
    assert_eq!(read(0, 100), Err(Cause::Unaligned));
    assert_eq!(read(0, BLOCK_SIZE + 1), Err(Cause::Unaligned));
}

#[test]
fn writes_are_refused() {
    // SAFETY: nothing is read: the disk is read-only.
    let error = unsafe { disk().write(1, TO, BLOCK_SIZE) }.unwrap_err();
    assert_eq!(
        error.to_string(),
        "disk 0100, block 1: the disk is read-only"
    );
}

#[test]
fn what_is_written_is_read_and_nothing_else_changes() {
    let machine = Machine::new(4, Hinting::None);
    let _cpu = machine.enter();
    let storage = vec![7; 3 * BLOCK_SIZE].leak();
    // SAFETY: nobody else knows the storage.
    let disk = unsafe { MemoryDisk::writable(0x0101, storage.as_mut_ptr(), 3) };
    let disk = Disk::Memory(disk);
    assert!(disk.number() == 0x0101 && !disk.is_read_only());
    // SAFETY: storage of the simulated machine.
    unsafe { storage::copy_in(TO, &[9; BLOCK_SIZE]) };
    // SAFETY: nobody writes it.
    unsafe { disk.write(1, TO, BLOCK_SIZE) }.unwrap();
    let mut bytes = [0; 3 * BLOCK_SIZE];
    // SAFETY: storage of the simulated machine.
    unsafe {
        disk.read(0, TO, bytes.len()).unwrap();
        storage::copy_out(TO, &mut bytes);
    }
    for (number, value) in [7, 9, 7].into_iter().enumerate() {
        assert_eq!(
            bytes[number * BLOCK_SIZE..][..BLOCK_SIZE],
            [value; BLOCK_SIZE]
        );
    }
    // SAFETY: nobody writes it.
    let error = unsafe { disk.write(3, TO, BLOCK_SIZE) }.unwrap_err();
    assert_eq!(error.cause, Cause::OutOfRange);
}

#[test]
fn errors_are_one_line() {
    let text = |cause| {
        let error = BlockError {
            device: 0x0101,
            block: 7,
            cause,
        };
        error.to_string()
    };
    assert_eq!(
        text(Cause::Status(1)),
        "disk 0101, block 7: I/O error, status 0x1"
    );
    assert_eq!(
        text(Cause::NotVirtio),
        "disk 0101: it is not a virtio device"
    );
    assert_eq!(
        text(Cause::Lost("it failed and needs a reset")),
        "disk 0101: the device is lost: it failed and needs a reset"
    );
}

/// Blocks go to the pages in the pages' order, wherever those are; the last one may be filled in part.
#[test]
fn blocks_are_read_into_pages() {
    const BLOCKS: usize = PAGE_SIZE / BLOCK_SIZE;
    let machine = Machine::new(8, Hinting::None);
    let _cpu = machine.enter();
    let bytes: Vec<u8> = (0..4 * BLOCKS)
        .flat_map(|block| [block as u8; BLOCK_SIZE])
        .collect();
    let disk = Disk::Memory(MemoryDisk::new(bytes.leak()));
    let pages = [5, 2, 6].map(Frame);
    let length = 2 * PAGE_SIZE + BLOCK_SIZE;
    let block = |frame: Frame, number: usize| {
        let mut bytes = [0xff; BLOCK_SIZE];
        let address = frame.address() + (number * BLOCK_SIZE) as u64;
        // SAFETY: storage of the simulated machine.
        unsafe { storage::copy_out(address, &mut bytes) }
        assert!(bytes.iter().all(|byte| *byte == bytes[0]), "one block");
        usize::from(bytes[0])
    };
    let behind = block(pages[2], 1);
    // SAFETY: storage of the simulated machine.
    unsafe { disk.read_pages(1, &pages, length) }.unwrap();
    for number in 0..2 * BLOCKS + 1 {
        let page = pages[number / BLOCKS];
        assert_eq!(block(page, number % BLOCKS), 1 + number);
    }
    assert_eq!(block(pages[2], 1), behind, "nobody has asked for it");
    // SAFETY: storage of the simulated machine.
    let outcome = unsafe { disk.read_pages(4 * BLOCKS as u64 - 1, &pages, PAGE_SIZE) };
    assert_eq!(outcome.unwrap_err().cause, Cause::OutOfRange);
}
