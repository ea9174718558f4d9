//! The registers that an interruption leaves alone: floating-point, access and vector registers, and
//! the floating-point-control register.

use core::mem::offset_of;

/// How many of these registers a program can reach, by its control register 0.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Extent {
    /// Access registers, and floating-point registers 0, 2, 4 and 6.
    Basic,
    /// All floating-point registers and their control register, too: [`cr0::AFP`](crate::cr0::AFP).
    Floating,
    /// Vector registers, too: [`cr0::VECTOR`](crate::cr0::VECTOR).
    Vector,
}

/// Their values.
///
/// Floating-point register *n* is the left half of vector register *n*, and stands there.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
#[repr(C)]
pub struct Registers {
    /// Vector registers 0 to 31.
    pub vectors: [[u64; 2]; 32],
    /// Access registers 0 to 15.
    pub access: [u32; 16],
    /// The floating-point-control register.
    pub floating_control: u32,
}

const _: () = {
    assert!(offset_of!(Registers, access) == 512);
    assert!(offset_of!(Registers, floating_control) == 576);
};
