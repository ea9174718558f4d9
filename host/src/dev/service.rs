//! The service processor that a guest sees: what it answers to a service-call control block.

use super::console::{GuestConsole, Offer};
use super::message;

/// Commands.
const READ_SCP_INFO: u32 = 0x0002_0001;
const READ_SCP_INFO_FORCED: u32 = 0x0012_0001;
const READ_CPU_INFO: u32 = 0x0001_0001;
const WRITE_EVENT_MASK: u32 = 0x0078_0005;
const WRITE_EVENT_DATA: u32 = 0x0076_0005;
const READ_EVENT_DATA: u32 = 0x0077_0005;

/// Response codes.
const READ_COMPLETE: u16 = 0x0010;
const COMPLETE: u16 = 0x0020;
const INVALID_COMMAND: u16 = 0x01f0;
const INSUFFICIENT_LENGTH: u16 = 0x0300;
const NO_EVENTS: u16 = 0x60f0;
/// Response code: the block crosses a page.
pub const INVALID_LENGTH: u16 = 0x70f0;
const SYNTAX_ERROR: u16 = 0x74f0;

/// Event types.
const MESSAGE: u8 = 0x02;
const ASCII: u8 = 0x1a;

/// Bit of an event type in a mask, where type 1 is leftmost.
const fn mask_bit(kind: u8) -> u32 {
    1 << (32 - kind)
}

/// Length of the control block's header.
pub const HEADER: usize = 8;

/// What of a guest its service processor knows.
pub struct Service<'a> {
    /// Memory in bytes: whole MiB.
    pub memory: u64,
    /// How many CPUs there are, with addresses from 0.
    pub cpus: usize,
    /// Where text goes.
    pub console: &'a mut GuestConsole,
}

/// Carries out a command; what there is to answer is in the block then. Returns the response code.
///
/// # Panics
/// If the block is shorter than [`HEADER`].
pub fn serve(service: &mut Service<'_>, command: u32, block: &mut [u8]) -> u16 {
    match command {
        READ_SCP_INFO | READ_SCP_INFO_FORCED => machine_info(service, block),
        READ_CPU_INFO => cpu_info(service.cpus, block),
        WRITE_EVENT_MASK => event_mask(service.console.offer(), block),
        WRITE_EVENT_DATA => event_data(service.console, block),
        READ_EVENT_DATA => NO_EVENTS,
        _ => INVALID_COMMAND,
    }
}

/// Length of an entry that describes a CPU.
const CPU_ENTRY: usize = 16;

/// Writes an entry for each CPU from `start` on: its address, and nothing that it has specially.
/// Returns whether there is room.
fn put_cpus(block: &mut [u8], start: usize, cpus: usize) -> bool {
    let Some(entries) = block.get_mut(start..start + cpus * CPU_ENTRY) else {
        return false;
    };
    entries.fill(0);
    for (address, entry) in entries.chunks_mut(CPU_ENTRY).enumerate() {
        entry[0] = address as u8;
    }
    true
}

/// Memory in increments of a MiB, and the CPUs.
fn machine_info(service: &Service<'_>, block: &mut [u8]) -> u16 {
    const START: usize = 128;
    let cpus = service.cpus;
    if !put_cpus(block, START, cpus) {
        return INSUFFICIENT_LENGTH;
    }
    block[HEADER..START].fill(0);
    let increments = (service.memory >> 20) as u16;
    block[8..10].copy_from_slice(&increments.to_be_bytes());
    block[10] = 1;
    block[16..18].copy_from_slice(&(cpus as u16).to_be_bytes());
    block[18..20].copy_from_slice(&(START as u16).to_be_bytes());
    READ_COMPLETE
}

fn cpu_info(cpus: usize, block: &mut [u8]) -> u16 {
    const START: usize = 16;
    if !put_cpus(block, START, cpus) {
        return INSUFFICIENT_LENGTH;
    }
    block[HEADER..START].fill(0);
    block[8..10].copy_from_slice(&(cpus as u16).to_be_bytes());
    block[10..12].copy_from_slice(&(START as u16).to_be_bytes());
    READ_COMPLETE
}

/// Masks of any length: the host receives messages, text only if the guest has an ASCII console, and
/// sends nothing.
fn event_mask(offer: Offer, block: &mut [u8]) -> u16 {
    if block.len() < 12 {
        return INSUFFICIENT_LENGTH;
    }
    let length = usize::from(u16::from_be_bytes([block[10], block[11]]));
    if length == 0 || block.len() < 12 + 4 * length {
        return INSUFFICIENT_LENGTH;
    }
    let mut masks = block[12..].chunks_mut(length).skip(2);
    let received = match offer {
        Offer::Ascii => mask_bit(MESSAGE) | mask_bit(ASCII),
        Offer::Line => mask_bit(MESSAGE),
    };
    let received = received.to_be_bytes();
    for mask in masks.next().into_iter() {
        for (to, from) in mask.iter_mut().zip(received.into_iter().chain([0; 252])) {
            *to = from;
        }
    }
    for mask in masks.next().into_iter() {
        mask.fill(0);
    }
    COMPLETE
}

/// Text for the console, in any number of events.
fn event_data(console: &mut GuestConsole, block: &[u8]) -> u16 {
    let mut rest = &block[HEADER..];
    while rest.len() >= 6 {
        let length = usize::from(u16::from_be_bytes([rest[0], rest[1]]));
        if length < 6 || length > rest.len() {
            return SYNTAX_ERROR;
        }
        let (event, behind) = rest.split_at(length);
        match event[2] & 0x7f {
            ASCII => console.text(event[6..].iter().copied()),
            MESSAGE => message::lines(&event[6..], |line| console.message(line)),
            _ => return SYNTAX_ERROR,
        }
        rest = behind;
    }
    COMPLETE
}
