//! A driver that keeps to the protocol, and ones that do not.

mod block;
mod guest;

use guest::{AVAILABLE, DATA, DESCRIPTORS, ENTRIES, Guest, INDICATORS, PAGES, USED, bytes};

use super::*;
use crate::mem::MOST_RELEASED;

const INFLATE: usize = 0;
const STATISTICS: usize = 2;
const REPORTS: usize = 3;

fn run(device: &mut Virtio, code: u8, bytes: &[u8]) -> (Outcome, [u8; LONGEST]) {
    let mut data = [0; LONGEST];
    data[..bytes.len()].copy_from_slice(bytes);
    let outcome = device.command(code, &mut data, bytes.len());
    (outcome, data)
}

fn write(device: &mut Virtio, code: u8, bytes: &[u8]) {
    assert_eq!(run(device, code, bytes).0, Outcome::Took(bytes.len()));
}

/// The block that sets a queue up.
fn block(queue: usize, entries: u16, parts: [u64; 3]) -> [u8; 32] {
    let mut block = [0; 32];
    block[..8].copy_from_slice(&parts[0].to_be_bytes());
    block[12..14].copy_from_slice(&(queue as u16).to_be_bytes());
    block[14..16].copy_from_slice(&entries.to_be_bytes());
    block[16..24].copy_from_slice(&parts[1].to_be_bytes());
    block[24..].copy_from_slice(&parts[2].to_be_bytes());
    block
}

/// A balloon whose driver uses one queue.
fn driven(queue: usize) -> Virtio {
    driven_by(Balloon::default().into(), queue, [0b10_0110, 0])
}

/// A device whose driver uses one queue and some features.
fn driven_by(device: Device, queue: usize, [low, high]: [u8; 2]) -> Virtio {
    driven_with(device, queue, [low, high, 0, 0])
}

fn driven_with(device: Device, queue: usize, [a, b, c, d]: [u8; 4]) -> Virtio {
    let mut device = Virtio::new(device);
    write(&mut device, 0x83, &[0, 2, 0, 0]);
    write(&mut device, 0x31, &[3]);
    write(&mut device, 0x11, &[a, b, c, d, 0]);
    write(&mut device, 0x11, &[1, 0, 0, 0, 1]);
    write(&mut device, 0x31, &[11]);
    assert_eq!(
        run(&mut device, 0x72, &[0]).1[0],
        11,
        "the features are good"
    );
    let parts = [DESCRIPTORS, AVAILABLE, USED];
    write(&mut device, 0x13, &block(queue, ENTRIES, parts));
    write(&mut device, 0x43, &INDICATORS[0].to_be_bytes());
    write(&mut device, 0x53, &INDICATORS[1].to_be_bytes());
    write(&mut device, 0x31, &[15]);
    device
}

/// The device needs a reset, has said so, and serves nobody until then.
fn assert_given_up(mut device: Virtio, guest: &mut Guest) {
    let status = |device: &mut Virtio| run(device, 0x72, &[0]).1[0];
    assert_eq!(status(&mut device) & 0x40, 0x40);
    assert_eq!(device.publish(guest), Ok((true, true)));
    assert_eq!(guest.indicators()[1], 1);
    guest.released.clear();
    guest.offer_pages(&[3]);
    assert_eq!(device.serve(INFLATE, guest), Ok(false));
    assert!(guest.released.is_empty());
    write(&mut device, 0x31, &[15]);
    assert_eq!(status(&mut device), 0x4f, "only a reset helps");
    write(&mut device, 0x33, &[]);
    assert_eq!(status(&mut device), 0);
}

