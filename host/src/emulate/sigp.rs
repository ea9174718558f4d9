//! SIGNAL PROCESSOR.

use arch::PAGE_SIZE;
use zerocopy::IntoBytes;

use super::decode::Instruction;
use super::machine::{Machine, Trap};
use crate::vcpu::Place;
use crate::vcpu::orders::{self, Outcome, Target};

/// Bits of a parameter that are the address of a prefix area.
const PREFIX: u32 = 0x7fff_e000;
/// Bits of a parameter that are the address of a status.
const STATUS: u32 = 0x7fff_fe00;
/// Size of a status, in bytes.
const STATUS_SIZE: usize = 512;

/// SIGP.
pub(super) fn sigp(machine: &mut Machine<'_>, instruction: &Instruction) -> Result<(), Trap> {
    let (status, cpu) = instruction.rs();
    let order = machine.address(instruction.base(2)) as u8;
    let cpu = usize::from(machine.gpr(cpu) as u16);
    // The register after an even first one, or the first one itself if it is odd.
    let parameter = machine.gpr(status | 1) as u32;
    let (area, size) = match order {
        orders::STORE_STATUS_AT_ADDRESS => (parameter & STATUS, STATUS_SIZE),
        _ => (parameter & PREFIX, 2 * PAGE_SIZE),
    };
    if cpu >= machine.guest.vcpus.len() && order != orders::SET_ARCHITECTURE {
        machine.set_cc(3);
        return Ok(());
    }
    let cpu = cpu.min(machine.guest.vcpus.len() - 1);
    let outcome = orders::outcome(order, target(machine, cpu, area, size));
    match outcome {
        Outcome::SetPrefix => machine.expect_prefix(area)?,
        Outcome::StoreStatus => {
            let real = machine.guest.memory.absolute(machine.cpu, area.into());
            let status = status_of(machine, cpu);
            machine.write_real(real, &status)?;
        }
        _ => {}
    }
    // First, for an order to oneself may store the PSW.
    machine.set_cc(match outcome {
        Outcome::Status(_) => 1,
        Outcome::Busy => 2,
        _ => 0,
    });
    match outcome {
        Outcome::Status(bits) => machine.set_gpr_low(status, bits),
        Outcome::ExternalCall => {
            machine.guest.vcpus[cpu].signals.external_call = Some(machine.cpu as u16);
            machine.guest.alerts |= 1 << cpu;
        }
        Outcome::EmergencySignal => {
            machine.guest.vcpus[cpu].signals.emergency |= 1 << machine.cpu;
            machine.guest.alerts |= 1 << cpu;
        }
        Outcome::Deed(deed) => machine.order(cpu, deed),
        Outcome::SetPrefix => machine.on(cpu).set_prefix(area),
        Outcome::StoreStatus | Outcome::Accepted | Outcome::Busy => {}
    }
    Ok(())
}

fn target(machine: &Machine<'_>, cpu: usize, area: u32, size: usize) -> Target {
    let vcpu = &machine.guest.vcpus[cpu];
    Target {
        is_stopped: !vcpu.is_operating,
        is_running: matches!(vcpu.place, Place::Running(_)),
        has_external_call: vcpu.signals.external_call.is_some(),
        is_busy: vcpu.order.is_some(),
        is_parameter_storage: u64::from(area) + size as u64 <= machine.guest.memory.size(),
    }
}

/// The status of a CPU that has stopped, so that no physical CPU has registers of it ("Store Status"). It
/// keeps no TOD programmable register.
fn status_of(machine: &Machine<'_>, cpu: usize) -> [u8; STATUS_SIZE] {
    let vcpu = &machine.guest.vcpus[cpu];
    let registers = &vcpu.registers;
    let mut status = [0; STATUS_SIZE];
    let mut put = |at: usize, bytes: &[u8]| status[at..at + bytes.len()].copy_from_slice(bytes);
    for (number, vector) in registers.vectors[..16].iter().enumerate() {
        put(8 * number, vector[0].as_bytes());
    }
    put(0x80, vcpu.context.gprs.as_bytes());
    put(0x100, vcpu.psw.as_bytes());
    put(0x118, machine.guest.memory.prefix(cpu).as_bytes());
    put(0x11c, registers.floating_control.as_bytes());
    put(0x128, vcpu.cpu_timer.as_bytes());
    put(0x130, (vcpu.clock_comparator >> 8).as_bytes());
    put(0x140, registers.access.as_bytes());
    put(0x180, vcpu.control.as_bytes());
    status
}
