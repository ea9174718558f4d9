//! Channel I/O: guests have no subchannels.

use super::control::check_alignment;
use super::decode::Instruction;
use super::machine::{Machine, Trap};

/// Condition code 3: not operational.
pub(super) fn not_operational(machine: &mut Machine<'_>, _: &Instruction) -> Result<(), Trap> {
    machine.set_cc(3);
    Ok(())
}

/// TEST PENDING INTERRUPTION: none.
pub(super) fn tpi(machine: &mut Machine<'_>, _: &Instruction) -> Result<(), Trap> {
    machine.set_cc(0);
    Ok(())
}

/// STORE CHANNEL REPORT WORD: none, zeroes are stored.
pub(super) fn stcrw(machine: &mut Machine<'_>, instruction: &Instruction) -> Result<(), Trap> {
    let address = machine.address(instruction.base(2));
    machine.write(address, &[0; 4])?;
    machine.set_cc(1);
    Ok(())
}

/// STORE CHANNEL PATH STATUS: none is in use.
pub(super) fn stcps(machine: &mut Machine<'_>, instruction: &Instruction) -> Result<(), Trap> {
    let address = machine.address(instruction.base(2));
    check_alignment(address, 32)?;
    machine.write(address, &[0; 32])
}

/// SET ADDRESS LIMIT and SET CHANNEL MONITOR, which are about what guests have not; and PURGE ALB: guests
/// have no access registers that could fill it.
pub(super) fn nothing(_: &mut Machine<'_>, _: &Instruction) -> Result<(), Trap> {
    Ok(())
}
