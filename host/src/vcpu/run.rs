//! What to do when a virtual CPU comes out of its guest.

use arch::interruption::Class;
use arch::{handler, lowcore_field, program};

use super::{End, interruption};
use crate::emulate;
use crate::guest::Guest;
use crate::mem::{AccessError, GuestFault};
use crate::memory::FramePool;

/// Second byte of MOVE WITH OPTIONAL SPECIFICATIONS, which emulators refuse in the problem state.
const MVCOS: u16 = 0xc800;

/// Handles what has interrupted the virtual CPU in focus. Details are in the lowcore still.
pub fn handle_exit(guest: &mut Guest, pool: &mut FramePool, class: Class) {
    guest.vcpu.sync_from_real();
    match class {
        Class::Program => program_exit(guest, pool),
        Class::SupervisorCall => {
            guest.count_exit("supervisor_call");
            let (length, number) = (lowcore_field!(svc_ilc), lowcore_field!(svc_code));
            interruption::supervisor_call(guest, pool, length, number);
        }
        Class::External | Class::Io => {
            guest.count_exit(if class == Class::Io { "io" } else { "external" });
            // The host's own: time slice, signal of another CPU, disks.
            handler::dispatch(class);
        }
        Class::MachineCheck | Class::Restart => {
            guest
                .vcpu
                .stop(End::Misbehaved("the machine failed while it ran"));
        }
    }
}

fn program_exit(guest: &mut Guest, pool: &mut FramePool) {
    let code = lowcore_field!(program_code) & !program::PER_EVENT;
    let length = (lowcore_field!(program_ilc) & 6) as u8;
    match code {
        program::OPERATION | program::PRIVILEGED_OPERATION => {
            guest.count_exit(if code == program::OPERATION {
                "operation"
            } else {
                "privileged"
            });
            emulate::instruction(guest, pool, length, code);
        }
        program::SEGMENT_TRANSLATION
        | program::PAGE_TRANSLATION
        | program::ASCE_TYPE..=program::REGION_THIRD_TRANSLATION => {
            guest.count_exit("translation");
            missing_page(guest, pool, length);
        }
        program::PROTECTION => {
            guest.count_exit("protection");
            protected_page(guest, pool, length);
        }
        program::ADDRESSING if emulate::is_at(guest, pool, length, MVCOS) => {
            guest.count_exit("mvcos");
            emulate::instruction(guest, pool, length, program::OPERATION);
        }
        _ => {
            guest.count_exit("reflected");
            let identification = lowcore_field!(translation_exception);
            let fault = GuestFault {
                code,
                identification: (code == program::PROTECTION).then_some(identification),
            };
            interruption::program(guest, pool, fault, length);
        }
    }
}

/// The page that the translation-exception identification names, if the guest can have it at all.
fn faulting_page(guest: &Guest) -> Result<u32, GuestFault> {
    guest
        .memory
        .page_of(lowcore_field!(translation_exception) & !0xfff)
}

/// An access to a page that is not mapped: it becomes available, or the guest gets the exception.
///
/// The exception that brought us here nullified the instruction. An addressing exception suppresses,
/// so its old PSW points behind the instruction.
fn missing_page(guest: &mut Guest, pool: &mut FramePool, length: u8) {
    let store = lowcore_field!(translation_exception) & 0xc00 == 0x400;
    let outcome = faulting_page(guest)
        .map_err(AccessError::from)
        .and_then(|page| guest.memory.resolve(pool, page, store));
    match outcome {
        Ok(_) => {}
        Err(AccessError::Exhausted) => guest.vcpu.stop(End::MemoryExhausted),
        Err(AccessError::Fault(fault)) => {
            if !program::is_nullifying(fault.code) {
                guest.vcpu.psw.address = guest.vcpu.psw.address.wrapping_add(u64::from(length));
            }
            interruption::program(guest, pool, fault, length);
        }
    }
}

/// A store to a page that is mapped read-only because it is clean: now it is changed. The exception
/// suppressed the instruction, so the PSW is backed up to execute it again.
fn protected_page(guest: &mut Guest, pool: &mut FramePool, length: u8) {
    let page = faulting_page(guest);
    // Or it was clean when this virtual CPU touched it, and another one has changed it since.
    let clean = page.is_ok_and(|page| guest.memory.is_mapped_read_only(page));
    let Ok(page) = page else {
        return interruption::program(guest, pool, GuestFault::plain(program::PROTECTION), length);
    };
    if !clean {
        let fault = GuestFault {
            code: program::PROTECTION,
            identification: Some(lowcore_field!(translation_exception)),
        };
        return interruption::program(guest, pool, fault, length);
    }
    guest.vcpu.psw.address = guest.vcpu.psw.address.wrapping_sub(u64::from(length));
    if guest.memory.resolve(pool, page, true).is_err() {
        guest.vcpu.stop(End::MemoryExhausted);
    }
}
