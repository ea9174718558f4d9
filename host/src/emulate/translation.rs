//! Instructions about dynamic address translation: looking at it, and forgetting it.

use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use arch::dat::{PageFlags, SegmentEntry};
use arch::{Absolute, PAGE_SHIFT, PAGE_SIZE, program};

use super::control::check_alignment;
use super::decode::Instruction;
use super::machine::{Machine, PRIMARY, Trap};
use crate::mem::address_space_control;
use crate::mem::walk::{self, Nowhere, Translation};

/// PURGE TLB.
pub(super) fn ptlb(machine: &mut Machine<'_>, _: &Instruction) -> Result<(), Trap> {
    machine.guest.memory.purge(machine.cpu);
    Ok(())
}

/// INVALIDATE PAGE TABLE ENTRY.
pub(super) fn ipte(machine: &mut Machine<'_>, instruction: &Instruction) -> Result<(), Trap> {
    let (table, page) = instruction.rre();
    let (origin, address) = (machine.gpr(table) & !0x7ff, machine.gpr(page));
    let entry = origin + (address >> PAGE_SHIFT & 0xff) * 8;
    mark(machine, entry, PageFlags::INVALID.bits())?;
    machine.guest.memory.invalidate(origin, address);
    Ok(())
}

/// Turns bits of the last halfword of a table entry on, at a real address. Other CPUs may change
/// other bytes meanwhile, so only one is stored.
fn mark(machine: &mut Machine<'_>, entry: u64, bits: u64) -> Result<(), Trap> {
    machine.check_low(PRIMARY, entry)?;
    let bits = (bits as u16).to_be_bytes();
    let byte = usize::from(bits[0] == 0);
    let at = machine
        .guest
        .memory
        .absolute(machine.cpu, entry + 6 + byte as u64);
    let [old] = machine.read_real(at)?;
    machine.write_real(at, &[old | bits[byte]])
}

/// INVALIDATE DAT TABLE ENTRY. What it marks is a range of a table; with the clearing option nothing.
pub(super) fn idte(machine: &mut Machine<'_>, instruction: &Instruction) -> Result<(), Trap> {
    /// Bit 52 of the second operand: clear by address-space-control element only.
    const CLEARING_BY_ASCE: u64 = 0x800;
    /// Bits of the second operand that must be zero.
    const RESERVED: u64 = 0xf_f000;
    let ((table, operand), space) = (instruction.rre(), usize::from(instruction.rrf_third()));
    let operand = machine.gpr(operand);
    if operand & RESERVED != 0 {
        return Err(Trap::exception(program::SPECIFICATION));
    }
    if operand & CLEARING_BY_ASCE != 0 {
        let asce = machine.gpr(space);
        machine.guest.memory.purge_space(asce);
        return Ok(());
    }
    let table = machine.gpr(table);
    let first = walk::index(walk::table_type(table), operand) as u64;
    for more in 0..=operand & 0x7ff {
        let entry = (table & !0xfff) + ((first + more) & 0x7ff) * 8;
        mark(machine, entry, SegmentEntry::INVALID.0)?;
    }
    machine.guest.memory.purge_all();
    Ok(())
}

/// COMPARE AND SWAP AND PURGE.
pub(super) fn csp(machine: &mut Machine<'_>, instruction: &Instruction) -> Result<(), Trap> {
    let (first, second) = even(instruction)?;
    let at = operand(machine, second, 4)?;
    let (old, new) = (machine.gpr(first) as u32, machine.gpr(first | 1) as u32);
    // SAFETY: aligned storage of this guest, whose CPUs may use it meanwhile as they may any.
    let word = unsafe { AtomicU32::from_ptr(core::ptr::with_exposed_provenance_mut(at)) };
    let outcome = word.compare_exchange(old, new, Ordering::SeqCst, Ordering::SeqCst);
    if let Err(found) = outcome {
        machine.set_gpr_low(first, found);
    }
    swapped(machine, second, outcome.is_ok());
    Ok(())
}

/// COMPARE AND SWAP AND PURGE (64).
pub(super) fn cspg(machine: &mut Machine<'_>, instruction: &Instruction) -> Result<(), Trap> {
    let (first, second) = even(instruction)?;
    let at = operand(machine, second, 8)?;
    let (old, new) = (machine.gpr(first), machine.gpr(first | 1));
    // SAFETY: aligned storage of this guest, whose CPUs may use it meanwhile as they may any.
    let word = unsafe { AtomicU64::from_ptr(core::ptr::with_exposed_provenance_mut(at)) };
    let outcome = word.compare_exchange(old, new, Ordering::SeqCst, Ordering::SeqCst);
    if let Err(found) = outcome {
        machine.set_gpr(first, found);
    }
    swapped(machine, second, outcome.is_ok());
    Ok(())
}