#[test]
fn commands_wait_for_a_revision() {
    let mut device = Virtio::new(Balloon::default().into());
    let (outcome, data) = run(&mut device, 0xe4, &[0; 7]);
    assert_eq!(outcome, Outcome::Gave(7));
    assert_eq!(data[..7], [0xff, 0x38, 0x32, 5, 0, 0, 0]);
    assert_eq!(run(&mut device, 0x33, &[]).0, Outcome::Refused);
    assert_eq!(run(&mut device, 0x04, &[0; 32]).1[0], COMMAND_REJECT);
    for [revision, length] in [[0, 0], [3, 0], [2, 1]] {
        let bad = [0, revision, 0, length];
        assert_eq!(run(&mut device, 0x83, &bad).0, Outcome::Refused);
    }
    write(&mut device, 0x83, &[0, 1, 0, 0]);
    assert_eq!(run(&mut device, 0x04, &[0; 32]).1[0], 0);
    assert_eq!(run(&mut device, 0x83, &[0, 2, 0, 0]).0, Outcome::Refused);
    write(&mut device, 0x33, &[]);
    assert_eq!(run(&mut device, 0x13, &[0; 31]).0, Outcome::TooShort);
    assert_eq!(run(&mut device, 0x77, &[]).0, Outcome::Refused);
}

#[test]
fn features_are_agreed_on_only_if_they_are_offered() {
    let mut device = Virtio::new(Balloon::default().into());
    write(&mut device, 0x83, &[0, 2, 0, 0]);
    let mut offered = |index| {
        let data = run(&mut device, 0x12, &[0, 0, 0, 0, index]).1;
        u32::from_le_bytes(bytes(&data, 0))
    };
    assert_eq!(offered(0), 0x1000_0026);
    assert_eq!((offered(1), offered(2)), (1, 0));
    let agree = |device: &mut Virtio, low: u8, high: u8| {
        write(device, 0x33, &[]);
        write(device, 0x11, &[low, 0, 0, 0, 0]);
        write(device, 0x11, &[high, 0, 0, 0, 1]);
        write(device, 0x31, &[11]);
        run(device, 0x72, &[0]).1[0]
    };
    assert_eq!(agree(&mut device, 2, 1), 11);
    assert_eq!(agree(&mut device, 1, 1), 3, "what is not offered");
    assert_eq!(agree(&mut device, 2, 0), 3, "an old driver");
}

#[test]
fn queues_are_aligned_and_of_a_power_of_two() {
    let mut device = driven(INFLATE);
    let good = [DESCRIPTORS, AVAILABLE, USED];
    assert_eq!(run(&mut device, 0x32, &[0, 3, 0, 0]).1[2..4], [0, 128]);
    assert_eq!(run(&mut device, 0x32, &[0, 4, 0, 0]).1[2..4], [0, 0]);
    for bad in [
        block(4, 4, good),
        block(0, 3, good),
        block(0, 256, good),
        block(0, 4, [DESCRIPTORS + 8, AVAILABLE, USED]),
        block(0, 4, [DESCRIPTORS, AVAILABLE + 1, USED]),
        block(0, 4, [DESCRIPTORS, AVAILABLE, USED + 2]),
        block(0, 4, [1 << 62, AVAILABLE, USED]),
    ] {
        assert_eq!(run(&mut device, 0x13, &bad).0, Outcome::Refused);
    }
}

#[test]
fn pages_go_in_and_the_driver_is_told() {
    let (mut device, mut guest) = (driven(INFLATE), Guest::new());
    guest.offer_pages(&[5, 6, 9, 8]);
    guest.offer(0);
    assert_eq!(device.serve(INFLATE, &mut guest), Ok(true), "one at a time");
    assert_eq!((guest.used(), guest.word(USED + 4)), (1, 0));
    assert_eq!(guest.released, [5, 6, 9, 8]);
    assert_eq!(device.serve(INFLATE, &mut guest), Ok(false));
    assert_eq!(device.serve(INFLATE, &mut guest), Ok(false));
    assert_eq!(
        (guest.used(), device.balloon().unwrap().counters.inflated),
        (2, 8)
    );
    assert_eq!(device.publish(&mut guest), Ok((true, false)));
    assert_eq!(guest.indicators(), [1, 0]);
    assert_eq!(device.publish(&mut guest), Ok((false, false)), "it knows");
}

