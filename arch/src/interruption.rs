//! Interruption classes, the register frame that an interruption leaves, and the context of
//! problem-state code that an interruption ends.

use core::fmt;
use core::mem::offset_of;

use crate::psw::Psw;

/// The six classes of interruptions (Principles of Operation, "Interruptions").
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u64)]
pub enum Class {
    /// Restart by SIGP or the operator.
    Restart = 0,
    /// Timers, service signal, signals of other CPUs.
    External = 1,
    /// SUPERVISOR CALL.
    SupervisorCall = 2,
    /// The program itself.
    Program = 3,
    /// The machine.
    MachineCheck = 4,
    /// The channel subsystem.
    Io = 5,
}

impl Class {
    /// The class for the number that the entry code passes.
    ///
    /// # Panics
    /// On a number that the entry code never passes.
    #[must_use]
    #[inline]
    pub const fn from_number(number: u64) -> Self {
        match number {
            0 => Self::Restart,
            1 => Self::External,
            2 => Self::SupervisorCall,
            3 => Self::Program,
            4 => Self::MachineCheck,
            5 => Self::Io,
            _ => panic!("interruption class out of range"),
        }
    }
}

/// The state of supervisor code at an interruption, as the entry code stores it on the stack.
///
/// What the handler changes here is loaded when it returns.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct Frame {
    /// General registers 0 to 15.
    pub gprs: [u64; 16],
    /// The old PSW.
    pub psw: Psw,
}

const _: () = assert!(offset_of!(Frame, psw) == 128 && size_of::<Frame>() == 144);

impl fmt::Display for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "PSW {}", self.psw)?;
        for (n, row) in self.gprs.chunks(4).enumerate() {
            write!(f, "R{:<2}", n * 4)?;
            for register in row {
                write!(f, " {register:016x}")?;
            }
            writeln!(f)?;
        }
        Ok(())
    }
}

/// Registers and PSW of code that runs in the problem state until something interrupts it: a task
/// of the kernel, or a guest of the host.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct Context {
    /// General registers 0 to 15.
    pub gprs: [u64; 16],
    /// The PSW to load, and the old PSW afterwards. Must have the problem-state bit on.
    pub psw: Psw,
}

const _: () = assert!(offset_of!(Context, psw) == 128);
