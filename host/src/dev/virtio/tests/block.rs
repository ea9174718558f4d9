//! A disk, and drivers of it.

use alloc::sync::Arc;

use super::*;
use crate::dev::buffers::Buffers;
use crate::mem::notifier::{Notifier, Right};

const SECTORS: u64 = 64;
const HEADER: u64 = 0x1400;
const STATUS: u64 = 0x1500;
/// What a status is before there is one.
const NONE: u8 = 0xee;
const TO_DRIVER: u16 = 2;

const READ: u32 = 0;
const WRITE: u32 = 1;
const FLUSH: u32 = 4;
const IDENTIFY: u32 = 8;

fn disk(is_read_only: bool) -> Virtio {
    let low = if is_read_only { 0x24 } else { 0x04 };
    let block = Block::new(0x0103, SECTORS, is_read_only, Arc::default());
    driven_by(block.into(), 0, [low, 2])
}

/// Sectors that are all different.
fn guest() -> Guest {
    let sectors = (0..SECTORS).flat_map(|sector| [sector as u8 + 1; 512]);
    Guest {
        disk: sectors.collect(),
        ..Guest::new()
    }
}

/// Makes a request available: header, data, status.
fn offer(guest: &mut Guest, kind: u32, sector: u64, data: &[(u64, u32)]) {
    let flags = if kind == WRITE { 0 } else { TO_DRIVER };
    let mut header = [0; 16];
    header[..4].copy_from_slice(&kind.to_le_bytes());
    header[8..].copy_from_slice(&sector.to_le_bytes());
    guest.put(HEADER, &header);
    guest.put(STATUS, &[NONE]);
    guest.describe(0, (HEADER, 16), 1, 1);
    for (number, piece) in (1..).zip(data) {
        guest.describe(number, *piece, 1 | flags, number + 1);
    }
    guest.describe(data.len() as u16 + 1, (STATUS, 1), TO_DRIVER, 0);
    guest.offer(0);
}

fn status(guest: &Guest) -> u8 {
    guest.bytes[STATUS as usize]
}

/// Serves a request to its end; returns its status.
fn serve(device: &mut Virtio, guest: &mut Guest) -> u8 {
    let used = guest.used();
    while device.serve(0, guest) == Ok(true) {}
    assert_eq!(guest.used(), used + 1);
    assert!(device.has_news());
    status(guest)
}

#[test]
fn it_says_what_it_is() {
    let mut device = disk(true);
    assert_eq!(run(&mut device, 0xe4, &[0; 7]).1[3], 2);
    let (outcome, data) = run(&mut device, 0x22, &[0; 32]);
    assert_eq!(outcome, Outcome::Gave(16));
    assert_eq!(
        data[..16],
        [64, 0, 0, 0, 0, 0, 0, 0, 0, 32, 0, 0, 126, 0, 0, 0]
    );
    write(&mut device, 0x21, &[9; 8]);
    assert_eq!(run(&mut device, 0x22, &[0; 1]).1[0], 64, "not the driver's");
    assert_eq!(device.queues(), 1);
    let offered = run(&mut device, 0x12, &[0; 5]).1;
    assert_eq!(offered[..4], [0x26, 2, 0, 0x10]);
}

#[test]
fn sectors_are_read_into_pieces() {
    let (mut device, mut guest) = (disk(false), guest());
    // The first sector lies across two pages, and the second piece begins at a page.
    offer(&mut guest, READ, 3, &[(0x2f00, 0x400), (0x5000, 0x1000)]);
    assert_eq!(serve(&mut device, &mut guest), 0);
    assert_eq!(guest.word(USED + 8), 0x1401);
    let mut expected = [0; 0x400];
    expected[..0x200].fill(4);
    expected[0x200..].fill(5);
    assert_eq!(guest.bytes[0x2f00..0x3300], expected);
    for (sector, at) in (6..).zip((0x5000..0x6000).step_by(512)) {
        assert_eq!(guest.bytes[at..at + 512], [sector; 512]);
    }
    assert!(guest.bytes[0x2eff] == 0 && guest.bytes[0x3300] == 0 && guest.bytes[0x6000] == 0);
}

#[test]
fn sectors_are_written_and_flushed() {
    let (mut device, mut guest) = (disk(false), guest());
    guest.bytes[0x4000..0x5000].fill(0xaa);
    offer(&mut guest, WRITE, SECTORS - 8, &[(0x4000, 0x1000)]);
    assert_eq!(serve(&mut device, &mut guest), 0);
    let end = guest.disk.len();
    assert_eq!(guest.disk[end - 0x1000..], [0xaa; 0x1000]);
    assert_eq!(guest.disk[end - 0x1001], SECTORS as u8 - 8);
    offer(&mut guest, FLUSH, 0, &[]);
    assert_eq!(serve(&mut device, &mut guest), 0);
    assert_eq!(guest.flushes, 1);
}

