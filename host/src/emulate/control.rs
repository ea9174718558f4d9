//! Control registers, prefix, and what concerns real storage.

use arch::{PAGE_SIZE, program, storage};

use super::decode::Instruction;
use super::machine::{Machine, PRIMARY, Trap};
use crate::vcpu::End;

/// Registers of an RS operand: from the first to the last, wrapping at 15.
fn registers((first, last): (usize, usize)) -> impl Iterator<Item = usize> {
    let count = (last + 16 - first) % 16 + 1;
    (0..count).map(move |n| (first + n) % 16)
}

pub(super) fn check_alignment(address: u64, to: u64) -> Result<(), Trap> {
    if address.is_multiple_of(to) {
        Ok(())
    } else {
        Err(Trap::exception(program::SPECIFICATION))
    }
}

/// LOAD CONTROL (64).
pub(super) fn lctlg(machine: &mut Machine<'_>, instruction: &Instruction) -> Result<(), Trap> {
    let address = machine.address(instruction.long_base());
    check_alignment(address, 8)?;
    let mut values = [0; 16];
    for (n, _) in registers(instruction.rs()).enumerate() {
        values[n] = u64::from_be_bytes(machine.read(address + 8 * n as u64)?);
    }
    for (register, value) in registers(instruction.rs()).zip(values) {
        machine.vcpu_mut().control[register] = value;
    }
    Ok(())
}

/// STORE CONTROL (64).
pub(super) fn stctg(machine: &mut Machine<'_>, instruction: &Instruction) -> Result<(), Trap> {
    let address = machine.address(instruction.long_base());
    check_alignment(address, 8)?;
    let mut bytes = [0; 16 * 8];
    let mut length = 0;
    for (register, place) in registers(instruction.rs()).zip(bytes.chunks_mut(8)) {
        place.copy_from_slice(&machine.vcpu().control[register].to_be_bytes());
        length += place.len();
    }
    machine.write(address, &bytes[..length])
}

/// LOAD CONTROL (32).
pub(super) fn lctl(machine: &mut Machine<'_>, instruction: &Instruction) -> Result<(), Trap> {
    let address = machine.address(instruction.base(2));
    check_alignment(address, 4)?;
    let mut values = [0; 16];
    for (n, _) in registers(instruction.rs()).enumerate() {
        values[n] = u32::from_be_bytes(machine.read(address + 4 * n as u64)?);
    }
    for (register, value) in registers(instruction.rs()).zip(values) {
        let control = &mut machine.vcpu_mut().control[register];
        *control = (*control & !u64::from(u32::MAX)) | u64::from(value);
    }
    Ok(())
}

/// STORE CONTROL (32).
pub(super) fn stctl(machine: &mut Machine<'_>, instruction: &Instruction) -> Result<(), Trap> {
    let address = machine.address(instruction.base(2));
    check_alignment(address, 4)?;
    let mut bytes = [0; 16 * 4];
    let mut length = 0;
    for (register, place) in registers(instruction.rs()).zip(bytes.chunks_mut(4)) {
        place.copy_from_slice(&(machine.vcpu().control[register] as u32).to_be_bytes());
        length += place.len();
    }
    machine.write(address, &bytes[..length])
}

/// SET PREFIX.
pub(super) fn spx(machine: &mut Machine<'_>, instruction: &Instruction) -> Result<(), Trap> {
    let address = machine.address(instruction.base(2));
    check_alignment(address, 4)?;
    let prefix = u32::from_be_bytes(machine.read(address)?) & 0x7fff_e000;
    if u64::from(prefix) + 2 * PAGE_SIZE as u64 > machine.guest.memory.size() {
        return Err(Trap::exception(program::ADDRESSING));
    }
    machine.expect_prefix(prefix)?;
    machine.set_prefix(prefix);
    Ok(())
}

