//! Control registers, prefix, and what concerns real storage and translation.

use arch::{PAGE_SIZE, program, storage};

use super::decode::Instruction;
use super::machine::{Machine, Trap};

/// Registers of an RS operand: from the first to the last, wrapping at 15.
fn registers((first, last): (usize, usize)) -> impl Iterator<Item = usize> {
    let count = (last + 16 - first) % 16 + 1;
    (0..count).map(move |n| (first + n) % 16)
}

fn check_alignment(address: u64, to: u64) -> Result<(), Trap> {
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
    for (n, register) in registers(instruction.rs()).enumerate() {
        let value = machine.vcpu().control[register];
        machine.write(address + 8 * n as u64, &value.to_be_bytes())?;
    }
    Ok(())
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
    for (n, register) in registers(instruction.rs()).enumerate() {
        let value = machine.vcpu().control[register] as u32;
        machine.write(address + 4 * n as u64, &value.to_be_bytes())?;
    }
    Ok(())
}

/// SET PREFIX.
pub(super) fn spx(machine: &mut Machine<'_>, instruction: &Instruction) -> Result<(), Trap> {
    let address = machine.address(instruction.base(2));
    check_alignment(address, 4)?;
    let prefix = u32::from_be_bytes(machine.read(address)?) & 0x7fff_e000;
    if u64::from(prefix) + 2 * PAGE_SIZE as u64 > machine.guest.memory.size() {
        return Err(Trap::exception(program::ADDRESSING));
    }
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

/// PURGE TLB: the guest has no translations of its own.
pub(super) fn ptlb(_: &mut Machine<'_>, _: &Instruction) -> Result<(), Trap> {
    Ok(())
}

/// INVALIDATE PAGE TABLE ENTRY: marks the entry; there is no translation of the guest's to flush.
pub(super) fn ipte(machine: &mut Machine<'_>, instruction: &Instruction) -> Result<(), Trap> {
    let (table, page) = instruction.rre();
    let origin = machine.gpr(table) & !0x7ff;
    let entry = origin + ((machine.gpr(page) >> arch::PAGE_SHIFT) & 0xff) * 8;
    let value = u64::from_be_bytes(machine.read(entry)?) | arch::dat::PageEntry::INVALID.0;
    machine.write(entry, &value.to_be_bytes())
}

/// INVALIDATE DAT TABLE ENTRY: as IPTE, of a higher table; with the clearing option nothing is marked.
pub(super) fn idte(machine: &mut Machine<'_>, instruction: &Instruction) -> Result<(), Trap> {
    /// Bit 52 of the second operand: clear by address-space-control element only.
    const CLEARING_BY_ASCE: u64 = 0x800;
    let (table, index) = (instruction.rre().0, usize::from(instruction.rrf_third()));
    let operand = machine.gpr(instruction.rre().1);
    if operand & CLEARING_BY_ASCE != 0 {
        return Ok(());
    }
    let _ = index;
    let entry = (machine.gpr(table) & !0xfff) + ((operand >> 20) & 0x7ff) * 8;
    let value = u64::from_be_bytes(machine.read(entry)?) | arch::dat::SegmentEntry::INVALID.0;
    machine.write(entry, &value.to_be_bytes())
}

fn load_real(machine: &mut Machine<'_>, register: usize, address: u64, wide: bool) {
    if wide {
        machine.set_gpr(register, address);
    } else {
        machine.set_gpr_low(register, address as u32);
    }
    machine.set_cc(0);
}

/// LOAD REAL ADDRESS: with the guest's DAT tables, which no guest of this host turns on, the manual
/// translates by control register 1; without any the address is special-operation.
pub(super) fn lra(machine: &mut Machine<'_>, instruction: &Instruction) -> Result<(), Trap> {
    let (register, index) = instruction.rs();
    let address = machine.indexed(index, instruction.base(2));
    load_real(machine, register, address, false);
    Ok(())
}

/// LOAD REAL ADDRESS (long displacement).
pub(super) fn lray(machine: &mut Machine<'_>, instruction: &Instruction) -> Result<(), Trap> {
    let (register, index) = instruction.rs();
    let address = machine.indexed(index, instruction.long_base());
    load_real(machine, register, address, false);
    Ok(())
}

/// LOAD REAL ADDRESS (64).
pub(super) fn lrag(machine: &mut Machine<'_>, instruction: &Instruction) -> Result<(), Trap> {
    let (register, index) = instruction.rs();
    let address = machine.indexed(index, instruction.long_base());
    load_real(machine, register, address, true);
    Ok(())
}

/// STORE REAL ADDRESS.
pub(super) fn strag(machine: &mut Machine<'_>, instruction: &Instruction) -> Result<(), Trap> {
    let (to, of) = (
        machine.address(instruction.base(2)),
        machine.address(instruction.base(4)),
    );
    check_alignment(to, 8)?;
    machine.write(to, &of.to_be_bytes())
}

/// TEST BLOCK: clears the frame; every frame is usable.
pub(super) fn tb(machine: &mut Machine<'_>, instruction: &Instruction) -> Result<(), Trap> {
    let address = machine.register_address(instruction.rre().1) & !(PAGE_SIZE as u64 - 1);
    let page = machine.page(address)?;
    let (pool, cpu) = (&mut *machine.pool, machine.cpu);
    let frame = machine.guest.memory.resolve(pool, cpu, page, true)?;
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
    let value = u32::from_be_bytes(machine.read(address)?);
    machine.set_gpr_low(register, value);
    Ok(())
}

/// LOAD USING REAL ADDRESS (64).
pub(super) fn lurag(machine: &mut Machine<'_>, instruction: &Instruction) -> Result<(), Trap> {
    let (register, at) = instruction.rre();
    let address = machine.register_address(at);
    check_alignment(address, 8)?;
    let value = u64::from_be_bytes(machine.read(address)?);
    machine.set_gpr(register, value);
    Ok(())
}

/// STORE USING REAL ADDRESS.
pub(super) fn stura(machine: &mut Machine<'_>, instruction: &Instruction) -> Result<(), Trap> {
    let (register, at) = instruction.rre();
    let address = machine.register_address(at);
    check_alignment(address, 4)?;
    let value = machine.gpr(register) as u32;
    machine.write(address, &value.to_be_bytes())
}

/// STORE USING REAL ADDRESS (64).
pub(super) fn sturg(machine: &mut Machine<'_>, instruction: &Instruction) -> Result<(), Trap> {
    let (register, at) = instruction.rre();
    let address = machine.register_address(at);
    check_alignment(address, 8)?;
    let value = machine.gpr(register);
    machine.write(address, &value.to_be_bytes())
}