#[test]
fn a_driver_that_does_not_want_to_know_is_not_told() {
    let (mut device, mut guest) = (driven(INFLATE), Guest::new());
    guest.put(AVAILABLE, &[1, 0]);
    guest.offer_pages(&[5]);
    assert_eq!(device.serve(INFLATE, &mut guest), Ok(false));
    assert!(guest.used() == 1 && !device.has_news());
}

#[test]
fn a_request_that_has_to_wait_leaves_no_trace_but_what_can_be_done_twice() {
    for away in [DATA >> 12, USED >> 12] {
        let (mut device, mut guest) = (driven(INFLATE), Guest::new());
        guest.offer_pages(&[5]);
        guest.away = Some(away);
        assert_eq!(device.serve(INFLATE, &mut guest), Err(Broken::Storage));
        assert!(!device.has_news());
        guest.away = None;
        assert_eq!(guest.used(), 0);
        assert_eq!(device.serve(INFLATE, &mut guest), Ok(false));
        assert_eq!(
            (guest.used(), device.balloon().unwrap().counters.inflated),
            (1, 1)
        );
        guest.away = Some(INDICATORS[0] >> 12);
        assert_eq!(device.publish(&mut guest), Err(Broken::Storage));
        guest.away = None;
        assert_eq!(device.publish(&mut guest), Ok((true, false)), "later");
    }
}

#[test]
fn chains_that_make_no_sense_end_the_device() {
    let whole = (DATA, 8);
    type Spoil = fn(&mut Guest);
    let all: [Spoil; 7] = [
        // A circle.
        |guest| guest.describe(1, (DATA, 4), 1, 0),
        // Descriptors that are not there.
        |guest| guest.describe(1, (DATA, 4), 1, ENTRIES),
        |guest| guest.put(AVAILABLE + 4, &[0xff, 0xff]),
        // Another table of descriptors.
        |guest| guest.describe(1, (DATA, 16), 4, 0),
        // Storage that is not there, and more than one request has.
        |guest| guest.describe(1, (PAGES << 12, 4), 0, 0),
        |guest| guest.describe(1, (DATA, u32::MAX), 0, 0),
        // More requests than the queue has entries.
        |guest| guest.put(AVAILABLE + 2, &[ENTRIES as u8 + 1, 0]),
    ];
    for spoil in all {
        let (mut device, mut guest) = (driven(INFLATE), Guest::new());
        guest.describe(0, whole, 1, 1);
        guest.describe(1, whole, 0, 0);
        guest.offer(0);
        spoil(&mut guest);
        assert_eq!(device.serve(INFLATE, &mut guest), Ok(false));
        assert!(guest.released.is_empty());
        assert_given_up(device, &mut guest);
    }
}

/// A table of descriptors, at the end of the chain of a queue whose other descriptors are of no use.
const TABLE: u64 = 0x1600;

/// Page numbers in pieces of a table.
fn offer_table(guest: &mut Guest) {
    guest.put(DATA, &[5, 0, 0, 0, 6, 0, 0, 0, 7, 0, 0, 0]);
    guest.describe(0, (DATA, 4), 1, 3);
    // That the device may write to it means nothing.
    guest.describe(3, (TABLE, 32), 6, ENTRIES);
    guest.describe_at(TABLE, (DATA + 4, 4), 1, 1);
    guest.describe_at(TABLE + 16, (DATA + 8, 4), 0, 0);
    guest.offer(0);
}

fn driven_with_tables() -> Virtio {
    driven_with(Balloon::default().into(), INFLATE, [0x26, 0, 0, 0x10])
}

#[test]
fn a_chain_goes_on_in_a_table() {
    let (mut device, mut guest) = (driven_with_tables(), Guest::new());
    offer_table(&mut guest);
    assert_eq!(device.serve(INFLATE, &mut guest), Ok(false));
    assert_eq!(guest.released, [5, 6, 7]);
    assert_eq!((guest.used(), guest.word(USED + 4)), (1, 0));
}

