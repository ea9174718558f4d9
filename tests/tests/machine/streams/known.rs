//! Mistakes of the emulator that end it, each with what it says then; no stream has these instructions on
//! purpose. They stand in the book, too.

/// A mistake of the emulator.
pub(super) struct Mistake {
    /// How the book names it.
    pub(super) name: &'static str,
    /// Bits of the first six bytes of instructions that count, and what they are.
    patterns: &'static [(u64, u64)],
    /// A part of what the emulator says at its end.
    message: &'static str,
}

/// All that are known.
pub(super) const KNOWN: &[Mistake] = &[
    Mistake {
        name: "CSST with a storage characteristic of 0",
        patterns: &[(0xff0f_0000_0000, 0xc802_0000_0000)],
        message: "extract32: Assertion `start >= 0 && length > 0",
    },
    Mistake {
        name: "STCK or STCKF that is interrupted behind an ADD LOGICAL",
        patterns: &[
            (0xffff_0000_0000, 0xb205_0000_0000),
            (0xffff_0000_0000, 0xb27c_0000_0000),
        ],
        message: "cc_calc_addu: assertion failed: (carry_out <= 1)",
    },
    Mistake {
        name: "RNSBG, ROSBG or RXSBG that only tests",
        patterns: &[(0xff00_8000_00fc, 0xec00_8000_0054)],
        message: "tcg.c:3243: tcg fatal error",
    },
    Mistake {
        name: "MVCRL with more than a byte in general register 0",
        patterns: &[(0xffff_0000_0000, 0xe50a_0000_0000)],
        message: "access_prepare_nf: Assertion `size > 0 && size <= 4096' failed",
    },
];

/// Whether the emulator is known not to survive an instruction.
pub(super) fn is_screened(bytes: &[u8]) -> bool {
    let mut all = [0; 8];
    all[2..2 + bytes.len()].copy_from_slice(bytes);
    let word = u64::from_be_bytes(all);
    let mut patterns = KNOWN.iter().flat_map(|mistake| mistake.patterns);
    patterns.any(|(mask, value)| word & mask == *value)
}

/// The mistake that makes the emulator say this.
pub(super) fn find(said: &str) -> Option<&'static Mistake> {
    KNOWN.iter().find(|mistake| said.contains(mistake.message))
}
