//! Arbitrary instructions: privileged ones, pieces of a real program, and anything else.

use host::emulate::decode::length;
use host::emulate::listing::{Row, rows};

use super::known;
use crate::random::Random;

/// What instructions are made of.
pub(super) struct Source<'a> {
    rows: Vec<Row>,
    /// Instructions of a real program.
    program: &'a [u8],
}

impl<'a> Source<'a> {
    pub(super) fn new(program: &'a [u8]) -> Self {
        let rows = rows();
        Self { rows, program }
    }

    /// An instruction, or what looks like one. Not one that the emulator does not survive.
    pub(super) fn instruction(&self, random: &mut Random) -> Vec<u8> {
        loop {
            let bytes = self.any(random);
            if !known::is_screened(&bytes) {
                return bytes;
            }
        }
    }

    fn any(&self, random: &mut Random) -> Vec<u8> {
        match random.below(10) {
            0..4 => self.listed(random),
            4 | 5 => self.of_program(random),
            6 | 7 => anything(random),
            8 => second_part(random),
            _ => common(random),
        }
    }

    /// One of those that the host knows.
    fn listed(&self, random: &mut Random) -> Vec<u8> {
        let row = self.rows[random.below(self.rows.len() as u64) as usize];
        let mut bytes = operands(random, (row.opcode >> 8) as u8);
        let second = row.opcode as u8;
        match bytes[0] {
            0xe3 | 0xeb => bytes[5] = second,
            0xc8 => bytes[1] = bytes[1] & 0xf0 | second,
            0x01 | 0xb2 | 0xb9 | 0xe5 => bytes[1] = second,
            0x83 => {
                let code = random.of([0x10, 0x44, 0x9c, 0x210, 0x250, 0x258, 0x308, 0x500_u16]);
                bytes[2..].copy_from_slice(&code.to_be_bytes());
            }
            // Operation code, status and parameter registers as they are, one of the orders.
            0xae => bytes[2..].copy_from_slice(&[0, random.below(0x16) as u8]),
            _ => {}
        }
        bytes
    }

    /// One of the real program, with a bit turned around perhaps.
    fn of_program(&self, random: &mut Random) -> Vec<u8> {
        let halfwords = self.program.len() as u64 / 2 - 3;
        let at = 2 * random.below(halfwords) as usize;
        let mut bytes = self.program[at..at + length(self.program[at])].to_vec();
        if random.one_in(3) {
            let bit = random.below(8 * bytes.len() as u64) as usize;
            bytes[bit / 8] ^= 1 << (bit % 8);
            // As long as its first byte says now.
            let more = operands(random, 0xc0);
            bytes.extend(more);
            bytes.truncate(length(bytes[0]));
        }
        bytes
    }
}

/// An operation code and operands: often one without a displacement, whose register is the address.
fn operands(random: &mut Random, first: u8) -> Vec<u8> {
    let mut bytes = random.next().to_be_bytes()[1..7].to_vec();
    bytes[0] = first;
    if random.one_in(2) && length(first) > 2 && first != 0xb9 {
        bytes[2] &= 0xf0;
        bytes[3] = 0;
    }
    if random.one_in(2) && length(first) > 4 {
        bytes[4] &= 0xf0;
    }
    bytes.truncate(length(first));
    bytes
}

fn anything(random: &mut Random) -> Vec<u8> {
    let first = random.below(256) as u8;
    operands(random, first)
}

/// One of the groups whose second part tells instructions apart.
fn second_part(random: &mut Random) -> Vec<u8> {
    let first = random.of([0xb2, 0xb3, 0xb9, 0xe3, 0xe5, 0xe7, 0xeb, 0xec, 0xed, 0xc8]);
    operands(random, first)
}

/// Those that take long, move much, follow others or are interrupted in between.
fn common(random: &mut Random) -> Vec<u8> {
    const CODES: [u16; 33] = [
        0x0e00, 0x0f00, 0x4400, 0xc600, 0xa800, 0xa900, 0xb241, 0xb255, 0xb257, 0xb25d, 0xb25e,
        0xb2a5, 0xb2a6, 0xb2a7, 0xb9b0, 0xb9b1, 0xb9b2, 0xb9b3, 0xb990, 0xb993, 0xb9bd, 0xb9bf,
        0xd000, 0xdd00, 0xdc00, 0xef00, 0xee00, 0x9800, 0x9000, 0xeb04, 0xeb24, 0xb93e, 0xb93c,
    ];
    let [first, second] = random.of(CODES).to_be_bytes();
    let mut bytes = operands(random, first);
    match first {
        0xb2 | 0xb9 => bytes[1] = second,
        0xeb => bytes[5] = second,
        _ => {}
    }
    bytes
}
