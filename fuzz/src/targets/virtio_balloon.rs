//! A balloon: whatever a driver puts into its queues, only pages of the guest go, counters count them, and a device that
//! had to wait for storage has done the same in the end as one that had not.

use arbitrary::{Result, Unstructured};
use host::dev::virtio::{Balloon, Virtio};

use super::virtio::{assert_same, command_all, disturb, driven, fill, ring, serve_all};
use crate::storage::{Memory, PAGES};

/// The device's features, all of which the driver takes.
const FEATURES: u32 = 1 << 1 | 1 << 2 | 1 << 5;

/// Tries a balloon.
pub fn run(data: &[u8]) {
    let _ = check(&mut Unstructured::new(data));
}

/// What became of the balloon.
fn outcome(device: &mut Virtio) -> (u32, Option<u64>, [u64; 3], bool) {
    let is_driven = device.is_driven();
    let balloon = device.balloon().expect("it is one");
    let counters = balloon.counters;
    let counts = [counters.inflated, counters.deflated, counters.reported];
    (balloon.actual(), balloon.available(), counts, is_driven)
}

fn check(input: &mut Unstructured<'_>) -> Result<()> {
    let queue = u16::from(input.arbitrary::<u8>()? & 3);
    let has_tables = input.arbitrary()?;
    let mut memory = Memory::new(0);
    let entries = fill(&mut memory, input)?;
    let make = || {
        driven(
            Balloon::default().into(),
            queue,
            entries,
            FEATURES,
            has_tables,
        )
    };
    let (mut plain, mut waiting) = (make(), make());
    let mut other = memory.clone();
    disturb(&mut other, input)?;
    serve_all(&mut plain, queue.into(), &mut memory);
    serve_all(&mut waiting, queue.into(), &mut other);
    assert_eq!(outcome(&mut plain), outcome(&mut waiting));
    assert_same(&memory, &other);
    let (_, _, [inflated, _, reported], _) = outcome(&mut plain);
    assert!(memory.released.iter().all(|page| *page < PAGES));
    assert!(memory.released.len() as u64 <= inflated + reported);
    for (device, memory) in [(&mut plain, &mut memory), (&mut waiting, &mut other)] {
        while device.ask(memory).is_err() {}
        while device.publish(memory).is_err() {}
    }
    assert_same(&memory, &other);
    command_all(&mut plain, input)
}

/// Pages into it, out of it, statistics, and a report.
#[must_use]
pub fn seeds() -> Vec<Vec<u8>> {
    let numbers: &[u8] = &[3, 0, 0, 0, 4, 0, 0, 0, 9, 0, 0, 0];
    let pages: &[u8] = &[0x10, 0, 0, 0, 12];
    let statistics: &[u8] = &[6, 0, 1, 0, 0, 0, 0, 0, 0, 0];
    let tagged: &[u8] = &[0x10, 0, 0, 0, 10];
    let report: &[u8] = &[0x22, 0, 32, 15];
    let with = |queue: u8, descriptor: &[u8], data: &[u8]| {
        let mut bytes = vec![queue, 0];
        bytes.extend(ring(&[0], &[descriptor], &[(0, data)]));
        bytes.extend([1; PAGES as usize]);
        bytes
    };
    vec![
        with(0, pages, numbers),
        with(1, pages, numbers),
        with(2, tagged, statistics),
        with(3, report, &[]),
    ]
}
