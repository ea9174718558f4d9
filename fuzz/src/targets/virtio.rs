//! A driver whose rings, descriptors and tables a fuzzer makes up.

use arbitrary::{Result, Unstructured};
use drivers::virtio::command;
use host::dev::virtio::{Broken, Device, LONGEST, Virtio};

use crate::storage::{Memory, PAGE, PAGES};

/// Where a queue's parts are, tables of descriptors, the indicators, and data.
pub(super) const DESCRIPTORS: u64 = 0;
pub(super) const AVAILABLE: u64 = 0x800;
pub(super) const USED: u64 = 0xc00;
pub(super) const TABLES: u64 = 0x1000;
pub(super) const INDICATORS: [u64; 2] = [0xe00, 0xe08];
pub(super) const DATA: u64 = 0x2000;

/// Flags of descriptors.
pub(super) const NEXT: u16 = 1;
pub(super) const TO_DRIVER: u16 = 2;
pub(super) const INDIRECT: u16 = 4;

/// Feature bits: tables of descriptors, version 1.
const TABLES_OFFERED: u32 = 1 << 28;

/// Features of a driver: its own of the device's, whether it uses tables, and version 1.
fn write_features(device: &mut Virtio, own: u32, has_tables: bool) {
    let low = own | if has_tables { TABLES_OFFERED } else { 0 };
    let [a, b, c, d] = low.to_le_bytes();
    send(device, command::WRITE_FEATURES, &[a, b, c, d, 0]);
    send(device, command::WRITE_FEATURES, &[1, 0, 0, 0, 1]);
}

fn send(device: &mut Virtio, code: u8, bytes: &[u8]) {
    let mut data = [0; LONGEST];
    data[..bytes.len()].copy_from_slice(bytes);
    device.command(code, &mut data, bytes.len());
}

/// Makes a device one that is driven, with a queue of so many entries.
pub(super) fn drive(device: &mut Virtio, queue: u16, entries: u16, own: u32, has_tables: bool) {
    send(device, command::SET_REVISION, &[0, 2, 0, 0]);
    send(device, command::WRITE_STATUS, &[3]);
    write_features(device, own, has_tables);
    send(device, command::WRITE_STATUS, &[11]);
    let mut block = [0; 32];
    block[..8].copy_from_slice(&DESCRIPTORS.to_be_bytes());
    block[12..14].copy_from_slice(&queue.to_be_bytes());
    block[14..16].copy_from_slice(&entries.to_be_bytes());
    block[16..24].copy_from_slice(&AVAILABLE.to_be_bytes());
    block[24..].copy_from_slice(&USED.to_be_bytes());
    send(device, command::SET_QUEUE, &block);
    for (code, at) in [
        command::SET_QUEUE_INDICATORS,
        command::SET_DEVICE_INDICATORS,
    ]
    .into_iter()
    .zip(INDICATORS)
    {
        send(device, code, &at.to_be_bytes());
    }
    send(device, command::WRITE_STATUS, &[15]);
    assert!(device.is_driven());
}

/// A descriptor as a driver would write it, with what drivers get wrong in it.
fn descriptor(input: &mut Unstructured<'_>) -> Result<[u8; 16]> {
    let how: u8 = input.arbitrary()?;
    let flags = u16::from(how & 7);
    let next = u16::from(input.arbitrary::<u8>()? & if how & 0x80 == 0 { 7 } else { 255 });
    let (address, length) = match how >> 3 & 7 {
        0 => (input.arbitrary()?, input.arbitrary()?),
        1 => (
            u64::from(input.arbitrary::<u16>()?),
            u32::from(input.arbitrary::<u16>()?),
        ),
        _ if flags & INDIRECT != 0 => {
            let table = u64::from(input.arbitrary::<u8>()? & 7) * 0x100;
            (
                TABLES + table,
                u32::from(input.arbitrary::<u8>()? & 15) * 16,
            )
        }
        2 | 3 => (
            DATA + u64::from(input.arbitrary::<u16>()?),
            u32::from(input.arbitrary::<u8>()?),
        ),
        _ => {
            let sectors = u32::from(input.arbitrary::<u8>()? & 15) + 1;
            (
                DATA + u64::from(input.arbitrary::<u8>()?) * 256,
                sectors * 512,
            )
        }
    };
    let descriptor = u128::from(address)
        | u128::from(length) << 64
        | u128::from(flags) << 96
        | u128::from(next) << 112;
    Ok(descriptor.to_le_bytes())
}

