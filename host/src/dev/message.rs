//! Line-mode messages: the text in what a guest sends as one.

use alloc::vec::Vec;

use drivers::ebcdic;

/// Length of the block's own header: length, type, tag, revision.
const BLOCK_HEADER: usize = 12;
/// Length of what starts every object: its length and type.
const OBJECT_HEADER: usize = 4;
/// Type of a text object.
const TEXT: u16 = 4;
/// Length of what is in front of the text of a text object: length, type, flags, alarm.
const TEXT_HEADER: usize = 10;

/// Gives each line of a message data block to `take`, in ASCII; stops where the block makes no sense.
pub fn lines(block: &[u8], mut take: impl FnMut(&[u8])) {
    let mut rest = block.get(BLOCK_HEADER..).unwrap_or_default();
    while let Some((object, behind)) = split(rest) {
        if object[2..4] == TEXT.to_be_bytes()
            && let Some(text) = object.get(TEXT_HEADER..)
        {
            let line: Vec<u8> = text.iter().map(|code| ebcdic::to_ascii(*code)).collect();
            take(&line);
        }
        rest = behind;
    }
}

/// The first object, and what is behind it.
fn split(objects: &[u8]) -> Option<(&[u8], &[u8])> {
    let length = usize::from(u16::from_be_bytes(*objects.first_chunk()?));
    objects
        .split_at_checked(length)
        .filter(|_| length >= OBJECT_HEADER)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn collect(block: &[u8]) -> Vec<Vec<u8>> {
        let mut all = Vec::new();
        lines(block, |line| all.push(line.to_vec()));
        all
    }

    /// "MDB " with a general object of 56 bytes, then two lines: `Hi` and nothing.
    fn message() -> Vec<u8> {
        let mut block = vec![0, 90, 0, 1, 0xd4, 0xc4, 0xc2, 0x40, 0, 0, 0, 1];
        block.extend([0, 56, 0, 1]);
        block.extend([0; 52]);
        block.extend([0, 12, 0, 4, 0x10, 0, 0, 0, 0, 0, 0xc8, 0x89]);
        block.extend([0, 10, 0, 4, 0x10, 0, 0, 0, 0, 0]);
        block
    }

    #[test]
    fn every_text_object_is_a_line() {
        assert_eq!(message().len(), 90);
        assert_eq!(collect(&message()), [b"Hi".to_vec(), Vec::new()]);
    }

    #[test]
    fn a_block_cut_short_anywhere_gives_the_lines_in_front() {
        let whole = message();
        for end in 0..whole.len() {
            let expected = usize::from(end >= 80);
            assert_eq!(collect(&whole[..end]).len(), expected, "cut at {end}");
        }
    }

    #[test]
    fn an_object_without_length_ends_the_block() {
        let mut block = message();
        block[12..14].fill(0);
        assert!(collect(&block).is_empty());
    }
}
