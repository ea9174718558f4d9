//! Carrying out what another CPU, or the CPU itself, has ordered by SIGNAL PROCESSOR.

use arch::clock;

use super::orders::Deed;
use super::{Vcpu, interruption};
use crate::guest::Machine;

/// Carries out an order on the CPU that `machine` is about, between two instructions of it.
pub fn carry_out(machine: &mut Machine<'_>, deed: Deed) {
    match deed {
        Deed::Start => start(machine.vcpu_mut()),
        Deed::Stop => {
            let vcpu = machine.vcpu_mut();
            vcpu.is_operating = false;
            // The CPU timer stops, too.
            vcpu.cpu_timer = vcpu.cpu_timer_at(clock::now());
            vcpu.waits_since = None;
        }
        Deed::Restart => interruption::restart(machine),
        Deed::Reset => {
            machine.vcpu_mut().reset();
            machine.guest.memory.purge(machine.cpu);
        }
        Deed::InitialReset => {
            let vcpu = machine.vcpu_mut();
            // SAFETY: orders are carried out by the physical CPU that has the virtual one.
            unsafe { vcpu.store_registers() }
            vcpu.initial_reset();
            machine.set_prefix(0);
        }
    }
}

fn start(vcpu: &mut Vcpu) {
    if !vcpu.is_operating {
        vcpu.is_operating = true;
        vcpu.waits_since = vcpu.is_waiting().then(clock::now);
    }
}

/// Carries out an order that was accepted while the CPU ran, if there is one.
pub fn carry_out_accepted(machine: &mut Machine<'_>) {
    if let Some(deed) = machine.vcpu_mut().order.take() {
        carry_out(machine, deed);
    }
}
