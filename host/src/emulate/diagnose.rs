//! DIAGNOSE: what guests may ask this host for.

use arch::{PAGE_SIZE, program};
use cmm::Orc;

use super::decode::Instruction;
use super::machine::{Machine, Trap};
use crate::vcpu::orders::Deed;
use crate::vcpu::{End, Floating, Yield, interruption};

/// Return code of X'308' for what is not there.
const NO_PARAMETERS: u64 = 0x0102;
/// Return code of X'308' for functions that this host has not.
const NOT_SUPPORTED: u64 = 0x0002;

/// DIAGNOSE. Unknown codes are specification exceptions, as on KVM.
pub(super) fn diag(machine: &mut Machine<'_>, instruction: &Instruction) -> Result<(), Trap> {
    let code = machine.address(instruction.base(2)) as u16;
    let (first, second) = instruction.rs();
    let outcome = match code {
        0x10 => release(machine, first, second),
        0x44 => {
            machine.vcpu_mut().yields = Some(Yield::Anyone);
            Ok(())
        }
        0x9c => {
            let target = machine.gpr(first) as u16;
            machine.vcpu_mut().yields = Some(Yield::To(target.into()));
            Ok(())
        }
        0x250 => crate::dev::x250::diagnose(machine, first, second).map_err(Trap::from),
        0x210 => crate::dev::x250::device_class(machine, first).map_err(Trap::from),
        0x258 => super::handshake::diagnose(machine, first, second),
        0x500 => {
            let outcome = crate::dev::virtio::diagnose(machine);
            machine.guest.counters.virtio_time += machine.since_exit();
            if outcome == Ok(true) {
                machine.vcpu_mut().psw.address = instruction.at;
            }
            outcome.map(drop).map_err(Trap::from)
        }
        0x308 => ipl(machine, first, second),
        _ => Err(Trap::exception(program::SPECIFICATION)),
    };
    if !matches!(outcome, Err(Trap::Fault(fault)) if fault.code == program::SPECIFICATION) {
        machine.guest.counters.diagnose.count(code);
    }
    outcome
}

/// X'10': releases the pages from the first to the last address; the prefix pages are spared. That is done
/// piece by piece, before the CPU does anything else.
fn release(machine: &mut Machine<'_>, first: usize, last: usize) -> Result<(), Trap> {
    let (first, last) = (machine.gpr(first), machine.gpr(last));
    let page = PAGE_SIZE as u64;
    if !first.is_multiple_of(page) || !last.is_multiple_of(page) || last < first || first < 2 * page
    {
        return Err(Trap::exception(program::SPECIFICATION));
    }
    if last >= machine.guest.memory.size() {
        return Err(Trap::exception(program::ADDRESSING));
    }
    let number = |address: u64| (address >> arch::PAGE_SHIFT) as u32;
    machine.vcpu_mut().releases = number(first)..number(last) + 1;
    Ok(())
}

/// A reset of the machine makes all pages stable where hypervisors have it so.
fn forget_usage(machine: &mut Machine<'_>) {
    let memory = &mut machine.guest.memory;
    if memory.personality().forgets_at_reset() {
        for page in 0..(memory.size() >> arch::PAGE_SHIFT) as u32 {
            memory.essa(machine.pool, page, Orc::SetStable);
        }
    }
}

/// X'308': load functions. A guest can reset itself; there is nothing to load it from again.
fn ipl(machine: &mut Machine<'_>, first: usize, second: usize) -> Result<(), Trap> {
    match machine.gpr(second) {
        0 | 1 => {
            // Subsystem reset, and the PSW at absolute 0. The other CPUs stop.
            // It is looked at by the old prefix: what has to be waited for, or is an exception, changes none.
            let real = machine.guest.memory.absolute(machine.cpu, 0);
            let short = u64::from_be_bytes(machine.read_real::<8>(real)?);
            machine.expect_prefix(0)?;
            machine.set_prefix(0);
            for cpu in 0..machine.guest.vcpus.len() {
                machine.order(cpu, Deed::InitialReset);
            }
            forget_usage(machine);
            machine.guest.floating = Floating::default();
            machine.guest.channel.reset();
            machine.vcpu_mut().is_operating = true;
            let mask = (short & !0x7fff_ffff) & !arch::PswMask::ESA390_FORMAT.bits();
            interruption::load_psw(
                machine,
                arch::Psw {
                    mask,
                    address: short & 0x7fff_ffff,
                },
            );
            Ok(())
        }
        3 | 4 => Err(Trap::End(End::Misbehaved("it asked to be loaded again"))),
        5 | 6 => {
            machine.set_gpr(
                (first & !1) + 1,
                if machine.gpr(second) == 6 {
                    NO_PARAMETERS
                } else {
                    NOT_SUPPORTED
                },
            );
            Ok(())
        }
        _ => Err(Trap::exception(program::SPECIFICATION)),
    }
}