/// Fills rings, tables and data; returns how many entries the queue has.
pub(super) fn fill(memory: &mut Memory, input: &mut Unstructured<'_>) -> Result<u16> {
    let entries = 1 << (input.arbitrary::<u8>()? & 3);
    let offered = u16::from(input.arbitrary::<u8>()?);
    memory.put(
        AVAILABLE,
        &u16::from(input.arbitrary::<u8>()? & 1).to_le_bytes(),
    );
    memory.put(AVAILABLE + 2, &(offered % (entries + 2)).to_le_bytes());
    for place in 0..entries {
        let head = u16::from(input.arbitrary::<u8>()? & 15);
        memory.put(AVAILABLE + 4 + 2 * u64::from(place), &head.to_le_bytes());
    }
    for number in 0..u64::from(entries) {
        memory.put(DESCRIPTORS + 16 * number, &descriptor(input)?);
    }
    let tables = u64::from(input.arbitrary::<u8>()? & 3);
    for table in 0..tables {
        for number in 0..1 + u64::from(input.arbitrary::<u8>()? & 7) {
            memory.put(TABLES + 0x100 * table + 16 * number, &descriptor(input)?);
        }
    }
    for _ in 0..input.arbitrary::<u8>()? & 3 {
        let at = DATA + u64::from(input.arbitrary::<u8>()?) * 16;
        let length = usize::from(input.arbitrary::<u8>()? & 63).min(input.len());
        memory.put(at, input.bytes(length)?);
    }
    Ok(entries)
}

/// What the device does with storage that is away now and then.
pub(super) fn disturb(memory: &mut Memory, input: &mut Unstructured<'_>) -> Result<()> {
    memory.waits = input
        .arbitrary::<[u8; PAGES as usize]>()?
        .map(|count| count & 3);
    Ok(())
}

/// Serves a queue until there is nothing more to serve, and tells the driver.
pub(super) fn serve_all(device: &mut Virtio, queue: usize, memory: &mut Memory) {
    // More than a queue full of the longest requests has parts, and all the waiting for pages.
    for _ in 0..20_000 {
        match device.serve(queue, memory) {
            Ok(true) | Err(Broken::Storage) => {}
            Ok(false) => {
                while device.publish(memory).is_err() {}
                return;
            }
            Err(Broken::Driver) => panic!("a driver's mistake is the driver's"),
        }
    }
    panic!("it has no end");
}

/// Commands as a driver may send them in any state; what they answer is within their data.
pub(super) fn command_all(device: &mut Virtio, input: &mut Unstructured<'_>) -> Result<()> {
    use host::dev::virtio::Outcome;

    for _ in 0..input.arbitrary::<u8>()? & 15 {
        let code: u8 = input.arbitrary()?;
        let mut data: [u8; LONGEST] = input.arbitrary()?;
        let count = usize::from(input.arbitrary::<u8>()?) % (LONGEST + 1);
        match device.command(code, &mut data, count) {
            Outcome::Took(length) | Outcome::Gave(length) => assert!(length <= count),
            Outcome::TooShort | Outcome::Refused => {}
        }
    }
    Ok(())
}

/// A device, made anew for each run that is compared.
pub(super) fn driven(device: Device, queue: u16, entries: u16, own: u32, tables: bool) -> Virtio {
    let mut virtio = Virtio::new(device);
    drive(&mut virtio, queue, entries, own, tables);
    virtio
}

/// What two runs, with and without waiting, must have in common: all storage.
pub(super) fn assert_same(one: &Memory, other: &Memory) {
    assert!(one.disk == other.disk, "the disk");
    assert_eq!(one.released, other.released);
    let differs = one.bytes.iter().zip(&other.bytes).position(|(a, b)| a != b);
    assert_eq!(
        differs,
        None,
        "page {:?}",
        differs.map(|at| at as u64 / PAGE)
    );
}

/// A ring of descriptors for seeds: how, next, and what follows.
pub(super) fn ring(heads: &[u8], descriptors: &[&[u8]], data: &[(u8, &[u8])]) -> Vec<u8> {
    let mut bytes = vec![heads.len().ilog2() as u8, heads.len() as u8, 0];
    bytes.extend(heads);
    bytes.extend(descriptors.concat());
    bytes.push(0);
    bytes.push(data.len() as u8);
    for (at, piece) in data {
        bytes.extend([*at, piece.len() as u8]);
        bytes.extend(*piece);
    }
    bytes
}
