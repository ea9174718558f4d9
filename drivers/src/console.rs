//! The console of the service processor: the integrated ASCII console or line-mode messages,
//! whichever the machine offers.

use core::fmt::{self, Write};
use core::sync::atomic::{AtomicU8, Ordering};

use crate::{ebcdic, sclp};

/// Event type of a line-mode message.
const MESSAGE: u8 = 0x02;
/// Event type of text for the ASCII console.
const ASCII: u8 = 0x1a;
/// Most text in one event, in bytes: a control block less headers.
const MOST: usize = 4000;
/// Most characters of one line-mode line.
const LINE: usize = 4000;

/// Which console the machine offers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Kind {
    /// Not known yet, or none.
    None = 0,
    /// The integrated ASCII console.
    Ascii = 1,
    /// Line-mode messages in EBCDIC.
    Line = 2,
}

static KIND: AtomicU8 = AtomicU8::new(Kind::None as u8);

/// The mask bit of an event type, of which 1 is the leftmost.
const fn bit(kind: u8) -> u32 {
    1 << (32 - kind)
}

/// Finds out which console there is. Nothing is printed before.
///
/// # Errors
/// There is no service processor, or it offers no console.
pub fn init() -> Result<Kind, sclp::Error> {
    let receives = sclp::write_event_mask(bit(ASCII) | bit(MESSAGE))?;
    let kind = if receives & bit(ASCII) != 0 {
        Kind::Ascii
    } else if receives & bit(MESSAGE) != 0 {
        Kind::Line
    } else {
        return Err(sclp::Error::NoConsole);
    };
    KIND.store(kind as u8, Ordering::Release);
    Ok(kind)
}

/// Collects text and sends it when a line or an event is full.
struct Sender {
    buffer: [u8; MOST],
    length: usize,
    kind: u8,
}

impl Sender {
    fn flush(&mut self) {
        if self.length == 0 {
            return;
        }
        let text = &self.buffer[..self.length];
        // Nobody is left to be told that the console does not print.
        let _ = if self.kind == Kind::Ascii as u8 {
            sclp::write_event(ASCII, text.len(), |data| data.copy_from_slice(text))
        } else {
            send_line(text)
        };
        self.length = 0;
    }

    fn push(&mut self, byte: u8) {
        self.buffer[self.length] = byte;
        self.length += 1;
        if self.length == self.buffer.len() {
            self.flush();
        }
    }
}

impl Write for Sender {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            match (byte, self.kind == Kind::Ascii as u8) {
                (b'\n', true) => {
                    self.push(b'\r');
                    self.push(b'\n');
                }
                (b'\n', false) => self.flush(),
                _ => self.push(byte),
            }
        }
        Ok(())
    }
}

/// Sends one line as a message: a message data block with a general object and one text object.
fn send_line(text: &[u8]) -> Result<(), sclp::Error> {
    let text = &text[..text.len().min(LINE)];
    // Message data block header 14, general object 50 (SCLP line-mode message, "MDB").
    const MDB_HEADER: usize = 14;
    const GENERAL: usize = 50;
    const TEXT_HEADER: usize = 6;
    let object = TEXT_HEADER + text.len();
    let mdb = MDB_HEADER + GENERAL + object;
    sclp::write_event(MESSAGE, mdb, |data| {
        data[0..2].copy_from_slice(&(mdb as u16).to_be_bytes());
        data[2..4].copy_from_slice(&1_u16.to_be_bytes());
        data[4..8].copy_from_slice(&0xd4c4_c240_u32.to_be_bytes()); // "MDB " in EBCDIC
        data[8..12].copy_from_slice(&1_u32.to_be_bytes());
        let general = &mut data[MDB_HEADER..];
        general[0..2].copy_from_slice(&(GENERAL as u16).to_be_bytes());
        general[2..4].copy_from_slice(&1_u16.to_be_bytes());
        let line = &mut general[GENERAL..];
        line[0..2].copy_from_slice(&(object as u16).to_be_bytes());
        line[2..4].copy_from_slice(&4_u16.to_be_bytes()); // message text object
        line[4..6].copy_from_slice(&0x1000_u16.to_be_bytes()); // ends a line
        for (to, from) in line[TEXT_HEADER..].iter_mut().zip(text) {
            *to = ebcdic::from_ascii(*from);
        }
    })
}

/// Prints text; works in a panic too, for it takes no lock and needs no heap.
pub fn print(text: fmt::Arguments<'_>) {
    let kind = KIND.load(Ordering::Acquire);
    if kind == Kind::None as u8 {
        return;
    }
    let mut sender = Sender {
        buffer: [0; MOST],
        length: 0,
        kind,
    };
    // `Sender` never fails.
    let _ = sender.write_fmt(text);
    sender.flush();
}

/// Prints a line of text.
pub fn print_line(text: fmt::Arguments<'_>) {
    print(format_args!("{text}\n"));
}
