//! A guest's console: text comes in pieces, lines go out.

use alloc::string::String;
use alloc::vec::Vec;
use core::mem;

/// Longest line that is kept, in bytes; what is longer is cut into several.
const LONGEST: usize = 64 * 1024;

/// Collects a guest's text into lines.
#[derive(Default, Debug)]
pub struct GuestConsole {
    line: Vec<u8>,
    complete: Vec<String>,
}

impl GuestConsole {
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
        let line = mem::take(&mut self.line);
        self.complete
            .push(String::from_utf8_lossy(&line).into_owned());
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
        let mut console = GuestConsole::default();
        console.text(*b"one\r\ntw");
        assert_eq!(console.lines(), ["one"]);
        console.text(*b"o\nrest");
        assert_eq!(console.lines(), ["two"]);
        assert_eq!(console.all(), ["rest"]);
    }

    #[test]
    fn a_line_without_an_end_is_bounded() {
        let mut console = GuestConsole::default();
        console.text([b'x'; LONGEST + 1]);
        assert_eq!(console.lines().len(), 1);
    }
}
