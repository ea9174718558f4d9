//! The program-status word (Principles of Operation, "Program-Status-Word Format").

use core::fmt;

use bitflags::bitflags;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

bitflags! {
    /// Bits of the first doubleword of a z/Architecture PSW.
    #[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
    pub struct PswMask: u64 {
        /// Bit 1: program-event recording.
        const PER = 1 << (63 - 1);
        /// Bit 5: dynamic address translation.
        const DAT = 1 << (63 - 5);
        /// Bit 6: I/O interruptions are taken.
        const IO = 1 << (63 - 6);
        /// Bit 7: external interruptions are taken.
        const EXTERNAL = 1 << (63 - 7);
        /// Bit 12: marks an ESA/390-format PSW; must be zero in the 16-byte format.
        const ESA390_FORMAT = 1 << (63 - 12);
        /// Bit 13: machine-check interruptions are taken.
        const MACHINE_CHECK = 1 << (63 - 13);
        /// Bit 14: the CPU waits.
        const WAIT = 1 << (63 - 14);
        /// Bit 15: problem state.
        const PROBLEM = 1 << (63 - 15);
        /// Bit 16: first bit of the address-space control.
        const ASC_HIGH = 1 << (63 - 16);
        /// Bit 17: second bit of the address-space control.
        const ASC_LOW = 1 << (63 - 17);
        /// Bit 31: extended addressing (with [`PswMask::BASIC`]: 64 bit).
        const EXTENDED = 1 << (63 - 31);
        /// Bit 32: basic addressing (31 bit, or 64 bit with [`PswMask::EXTENDED`]).
        const BASIC = 1 << (63 - 32);
    }
}

impl PswMask {
    /// 64-bit addressing.
    pub const AMODE64: Self = Self::EXTENDED.union(Self::BASIC);
    /// The two bits of the address-space control: primary 0, access register 1, secondary 2, home 3.
    pub const ASC: Self = Self::ASC_HIGH.union(Self::ASC_LOW);
}

/// The PSW bits that do not fit a flag: key (bits 8-11), condition code (18-19), program mask (20-23).
pub mod field {
    /// Shift of the access key.
    pub const KEY_SHIFT: u32 = 63 - 11;
    /// Shift of the condition code.
    pub const CC_SHIFT: u32 = 63 - 19;
    /// Shift of the program mask.
    pub const PROGRAM_MASK_SHIFT: u32 = 63 - 23;
}

/// A z/Architecture program-status word.
#[derive(Clone, Copy, PartialEq, Eq, Default, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C, align(8))]
pub struct Psw {
    /// First doubleword: masks, key, state, condition code, addressing mode.
    pub mask: u64,
    /// Second doubleword: instruction address.
    pub address: u64,
}

impl Psw {
    /// A PSW with 64-bit addressing in the supervisor state, DAT off, everything disabled, plus `mask`.
    #[must_use]
    pub const fn new(mask: PswMask, address: u64) -> Self {
        Self {
            mask: mask.union(PswMask::AMODE64).bits(),
            address,
        }
    }

    /// The known flags of the mask.
    #[must_use]
    pub const fn flags(&self) -> PswMask {
        PswMask::from_bits_truncate(self.mask)
    }

    /// Whether all of `mask` is set.
    #[must_use]
    pub const fn contains(&self, mask: PswMask) -> bool {
        self.mask & mask.bits() == mask.bits()
    }

    /// Sets or resets all of `mask`.
    pub const fn set(&mut self, mask: PswMask, on: bool) {
        if on {
            self.mask |= mask.bits();
        } else {
            self.mask &= !mask.bits();
        }
    }

    /// The condition code, 0 to 3.
    #[must_use]
    pub const fn condition_code(&self) -> u8 {
        (self.mask >> field::CC_SHIFT) as u8 & 3
    }

    /// Sets the condition code.
    pub const fn set_condition_code(&mut self, cc: u8) {
        self.mask &= !(3 << field::CC_SHIFT);
        self.mask |= ((cc & 3) as u64) << field::CC_SHIFT;
    }

    /// The access key, 0 to 15.
    #[must_use]
    pub const fn key(&self) -> u8 {
        (self.mask >> field::KEY_SHIFT) as u8 & 15
    }
}

impl fmt::Debug for Psw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x} {:016x}", self.mask, self.address)
    }
}

impl fmt::Display for Psw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bit_positions_are_those_of_the_manual() {
        assert_eq!(PswMask::DAT.bits(), 0x0400_0000_0000_0000);
        assert_eq!(PswMask::IO.bits(), 0x0200_0000_0000_0000);
        assert_eq!(PswMask::EXTERNAL.bits(), 0x0100_0000_0000_0000);
        assert_eq!(PswMask::MACHINE_CHECK.bits(), 0x0004_0000_0000_0000);
        assert_eq!(PswMask::WAIT.bits(), 0x0002_0000_0000_0000);
        assert_eq!(PswMask::PROBLEM.bits(), 0x0001_0000_0000_0000);
        assert_eq!(PswMask::AMODE64.bits(), 0x0000_0001_8000_0000);
    }

    #[test]
    fn condition_code_replaces_the_old_one() {
        let mut psw = Psw::new(PswMask::empty(), 0);
        psw.set_condition_code(3);
        assert_eq!(psw.mask, 0x0000_3001_8000_0000);
        psw.set_condition_code(1);
        assert_eq!(psw.condition_code(), 1);
    }
}
