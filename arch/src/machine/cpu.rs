//! The CPU itself: identity, waiting, masks, contexts in the problem state, and the end.

use core::arch::asm;

use crate::addr::Absolute;
use crate::interruption::{Class, Context};
use crate::lowcore::Lowcore;
use crate::psw::{Psw, PswMask};

/// This CPU's lowcore.
///
/// Volatile, because interruptions store into it between any two instructions.
#[must_use]
pub fn lowcore() -> *mut Lowcore {
    core::ptr::without_provenance_mut(0)
}

/// A copy of one field of this CPU's lowcore.
#[macro_export]
macro_rules! lowcore_field {
    ($field:ident) => {{
        // SAFETY: real address 0 is the lowcore of the running CPU; a volatile read of plain data.
        unsafe { (&raw const (*$crate::cpu::lowcore()).$field).read_volatile() }
    }};
}

/// Stores into one field of this CPU's lowcore.
#[macro_export]
macro_rules! set_lowcore_field {
    ($field:ident, $value:expr) => {{
        let value = $value;
        // SAFETY: real address 0 is the lowcore of the running CPU; a volatile store of plain data
        // into a field that the calling module is responsible for.
        unsafe { (&raw mut (*$crate::cpu::lowcore()).$field).write_volatile(value) }
    }};
}

/// Where this CPU's prefix area is (STORE PREFIX).
#[must_use]
pub fn prefix() -> Absolute {
    let mut value = 0_u32;
    // SAFETY: stores four bytes into a local variable.
    unsafe { asm!("stpx 0({at})", at = in(reg_addr) &raw mut value, options(nostack)) }
    Absolute(u64::from(value))
}

/// Moves this CPU's prefix area (SET PREFIX).
///
/// # Safety
/// Nobody else may use the area, which must hold whatever this CPU is to find in its lowcore.
pub unsafe fn set_prefix(area: Absolute) {
    let value = area.0 as u32;
    // SAFETY: loads four bytes of a local variable, whose real address stays what it is; the caller vouches for
    // what is elsewhere from now on.
    unsafe { asm!("spx 0({at})", at = in(reg_addr) &raw const value, options(nostack)) }
}

/// The address of this CPU (STORE CPU ADDRESS).
#[must_use]
pub fn address() -> u16 {
    let mut value = 0_u16;
    // SAFETY: stores two bytes into a local variable.
    unsafe { asm!("stap 0({at})", at = in(reg_addr) &raw mut value, options(nostack)) }
    value
}

/// The CPU identification (STORE CPU ID).
#[must_use]
pub fn id() -> u64 {
    let mut value = 0_u64;
    // SAFETY: stores eight bytes into a local variable.
    unsafe { asm!("stidp 0({at})", at = in(reg_addr) &raw mut value, options(nostack)) }
    value
}

/// Waits until an interruption of the classes in `mask` has been handled; then all are disabled again.
///
/// The caller checks its condition disabled and calls this if it does not hold: opening the mask and
/// waiting are one instruction, so no interruption slips in between.
pub fn wait(mask: PswMask) {
    let mut psw = Psw::new(mask | PswMask::WAIT, 0);
    let mut old = 0_u8;
    // SAFETY: loads a PSW that continues at label 2 in the same state with interruptions enabled
    // and then disables them; handlers keep all registers and reset the wait bit of the old PSW.
    unsafe {
        asm!(
            "larl {tmp}, 2f",
            "stg {tmp}, 8({psw})",
            "lpswe 0({psw})",
            "2: stnsm 0({old}), 0xfc",
            tmp = out(reg) _,
            psw = in(reg_addr) &raw mut psw,
            old = in(reg_addr) &raw mut old,
            options(nostack),
        );
    }
}

/// Takes external interruptions that are pending; they are disabled before and behind.
pub fn take_external() {
    let mut old = 0_u8;
    // SAFETY: opens the external mask between two instructions, where handlers keep all registers.
    unsafe {
        asm!(
            "stosm 0({old}), 0x01",
            "stnsm 0({old}), 0xfe",
            old = in(reg_addr) &raw mut old,
            options(nostack),
        );
    }
}

/// Runs a problem-state context until it is interrupted; returns the class of the interruption.
///
/// Details of the interruption stand in the lowcore. No control register is loaded here: the
/// caller has chosen the address space before.
///
/// # Safety
/// Interruptions must be disabled, and the address space in the control registers must confine what
/// the context can reach.
pub unsafe fn run(context: &mut Context) -> Class {
    unsafe extern "C" {
        fn arch_enter_context(context: *mut Context) -> u64;
    }
    debug_assert!(
        context.psw.contains(PswMask::PROBLEM),
        "a context runs in the problem state"
    );
    // SAFETY: the assembler saves what the calling convention wants kept, and comes back here with
    // the registers of the context stored in `context`.
    Class::from_number(unsafe { arch_enter_context(context) })
}

/// Loads a disabled wait: the CPU stops for good, its PSW address is the message.
pub fn stop(address: u64) -> ! {
    let psw = Psw::new(PswMask::WAIT, address);
    // SAFETY: a disabled wait executes nothing any more.
    unsafe { asm!("lpswe 0({psw})", psw = in(reg_addr) &raw const psw, options(noreturn, nostack)) }
}
