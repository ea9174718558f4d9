//! Moves between address spaces. Keys are not looked at: guests of this host have access key 0.

use arch::{PswMask, program};

use super::decode::Instruction;
use super::machine::{HOME, Machine, PRIMARY, SECONDARY, Trap};
use crate::mem::address_space_control;

/// Most bytes that one MOVE WITH OPTIONAL SPECIFICATIONS moves.
const MOST: u64 = 4096;
/// Most bytes that one of the others moves.
const MOST_BY_KEY: u64 = 256;

fn check_dat(machine: &Machine<'_>) -> Result<(), Trap> {
    if machine.vcpu().has_dat() {
        Ok(())
    } else {
        Err(Trap::exception(program::SPECIAL_OPERATION))
    }
}

/// Moves at most `most` of `length` bytes between two spaces; the condition code says if it was all.
fn move_at_most(
    machine: &mut Machine<'_>,
    to: (u8, u64),
    from: (u8, u64),
    length: u64,
    most: u64,
) -> Result<(), Trap> {
    move_bytes(machine, to, from, length.min(most))?;
    machine.set_cc(if length > most { 3 } else { 0 });
    Ok(())
}

/// Moves bytes between two spaces, in pieces: what was moved before an exception is moved again after it.
fn move_bytes(
    machine: &mut Machine<'_>,
    (to_space, to): (u8, u64),
    (from_space, from): (u8, u64),
    count: u64,
) -> Result<(), Trap> {
    let mut buffer = [0; 256];
    let mut done = 0;
    while done < count {
        let size = (count - done).min(buffer.len() as u64);
        let piece = &mut buffer[..size as usize];
        machine.load(from_space, from.wrapping_add(done), piece)?;
        machine.store(to_space, to.wrapping_add(done), piece)?;
        done += size;
    }
    Ok(())
}

/// MOVE WITH OPTIONAL SPECIFICATIONS.
pub(super) fn mvcos(machine: &mut Machine<'_>, instruction: &Instruction) -> Result<(), Trap> {
    check_dat(machine)?;
    let access = machine.gpr(0) as u32;
    let to_space = specified(machine, (access >> 16) as u16)?;
    let from_space = specified(machine, access as u16)?;
    if to_space == HOME && machine.vcpu().is_problem_state() {
        return Err(Trap::exception(program::SPECIAL_OPERATION));
    }
    let to = machine.address(instruction.base(2));
    let from = machine.address(instruction.base(4));
    let length = machine.length(instruction.rs().0);
    move_at_most(machine, (to_space, to), (from_space, from), length, MOST)
}

/// The space that an operand-access control names, or that of the PSW.
fn specified(machine: &Machine<'_>, control: u16) -> Result<u8, Trap> {
    /// The space is the one named here.
    const BY_SPACE: u16 = 1;
    /// Access-register mode, which this host does not offer.
    const ACCESS_REGISTERS: u8 = 1;
    let space = if control & BY_SPACE == 0 {
        address_space_control(&machine.vcpu().psw)
    } else {
        (control >> 6) as u8 & 3
    };
    if space == ACCESS_REGISTERS {
        Err(Trap::exception(program::SPECIAL_OPERATION))
    } else {
        Ok(space)
    }
}

/// MOVE TO PRIMARY.
pub(super) fn mvcp(machine: &mut Machine<'_>, instruction: &Instruction) -> Result<(), Trap> {
    by_key(machine, instruction, PRIMARY, SECONDARY)
}

/// MOVE TO SECONDARY.
pub(super) fn mvcs(machine: &mut Machine<'_>, instruction: &Instruction) -> Result<(), Trap> {
    by_key(machine, instruction, SECONDARY, PRIMARY)
}

/// MOVE WITH KEY.
pub(super) fn mvck(machine: &mut Machine<'_>, instruction: &Instruction) -> Result<(), Trap> {
    let space = address_space_control(&machine.vcpu().psw);
    move_by_key(machine, instruction, space, space)
}

/// MOVE WITH SOURCE KEY, and MOVE WITH DESTINATION KEY.
pub(super) fn mvcsk(machine: &mut Machine<'_>, instruction: &Instruction) -> Result<(), Trap> {
    let space = address_space_control(&machine.vcpu().psw);
    let to = machine.address(instruction.base(2));
    let from = machine.address(instruction.base(4));
    let count = (machine.gpr(0) & 0xff) + 1;
    move_bytes(machine, (space, to), (space, from), count)
}

/// MOVE PAGE: it traps for the key that it names, which the problem state would need authority for.
pub(super) fn mvpg(machine: &mut Machine<'_>, instruction: &Instruction) -> Result<(), Trap> {
    if machine.vcpu().is_problem_state() {
        return Err(Trap::exception(program::PRIVILEGED_OPERATION));
    }
    let space = address_space_control(&machine.vcpu().psw);
    let page = |register| machine.register_address(register) & !(MOST - 1);
    let (to, from) = instruction.rre();
    let (to, from) = (page(to), page(from));
    move_at_most(machine, (space, to), (space, from), MOST, MOST)
}

fn by_key(
    machine: &mut Machine<'_>,
    instruction: &Instruction,
    to_space: u8,
    from_space: u8,
) -> Result<(), Trap> {
    check_dat(machine)?;
    move_by_key(machine, instruction, to_space, from_space)
}

fn move_by_key(
    machine: &mut Machine<'_>,
    instruction: &Instruction,
    to_space: u8,
    from_space: u8,
) -> Result<(), Trap> {
    let to = machine.address(instruction.base(2));
    let from = machine.address(instruction.base(4));
    let length = machine.length(instruction.rs().0);
    let (to, from) = ((to_space, to), (from_space, from));
    move_at_most(machine, to, from, length, MOST_BY_KEY)
}

impl Machine<'_> {
    /// A length in a register: all of it in the 64-bit addressing mode, else the right half.
    fn length(&self, register: usize) -> u64 {
        let value = self.gpr(register);
        if self.vcpu().psw.contains(PswMask::AMODE64) {
            value
        } else {
            u64::from(value as u32)
        }
    }
}
