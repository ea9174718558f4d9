//! Moving between real storage and a task's storage: MOVE WITH OPTIONAL SPECIFICATIONS.
//!
//! The kernel runs with DAT off. For one instruction it runs in the home-space mode, with a home space
//! that is real storage, so that it stays where it is:
//!
//! ```text
//!   operand of the kernel   home space      control register 13   real addresses
//!   operand of the task     primary space   control register 1    by the task's tables
//! ```
//!
//! Both operands are accessed by the access key of the PSW; the task's tables protect what is not to be
//! stored into.

use core::arch::asm;

use super::{control, facility, guard};
use crate::addr::Absolute;
use crate::fault::Fault;
use crate::psw::{Psw, PswMask};

/// Number of the facility.
const FACILITY: u32 = 27;
/// Bit 58 of an address-space-control element: the space is real storage.
const REAL_SPACE: u64 = 0x20;
/// Most bytes that the instruction moves.
const MOST: usize = 4096;

/// Operand-access controls: the space that is named here, by the PSW's key.
mod operand {
    /// The primary space.
    pub(super) const PRIMARY: u64 = 0x0001;
    /// The home space.
    pub(super) const HOME: u64 = 0x00c1;
}

/// Whether the machine has the instruction.
#[must_use]
pub fn is_installed() -> bool {
    facility::is_installed(FACILITY)
}

/// Makes real storage this CPU's home space. Once after each reset, before anything is moved.
pub fn prepare() {
    // SAFETY: nothing is translated by control register 13 but what is moved here.
    unsafe { control::set::<13>(REAL_SPACE) }
}

/// Moves to a virtual address of the primary space; returns how many of the bytes were moved, as many as
/// one instruction does.
///
/// # Errors
/// The fault that ended the instruction; some bytes may have been moved. The identification of a
/// discard fault does not say which operand it was.
///
/// # Safety
/// The source must be storage that nobody writes meanwhile, except the host by discarding it. The primary
/// space must be that of a task, in which nothing but what the task may write is unprotected.
pub unsafe fn to_user(from: Absolute, to: u64, length: usize) -> Result<usize, Fault> {
    // SAFETY: the caller's promises.
    unsafe { move_once(operand::PRIMARY << 16 | operand::HOME, to, from.0, length) }
}

/// Moves from a virtual address of the primary space; otherwise as [`to_user`].
///
/// # Errors
/// As for [`to_user`].
///
/// # Safety
/// The destination must be storage that is the caller's to write.
pub unsafe fn from_user(from: u64, to: Absolute, length: usize) -> Result<usize, Fault> {
    // SAFETY: the caller's promise.
    unsafe { move_once(operand::HOME << 16 | operand::PRIMARY, to.0, from, length) }
}

/// Executes the instruction once, with these operand-access controls.
///
/// # Safety
/// What it stores into must be the caller's to write.
unsafe fn move_once(controls: u64, to: u64, from: u64, length: usize) -> Result<usize, Fault> {
    let mut home = Psw::new(PswMask::DAT | PswMask::ASC, 0);
    let mut real = Psw::new(PswMask::empty(), 0);
    let (code, identification, condition): (u64, u64, u64);
    // SAFETY: the first PSW goes on at label 2 and the second one at label 4, both in the same state but
    // for DAT: instructions are fetched from the home space, which is real storage, so code and stack stay
    // where they are. A fault of the guarded instruction goes on at label 3, with DAT on.
    unsafe {
        asm!(
            "larl {scratch}, 2f",
            "stg {scratch}, 8({home})",
            "larl {scratch}, 4f",
            "stg {scratch}, 8({real})",
            "lpswe 0({home})",
            "2: mvcos 0({to}), 0({from}), {length}",
            "ipm {scratch}",
            "lghi %r0, 0",                  // no fault
            "3: lpswe 0({real})",
            "4:",
            extable!("2b", "3b"),
            scratch = out(reg_addr) condition,
            home = in(reg_addr) &raw mut home,
            real = in(reg_addr) &raw mut real,
            to = in(reg_addr) to,
            from = in(reg_addr) from,
            length = in(reg) length,
            inout("r0") controls => code,
            out("r1") identification,
            options(nostack),
        );
    }
    guard::outcome(code, identification)?;
    // Bits 34 and 35 of what INSERT PROGRAM MASK has stored: condition code 3 says that it was not all.
    let is_all = condition >> 28 & 3 == 0;
    Ok(if is_all { length } else { MOST })
}
