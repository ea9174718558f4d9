//! Lines in the line mode of the console, for those who print them and those who read them.
//!
//! A message holds [`LONGEST`] characters. A longer line goes out in pieces: each but the last is that
//! long and ends in a backslash that is not the line's.

/// Most characters of one line-mode message.
pub const LONGEST: usize = 4004;

/// What a piece that does not end its line adds to it; nothing for the last piece and for other lines.
#[must_use]
pub fn continued(message: &[u8]) -> Option<&[u8]> {
    match message {
        [piece @ .., b'\\'] if message.len() == LONGEST => Some(piece),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_full_message_with_the_mark_goes_on() {
        let mut message = [b'x'; LONGEST];
        assert_eq!(continued(&message), None);
        message[LONGEST - 1] = b'\\';
        assert_eq!(continued(&message), Some(&message[..LONGEST - 1]));
        assert_eq!(continued(&message[1..]), None);
    }
}
