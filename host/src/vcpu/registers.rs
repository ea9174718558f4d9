//! The registers that interruptions leave alone: a virtual CPU takes them with it, from one physical CPU
//! to another. No more of them are switched than the guest can use, so that one that never asks for
//! floating-point registers does not pay for them.

use arch::registers::Extent;
use arch::{control, cr0, float};

use super::Vcpu;

/// What control register 0 must have on for so many registers.
const fn needed(extent: Extent) -> u64 {
    match extent {
        Extent::Basic => 0,
        Extent::Floating => cr0::AFP,
        Extent::Vector => cr0::AFP | cr0::VECTOR,
    }
}

/// How many registers a program can use with this in control register 0.
const fn extent(control: u64) -> Extent {
    if control & cr0::VECTOR != 0 {
        Extent::Vector
    } else if control & cr0::AFP != 0 {
        Extent::Floating
    } else {
        Extent::Basic
    }
}

impl Vcpu {
    /// Loads what this physical CPU has not yet of the registers that the guest can use now.
    ///
    /// # Safety
    /// This physical CPU has the virtual one, and no other virtual one's registers; its control
    /// register 0 holds `control`.
    pub unsafe fn load_registers(&mut self, control: u64) {
        let extent = extent(control);
        if self.held >= Some(extent) {
            return;
        }
        // SAFETY: the caller vouches for the control register, and more need more of its bits.
        unsafe {
            if let Some(held) = self.held.replace(extent) {
                float::store(&mut self.registers, held);
            }
            float::load(&self.registers, extent);
        }
    }

    /// Takes back the registers that this physical CPU has, if it has any. The guest may have lost
    /// the right to use them meanwhile.
    ///
    /// # Safety
    /// Nobody but the physical CPU that has the virtual one may call this, if any has.
    pub unsafe fn store_registers(&mut self) {
        let Some(held) = self.held.take() else {
            return;
        };
        let (bits, needed) = (control::get::<0>(), needed(held));
        let is_enough = bits & needed == needed;
        if !is_enough {
            control::enable_cr0(needed);
        }
        // SAFETY: control register 0 has what is needed on.
        unsafe { float::store(&mut self.registers, held) }
        if !is_enough {
            control::choose_cr0(needed, bits);
        }
    }
}