/// The registers of a compare and swap: the first is one of an even-odd pair.
fn even(instruction: &Instruction) -> Result<(usize, usize), Trap> {
    let (first, second) = instruction.rre();
    check_alignment(first as u64, 2)?;
    Ok((first, second))
}

/// Where the second operand of a compare and swap of this size is in the host's storage.
fn operand(machine: &mut Machine<'_>, register: usize, size: u64) -> Result<usize, Trap> {
    let address = machine.register_address(register) & !(size - 1);
    let real = machine.real(address, true)?;
    let page = machine.page(real)?;
    let (pool, cpu) = (&mut *machine.pool, machine.cpu);
    let frame = machine.guest.memory.resolve(pool, cpu, page, true)?;
    let Absolute(at) = frame.address() + real % PAGE_SIZE as u64;
    Ok(at as usize)
}

fn swapped(machine: &mut Machine<'_>, register: usize, is_equal: bool) {
    /// The last bit of the second operand's register: purge the TLBs.
    const PURGE: u64 = 1;
    if is_equal && machine.gpr(register) & PURGE != 0 {
        machine.guest.memory.purge_all();
    }
    machine.set_cc(u8::from(!is_equal));
}

/// What the guest's tables say of an address, which does not depend on whether DAT is on.
fn look_up(machine: &mut Machine<'_>, address: u64) -> Result<Translation, Nowhere> {
    let vcpu = machine.vcpu();
    let space = vcpu.space(address_space_control(&vcpu.psw));
    machine.guest.memory.walk(machine.pool, space, address)
}

fn load_real(
    machine: &mut Machine<'_>,
    register: usize,
    address: u64,
    wide: bool,
) -> Result<(), Trap> {
    /// In front of the code of an exception that is answered by a condition code.
    const NO_ADDRESS: u32 = 1 << 31;
    let (value, cc) = match look_up(machine, address) {
        Ok(to) => (to.real, 0),
        Err(Nowhere::Exception(program::SEGMENT_TRANSLATION, Some(entry))) => (entry, 1),
        Err(Nowhere::Exception(program::PAGE_TRANSLATION, Some(entry))) => (entry, 2),
        Err(Nowhere::Exception(program::TRANSLATION_SPECIFICATION, _)) => {
            return Err(Trap::exception(program::TRANSLATION_SPECIFICATION));
        }
        Err(Nowhere::Exception(code, _)) => {
            machine.set_gpr_low(register, NO_ADDRESS | u32::from(code));
            machine.set_cc(3);
            return Ok(());
        }
        Err(Nowhere::Table(error)) => return Err(error.into()),
    };
    if wide {
        machine.set_gpr(register, value);
    } else {
        machine.set_gpr_low(register, value as u32);
    }
    machine.set_cc(cc);
    Ok(())
}

/// LOAD REAL ADDRESS.
pub(super) fn lra(machine: &mut Machine<'_>, instruction: &Instruction) -> Result<(), Trap> {
    let (register, index) = instruction.rs();
    let address = machine.indexed(index, instruction.base(2));
    load_real(machine, register, address, is_wide(machine))
}

/// LOAD REAL ADDRESS (long displacement).
pub(super) fn lray(machine: &mut Machine<'_>, instruction: &Instruction) -> Result<(), Trap> {
    let (register, index) = instruction.rs();
    let address = machine.indexed(index, instruction.long_base());
    load_real(machine, register, address, is_wide(machine))
}

/// Whether the forms without a width load all of a register: in the 64-bit addressing mode.
fn is_wide(machine: &Machine<'_>) -> bool {
    machine.vcpu().psw.contains(arch::PswMask::AMODE64)
}

/// LOAD REAL ADDRESS (64).
pub(super) fn lrag(machine: &mut Machine<'_>, instruction: &Instruction) -> Result<(), Trap> {
    let (register, index) = instruction.rs();
    let address = machine.indexed(index, instruction.long_base());
    load_real(machine, register, address, true)
}

/// STORE REAL ADDRESS.
pub(super) fn strag(machine: &mut Machine<'_>, instruction: &Instruction) -> Result<(), Trap> {
    if !machine.vcpu().has_dat() {
        return Err(Trap::exception(program::SPECIAL_OPERATION));
    }
    let (to, of) = (
        machine.address(instruction.base(2)),
        machine.address(instruction.base(4)),
    );
    check_alignment(to, 8)?;
    let real = machine.real(of, false)?;
    machine.write(to, &real.to_be_bytes())
}
