//! Storing and loading the registers that an interruption leaves alone. This project's own code is
//! compiled without floating-point instructions and uses none of them.

use core::arch::asm;

use crate::registers::{Extent, Registers};

/// One instruction on the floating-point registers that are always there.
macro_rules! basic {
    ($code:literal) => {
        concat!(
            $code,
            " %f0,0(%r1); ",
            $code,
            " %f2,32(%r1); ",
            $code,
            " %f4,64(%r1); ",
            $code,
            " %f6,96(%r1)"
        )
    };
}

/// One instruction on the others.
macro_rules! additional {
    ($code:literal) => {
        concat!(
            $code,
            " %f1,16(%r1); ",
            $code,
            " %f3,48(%r1); ",
            $code,
            " %f5,80(%r1); ",
            $code,
            " %f7,112(%r1); ",
            $code,
            " %f8,128(%r1); ",
            $code,
            " %f9,144(%r1); ",
            $code,
            " %f10,160(%r1); ",
            $code,
            " %f11,176(%r1); ",
            $code,
            " %f12,192(%r1); ",
            $code,
            " %f13,208(%r1); ",
            $code,
            " %f14,224(%r1); ",
            $code,
            " %f15,240(%r1)"
        )
    };
}

/// Stores registers.
///
/// # Safety
/// Control register 0 must let this CPU use so many.
pub unsafe fn store(to: &mut Registers, extent: Extent) {
    // SAFETY: they are stored into their places in a structure that is the caller's alone.
    unsafe {
        asm!(basic!("std"), "stam %a0,%a15,512(%r1)", in("r1") &raw mut *to, options(nostack));
        if extent >= Extent::Floating {
            asm!(additional!("std"), "stfpc 576(%r1)", in("r1") &raw mut *to, options(nostack));
        }
        if extent >= Extent::Vector {
            asm!(
                ".short 0xe70f,0x1000,0x003e    # vstm %v0,%v15,0(%r1)",
                ".short 0xe70f,0x1100,0x0c3e    # vstm %v16,%v31,256(%r1)",
                in("r1") &raw mut *to,
                options(nostack)
            );
        }
    }
}

/// Loads registers.
///
/// # Safety
/// Control register 0 must let this CPU use so many, and nobody may miss what they hold.
pub unsafe fn load(from: &Registers, extent: Extent) {
    // SAFETY: reads their places in a structure; compiled code uses none of these registers.
    unsafe {
        asm!(basic!("ld"), "lam %a0,%a15,512(%r1)", in("r1") &raw const *from, options(nostack, readonly));
        if extent >= Extent::Floating {
            asm!(additional!("ld"), "lfpc 576(%r1)", in("r1") &raw const *from, options(nostack, readonly));
        }
        // Last, for the others may spoil the right halves.
        if extent >= Extent::Vector {
            asm!(
                ".short 0xe70f,0x1000,0x0036    # vlm %v0,%v15,0(%r1)",
                ".short 0xe70f,0x1100,0x0c36    # vlm %v16,%v31,256(%r1)",
                in("r1") &raw const *from,
                options(nostack, readonly)
            );
        }
    }
}
