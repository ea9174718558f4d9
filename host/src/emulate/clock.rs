//! Timers. The time of day itself is the machine's.

use arch::program;

use super::decode::Instruction;
use super::machine::{Machine, Trap};
use super::psw::aligned;

/// SET CLOCK COMPARATOR.
pub(super) fn sckc(machine: &mut Machine<'_>, instruction: &Instruction) -> Result<(), Trap> {
    let address = aligned(machine, instruction)?;
    let value = machine.read(address)?;
    machine.vcpu_mut().clock_comparator = u64::from_be_bytes(value);
    Ok(())
}

/// STORE CLOCK COMPARATOR.
pub(super) fn stckc(machine: &mut Machine<'_>, instruction: &Instruction) -> Result<(), Trap> {
    let address = aligned(machine, instruction)?;
    let value = machine.vcpu().clock_comparator;
    machine.write(address, &value.to_be_bytes())
}

/// SET CPU TIMER.
pub(super) fn spt(machine: &mut Machine<'_>, instruction: &Instruction) -> Result<(), Trap> {
    let address = aligned(machine, instruction)?;
    let value = machine.read(address)?;
    machine.vcpu_mut().cpu_timer = i64::from_be_bytes(value);
    Ok(())
}

/// STORE CPU TIMER.
pub(super) fn stpt(machine: &mut Machine<'_>, instruction: &Instruction) -> Result<(), Trap> {
    let address = aligned(machine, instruction)?;
    let value = machine.vcpu().cpu_timer;
    machine.write(address, &value.to_be_bytes())
}

/// SET CLOCK: the clock is the machine's, and secure (condition code 1, unchanged).
pub(super) fn sck(machine: &mut Machine<'_>, instruction: &Instruction) -> Result<(), Trap> {
    let address = aligned(machine, instruction)?;
    machine.read::<8>(address)?;
    machine.set_cc(1);
    Ok(())
}

/// SET CLOCK PROGRAMMABLE FIELD: nothing here reads it.
pub(super) fn sckpf(machine: &mut Machine<'_>, _: &Instruction) -> Result<(), Trap> {
    if machine.gpr(0) & 0xffff_0000 == 0 {
        Ok(())
    } else {
        Err(Trap::exception(program::SPECIFICATION))
    }
}
