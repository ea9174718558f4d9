//! What the machine is: identification, facilities, system information.

use arch::program;

use super::decode::Instruction;
use super::machine::{Machine, Trap};
use crate::guest::Guest;

/// Facility bits 0-31: N3 instructions, z/Architecture installed and active, ASN-and-LX reuse absent,
/// long displacement, MOVE WITH OPTIONAL SPECIFICATIONS.
const FACILITIES: u32 = 0xe000_2010;
/// Version code of a virtual machine, machine type of a z10.
const CPU_ID: u64 = 0xff00_0000_2097_0000;

/// STORE CPU ID.
pub(super) fn stidp(machine: &mut Machine<'_>, instruction: &Instruction) -> Result<(), Trap> {
    let address = super::psw::aligned(machine, instruction)?;
    let id = CPU_ID | (u64::from(machine.guest.id) << 32);
    machine.write(address, &id.to_be_bytes())
}

/// STORE FACILITY LIST.
pub(super) fn stfl(machine: &mut Machine<'_>, _: &Instruction) -> Result<(), Trap> {
    let address = core::mem::offset_of!(arch::Lowcore, facilities) as u64;
    machine.write_real(address, &FACILITIES.to_be_bytes())
}

/// STORE SYSTEM INFORMATION: the current level is 3, a virtual machine.
pub(super) fn stsi(machine: &mut Machine<'_>, instruction: &Instruction) -> Result<(), Trap> {
    let (function, selectors) = (machine.gpr(0), machine.gpr(1));
    let level = (function >> 28) & 15;
    if level == 0 {
        machine.set_gpr_low(0, 3 << 28);
        machine.set_cc(0);
        return Ok(());
    }
    if function & 0x0fff_ff00 != 0 || selectors & 0xffff_0000 != 0 {
        return Err(Trap::exception(program::SPECIFICATION));
    }
    let address = machine.address(instruction.base(2));
    if !address.is_multiple_of(4096) {
        return Err(Trap::exception(program::SPECIFICATION));
    }
    if (level, function & 0xff, selectors & 0xffff) != (3, 2, 2) {
        machine.set_cc(3);
        return Ok(());
    }
    machine.write(address, &virtual_machines(machine.guest))?;
    machine.set_cc(0);
    Ok(())
}

/// System-information block 3.2.2: one description block of this guest.
fn virtual_machines(guest: &Guest) -> [u8; 4096] {
    let (id, cpus) = (guest.id, (guest.vcpus.len() as u16).to_be_bytes());
    let mut block = [0; 4096];
    block[31] = 1;
    let description = &mut block[64..128];
    description[2..4].copy_from_slice(&cpus); // total CPUs
    description[4..6].copy_from_slice(&cpus); // configured CPUs
    let name = [
        b'G',
        b'U',
        b'E',
        b'S',
        b'T',
        b'0' + (id / 100 % 10) as u8,
        b'0' + (id / 10 % 10) as u8,
        b'0' + (id % 10) as u8,
    ];
    description[8..16].copy_from_slice(&name.map(drivers::ebcdic::from_ascii));
    description[16..20].copy_from_slice(&1000_u32.to_be_bytes()); // adjustment factor
    let program = *guest.memory.personality().hypervisor.identification();
    description[20..36].copy_from_slice(&program.map(drivers::ebcdic::from_ascii));
    block
}
