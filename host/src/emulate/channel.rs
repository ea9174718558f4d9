//! Channel I/O: guests have no subchannels.

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