/// STORE PREFIX.
pub(super) fn stpx(machine: &mut Machine<'_>, instruction: &Instruction) -> Result<(), Trap> {
    let address = machine.address(instruction.base(2));
    check_alignment(address, 4)?;
    let prefix = machine.guest.memory.prefix(machine.cpu);
    machine.write(address, &prefix.to_be_bytes())
}

/// STORE CPU ADDRESS.
pub(super) fn stap(machine: &mut Machine<'_>, instruction: &Instruction) -> Result<(), Trap> {
    let address = machine.address(instruction.base(2));
    check_alignment(address, 2)?;
    let own = machine.cpu as u16;
    machine.write(address, &own.to_be_bytes())
}

/// TEST BLOCK: clears the frame; every frame is usable.
pub(super) fn tb(machine: &mut Machine<'_>, instruction: &Instruction) -> Result<(), Trap> {
    let address = machine.register_address(instruction.rre().1) & !(PAGE_SIZE as u64 - 1);
    machine.check_low(PRIMARY, address)?;
    let page = machine.page(address)?;
    let (pool, cpu) = (&mut *machine.pool, machine.cpu);
    let memory = &mut machine.guest.memory;
    let frame = memory.resolve_to_overwrite(pool, cpu, page)?;
    // SAFETY: the frame belongs to this guest, whose CPU asks for that.
    unsafe { storage::clear_page(frame.address()) }
    machine.set_gpr(0, 0);
    machine.set_cc(0);
    Ok(())
}

/// LOAD USING REAL ADDRESS.
pub(super) fn lura(machine: &mut Machine<'_>, instruction: &Instruction) -> Result<(), Trap> {
    let (register, at) = instruction.rre();
    let address = machine.register_address(at);
    check_alignment(address, 4)?;
    let value = u32::from_be_bytes(machine.read_real(address)?);
    machine.set_gpr_low(register, value);
    Ok(())
}

/// LOAD USING REAL ADDRESS (64).
pub(super) fn lurag(machine: &mut Machine<'_>, instruction: &Instruction) -> Result<(), Trap> {
    let (register, at) = instruction.rre();
    let address = machine.register_address(at);
    check_alignment(address, 8)?;
    let value = u64::from_be_bytes(machine.read_real(address)?);
    machine.set_gpr(register, value);
    Ok(())
}

/// STORE USING REAL ADDRESS.
pub(super) fn stura(machine: &mut Machine<'_>, instruction: &Instruction) -> Result<(), Trap> {
    let (register, at) = instruction.rre();
    let address = machine.register_address(at);
    check_alignment(address, 4)?;
    machine.check_low(PRIMARY, address)?;
    let value = machine.gpr(register) as u32;
    machine.write_real(address, &value.to_be_bytes())
}

/// STORE USING REAL ADDRESS (64).
pub(super) fn sturg(machine: &mut Machine<'_>, instruction: &Instruction) -> Result<(), Trap> {
    let (register, at) = instruction.rre();
    let address = machine.register_address(at);
    check_alignment(address, 8)?;
    machine.check_low(PRIMARY, address)?;
    let value = machine.gpr(register);
    machine.write_real(address, &value.to_be_bytes())
}

/// TRACE and its 64-bit form: nothing while explicit tracing is off, or the operand says so.
pub(super) fn trace(machine: &mut Machine<'_>, instruction: &Instruction) -> Result<(), Trap> {
    /// Of control register 12: explicit tracing is on.
    const EXPLICIT: u64 = 1;
    /// First byte of the operand: no entry is to be made.
    const NONE: u8 = 0x80;
    let operand = match instruction.opcode() {
        0x9900 => instruction.base(2),
        _ => instruction.long_base(),
    };
    let address = machine.address(operand);
    check_alignment(address, 4)?;
    if machine.vcpu().control[12] & EXPLICIT != 0 && machine.read::<4>(address)?[0] & NONE == 0 {
        return Err(Trap::End(End::Misbehaved(
            "it turned tracing on, which this host does not offer",
        )));
    }
    Ok(())
}
