//! Which calls led to where a program is, found on its stack: images carry no tables for it.
//!
//! A function that calls others stores the registers 14 and 15 of its caller at 112 and 120 of the stack
//! frame that it found (ELF application binary interface supplement for z/Architecture, register save area).
//! So the word at 120 of a frame holds the address of that very frame, by which frames are found
//! whatever their sizes. What a function that has returned left there looks the same: such a trace may
//! name a call too many, and never misses one.

/// Most calls of a trace.
pub const DEPTH: usize = 12;
/// How far up the stack calls are looked for, in bytes.
const REACH: u64 = 48 << 10;
/// Where a frame has its own address, as its caller's stack pointer.
const OWN_ADDRESS: u64 = 120;
/// How much of the stack is read at once, in bytes.
pub const PIECE: usize = 256;

/// What stands before the addresses in the reason of a failure.
pub const CALLED_FROM: &str = "; called from";

/// Return addresses, the innermost call first, zeroes behind the last one.
pub type Calls = [u64; DEPTH];

/// Finds the calls on the stack from `stack` upwards.
///
/// `read` copies what is at an address, or says that it cannot be read, which ends the search; `is_code`
/// tells whether an address is one of an instruction of the image.
pub fn calls(
    stack: u64,
    read: impl Fn(u64, &mut [u8; PIECE]) -> bool,
    is_code: impl Fn(u64) -> bool,
) -> Calls {
    let (mut found, mut count, mut before) = ([0; DEPTH], 0, 0);
    let mut bytes = [0; PIECE];
    // Pieces that no page boundary cuts: a page may be the last one that can be read.
    let start = stack & !(PIECE as u64 - 1);
    for piece in (start..start + REACH).step_by(PIECE) {
        if !read(piece, &mut bytes) {
            break;
        }
        for (address, word) in (piece..).step_by(8).zip(bytes.chunks_exact(8)) {
            let word = word.iter().fold(0, |all, byte| all << 8 | u64::from(*byte));
            let is_frame = word >= stack && Some(word) == address.checked_sub(OWN_ADDRESS);
            if is_frame && is_code(before) && count < DEPTH {
                found[count] = before;
                count += 1;
            }
            before = word;
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const STACK: u64 = 0x8000;

    /// A stack of `size` bytes from `STACK` with these words at these offsets.
    fn traced(size: u64, words: &[(u64, u64)]) -> Calls {
        let mut stack = vec![0; size as usize];
        for (offset, word) in words {
            stack[*offset as usize..][..8].copy_from_slice(&word.to_be_bytes());
        }
        let read = |from: u64, to: &mut [u8; PIECE]| {
            let from = (from - STACK) as usize;
            stack
                .get(from..from + PIECE)
                .inspect(|bytes| to.copy_from_slice(bytes))
                .is_some()
        };
        calls(STACK + 4, read, |address| address < 0x2000)
    }

    #[test]
    fn frames_are_found_by_their_own_address() {
        let words = [
            (0x120 + 112, 0x1100),
            (0x120 + 120, STACK + 0x120),
            // Not a frame: the address of another one.
            (0x200 + 112, 0x1200),
            (0x200 + 120, STACK + 0x208),
            // Not from this image.
            (0x300 + 112, 0x2000),
            (0x300 + 120, STACK + 0x300),
            (0x508 + 112, 0x1300),
            (0x508 + 120, STACK + 0x508),
        ];
        let found = traced(0x900, &words);
        assert_eq!(found[..3], [0x1100, 0x1300, 0]);
    }

    #[test]
    fn a_trace_ends_where_nothing_can_be_read_and_when_it_is_full() {
        let frame = |n: u64| {
            [
                (n * 160 + 112, 0x1000 + n),
                (n * 160 + 120, STACK + n * 160),
            ]
        };
        let words: Vec<_> = (1..40).flat_map(frame).collect();
        let full: Vec<u64> = (1..=DEPTH as u64).map(|n| 0x1000 + n).collect();
        assert_eq!(traced(0x4000, &words)[..], full);
        let cut: Vec<_> = (1..3).flat_map(frame).collect();
        assert_eq!(traced(0x200, &cut)[..3], [0x1001, 0x1002, 0]);
    }
}
