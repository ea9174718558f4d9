//! Mistakes of the emulator that end it, each with what it says then; no stream has these instructions on
//! purpose. They stand in the book, too.

/// A mistake of the emulator.
pub(super) struct Mistake {
    /// How the book names it.
    pub(super) name: &'static str,
    /// Bits of the instruction's first six bytes that count, and what they are.
    pattern: Option<(u64, u64)>,
    /// A part of what the emulator says at its end.
    pub(super) message: &'static str,
}

/// All that are known.
pub(super) const KNOWN: &[Mistake] = &[];

/// Whether the emulator is known not to survive an instruction.
pub(super) fn is_screened(bytes: &[u8]) -> bool {
    let mut all = [0; 8];
    all[2..2 + bytes.len()].copy_from_slice(bytes);
    let word = u64::from_be_bytes(all);
    let mut patterns = KNOWN.iter().filter_map(|mistake| mistake.pattern);
    patterns.any(|(mask, value)| word & mask == value)
}

/// The mistake that makes the emulator say this.
pub(super) fn find(said: &str) -> Option<&'static Mistake> {
    KNOWN.iter().find(|mistake| said.contains(mistake.message))
}
