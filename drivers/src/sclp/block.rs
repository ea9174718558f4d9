//! Service-call control blocks: how requests and answers are laid out in storage.
//!
//! The layouts are those of the "Service-Call Logical Processor" as operating systems use it; all
//! numbers are big-endian, nothing is aligned.

use core::mem::offset_of;

use zerocopy::big_endian::{U16, U32, U64};
use zerocopy::{FromBytes, FromZeros, Immutable, IntoBytes, KnownLayout};

use crate::{ebcdic, line_mode};

/// Size of a control block, in bytes: a page.
pub const SIZE: usize = 4096;
/// The bytes of a control block.
pub type Block = [u8; SIZE];

/// Event type of a command that somebody typed at a console in line mode.
pub const COMMAND: u8 = 0x01;
/// Event type of a line-mode message.
pub const MESSAGE: u8 = 0x02;
/// Event type of text for the ASCII console, and from it.
pub const ASCII: u8 = 0x1a;

/// Most bytes of text in one event for the ASCII console.
pub const MOST_ASCII: usize = SIZE - size_of::<Header>() - size_of::<Event>();
/// Most characters in one line-mode message.
pub const MOST_LINE: usize = line_mode::LONGEST;
const _: () = assert!(MOST_LINE == MOST_ASCII - size_of::<Message>() - size_of::<Text>());

/// What every control block starts with.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
struct Header {
    length: U16,
    function: u8,
    control: [u8; 3],
    response: U16,
}

/// The answer to READ SCP INFO, as far as it is used here.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
struct ScpInfo {
    header: Header,
    increments: U16,
    increment_mib: u8,
    reserved_11: [u8; 5],
    cpus: U16,
    cpu_entries: U16,
    reserved_20: [u8; 28],
    facilities: U64,
    reserved_56: [u8; 44],
    wide_increment_mib: U32,
    wide_increments: U64,
}

const _: () = {
    assert!(offset_of!(ScpInfo, cpus) == 16 && offset_of!(ScpInfo, facilities) == 48);
    assert!(offset_of!(ScpInfo, wide_increment_mib) == 100);
};

/// WRITE EVENT MASK; masks have one bit an event type, type 1 is the leftmost.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
struct EventMask {
    header: Header,
    reserved_8: U16,
    mask_length: U16,
    program_receives: U32,
    program_sends: U32,
    machine_receives: U32,
    machine_sends: U32,
}

/// What every event starts with.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
struct Event {
    length: U16,
    kind: u8,
    flags: u8,
    reserved_4: U16,
}

/// A message data block with its general object; text objects follow.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
struct Message {
    length: U16,
    kind: U16,
    tag: U32,
    revision: U32,
    general_length: U16,
    general_kind: U16,
    general: [u8; GENERAL],
}

/// Length of a general object without its length and kind, in bytes.
const GENERAL: usize = 52;

/// A text object: a line, whose characters follow.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
struct Text {
    length: U16,
    kind: U16,
    flags: U16,
    alarm: u8,
    reserved_7: [u8; 3],
}

const _: () = assert!(size_of::<Message>() == 68 && size_of::<Text>() == 10);

/// What the service processor says about the machine.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Machine {
    /// Storage from absolute 0, in bytes.
    pub memory: u64,
    /// Configured CPUs by address, of the addresses from 0 (the lowest bit) to 63.
    pub cpus: u64,
    /// Facilities of the service processor, bit 0 leftmost.
    pub facilities: u64,
}

/// Writes `part` into the block at `at`; returns where it ends.
fn put(block: &mut Block, at: usize, part: &(impl IntoBytes + Immutable)) -> usize {
    let bytes = part.as_bytes();
    block[at..at + bytes.len()].copy_from_slice(bytes);
    at + bytes.len()
}

fn length(bytes: usize) -> U16 {
    U16::new(u16::try_from(bytes).expect("a part of a control block is shorter than 64 KiB"))
}

/// Bit of an event type in a mask.
pub const fn mask_bit(kind: u8) -> u32 {
    1 << (32 - kind)
}

/// The response code; 0 until the request is complete.
pub fn response(block: &Block) -> u16 {
    u16::from_be_bytes([block[6], block[7]])
}

/// Fills a block for READ SCP INFO.
pub fn put_read_info(block: &mut Block) {
    put(block, 0, &length(SIZE));
}

/// The addresses of CPUs in the entries that the answer names.
fn cpus(block: &Block, info: &ScpInfo) -> u64 {
    /// Length of an entry; its first byte is the address.
    const ENTRY: usize = 16;
    let start = usize::from(info.cpu_entries.get());
    if start < size_of::<ScpInfo>() {
        return 0;
    }
    let entries = block.get(start..).unwrap_or_default();
    entries
        .chunks_exact(ENTRY)
        .take(info.cpus.get().into())
        .filter(|entry| entry[0] < 64)
        .fold(0, |all, entry| all | 1 << entry[0])
}

