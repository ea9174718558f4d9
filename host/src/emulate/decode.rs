//! Instruction formats: from bytes to fields (Principles of Operation, "Instruction Formats").

/// An instruction as it is executed: that of an EXECUTE is its target, with the or-ed byte.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Instruction {
    /// Its bytes from the left; those behind its length are zero.
    word: u64,
    /// The address of the instruction itself, or of the EXECUTE.
    pub at: u64,
}

/// Length of an instruction by its first byte, in bytes.
#[must_use]
#[inline]
pub const fn length(first: u8) -> usize {
    match first >> 6 {
        0 => 2,
        1 | 2 => 4,
        _ => 6,
    }
}

/// How far right the second part of the operation code stands in a doubleword that begins with the
/// instruction, by its first byte; 0 if there is none. A part of four bits has [`NIBBLE`] on.
static SECOND_PART: [u8; 256] = {
    let mut all = [0; 256];
    let mut first = 0;
    while first < all.len() {
        all[first] = match first {
            0x01 | 0xb2 | 0xb3 | 0xb9 | 0xe5 => 48,
            0xe3 | 0xe7 | 0xeb | 0xec | 0xed => 16,
            0xa5 | 0xa7 | 0xc0 | 0xc2 | 0xc4 | 0xc6 | 0xc8 | 0xcc => 48 | NIBBLE,
            _ => 0,
        };
        first += 1;
    }
    all
};
const NIBBLE: u8 = 0x80;

impl Instruction {
    /// The instruction that a doubleword of storage begins with, at an address.
    #[must_use]
    #[inline]
    pub const fn new(bytes: u64, at: u64) -> Self {
        let behind = u64::BITS as usize - 8 * length((bytes >> 56) as u8);
        Self {
            word: bytes >> behind << behind,
            at,
        }
    }

    /// The same instruction as EXECUTE makes it: with a byte or-ed to its second one.
    #[must_use]
    pub const fn or_second(self, byte: u8) -> Self {
        Self {
            word: self.word | (byte as u64) << 48,
            ..self
        }
    }

    /// Its first byte.
    #[must_use]
    pub const fn first(&self) -> u8 {
        self.byte(0)
    }

    /// The operation code: the first byte, then what the format has as its second part or zero.
    #[must_use]
    #[inline]
    pub fn opcode(&self) -> u16 {
        let first = self.first();
        let opcode = u16::from(first) << 8;
        let place = SECOND_PART[usize::from(first)];
        if place == 0 {
            return opcode;
        }
        let mask = if place & NIBBLE == 0 { 255 } else { 15 };
        opcode | (self.word >> (place & 63)) as u16 & mask
    }

    const fn byte(&self, number: usize) -> u8 {
        (self.word >> (56 - 8 * number)) as u8
    }

    /// High four bits of a byte, as a register number.
    const fn high(&self, byte: usize) -> usize {
        (self.byte(byte) >> 4) as usize
    }

    /// Low four bits of a byte, as a register number.
    const fn low(&self, byte: usize) -> usize {
        (self.byte(byte) & 15) as usize
    }

    /// Offset of the operand of a relative instruction of the RIL format, in halfwords.
    #[must_use]
    pub const fn relative(&self) -> i32 {
        (self.word >> 16) as i32
    }

    /// R1 and R2 of the RRE format.
    #[must_use]
    pub const fn rre(&self) -> (usize, usize) {
        (self.high(3), self.low(3))
    }

    /// M3 (or R3) of the RRF format.
    #[must_use]
    pub const fn rrf_third(&self) -> u8 {
        self.byte(2) >> 4
    }

    /// R1 and R3 (or X2, M3) of the RS, RSY, RX and RXY formats; the immediate of SI spans both.
    #[must_use]
    pub const fn rs(&self) -> (usize, usize) {
        (self.high(1), self.low(1))
    }

    /// The immediate byte of the SI format.
    #[must_use]
    pub const fn immediate(&self) -> u8 {
        self.byte(1)
    }

    /// Base register and unsigned displacement of the operand whose halfword starts at `byte`.
    #[must_use]
    #[inline]
    pub const fn base(&self, byte: usize) -> (usize, u64) {
        (
            self.high(byte),
            (self.low(byte) as u64) << 8 | self.byte(byte + 1) as u64,
        )
    }

    /// Base register and signed long displacement of the RSY and RXY formats.
    #[must_use]
    #[inline]
    pub const fn long_base(&self) -> (usize, u64) {
        let (base, low) = self.base(2);
        (base, (((self.byte(4) as i8) as i64) << 12) as u64 | low)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(bytes: &[u8]) -> Instruction {
        // What stands behind it in storage does not count.
        let mut all = [0xff; 8];
        all[..bytes.len()].copy_from_slice(bytes);
        Instruction::new(u64::from_be_bytes(all), 0)
    }

    #[test]
    fn essa_has_its_request_code_in_the_third_operand() {
        let essa = decode(&[0xb9, 0xab, 0x30, 0x32]);
        assert_eq!(
            (essa.opcode(), essa.rrf_third(), essa.rre()),
            (0xb9ab, 3, (3, 2))
        );
    }

    #[test]
    fn long_displacements_are_signed() {
        // lctlg %c1,%c2,-4096+8(%r5)
        let lctlg = decode(&[0xeb, 0x12, 0x50, 0x08, 0xff, 0x2f]);
        assert_eq!(lctlg.opcode(), 0xeb2f);
        assert_eq!(lctlg.rs(), (1, 2));
        assert_eq!(lctlg.long_base(), (5, (-4096_i64 + 8) as u64));
    }

    #[test]
    fn the_first_two_bits_tell_the_length() {
        assert_eq!([0x0a, 0x44, 0xb2, 0xc6].map(length), [2, 4, 4, 6]);
    }

    #[test]
    fn one_byte_operation_codes_have_no_second_part() {
        assert_eq!(decode(&[0x83, 0x12, 0x02, 0x50]).opcode(), 0x8300);
        assert_eq!(decode(&[0xc8, 0x10, 0, 0, 0, 0]).opcode(), 0xc800);
    }

    #[test]
    fn an_executed_instruction_has_a_byte_of_the_execute() {
        let stosm = decode(&[0xad, 0x00, 0x03, 0x01]).or_second(4);
        assert_eq!((stosm.opcode(), stosm.immediate()), (0xad00, 4));
        let exrl = decode(&[0xc6, 0x10, 0xff, 0xff, 0xff, 0xfe]);
        assert_eq!((exrl.opcode(), exrl.relative()), (0xc600, -2));
    }
}
