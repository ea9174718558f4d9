//! SERVICE CALL: a guest asks its service processor for something.

use alloc::vec;

use arch::{clock, program};

use super::decode::Instruction;
use super::machine::{Machine, Trap};
use crate::dev::service::{self, HEADER, INVALID_LENGTH, Service};

/// SERVC.
pub(super) fn servc(machine: &mut Machine<'_>, instruction: &Instruction) -> Result<(), Trap> {
    let (command, sccb) = instruction.rre();
    let (command, address) = (
        machine.gpr(command) as u32,
        u64::from(machine.gpr(sccb) as u32),
    );
    if !address.is_multiple_of(8) || !(0x2000..1 << 31).contains(&address) {
        return Err(Trap::exception(program::SPECIFICATION));
    }
    if machine.guest.floating.service_signal.is_some() {
        machine.set_cc(2);
        return Ok(());
    }
    let length = usize::from(u16::from_be_bytes(machine.read_real(address)?)).max(HEADER);
    if length > 4096 - (address as usize & 0xfff) {
        return finish(machine, address, &INVALID_LENGTH.to_be_bytes(), 6);
    }
    let mut block = vec![0; length];
    machine.copy_out(address, &mut block)?;
    let mut service = Service {
        memory: machine.guest.memory.size(),
        cpus: machine.guest.vcpus.len(),
        console: &mut machine.guest.console,
    };
    let code = service::serve(&mut service, command, &mut block);
    block[6..8].copy_from_slice(&code.to_be_bytes());
    finish(machine, address, &block[6..], 6)
}

/// Stores the answer from `offset` on and makes the service signal pending.
fn finish(machine: &mut Machine<'_>, address: u64, bytes: &[u8], offset: u64) -> Result<(), Trap> {
    machine.write_real(address + offset, bytes)?;
    machine.guest.floating.service_signal = Some(address as u32);
    machine.guest.alert_for_floating(machine.cpu, clock::now());
    machine.set_cc(0);
    Ok(())
}
