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

/// What is around the text of a command: vectors in vectors, each with its length and what it is.
const AROUND: [u16; 3] = [
    0x1310, // a multiple-domain support message unit
    0x1212, // a control point's
    0x1320, // a command in text
];
/// Then subvectors: a message that says itself what its text is, and the text.
const TEXT: [u8; 2] = [0x31, 0x30];

/// What QEMU has in front of the text instead: these parts in another byte order, without the length of
/// what is in them.
const AROUND_QEMU: [u8; 16] = [
    0x00, 0x10, 0x10, 0x13, 0x00, 0x0c, 0x12, 0x12, 0x00, 0x08, 0x20, 0x13, 0x00, 0x31, 0x00, 0x30,
];

/// The text in what somebody typed, as it came: in EBCDIC.
#[must_use]
pub fn command(event: &[u8]) -> Option<&[u8]> {
    if let Some(text) = event.strip_prefix(&AROUND_QEMU) {
        return Some(text);
    }
    let vectors = AROUND.iter().try_fold(event, |rest, id| {
        part(
            rest,
            |rest| {
                let [high, low, id @ ..] = *rest.first_chunk::<4>()?;
                Some((
                    u16::from_be_bytes([high, low]).into(),
                    4,
                    u16::from_be_bytes(id),
                ))
            },
            *id,
        )
    });
    TEXT.iter().try_fold(vectors?, |rest, key| {
        part(
            rest,
            |rest| {
                let [length, key] = *rest.first_chunk::<2>()?;
                Some((length.into(), 2, key))
            },
            *key,
        )
    })
}

/// The contents of the first of some parts that is the wanted one; `header` reads the length of a part,
/// that of its header, and what it is.
fn part<T: PartialEq>(
    mut rest: &[u8],
    header: impl Fn(&[u8]) -> Option<(usize, usize, T)>,
    wanted: T,
) -> Option<&[u8]> {
    loop {
        let (length, start, kind) = header(rest)?;
        let (whole, behind) = rest.split_at_checked(length)?;
        let contents = whole.get(start..)?;
        if kind == wanted {
            return Some(contents);
        }
        rest = behind;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `l1` typed, with a part beside each that is wanted.
    #[rustfmt::skip]
    const TYPED: [u8; 34] = [
        0, 34, 0x13, 0x10,
        0, 4, 0x13, 0x11,
        0, 26, 0x12, 0x12,
        0, 6, 0x15, 0x4d, 0, 0,
        0, 16, 0x13, 0x20,
        3, 0x30, 0,
        9, 0x31,
        3, 0x32, 0,
        4, 0x30, 0x93, 0xf1,
    ];

    #[test]
    fn a_command_is_the_innermost_part() {
        assert_eq!(command(&TYPED), Some(&[0x93, 0xf1][..]));
        let of_qemu = [&AROUND_QEMU[..], &[0x93]].concat();
        assert_eq!(command(&of_qemu), Some(&[0x93][..]));
    }

    #[test]
    fn a_command_cut_short_or_without_length_is_none() {
        for end in 0..TYPED.len() {
            assert_eq!(command(&TYPED[..end]), None, "cut at {end}");
        }
        let mut typed = TYPED;
        typed[9] = 0;
        assert_eq!(command(&typed), None);
        typed = TYPED;
        typed[18..20].fill(0);
        assert_eq!(command(&typed), None);
    }

    #[test]
    fn only_a_full_message_with_the_mark_goes_on() {
        let mut message = [b'x'; LONGEST];
        assert_eq!(continued(&message), None);
        message[LONGEST - 1] = b'\\';
        assert_eq!(continued(&message), Some(&message[..LONGEST - 1]));
        assert_eq!(continued(&message[1..]), None);
    }
}
