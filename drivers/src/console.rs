//! The console of the service processor: the integrated ASCII console or line-mode messages,
//! whichever the machine offers.
//!
//! The ASCII console takes a stream of bytes, so lines may have any length. A line-mode message is a
//! line of its own, always; a line that is longer than one can be goes out in pieces (see
//! [`line_mode`](crate::line_mode)).

use core::fmt::{self, Write};
use core::mem;
use core::sync::atomic::{AtomicU8, Ordering};

use alloc::vec::Vec;

use crate::sclp;
use crate::sclp::block::{self as sccb, ASCII, COMMAND, MESSAGE, MOST_ASCII, MOST_LINE, mask_bit};
use crate::{ebcdic, line_mode};

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

impl Kind {
    /// Its name for people and programs.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Ascii => "ascii",
            Self::Line => "line",
        }
    }
}

/// Events that this program sends: text for either console.
const SENDS: u32 = mask_bit(ASCII) | mask_bit(MESSAGE);

static KIND: AtomicU8 = AtomicU8::new(Kind::None as u8);

/// Which console was found.
pub fn kind() -> Kind {
    match KIND.load(Ordering::Acquire) {
        kind if kind == Kind::Ascii as u8 => Kind::Ascii,
        kind if kind == Kind::Line as u8 => Kind::Line,
        _ => Kind::None,
    }
}

/// Finds out which console there is; of two, the ASCII console. Nothing is printed before.
///
/// # Errors
/// There is no service processor, or it offers no console.
pub fn init() -> Result<Kind, sclp::Error> {
    let receives = sclp::write_event_mask(SENDS, 0)?;
    let kind = if receives & mask_bit(ASCII) != 0 {
        Kind::Ascii
    } else if receives & mask_bit(MESSAGE) != 0 {
        Kind::Line
    } else {
        return Err(sclp::Error::NoConsole);
    };
    KIND.store(kind as u8, Ordering::Release);
    Ok(kind)
}

/// Lets people type; see [`typed`].
///
/// # Errors
/// The service processor does not take the request.
pub fn listen() -> Result<(), sclp::Error> {
    sclp::write_event_mask(SENDS, mask_bit(ASCII) | mask_bit(COMMAND)).map(drop)
}

/// What was typed since the last time, in ASCII; a command in line mode ends its line.
pub fn typed() -> Vec<u8> {
    let mut text = Vec::new();
    // Whoever does not answer has nothing to say.
    let _ = sclp::read_events(|kind, data| match kind {
        // The first byte says that text follows.
        ASCII => text.extend_from_slice(data.get(1..).unwrap_or_default()),
        COMMAND => {
            let command = line_mode::command(data).unwrap_or_default();
            text.extend(command.iter().map(|code| ebcdic::to_ascii(*code)));
            text.push(b'\n');
        }
        _ => {}
    });
    text
}

/// What a sender holds back: as much as either console takes at once.
const BUFFER: usize = MOST_LINE;
const _: () = assert!(BUFFER <= MOST_ASCII);

/// Collects text and sends it when a line or an event is full.
struct Sender {
    buffer: [u8; BUFFER],
    length: usize,
    line_mode: bool,
}

impl Sender {
    /// Sends what there is, in line mode as a line even if it is empty.
    fn send(&mut self) {
        let text = &self.buffer[..self.length];
        // Nobody is left to be told that the console does not print.
        let _ = sclp::write_event(|block| {
            if self.line_mode {
                sccb::put_line(block, text);
            } else {
                sccb::put_ascii(block, text);
            }
        });
        self.length = 0;
    }

    /// Sends what fills the buffer although its line goes on.
    fn make_room(&mut self) {
        if self.line_mode {
            let last = mem::replace(&mut self.buffer[BUFFER - 1], b'\\');
            self.send();
            self.push(last);
        } else {
            self.send();
        }
    }

    fn push(&mut self, byte: u8) {
        if self.length == BUFFER {
            self.make_room();
        }
        self.buffer[self.length] = byte;
        self.length += 1;
    }
}

impl Write for Sender {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            match byte {
                b'\n' if self.line_mode => self.send(),
                b'\n' => {
                    self.push(b'\r');
                    self.push(b'\n');
                }
                _ => self.push(byte),
            }
        }
        Ok(())
    }
}

/// Prints text; works in a panic too, for it takes no lock and needs no heap.
///
/// In line mode the end of the text is the end of a line.
pub fn print(text: fmt::Arguments<'_>) {
    let kind = kind();
    if kind == Kind::None {
        return;
    }
    let mut sender = Sender {
        buffer: [0; BUFFER],
        length: 0,
        line_mode: kind == Kind::Line,
    };
    // `Sender` never fails; an implementation of `Display` that does has printed what it could.
    let _ = sender.write_fmt(text);
    if sender.length > 0 {
        sender.send();
    }
}

/// Prints a line of text.
pub fn print_line(text: fmt::Arguments<'_>) {
    print(format_args!("{text}\n"));
}
