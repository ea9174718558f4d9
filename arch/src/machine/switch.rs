//! Switching from one stack to another, which is all that a thread is to a CPU.

use core::arch::global_asm;

global_asm!(include_str!("switch.S"));

/// Bytes at the end of a stack that the first function called on it may use as its save area.
pub const SAVE_AREA: usize = 160;

/// Where a stack that has not run yet goes on.
pub type Entry = extern "C" fn(u64) -> !;

/// Prepares a stack such that switching to it calls `entry` with `argument`; returns what to switch to.
///
/// # Safety
/// `end` must be the end of a stack of at least two save areas, a multiple of 8, that nobody uses.
#[must_use]
pub unsafe fn prepare(end: *mut u8, entry: Entry, argument: u64) -> u64 {
    unsafe extern "C" {
        fn arch_first_switch();
    }
    let pointer = end.wrapping_sub(2 * SAVE_AREA);
    let words = pointer.cast::<u64>();
    // Register n is kept in word n of the save area.
    let registers = [
        (6, entry as usize as u64),
        (7, argument),
        (14, arch_first_switch as *const () as usize as u64),
        (15, end.wrapping_sub(SAVE_AREA).addr() as u64),
    ];
    // SAFETY: the caller's stack; a back chain of zero ends it.
    unsafe {
        core::ptr::write_bytes(pointer, 0, 2 * SAVE_AREA);
        for (register, value) in registers {
            words.add(register).write(value);
        }
    }
    pointer.addr() as u64
}

/// Goes on where `to` says, and comes back when somebody switches to what is stored in `save`.
///
/// # Safety
/// `to` must come from [`prepare`] or from an earlier `save` that nobody has switched to since, with
/// its stack unused in between. Interruptions must be disabled.
pub unsafe fn switch(save: *mut u64, to: u64) {
    unsafe extern "C" {
        fn arch_switch(save: *mut u64, to: u64);
    }
    // SAFETY: the caller's promise; all registers that the convention keeps are kept on the stack.
    unsafe { arch_switch(save, to) }
}
