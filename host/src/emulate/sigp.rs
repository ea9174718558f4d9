//! SIGNAL PROCESSOR.

use arch::PAGE_SIZE;

use super::decode::Instruction;
use super::machine::{Machine, Trap};
use crate::vcpu::Place;
use crate::vcpu::orders::{self, Outcome, Target};

/// Bits of a parameter that are the address of a prefix area.
const PREFIX: u32 = 0x7fff_e000;

/// SIGP.
pub(super) fn sigp(machine: &mut Machine<'_>, instruction: &Instruction) -> Result<(), Trap> {
    let (status, cpu) = instruction.rs();
    let order = machine.address(instruction.base(2)) as u8;
    let cpu = usize::from(machine.gpr(cpu) as u16);
    // The register after an even first one, or the first one itself if it is odd.
    let prefix = machine.gpr(status | 1) as u32 & PREFIX;
    if cpu >= machine.guest.vcpus.len() && order != orders::SET_ARCHITECTURE {
        machine.set_cc(3);
        return Ok(());
    }
    let cpu = cpu.min(machine.guest.vcpus.len() - 1);
    let outcome = orders::outcome(order, target(machine, cpu, prefix));
    if outcome == Outcome::SetPrefix {
        machine.expect_prefix(prefix)?;
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
        Outcome::SetPrefix => machine.on(cpu).set_prefix(prefix),
        Outcome::Accepted | Outcome::Busy => {}
    }
    Ok(())
}

fn target(machine: &Machine<'_>, cpu: usize, prefix: u32) -> Target {
    let vcpu = &machine.guest.vcpus[cpu];
    Target {
        is_stopped: !vcpu.is_operating,
        is_running: matches!(vcpu.place, Place::Running(_)),
        has_external_call: vcpu.signals.external_call.is_some(),
        is_busy: vcpu.order.is_some(),
        is_parameter_storage: u64::from(prefix) + 2 * PAGE_SIZE as u64
            <= machine.guest.memory.size(),
    }
}
