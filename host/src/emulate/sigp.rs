//! SIGNAL PROCESSOR, for a guest with one CPU.

use super::decode::Instruction;
use super::machine::{Machine, Trap};

/// Orders (Principles of Operation, "Signal-Processor Orders").
const SENSE: u64 = 0x01;
const SET_ARCHITECTURE: u64 = 0x12;
const SENSE_RUNNING: u64 = 0x15;
/// Status: the parameter is invalid.
const INVALID_PARAMETER: u32 = 0x0000_0100;
/// Status: the order is invalid.
const INVALID_ORDER: u32 = 0x0000_0002;

/// SIGP.
pub(super) fn sigp(machine: &mut Machine<'_>, instruction: &Instruction) -> Result<(), Trap> {
    let (status, cpu) = instruction.rs();
    let order = machine.address(instruction.base(2)) & 0xff;
    let cpu = machine.gpr(cpu) as u16;
    let cc = match order {
        // Set architecture is for all CPUs; this machine has one mode.
        SET_ARCHITECTURE => {
            machine.set_gpr_low(status, INVALID_PARAMETER);
            1
        }
        _ if cpu != 0 => 3,
        SENSE | SENSE_RUNNING => 0,
        _ => {
            machine.set_gpr_low(status, INVALID_ORDER);
            1
        }
    };
    machine.set_cc(cc);
    Ok(())
}
