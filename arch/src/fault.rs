//! What a guarded operation reports when it was interrupted.

use core::fmt;

use crate::addr::Absolute;
use crate::program;

/// A program interruption inside a guarded instruction, turned into a value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Fault {
    /// The program-interruption code, without the PER bit.
    pub code: u16,
    /// What stood at real address 0xa8; meaningful for translation and discard faults.
    pub identification: u64,
}

impl Fault {
    /// The absolute address of the discarded page, if this is a discard fault.
    #[must_use]
    pub fn discarded_page(&self) -> Option<Absolute> {
        (self.code == program::BLOCK_VOLATILITY).then_some(Absolute(self.identification & !0xfff))
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} exception ({:#x}) at {:#x}",
            program::name(self.code),
            self.code,
            self.identification
        )
    }
}

impl core::error::Error for Fault {}