#[test]
fn it_has_a_name() {
    let (mut device, mut guest) = (disk(false), guest());
    offer(&mut guest, IDENTIFY, 0, &[(DATA, 20)]);
    assert_eq!(serve(&mut device, &mut guest), 0);
    assert_eq!(
        guest.bytes[0x2000..0x2014],
        *b"disk 0103\0\0\0\0\0\0\0\0\0\0\0"
    );
    offer(&mut guest, IDENTIFY, 0, &[(DATA, 19)]);
    assert_eq!(serve(&mut device, &mut guest), 1);
}

#[test]
fn what_is_wrong_with_a_request_is_its_own_error() {
    type Spoil = fn(&mut Guest);
    let all: [(Spoil, u8); 11] = [
        // Sectors that are not there, and a number that does not fit.
        (|guest| offer(guest, READ, SECTORS - 1, &[(DATA, 1024)]), 1),
        (|guest| offer(guest, READ, u64::MAX, &[(DATA, 512)]), 1),
        // Not whole sectors.
        (|guest| offer(guest, READ, 0, &[(DATA, 500), (DATA, 12)]), 1),
        // Buffers that are not there, or discarded, behind one that is.
        (
            |guest| offer(guest, READ, 0, &[(DATA, 512), (PAGES << 12, 512)]),
            1,
        ),
        (
            |guest| offer(guest, READ, 0, &[(DATA, 512), (u64::MAX - 511, 512)]),
            1,
        ),
        (
            |guest| offer(guest, READ, 0, &[(DATA, 512), (0x7000, 512)]),
            1,
        ),
        (
            |guest| offer(guest, READ, 0, &[(DATA, 512), (0x6f00, 512)]),
            1,
        ),
        // More than the guest has.
        (|guest| offer(guest, READ, 0, &[(DATA, 1 << 31)]), 1),
        // Data that goes the wrong way.
        (
            |guest| {
                offer(guest, READ, 0, &[(DATA, 512)]);
                guest.describe(1, (DATA, 512), 1, 2);
            },
            1,
        ),
        // A header that is discarded.
        (
            |guest| {
                offer(guest, READ, 0, &[(DATA, 512)]);
                guest.describe(0, (0x7000, 16), 1, 1);
            },
            1,
        ),
        // A kind that is not known.
        (|guest| offer(guest, 11, 0, &[(DATA, 512)]), 2),
    ];
    for (number, (spoil, expected)) in all.into_iter().enumerate() {
        let (mut device, mut guest) = (disk(false), guest());
        guest.discarded = Some(7);
        spoil(&mut guest);
        assert_eq!(serve(&mut device, &mut guest), expected, "{number}");
        assert!(
            guest.bytes[0x2000..].iter().all(|byte| *byte == 0),
            "{number}: nothing else is written"
        );
        assert_eq!(guest.word(USED + 8), 0);
        // The next one is served.
        offer(&mut guest, READ, 0, &[(DATA, 512)]);
        assert_eq!(serve(&mut device, &mut guest), 0);
        assert_eq!(guest.bytes[0x2000..0x2200], [1; 512]);
    }
}

#[test]
fn a_disk_that_is_read_only_is_not_written() {
    let (mut device, mut guest) = (disk(true), guest());
    offer(&mut guest, WRITE, 0, &[(DATA, 512)]);
    assert_eq!(serve(&mut device, &mut guest), 1);
    assert_eq!(guest.disk[..512], [1; 512]);
}

#[test]
fn chains_without_header_or_status_end_the_device() {
    type Spoil = fn(&mut Guest);
    let all: [Spoil; 5] = [
        // A short header.
        |guest| guest.describe(0, (HEADER, 15), 1, 2),
        // No status: nothing to write, or no byte of it, or one that is discarded.
        |guest| guest.describe(2, (STATUS, 1), 0, 0),
        |guest| guest.describe(2, (STATUS, 0), TO_DRIVER, 0),
        |guest| guest.describe(2, (0x7000, 1), TO_DRIVER, 0),
        // What the device reads behind what it writes.
        |guest| {
            guest.describe(2, (DATA, 512), 1, 3);
            guest.describe(3, (STATUS, 1), TO_DRIVER, 0);
        },
    ];
    for spoil in all {
        let (mut device, mut guest) = (disk(false), guest());
        guest.discarded = Some(7);
        offer(&mut guest, READ, 0, &[(DATA, 512)]);
        spoil(&mut guest);
        assert_eq!(device.serve(0, &mut guest), Ok(false));
        assert_eq!((guest.used(), status(&guest)), (0, NONE));
        assert_given_up(device, &mut guest);
    }
}

/// Nothing is moved for a request of whose end nobody could be told.
#[test]
fn a_used_ring_that_is_discarded_ends_the_device_first() {
    let (mut device, mut guest) = (disk(false), guest());
    let parts = [DESCRIPTORS, AVAILABLE, 0x7000];
    write(&mut device, 0x13, &block(0, ENTRIES, parts));
    guest.discarded = Some(7);
    offer(&mut guest, READ, 0, &[(DATA, 512)]);
    assert_eq!(device.serve(0, &mut guest), Ok(false));
    assert_eq!((guest.bytes[0x2000], status(&guest)), (0, NONE));
    assert_given_up(device, &mut guest);
}