/// The answer to READ SCP INFO.
pub fn machine(block: &Block) -> Machine {
    let (info, _) = ScpInfo::ref_from_prefix(block).expect("a block is longer, and bytes only");
    // The wide fields hold what does not fit the narrow ones, which are zero then.
    let increments = match info.increments.get() {
        0 => info.wide_increments.get(),
        count => count.into(),
    };
    let mib = match info.increment_mib {
        0 => info.wide_increment_mib.get().into(),
        size => u64::from(size),
    };
    Machine {
        memory: increments.saturating_mul(mib).saturating_mul(1 << 20),
        cpus: cpus(block, info),
        facilities: info.facilities.get(),
    }
}

/// Fills a block for WRITE EVENT MASK: this program sends the events in `sends`, and receives those in
/// `receives`.
pub fn put_event_mask(block: &mut Block, sends: u32, receives: u32) {
    let mut mask = EventMask::new_zeroed();
    mask.header.length = length(size_of::<EventMask>());
    mask.mask_length = length(size_of::<U32>());
    mask.program_sends = sends.into();
    mask.program_receives = receives.into();
    put(block, 0, &mask);
}

/// The answer to WRITE EVENT MASK: which events the machine receives.
pub fn machine_receives(block: &Block) -> u32 {
    let (mask, _) = EventMask::ref_from_prefix(block).expect("a block is longer, and bytes only");
    mask.machine_receives.get()
}

/// Header and event header for an event with `data` bytes behind them; returns where those start.
fn put_event(block: &mut Block, kind: u8, data: usize) -> usize {
    let mut header = Header::new_zeroed();
    header.length = length(size_of::<Header>() + size_of::<Event>() + data);
    let mut event = Event::new_zeroed();
    event.length = length(size_of::<Event>() + data);
    event.kind = kind;
    let at = put(block, 0, &header);
    put(block, at, &event)
}

/// Fills a block for WRITE EVENT DATA: text for the ASCII console, [`MOST_ASCII`] bytes at most.
pub fn put_ascii(block: &mut Block, text: &[u8]) {
    let at = put_event(block, ASCII, text.len());
    block[at..at + text.len()].copy_from_slice(text);
}

/// Fills a block for WRITE EVENT DATA: a line-mode message, [`MOST_LINE`] characters at most.
pub fn put_line(block: &mut Block, line: &[u8]) {
    const MESSAGE_DATA_BLOCK: u16 = 1;
    const GENERAL_OBJECT: u16 = 1;
    const TEXT_OBJECT: u16 = 4;
    const END_OF_TEXT: u16 = 0x1000;
    let object = size_of::<Text>() + line.len();
    let at = put_event(block, MESSAGE, size_of::<Message>() + object);
    let message = Message {
        length: length(size_of::<Message>() + object),
        kind: MESSAGE_DATA_BLOCK.into(),
        tag: U32::from_bytes([0xd4, 0xc4, 0xc2, 0x40]), // "MDB " in EBCDIC
        revision: 1.into(),
        general_length: length(size_of::<[U16; 2]>() + GENERAL),
        general_kind: GENERAL_OBJECT.into(),
        general: [0; GENERAL],
    };
    let mut text = Text::new_zeroed();
    text.length = length(object);
    text.kind = TEXT_OBJECT.into();
    text.flags = END_OF_TEXT.into();
    let at = put(block, at, &message);
    let at = put(block, at, &text);
    for (to, from) in block[at..].iter_mut().zip(line) {
        *to = ebcdic::from_ascii(*from);
    }
}

/// Fills a block for READ EVENT DATA: whatever there is.
pub fn put_read_event(block: &mut Block) {
    put(block, 0, &length(SIZE));
}

/// Gives the type and the data of each event in the answer to READ EVENT DATA to `take`.
pub fn events(block: &Block, mut take: impl FnMut(u8, &[u8])) {
    let end = usize::from(u16::from_be_bytes([block[0], block[1]])).min(SIZE);
    let mut rest = block.get(size_of::<Header>()..end).unwrap_or_default();
    while let Ok((event, _)) = Event::ref_from_prefix(rest) {
        let length = usize::from(event.length.get());
        let Some((whole, behind)) = rest.split_at_checked(length) else {
            return;
        };
        let Some(data) = whole.get(size_of::<Event>()..) else {
            return;
        };
        take(event.kind, data);
        rest = behind;
    }
}

#[cfg(test)]
mod tests;
