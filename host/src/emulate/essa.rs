//! EXTRACT AND SET STORAGE ATTRIBUTES.

use arch::program;
use cmm::Orc;

use super::decode::Instruction;
use super::machine::{Machine, Trap};
use crate::trace::{self, Kind};

/// ESSA. Exceptions in the order in which KVM and its unit tests see them: operation (not offered),
/// privileged operation, specification, addressing, which not all hypervisors have.
pub(super) fn essa(machine: &mut Machine<'_>, instruction: &Instruction) -> Result<(), Trap> {
    let personality = machine.guest.memory.personality();
    if !personality.has_essa() {
        return Err(Trap::exception(program::OPERATION));
    }
    if machine.vcpu().is_problem_state() {
        return Err(Trap::exception(program::PRIVILEGED_OPERATION));
    }
    let orc = match Orc::try_from(instruction.rrf_third()) {
        // ORC 7 needs facility 147, which is not offered.
        Ok(Orc::SetStableNodat) | Err(_) => return Err(Trap::exception(program::SPECIFICATION)),
        Ok(orc) => orc,
    };
    let (result, page) = instruction.rre();
    // The operand is an absolute address: no prefixing.
    let page = machine.vcpu().context.gprs[page] >> arch::PAGE_SHIFT;
    let known = u32::try_from(page)
        .ok()
        .filter(|page| machine.guest.memory.page(*page).is_some());
    let (old, want) = match (known, orc) {
        (None, _) => (personality.bad_address()?, None),
        (Some(page), Orc::SetStableMakeResident) => {
            let memory = &mut machine.guest.memory;
            memory.make_stable_and_resident(machine.pool, page)?
        }
        (Some(page), _) => (machine.guest.memory.essa(machine.pool, page, orc), None),
    };
    machine.guest.counters.essa[usize::from(orc.code())] += 1;
    if let Some(page) = known {
        let value = trace::essa(page, orc.code(), old);
        trace::note(Kind::Essa, machine.guest.id.into(), machine.cpu, value);
    }
    machine.vcpu_mut().context.gprs[result] = old.into();
    machine.guest.counters.hinting_time += machine.since_exit();
    want.map_or(Ok(()), |want| Err(Trap::WaitBehind(want)))
}