#[test]
fn tables_that_make_no_sense_end_the_device() {
    type Spoil = fn(&mut Guest);
    let all: [Spoil; 9] = [
        // No table, a part of a descriptor, or of one that the chain needs.
        |guest| guest.describe(3, (TABLE, 0), 4, 0),
        |guest| guest.describe(3, (TABLE, 40), 4, 0),
        |guest| guest.describe(3, (TABLE, 16), 4, 0),
        // Not the last of the queue's own.
        |guest| guest.describe(3, (TABLE, 32), 5, 1),
        // A table in a table.
        |guest| guest.describe_at(TABLE + 16, (TABLE, 32), 4, 0),
        // A circle, and descriptors that the queue would have.
        |guest| guest.describe_at(TABLE + 16, (DATA, 4), 1, 0),
        |guest| guest.describe_at(TABLE, (DATA, 4), 1, 2),
        // Storage that is not there, at the end of all addresses, too.
        |guest| guest.describe(3, (PAGES << 12, 32), 4, 0),
        |guest| guest.describe(3, (u64::MAX - 15, 32), 4, 0),
    ];
    for spoil in all {
        let (mut device, mut guest) = (driven_with_tables(), Guest::new());
        offer_table(&mut guest);
        spoil(&mut guest);
        assert_eq!(device.serve(INFLATE, &mut guest), Ok(false));
        assert!(guest.released.is_empty());
        assert_given_up(device, &mut guest);
    }
    // And any, if they were not agreed on.
    let (mut device, mut guest) = (driven(INFLATE), Guest::new());
    offer_table(&mut guest);
    assert_eq!(device.serve(INFLATE, &mut guest), Ok(false));
    assert_given_up(device, &mut guest);
}

#[test]
fn pages_that_do_not_exist_are_nobodys() {
    let (mut device, mut guest) = (driven(INFLATE), Guest::new());
    guest.offer_pages(&[PAGES as u32 - 1, PAGES as u32, u32::MAX]);
    assert_eq!(device.serve(INFLATE, &mut guest), Ok(false));
    assert_eq!(guest.released, [PAGES - 1]);
    assert_eq!(device.balloon().unwrap().counters.inflated, 1);
}

#[test]
fn whole_pages_of_reports_are_released() {
    let (mut device, mut guest) = (driven(REPORTS), Guest::new());
    guest.describe(0, (0x3000, 0x2000), 3, 1);
    guest.describe(1, (0x7800, 0x1800), 2, 0);
    guest.offer(0);
    assert_eq!(device.serve(REPORTS, &mut guest), Ok(false));
    assert_eq!(guest.released, [3, 4, 8]);
    assert_eq!(device.balloon().unwrap().counters.reported, 3);
}

#[test]
fn a_long_report_is_released_in_parts_and_told_in_the_end() {
    let (mut device, mut guest) = (driven(REPORTS), Guest::new());
    let pages = MOST_RELEASED + 9;
    guest.describe(0, (0x4000, 7 << 12), 3, 1);
    guest.describe(1, (0xb000, (pages - 7) << 12), 2, 0);
    guest.offer(0);
    assert_eq!(device.serve(REPORTS, &mut guest), Ok(true));
    assert_eq!(
        (guest.used(), guest.released.len()),
        (0, MOST_RELEASED as usize)
    );
    assert_eq!(device.serve(REPORTS, &mut guest), Ok(false));
    let all: Vec<_> = (4..4 + u64::from(pages)).collect();
    assert_eq!((guest.used(), &guest.released), (1, &all));
    assert_eq!(
        device.balloon().unwrap().counters.reported,
        u64::from(pages)
    );
    // The next one begins where it begins.
    guest.describe(2, (0x4000, 0x1000), 2, 0);
    guest.offer(2);
    assert_eq!(device.serve(REPORTS, &mut guest), Ok(false));
    assert_eq!(guest.released.last(), Some(&4));
}

