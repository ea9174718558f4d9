//! A guest's console: text comes in pieces, lines go out.

use alloc::string::String;
use alloc::vec::Vec;
use core::mem;

use drivers::line_mode;

/// Longest line that is kept, in bytes; what is longer is cut into several.
const LONGEST: usize = 64 * 1024;

/// Which console a guest's service processor offers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Offer {
    /// ASCII text, and messages for those who prefer them.
    Ascii,
    /// Messages in line mode only.
    Line,
}

/// Collects a guest's text into lines.
#[derive(Debug)]
pub struct GuestConsole {
    offer: Offer,
    line: Vec<u8>,
    complete: Vec<String>,
}

impl GuestConsole {
    /// A console that has printed nothing.
    #[must_use]
    pub fn new(offer: Offer) -> Self {
        Self {
            offer,
            line: Vec::new(),
            complete: Vec::new(),
        }
    }

    /// What the guest is told about it.
    #[must_use]
    pub fn offer(&self) -> Offer {
        self.offer
    }

    /// Takes a line-mode message, in ASCII: a line, or a piece of one.
    pub fn message(&mut self, text: &[u8]) {
        let piece = line_mode::continued(text);
        self.text(piece.unwrap_or(text).iter().copied());
        if piece.is_none() {
            self.end_line();
        }
    }

    /// Takes text of the guest.
    pub fn text(&mut self, bytes: impl IntoIterator<Item = u8>) {
        for byte in bytes {
            match byte {
                b'\n' => self.end_line(),
                b'\r' => {}
                _ => self.line.push(byte),
            }
            if self.line.len() >= LONGEST {
                self.end_line();
            }
        }
    }

    fn end_line(&mut self) {
        let text = String::from_utf8(mem::take(&mut self.line)).unwrap_or_else(|bad| {
            let plain = |byte: &u8| match byte {
                0..0x80 => char::from(*byte),
                _ => char::REPLACEMENT_CHARACTER,
            };
            bad.as_bytes().iter().map(plain).collect()
        });
        self.complete.push(text);
    }

    /// The lines that are complete by now.
    pub fn lines(&mut self) -> Vec<String> {
        mem::take(&mut self.complete)
    }

    /// As [`GuestConsole::lines`], with a last line that was not ended.
    pub fn all(&mut self) -> Vec<String> {
        if !self.line.is_empty() {
            self.end_line();
        }
        self.lines()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_become_lines() {
        let mut console = GuestConsole::new(Offer::Ascii);
        console.text(*b"one\r\ntw");
        assert_eq!(console.lines(), ["one"]);
        console.text(*b"o\nrest");
        assert_eq!(console.lines(), ["two"]);
        assert_eq!(console.all(), ["rest"]);
    }

    #[test]
    fn messages_become_lines() {
        let mut console = GuestConsole::new(Offer::Line);
        console.message(b"one");
        console.message(b"");
        let long = [b'x'; line_mode::LONGEST - 1];
        console.message(&[&long[..], b"\\"].concat());
        assert_eq!(console.lines(), ["one", ""]);
        console.message(b"end");
        assert_eq!(console.all(), ["x".repeat(long.len()) + "end"]);
    }

    #[test]
    fn a_line_that_is_no_text_keeps_what_is() {
        let mut console = GuestConsole::new(Offer::Ascii);
        console.text("\u{e4}b\n".bytes());
        console.text(*b"a\xffb\n");
        assert_eq!(console.lines(), ["\u{e4}b", "a\u{fffd}b"]);
    }

    #[test]
    fn a_line_without_an_end_is_bounded() {
        let mut console = GuestConsole::new(Offer::Ascii);
        console.text([b'x'; LONGEST + 1]);
        assert_eq!(console.lines().len(), 1);
    }
}
