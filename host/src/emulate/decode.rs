//! Instruction formats: from bytes to fields (Principles of Operation, "Instruction Formats").

/// An instruction as it is executed: that of an EXECUTE is its target, with the or-ed byte.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Instruction {
    /// Its bytes; those behind its length are zero.
    pub bytes: [u8; 6],
    /// The address of the instruction itself, or of the EXECUTE.
    pub at: u64,
}

/// Length of an instruction by its first byte, in bytes.
#[must_use]
pub const fn length(first: u8) -> usize {
    match first >> 6 {
        0 => 2,
        1 | 2 => 4,
        _ => 6,
    }
}

impl Instruction {
    /// The operation code: the first byte, then what the format has as its second part or zero.
    #[must_use]
    pub const fn opcode(&self) -> u16 {
        let first = (self.bytes[0] as u16) << 8;
        match self.bytes[0] {
            0x01 | 0xb2 | 0xb3 | 0xb9 | 0xe5 => first | self.bytes[1] as u16,
            0xe3 | 0xe7 | 0xeb | 0xec | 0xed => first | self.bytes[5] as u16,
            0xa5 | 0xa7 | 0xc0 | 0xc2 | 0xc4 | 0xc6 | 0xc8 | 0xcc => {
                first | (self.bytes[1] & 15) as u16
            }
            _ => first,
        }
    }

    /// High four bits of a byte, as a register number.
    const fn high(&self, byte: usize) -> usize {
        (self.bytes[byte] >> 4) as usize
    }

    /// Low four bits of a byte, as a register number.
    const fn low(&self, byte: usize) -> usize {
        (self.bytes[byte] & 15) as usize
    }

    /// R1 and R2 of the RRE format.
    #[must_use]
    pub const fn rre(&self) -> (usize, usize) {
        (self.high(3), self.low(3))
    }

    /// M3 (or R3) of the RRF format.
    #[must_use]
    pub const fn rrf_third(&self) -> u8 {
        self.bytes[2] >> 4
    }

    /// R1 and R3 (or X2, M3) of the RS, RSY, RX and RXY formats; the immediate of SI spans both.
    #[must_use]
    pub const fn rs(&self) -> (usize, usize) {
        (self.high(1), self.low(1))
    }

    /// The immediate byte of the SI format.
    #[must_use]
    pub const fn immediate(&self) -> u8 {
        self.bytes[1]
    }

    /// Base register and unsigned displacement of the operand whose halfword starts at `byte`.
    #[must_use]
    pub const fn base(&self, byte: usize) -> (usize, u64) {
        (
            self.high(byte),
            (self.low(byte) as u64) << 8 | self.bytes[byte + 1] as u64,
        )
    }

    /// Base register and signed long displacement of the RSY and RXY formats.
    #[must_use]
    pub const fn long_base(&self) -> (usize, u64) {
        let (base, low) = self.base(2);
        (base, (((self.bytes[4] as i8) as i64) << 12) as u64 | low)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(bytes: &[u8]) -> Instruction {
        let mut all = [0; 6];
        all[..bytes.len()].copy_from_slice(bytes);
        Instruction { bytes: all, at: 0 }
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
}
