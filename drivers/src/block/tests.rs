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