#[test]
fn a_request_goes_on_where_it_had_to_wait() {
    let (mut device, mut guest) = (disk(false), guest());
    offer(&mut guest, READ, 0, &[(DATA, 0x3000)]);
    guest.away = Some(3);
    assert_eq!(device.serve(0, &mut guest), Err(Broken::Storage));
    assert_eq!((guest.used(), status(&guest)), (0, NONE));
    assert_eq!(guest.bytes[0x2fff], 8);
    // What was read is the driver's from here on: it is not read again.
    guest.put(DATA, &[0x55]);
    guest.away = Some(STATUS >> 12);
    assert!(device.serve(0, &mut guest).is_err());
    guest.away = None;
    assert_eq!(serve(&mut device, &mut guest), 0);
    assert_eq!((guest.bytes[0x2000], guest.bytes[0x2001]), (0x55, 1));
    assert_eq!(guest.bytes[0x4fff], 24);
}

#[test]
fn a_long_request_is_done_in_parts() {
    let (mut device, mut guest) = (disk(false), guest());
    let pieces = [(0x2f00, 0x2000), (0x8f00, 0x2000)];
    offer(&mut guest, READ, 0, &pieces);
    assert_eq!(device.serve(0, &mut guest), Ok(false), "short enough");
    // Sixteen pages, each one in two pieces, as it does not begin with a page.
    let pieces = [(0x2e00, 0x4000), (0x2e00, 0x4000)];
    guest.disk.resize(1 << 20, 7);
    let block = Block::new(0x0103, 2048, false, Arc::default());
    let mut device = driven_by(block.into(), 0, [4, 2]);
    guest = Guest {
        disk: guest.disk,
        ..Guest::new()
    };
    let all = pieces.map(|(at, length)| (at, 2 * length));
    offer(&mut guest, READ, 0, &all);
    assert_eq!(
        device.serve(0, &mut guest),
        Ok(true),
        "others have their turn"
    );
    assert_eq!(guest.used(), 0);
    assert_eq!(serve(&mut device, &mut guest), 0);
    assert_eq!(guest.word(USED + 8), 0x10001);
}

#[test]
fn a_reset_forgets_how_far_it_was() {
    let (mut device, mut guest) = (disk(false), guest());
    offer(&mut guest, READ, 0, &[(DATA, 0x2000)]);
    guest.away = Some(3);
    assert_eq!(device.serve(0, &mut guest), Err(Broken::Storage));
    write(&mut device, 0x33, &[]);
    let Device::Block(block) = device.device else {
        unreachable!("it is a disk")
    };
    let mut device = driven_by(block.into(), 0, [4, 2]);
    let mut guest = Guest {
        disk: guest.disk,
        ..Guest::new()
    };
    offer(&mut guest, READ, 0, &[(DATA, 512)]);
    assert_eq!(serve(&mut device, &mut guest), 0);
    assert_eq!(guest.bytes[0x2000], 1);
}

/// Pages that the host may not discard now.
fn held(buffers: &Buffers) -> Vec<u32> {
    let is_held = |page: &u32| buffers.invalidate_page(*page, Right::Content).is_err();
    (0..PAGES as u32).filter(is_held).collect()
}

/// What a request needs is not discarded from the time at which it was looked at.
#[test]
fn nothing_of_a_request_is_discarded_while_it_is_under_way() {
    let buffers = Arc::<Buffers>::default();
    let block = Block::new(0x0103, SECTORS, false, buffers.clone());
    let (mut device, mut guest) = (driven_by(block.into(), 0, [4, 2]), guest());
    let wait = |device: &mut Virtio, guest: &mut Guest| {
        offer(guest, READ, 0, &[(0x2f00, 0x200), (0x5000, 0x1800)]);
        guest.away = Some(6);
        assert_eq!(device.serve(0, guest), Err(Broken::Storage));
        // With that of status and used ring.
        assert_eq!(held(&buffers), [1, 2, 3, 5, 6]);
        guest.away = None;
    };
    wait(&mut device, &mut guest);
    for right in [Right::Store, Right::Access] {
        assert!(buffers.invalidate_range(0..16, right).is_ok(), "paged out");
    }
    assert_eq!(
        buffers.invalidate_batch(&[9, 6, 4, 2], Right::Content),
        0b1010
    );
    // What the driver says meanwhile of its pieces is of no use.
    guest.describe(2, (0x8000, 0x1800), 1 | TO_DRIVER, 3);
    assert_eq!(serve(&mut device, &mut guest), 0);
    assert_eq!((guest.bytes[0x67ff], guest.bytes[0x8000]), (13, 0));
    assert!(held(&buffers).is_empty());
    wait(&mut device, &mut guest);
    write(&mut device, 0x33, &[]);
    assert!(held(&buffers).is_empty(), "a reset ends it");
}
