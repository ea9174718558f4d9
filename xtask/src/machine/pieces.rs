//! Puts lines together that a line-mode console printed in pieces.

use std::mem;

use drivers::line_mode;

/// Most bytes that are put together; an image that never ends its line must not fill our memory.
const MOST: usize = 1 << 20;

/// The pieces of a line whose end has not come yet.
#[derive(Debug, Default)]
pub struct Pieces(String);

impl Pieces {
    /// Takes what the console printed as a line; returns the whole line when its end has come.
    pub fn join(&mut self, printed: &str) -> Option<String> {
        let piece = line_mode::continued(printed.as_bytes()).filter(|_| self.0.len() < MOST);
        match piece {
            Some(piece) => {
                self.0 += &String::from_utf8_lossy(piece);
                None
            }
            None => Some(mem::take(&mut self.0) + printed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_joined_and_lines_left_alone() {
        let mut pieces = Pieces::default();
        assert_eq!(pieces.join("a line\\").as_deref(), Some("a line\\"));
        let piece = "x".repeat(line_mode::LONGEST - 1);
        assert_eq!(pieces.join(&format!("{piece}\\")), None);
        assert_eq!(pieces.join("y"), Some(piece + "y"));
        assert_eq!(pieces.join("").as_deref(), Some(""));
    }

    #[test]
    fn a_line_without_end_is_bounded() {
        let mut pieces = Pieces::default();
        let piece = format!("{}\\", "x".repeat(line_mode::LONGEST - 1));
        let whole = (0..2 * MOST / piece.len()).find_map(|_| pieces.join(&piece));
        assert!(whole.is_some());
    }
}
