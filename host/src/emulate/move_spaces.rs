//! Moves between address spaces and by access keys.

use arch::{PswMask, cr0, program};

use super::decode::Instruction;
use super::machine::{HOME, Machine, PRIMARY, SECONDARY, Trap};
use super::psw::check_key;
use crate::mem::address_space_control;

/// Most bytes that one MOVE WITH OPTIONAL SPECIFICATIONS moves.
const MOST: u64 = 4096;
/// Most bytes that one of the others moves.
const MOST_BY_KEY: u64 = 256;

/// An operand: its space, the key that it is accessed with, its address.
#[derive(Clone, Copy)]
struct Operand {
    space: u8,
    key: u64,
    address: u64,
}

fn special_operation_unless(holds: bool) -> Result<(), Trap> {
    if holds {
        Ok(())
    } else {
        Err(Trap::exception(program::SPECIAL_OPERATION))
    }
}

/// Moves at most `most` of `length` bytes; the condition code says if it was all.
fn move_at_most(
    machine: &mut Machine<'_>,
    to: Operand,
    from: Operand,
    length: u64,
    most: u64,
) -> Result<(), Trap> {
    move_bytes(machine, to, from, length.min(most))?;
    machine.set_cc(if length > most { 3 } else { 0 });
    Ok(())
}

/// Moves bytes in pieces: what was moved before an exception is moved again after it.
fn move_bytes(
    machine: &mut Machine<'_>,
    to: Operand,
    from: Operand,
    count: u64,
) -> Result<(), Trap> {
    let mut buffer = [0; 256];
    let mut done = 0;
    while done < count {
        let size = (count - done).min(buffer.len() as u64);
        let piece = &mut buffer[..size as usize];
        let source = from.address.wrapping_add(done);
        machine.check_storage_key(&from, source, size, false)?;
        machine.load(from.space, source, piece)?;
        let target = to.address.wrapping_add(done);
        machine.check_storage_key(&to, target, size, true)?;
        machine.store(to.space, target, piece)?;
        done += size;
    }
    Ok(())
}

/// MOVE WITH OPTIONAL SPECIFICATIONS.
pub(super) fn mvcos(machine: &mut Machine<'_>, instruction: &Instruction) -> Result<(), Trap> {
    special_operation_unless(machine.vcpu().has_dat())?;
    let access = machine.gpr(0) as u32;
    let to = specified(machine, (access >> 16) as u16, instruction.base(2))?;
    let from = specified(machine, access as u16, instruction.base(4))?;
    special_operation_unless(to.space != HOME || !machine.vcpu().is_problem_state())?;
    for operand in [&to, &from] {
        check_key(machine, operand.key)?;
    }
    let length = machine.length(instruction.rs().0);
    move_at_most(machine, to, from, length, MOST)
}

/// The operand that an operand-access control describes; what it does not, the PSW does.
fn specified(machine: &Machine<'_>, control: u16, operand: (usize, u64)) -> Result<Operand, Trap> {
    /// The space is the one named here.
    const BY_SPACE: u16 = 1;
    /// The key is.
    const BY_KEY: u16 = 2;
    /// Access-register mode, which this host does not offer.
    const ACCESS_REGISTERS: u8 = 1;
    let mut specified = machine.usual(operand);
    if control & BY_SPACE != 0 {
        specified.space = (control >> 6) as u8 & 3;
    }
    if control & BY_KEY != 0 {
        specified.key = u64::from(control >> 12);
    }
    let is_secondary = specified.space == SECONDARY;
    special_operation_unless(
        specified.space != ACCESS_REGISTERS && (!is_secondary || machine.has_secondary_control()),
    )?;
    Ok(specified)
}

/// MOVE TO PRIMARY.
pub(super) fn mvcp(machine: &mut Machine<'_>, instruction: &Instruction) -> Result<(), Trap> {
    let (mut to, mut from) = both(machine, instruction);
    (to.space, from.space) = (PRIMARY, SECONDARY);
    check_both_spaces(machine)?;
    from.key = key_in(machine, instruction.rs().1)?;
    move_by_key(machine, instruction, to, from)
}

/// MOVE TO SECONDARY.
pub(super) fn mvcs(machine: &mut Machine<'_>, instruction: &Instruction) -> Result<(), Trap> {
    let (mut to, mut from) = both(machine, instruction);
    (to.space, from.space) = (SECONDARY, PRIMARY);
    check_both_spaces(machine)?;
    to.key = key_in(machine, instruction.rs().1)?;
    move_by_key(machine, instruction, to, from)
}