#[test]
fn reports_of_more_than_there_is_end_the_device() {
    for piece in [(0, (PAGES as u32 + 1) << 12), (u64::MAX - 0xfff, 0x2000)] {
        let (mut device, mut guest) = (driven(REPORTS), Guest::new());
        guest.describe(0, piece, 2, 0);
        guest.offer(0);
        assert_eq!(device.serve(REPORTS, &mut guest), Ok(false));
        assert!(guest.released.is_empty());
        assert_given_up(device, &mut guest);
    }
}

#[test]
fn nothing_is_released_of_a_report_whose_end_makes_no_sense() {
    // Not for the device to write, and at the end of all addresses.
    for (piece, flags) in [((0x5000, 0x1000), 0), ((u64::MAX - 0xfff, 0x1000), 2)] {
        let (mut device, mut guest) = (driven(REPORTS), Guest::new());
        guest.describe(0, (0x3000, 0x1000), 3, 1);
        guest.describe(1, piece, flags, 0);
        guest.offer(0);
        assert_eq!(device.serve(REPORTS, &mut guest), Ok(false));
        assert!(guest.released.is_empty());
        assert_given_up(device, &mut guest);
    }
}

#[test]
fn statistics_are_kept_until_they_are_asked_for_again() {
    let (mut device, mut guest) = (driven(STATISTICS), Guest::new());
    let offer = |guest: &mut Guest, available: u64| {
        let mut bytes = [0; 20];
        bytes[..2].copy_from_slice(&4_u16.to_le_bytes());
        bytes[10..12].copy_from_slice(&6_u16.to_le_bytes());
        bytes[12..].copy_from_slice(&available.to_le_bytes());
        guest.put(DATA, &bytes);
        guest.describe(2, (DATA, 20), 0, 0);
        guest.offer(2);
    };
    offer(&mut guest, 0x1_0000_0007);
    assert_eq!(device.serve(STATISTICS, &mut guest), Ok(false));
    assert_eq!((guest.used(), device.has_news()), (0, false));
    assert_eq!(device.balloon().unwrap().available(), Some(0x1_0000_0007));
    assert_eq!(device.ask(&mut guest), Ok(()));
    assert_eq!((guest.used(), guest.word(USED + 4)), (1, 2));
    assert_eq!(device.ask(&mut guest), Ok(()), "once");
    assert_eq!(guest.used(), 1);
    assert_eq!(device.publish(&mut guest), Ok((true, false)));
    assert_eq!(guest.indicators(), [1 << STATISTICS, 0]);
    offer(&mut guest, 3);
    assert_eq!(device.serve(STATISTICS, &mut guest), Ok(false));
    assert_eq!(device.balloon().unwrap().available(), Some(3));
}

#[test]
fn the_target_is_the_devices_and_the_size_the_drivers() {
    let (mut device, mut guest) = (driven(INFLATE), Guest::new());
    device.set_target(0x0102_0304);
    assert_eq!(device.publish(&mut guest), Ok((true, true)));
    assert_eq!(guest.indicators(), [0, 1]);
    write(&mut device, 0x21, &[9, 9, 9, 9, 7, 0, 0, 0]);
    let (outcome, data) = run(&mut device, 0x22, &[0; 16]);
    assert_eq!(outcome, Outcome::Gave(8));
    assert_eq!(data[..8], [4, 3, 2, 1, 7, 0, 0, 0]);
    assert_eq!(device.balloon().unwrap().actual(), 7);
}

#[test]
fn nobody_is_told_who_does_not_drive_the_device() {
    let mut device = driven(INFLATE);
    write(&mut device, 0x33, &[]);
    device.set_target(5);
    assert!(!device.has_news());
    assert_eq!(device.balloon().unwrap().target(), 5);
}
