//! The channel subsystem: subchannels and channel programs (Principles of Operation, "I/O
//! Instructions" and "Basic I/O Functions").

use core::arch::asm;

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::addr::Absolute;

/// Names a subchannel: 0x00010000 and its number.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SubchannelId(pub u32);

impl SubchannelId {
    /// The subchannel with a number, in set 0.
    #[must_use]
    pub const fn new(number: u16) -> Self {
        Self(0x0001_0000 | number as u32)
    }
}

/// A format-1 channel-command word.
#[derive(Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable, Default, Debug)]
#[repr(C, align(8))]
pub struct Ccw {
    /// Command code.
    pub command: u8,
    /// Flags; 0x20 suppresses the indication of incorrect length.
    pub flags: u8,
    /// Bytes to transfer.
    pub count: u16,
    /// Absolute address of the data, 31 bits.
    pub address: u32,
}

/// Flag of a CCW: a length that does not fit is no error.
pub const SUPPRESS_LENGTH: u8 = 0x20;

/// Operation-request block: what START SUBCHANNEL runs.
#[derive(Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable, Default, Debug)]
#[repr(C, align(8))]
pub struct Orb {
    /// Interruption parameter.
    pub parameter: u32,
    /// Key, format, path mask.
    pub flags: u32,
    /// Absolute address of the channel program.
    pub program: u32,
    /// Priorities, reserved.
    pub rest: [u32; 5],
}

impl Orb {
    /// A request for a program of format-1 CCWs on any path.
    #[must_use]
    pub const fn new(program: u32) -> Self {
        const FORMAT_1: u32 = 0x0080_0000;
        const PREFETCH: u32 = 0x0040_0000;
        const ALL_PATHS: u32 = 0x0000_ff00;
        Self {
            parameter: 0,
            flags: FORMAT_1 | PREFETCH | ALL_PATHS,
            program,
            rest: [0; 5],
        }
    }
}

/// Subchannel-information block.
#[derive(Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable, Default, Debug)]
#[repr(C, align(4))]
pub struct Schib {
    /// Interruption parameter.
    pub parameter: u32,
    /// Flags and device number.
    pub flags: u32,
    /// Path masks and path identifiers.
    pub paths: [u32; 4],
    /// Multiplexing and measurement.
    pub measurement: u32,
    /// Subchannel-status word.
    pub scsw: [u32; 3],
    /// Model-dependent.
    pub model: [u32; 3],
}

impl Schib {
    /// Bit 8 of the flags: the subchannel is enabled.
    pub const ENABLED: u32 = 1 << (31 - 8);
    /// Bits 2-4 of the flags: the interruption subclass.
    const SUBCLASS: u32 = 7 << Self::SUBCLASS_SHIFT;
    const SUBCLASS_SHIFT: u32 = 31 - 4;
    /// Bit 15 of the flags: the device number is valid.
    const DEVICE_NUMBER_VALID: u32 = 1 << (31 - 15);

    /// Sets the interruption subclass, one of eight.
    pub const fn set_subclass(&mut self, subclass: u32) {
        self.flags = self.flags & !Self::SUBCLASS | subclass << Self::SUBCLASS_SHIFT;
    }

    /// The number of the device, if there is one.
    #[must_use]
    pub const fn device(&self) -> Option<u16> {
        if self.flags & Self::DEVICE_NUMBER_VALID != 0 {
            Some(self.flags as u16)
        } else {
            None
        }
    }
}

/// Interruption-response block.
#[derive(Clone, Copy, Default, FromBytes, IntoBytes, KnownLayout, Immutable, Debug)]
#[repr(C, align(4))]
pub struct Irb {
    /// Subchannel-status word.
    pub scsw: [u32; 3],
    /// Extended status, extended control, measurement.
    pub rest: [u32; 21],
}

impl Irb {
    /// Device status, the first byte, and subchannel status, the second.
    ///
    /// Both are zero where the subchannel has only an alert, as virtio devices give for their queues.
    #[must_use]
    pub const fn status(&self) -> (u8, u8) {
        ((self.scsw[2] >> 24) as u8, (self.scsw[2] >> 16) as u8)
    }
}

const _: () = assert!(size_of::<Schib>() == 52 && size_of::<Irb>() == 96 && size_of::<Orb>() == 32);

macro_rules! instruction {
    ($(#[$doc:meta])* $name:ident, $mnemonic:literal, $type:ty) => {
        $(#[$doc])*
        ///
        /// # Safety
        /// A channel program that is started may read and write what its CCWs name.
        pub unsafe fn $name(id: SubchannelId, block: &mut $type) -> u8 {
            let cc: u64;
            // SAFETY: the block is as large as the instruction wants; the caller vouches for the rest.
            unsafe {
                asm!(
                    concat!($mnemonic, " 0({block})"),
                    "ipm {cc}",
                    block = in(reg_addr) core::ptr::from_mut(block),
                    cc = out(reg) cc,
                    in("r1") u64::from(id.0),
                    options(nostack),
                );
            }
            (cc >> 28) as u8 & 3
        }
    };
}

instruction!(
    /// STORE SUBCHANNEL; condition code 3: no such subchannel.
    store, "stsch", Schib
);
instruction!(
    /// MODIFY SUBCHANNEL.
    modify, "msch", Schib
);
instruction!(
    /// START SUBCHANNEL; condition codes 1 and 2: status pending, busy.
    start, "ssch", Orb
);
instruction!(
    /// TEST SUBCHANNEL; condition code 1: no status was pending.
    test, "tsch", Irb
);

/// DIAGNOSE X'500', subcode 3: tells the virtio device at a subchannel that `queue` has new buffers.
///
/// # Errors
/// The hypervisor refused, with this negative code: there is no such device or queue.
pub fn notify_virtio(id: SubchannelId, queue: u16) -> Result<(), i64> {
    let result: i64;
    // SAFETY: the device reads the queue, which its owner has made ready; register 4 is a hint where
    // the hypervisor might find the device, and register 2 gets the next hint or an error.
    unsafe {
        asm!(
            ".insn rs,0x83000000,%r2,%r4,0x500   # diag 2,4,0x500",
            in("r1") 3_u64,
            inout("r2") u64::from(id.0) => result,
            in("r3") u64::from(queue),
            in("r4") 0_u64,
            options(nostack),
        );
    }
    if result < 0 { Err(result) } else { Ok(()) }
}

/// A 31-bit absolute address, as CCWs take.
///
/// # Panics
/// If the address is beyond 2 GiB: channel programs and what they name are allocated below.
#[must_use]
pub fn address31(address: Absolute) -> u32 {
    u32::try_from(address.0)
        .ok()
        .filter(|value| *value < 1 << 31)
        .expect("channel data lies below 2 GiB")
}
