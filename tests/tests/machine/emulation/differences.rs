//! Where the host may differ from the bare emulator, and why.
//!
//! As well: where two lists of results may differ at all.

use super::{Case, Found};

/// A difference.
pub(crate) struct Difference {
    /// Mnemonics of the instructions; all if there are none.
    instructions: &'static [&'static str],
    /// A part of the names of the cases.
    what: &'static str,
    /// Parts of the result that may differ; any if there are none.
    parts: &'static [&'static str],
    pub(crate) reason: &'static str,
}

/// The reason for an operation exception on the bare emulator, and for nothing else there.
const ABSENT: &str = "the emulator does not have the instruction";

pub(crate) const fn any(
    instructions: &'static [&'static str],
    what: &'static str,
    reason: &'static str,
) -> Difference {
    parts(instructions, what, &[], reason)
}

pub(crate) const fn parts(
    instructions: &'static [&'static str],
    what: &'static str,
    parts: &'static [&'static str],
    reason: &'static str,
) -> Difference {
    Difference {
        instructions,
        what,
        parts,
        reason,
    }
}

#[rustfmt::skip]
pub(super) const DIFFERENCES: &[Difference] = &[
    any(&[
        "TRACE", "TRACG", "IPK", "SAC", "IVSK", "IAC", "PALB", "MVCK", "MVCSK", "MVCDK", "STRAG", "ESSA",
    ], "", ABSENT),
    // What this host is, and what of it is the machine's.
    parts(&["STIDP"], "", &["storage"], "guests see another CPU"),
    parts(&["STFL"], "", &["facility list"], "guests see other facilities"),
    parts(&["SCK"], "", &["supervisor-call old PSW"], "the clock is the machine's: condition code 1"),
    any(&["STSCH", "TSCH"], "operand 1", "where there is no subchannel, the block is not looked at"),
    any(&["SACF"], "plainly", "a leak: with DAT off there is no special-operation exception"),
    any(&["SACF"], "problem state", "the same in the problem state"),
    any(&["SACF"], "SSM", "the same with another control register 0"),
    any(&["SACF"], "executed", "the same as a target of EXECUTE"),
    any(&["SACF"], "31-bit", "the same with 31-bit addresses"),
    parts(&["MVPG"], "low address", &["storage"], "a page with what loaders leave"),
    parts(&["MVPG"], "not mapped", &["other access ids"], "no operand access identification is stored"),
    parts(&["CSP", "CSPG"], "swapped", &["translation-exception identification"], "the operand is loaded first, or stored: both may be said"),
    // What the emulator does not do as the manual says.
    any(&["SSM"], "with SSM suppression", "the emulator has no SSM suppression"),
    any(&["LPSW"], "", "the emulator takes the short format as it is"),
    parts(&["LRA", "LRAG"], "", &["general registers", "supervisor-call old PSW"], "the emulator does not translate with DAT off, and gives no addresses of entries"),
    any(&["SPKA"], "problem state", "privileged on the emulator"),
    any(&["MVCP", "MVCS"], "problem state", "privileged on the emulator"),
    any(&["MVCP", "MVCS"], "by key", "the emulator looks at no storage keys"),
    any(&["MVCOS"], "problem state", "an addressing exception on the emulator"),
    any(&["IPTE"], "31-bit", "the emulator cuts the origin of the table"),
    any(&["MSCH", "SSCH"], "secondary space", "the emulator looks at what the block holds first"),
    any(&["MSCH", "SSCH", "STSCH", "TSCH", "STCRW"], "31-bit", "the emulator does not cut the address"),
    any(&["STCPS"], "", "the emulator does nothing"),
    any(&["STURA", "STURG", "LURA", "LURAG"], "misaligned", "the emulator does not look at the alignment"),
    parts(&["STCTL", "STCTG"], "in two pages", &["storage"], "the emulator stores a part before the exception"),
];

impl Difference {
    /// Whether it explains all that differs in a case.
    pub(crate) fn explains(&self, case: &Case, bare: &Found, differing: &[&str]) -> bool {
        const OPERATION: u16 = 1;
        let is_meant = |name| self.instructions.is_empty() || self.instructions.contains(&name);
        is_meant(case.mnemonic())
            && case.name.contains(self.what)
            && (self.parts.is_empty() || differing.iter().all(|part| self.parts.contains(part)))
            && (self.reason != ABSENT || bare.program_code() == OPERATION)
    }
}
