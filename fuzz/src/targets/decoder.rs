//! The instruction decoder against fields that are counted off in bits, as the formats are drawn.

use arbitrary::Unstructured;
use host::emulate::decode::{Instruction, length};
use host::emulate::listing::rows;

/// A field of an instruction: its first bit from the left, and how many.
fn bits(word: u64, first: u32, count: u32) -> u64 {
    word.checked_shl(first).unwrap_or(0) >> (64 - count)
}

/// Tries a doubleword of storage; the next bytes choose a known instruction to make of it.
pub fn run(data: &[u8]) {
    let mut input = Unstructured::new(data);
    let mut word = || -> Option<u64> { input.arbitrary().ok() };
    let (Some(storage), Some(at), Some(choice)) = (word(), word(), word()) else {
        return;
    };
    check(storage, at, choice as u8);
    check_known(storage, choice);
}

fn check(storage: u64, at: u64, byte: u8) {
    let instruction = Instruction::new(storage, at);
    let first = bits(storage, 0, 8) as u8;
    let count = match bits(storage, 0, 2) {
        0b00 => 2,
        0b01 | 0b10 => 4,
        _ => 6,
    };
    assert_eq!(length(first), count);
    // What is behind it does not count.
    let word = storage & !(u64::MAX >> (8 * count as u32));
    assert_eq!(instruction, Instruction::new(word, at));
    assert_eq!((instruction.at, instruction.first()), (at, first));
    let field = |first, count| bits(word, first, count) as usize;
    assert_eq!(instruction.rs(), (field(8, 4), field(12, 4)));
    assert_eq!(usize::from(instruction.immediate()), field(8, 8));
    assert_eq!(instruction.rre(), (field(24, 4), field(28, 4)));
    assert_eq!(usize::from(instruction.rrf_third()), field(16, 4));
    assert_eq!(instruction.relative(), bits(word, 16, 32) as u32 as i32);
    for byte in [2, 4] {
        let at = 8 * byte as u32;
        let base = (field(at, 4), bits(word, at + 4, 12));
        assert_eq!(instruction.base(byte), base);
    }
    let high = i64::from(bits(word, 32, 8) as u8 as i8);
    let displacement = high * 4096 + bits(word, 20, 12) as i64;
    assert_eq!(instruction.long_base(), (field(16, 4), displacement as u64));
    let executed = instruction.or_second(byte);
    assert_eq!(executed.first(), first);
    assert_eq!(executed.immediate(), instruction.immediate() | byte);
    assert_eq!(executed.or_second(byte), executed);
}

/// An instruction that is known is found, whatever its operands are.
fn check_known(storage: u64, choice: u64) {
    let rows = rows();
    let row = rows[choice as usize % rows.len()];
    let (first, second) = (u64::from(row.opcode >> 8), u64::from(row.opcode & 0xff));
    let (place, width) = match first {
        0xe3 | 0xe7 | 0xeb..=0xed => (40, 8),
        0xa5 | 0xa7 | 0xc0 | 0xc2 | 0xc4 | 0xc6 | 0xc8 | 0xcc => (12, 4),
        0x01 | 0xb2 | 0xb3 | 0xb9 | 0xe5 => (8, 8),
        // No second part: it is an operand.
        _ => (8, 0),
    };
    let mut word = storage & (u64::MAX >> 8) | first << 56;
    let shift = 64 - place - width;
    word = word & !(((1 << width) - 1) << shift) | (second & ((1 << width) - 1)) << shift;
    assert_eq!(
        Instruction::new(word, 0).opcode(),
        row.opcode,
        "{}",
        row.name
    );
}

/// Each known instruction with all operands the same.
#[must_use]
pub fn seeds() -> Vec<Vec<u8>> {
    let words: [u64; 6] = [
        0xb9ab_3032_0000_0000,
        0xeb12_5008_ff2f_0000,
        0xc610_ffff_fffe_0000,
        0x8312_0250_0000_0000,
        0xad00_0301_0000_0000,
        0x0107_ffff_ffff_ffff,
    ];
    let input = |(choice, word): (usize, u64)| {
        let all = [word, 0x1000, 37 * choice as u64];
        all.map(u64::to_le_bytes).concat()
    };
    words.into_iter().enumerate().map(input).collect()
}