/// Moves between the primary and the secondary space are for those who run in one of them, if control
/// register 0 allows it.
fn check_both_spaces(machine: &Machine<'_>) -> Result<(), Trap> {
    let vcpu = machine.vcpu();
    let is_home = address_space_control(&vcpu.psw) == HOME;
    special_operation_unless(vcpu.has_dat() && !is_home && machine.has_secondary_control())
}

/// MOVE WITH KEY.
pub(super) fn mvck(machine: &mut Machine<'_>, instruction: &Instruction) -> Result<(), Trap> {
    let (to, mut from) = both(machine, instruction);
    from.key = key_in(machine, instruction.rs().1)?;
    move_by_key(machine, instruction, to, from)
}

/// MOVE WITH SOURCE KEY.
pub(super) fn mvcsk(machine: &mut Machine<'_>, instruction: &Instruction) -> Result<(), Trap> {
    let (to, mut from) = both(machine, instruction);
    from.key = key_in(machine, 1)?;
    move_bytes(machine, to, from, (machine.gpr(0) & 0xff) + 1)
}

/// MOVE WITH DESTINATION KEY.
pub(super) fn mvcdk(machine: &mut Machine<'_>, instruction: &Instruction) -> Result<(), Trap> {
    let (mut to, from) = both(machine, instruction);
    to.key = key_in(machine, 1)?;
    move_bytes(machine, to, from, (machine.gpr(0) & 0xff) + 1)
}

/// MOVE PAGE: it traps for the key that it names, which the problem state would need authority for.
pub(super) fn mvpg(machine: &mut Machine<'_>, instruction: &Instruction) -> Result<(), Trap> {
    if machine.vcpu().is_problem_state() {
        return Err(Trap::exception(program::PRIVILEGED_OPERATION));
    }
    let space = address_space_control(&machine.vcpu().psw);
    let page = |register| Operand {
        space,
        // Keys are for moves of bytes.
        key: 0,
        address: machine.register_address(register) & !(MOST - 1),
    };
    let (to, from) = instruction.rre();
    let (to, from) = (page(to), page(from));
    move_at_most(machine, to, from, MOST, MOST)
}

/// Both operands of an instruction, in the PSW's space and with its key.
fn both(machine: &Machine<'_>, instruction: &Instruction) -> (Operand, Operand) {
    (
        machine.usual(instruction.base(2)),
        machine.usual(instruction.base(4)),
    )
}

/// The access key in a register, if it may be used.
fn key_in(machine: &Machine<'_>, register: usize) -> Result<u64, Trap> {
    let key = machine.gpr(register) >> 4 & 15;
    check_key(machine, key)?;
    Ok(key)
}

fn move_by_key(
    machine: &mut Machine<'_>,
    instruction: &Instruction,
    to: Operand,
    from: Operand,
) -> Result<(), Trap> {
    let length = machine.length(instruction.rs().0);
    move_at_most(machine, to, from, length, MOST_BY_KEY)
}

impl Machine<'_> {
    /// An operand as most instructions have it: in the space and with the key that the PSW names.
    fn usual(&self, operand: (usize, u64)) -> Operand {
        let psw = &self.vcpu().psw;
        Operand {
            space: address_space_control(psw),
            key: psw.mask >> arch::psw::field::KEY_SHIFT & 15,
            address: self.address(operand),
        }
    }

    fn has_secondary_control(&self) -> bool {
        self.vcpu().control[0] & cr0::SECONDARY_SPACE != 0
    }

    /// Key-controlled protection of at most 256 bytes.
    fn check_storage_key(
        &mut self,
        operand: &Operand,
        address: u64,
        size: u64,
        store: bool,
    ) -> Result<(), Trap> {
        /// Of a storage key: loads are protected, too.
        const FETCH_PROTECTION: u8 = 0x08;
        if operand.key == 0 {
            return Ok(());
        }
        for at in [address, address.wrapping_add(size - 1)] {
            let real = self.real_in(operand.space, self.vcpu().wrap(at), store)?;
            let page = self.page(real)?;
            let storage_key = self.guest.memory.key(page);
            let is_open = !store && storage_key & FETCH_PROTECTION == 0;
            if u64::from(storage_key >> 4) != operand.key && !is_open {
                return Err(Trap::exception(program::PROTECTION));
            }
        }
        Ok(())
    }

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
