//! Storage keys.

use arch::program;

use super::decode::Instruction;
use super::machine::{Machine, Trap};
use crate::mem::{AccessError, address_space_control};

/// Bits of the key that are kept: access control, fetch protection, reference, change.
const KEY: u64 = 0xfe;

fn operand(machine: &Machine<'_>, instruction: &Instruction) -> Result<u32, Trap> {
    machine.page(machine.register_address(instruction.rre().1))
}

/// INSERT STORAGE KEY EXTENDED.
pub(super) fn iske(machine: &mut Machine<'_>, instruction: &Instruction) -> Result<(), Trap> {
    let page = operand(machine, instruction)?;
    let key = machine.guest.memory.key(page);
    insert(machine, instruction, key);
    Ok(())
}

/// INSERT VIRTUAL STORAGE KEY: as ISKE by logical address, less reference and change bits.
pub(super) fn ivsk(machine: &mut Machine<'_>, instruction: &Instruction) -> Result<(), Trap> {
    let address = machine.register_address(instruction.rre().1);
    let real = machine.real(address, false)?;
    let page = machine.page(real)?;
    let key = machine.guest.memory.key(page) & 0xf8;
    insert(machine, instruction, key);
    Ok(())
}

fn insert(machine: &mut Machine<'_>, instruction: &Instruction, key: u8) {
    let register = instruction.rre().0;
    let old = machine.gpr(register);
    machine.set_gpr(register, (old & !0xff) | u64::from(key));
}

/// SET STORAGE KEY EXTENDED.
pub(super) fn sske(machine: &mut Machine<'_>, instruction: &Instruction) -> Result<(), Trap> {
    let page = operand(machine, instruction)?;
    let key = machine.gpr(instruction.rre().0) & KEY;
    machine.guest.memory.set_key(page, key as u8);
    Ok(())
}

/// RESET REFERENCE BIT EXTENDED.
pub(super) fn rrbe(machine: &mut Machine<'_>, instruction: &Instruction) -> Result<(), Trap> {
    let page = operand(machine, instruction)?;
    let memory = &mut machine.guest.memory;
    let cc = u8::from(memory.is_referenced(page)) << 1 | u8::from(memory.is_changed(page));
    memory.reset_reference(page);
    machine.set_cc(cc);
    Ok(())
}

/// TEST PROTECTION: no access, so a page may be wherever it is.
pub(super) fn tprot(machine: &mut Machine<'_>, instruction: &Instruction) -> Result<(), Trap> {
    /// Of a storage key: fetch protection.
    const FETCH: u8 = 8;
    let address = machine.address(instruction.base(2));
    let access_key = (machine.address(instruction.base(4)) >> 4) as u8 & 15;
    let control = address_space_control(&machine.vcpu().psw);
    let mut real = machine.real_in(control, address, true);
    let is_read_only = code_of(real) == program::PROTECTION;
    if is_read_only {
        real = machine.real_in(control, address, false);
    }
    let code = code_of(real);
    if program::is_nullifying(code) && code != program::BLOCK_VOLATILITY {
        machine.set_cc(3);
        return Ok(());
    }
    let key = machine.guest.memory.key(machine.page(real?)?);
    machine.set_cc(if access_key == 0 || access_key == key >> 4 {
        u8::from(is_read_only)
    } else {
        1 + u8::from(key & FETCH != 0)
    });
    Ok(())
}

/// The code of the exception that a translation ends in, or 0.
fn code_of(outcome: Result<u64, AccessError>) -> u16 {
    match outcome {
        Err(AccessError::Fault(fault)) => fault.code,
        _ => 0,
    }
}
