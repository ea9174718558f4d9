//! Entering a guest, and what to do when it comes out again.

use arch::interruption::{Class, Context};
use arch::{PAGE_SIZE, cpu, handler, lowcore_field, program};

use super::exit::Exit;
use super::{End, interruption};
use crate::emulate;
use crate::guest::Machine;
use crate::mem::{AccessError, GuestFault, Virtual};

/// First two bytes of MOVE WITH OPTIONAL SPECIFICATIONS, which emulators refuse in the problem state.
const MVCOS: u16 = 0xc800;

/// Runs a guest until something interrupts it; details of that stand in this CPU's lowcore.
///
/// # Safety
/// The address space in control register 1 must be that of the guest's CPU that the context is of.
pub unsafe fn enter(context: &mut Context) -> Class {
    // SAFETY: interruptions are disabled in the host; the context is in the problem state, and the
    // tables in control register 1 map this guest's frames only.
    unsafe { cpu::run(context) }
}

/// Handles what interrupted a CPU of a guest. Returns true if nothing of the CPU has changed but its registers and
/// its PSW: it runs by the same tables, and its timers are what they were.
pub fn handle(machine: &mut Machine<'_>, class: Class) -> bool {
    match class {
        Class::Program => return program_exit(machine),
        Class::SupervisorCall => {
            machine.guest.count_exit(Exit::SupervisorCall);
            let (length, number) = (lowcore_field!(svc_ilc), lowcore_field!(svc_code));
            interruption::supervisor_call(machine, length, number);
            return true;
        }
        Class::External => machine.guest.count_exit(Exit::External),
        Class::Io => machine.guest.count_exit(Exit::Io),
        Class::MachineCheck | Class::Restart => {
            machine
                .guest
                .finish(End::Misbehaved("the machine failed while it ran"));
        }
    }
    false
}

/// Handles what is the host's own business: its time slice is over, or another CPU signals.
pub fn handle_own(class: Class) {
    if matches!(class, Class::External | Class::Io) {
        handler::dispatch(class);
    }
}

/// Handles a program interruption; as [`handle`].
fn program_exit(machine: &mut Machine<'_>) -> bool {
    let code = lowcore_field!(program_code) & !program::PER_EVENT;
    let length = (lowcore_field!(program_ilc) & 6) as u8;
    match code {
        program::OPERATION => {
            machine.guest.count_exit(Exit::Operation);
            emulate::instruction(machine, length)
        }
        program::PRIVILEGED_OPERATION => {
            machine.guest.count_exit(Exit::Privileged);
            emulate::instruction(machine, length)
        }
        program::SEGMENT_TRANSLATION
        | program::PAGE_TRANSLATION
        | program::ASCE_TYPE..=program::REGION_THIRD_TRANSLATION => {
            machine.guest.count_exit(Exit::Translation);
            missing_page(machine, length)
        }
        program::PROTECTION => {
            machine.guest.count_exit(Exit::Protection);
            let access = faulting_access(machine, true);
            if is_low_address(machine, &access) {
                interruption::program(machine, access.low_address_protection(), length);
                true
            } else {
                protected_page(machine, length)
            }
        }
        program::ADDRESSING | program::SPECIAL_OPERATION => {
            match emulate::is_at(machine, length, MVCOS) {
                Ok(true) => {
                    machine.guest.count_exit(Exit::Mvcos);
                    emulate::instruction(machine, length)
                }
                Ok(false) => reflect(machine, code, length),
                // It is executed again, and interrupted again.
                Err(want) => {
                    back_up(machine, length);
                    machine.wait_for(want);
                    false
                }
            }
        }
        _ => reflect(machine, code, length),
    }
}

/// Gives the guest an exception that is none of the host's business.
fn reflect(machine: &mut Machine<'_>, code: u16, length: u8) -> bool {
    machine.guest.count_exit(Exit::Reflected);
    let identification = lowcore_field!(translation_exception);
    let fault = GuestFault {
        code,
        identification: (code == program::PROTECTION).then_some(identification),
    };
    interruption::program(machine, fault, length);
    true
}

/// Lets the instruction be executed again that ended just before the PSW address.
#[inline]
fn back_up(machine: &mut Machine<'_>, length: u8) {
    let psw = &mut machine.vcpu_mut().psw;
    psw.address = psw.address.wrapping_sub(u64::from(length));
}

/// An access to a page that is not mapped: it becomes available, or the guest gets the exception.
///
/// The exception that brought us here nullified the instruction. An addressing exception suppresses,
/// so its old PSW points behind the instruction.
fn missing_page(machine: &mut Machine<'_>, length: u8) -> bool {
    let store = lowcore_field!(translation_exception) & 0xc00 == 0x400;
    access(machine, store, length)
}

/// A store to a page that is mapped read-only: because it is clean, and now it is changed, or because
/// the guest's own tables say so. There is no other protection, for guests run with access key 0. The exception suppressed the instruction, so
/// the PSW is backed up to execute it again.
///
/// The page may be another one by now, for another CPU of the guest was faster: it may be changed
/// already, or discarded.
fn protected_page(machine: &mut Machine<'_>, length: u8) -> bool {
    back_up(machine, length);
    access(machine, true, length)
}

/// Makes the access of the instruction at the PSW address possible, or interrupts it.
fn access(machine: &mut Machine<'_>, store: bool, length: u8) -> bool {
    let fault = match bring_in(machine, store) {
        // With DAT on, its tables may begin elsewhere now.
        Ok(()) => return !machine.vcpu().has_dat(),
        Err(AccessError::Fault(fault)) => fault,
        Err(other) => {
            match other {
                AccessError::Wait(want) => machine.wait_for(want),
                AccessError::Unreadable => machine.guest.finish(End::PageLost),
                _ => machine.guest.finish(End::MemoryExhausted),
            }
            return false;
        }
    };
    let length = length_of(machine, length);
    if !program::is_nullifying(fault.code) {
        let psw = &mut machine.vcpu_mut().psw;
        psw.address = psw.address.wrapping_add(u64::from(length));
    }
    interruption::program(machine, fault, length);
    true
}

/// The length of the instruction at the PSW address, which was interrupted by an access. Where that was a fetch, which may
/// have been one of an EXECUTE's target, emulators say that it is the least there is.
#[inline(always)]
fn length_of(machine: &mut Machine<'_>, told: u8) -> u8 {
    const LEAST: u8 = 2;
    if told == LEAST {
        emulate::length_at(machine)
    } else {
        told
    }
}

/// The access that the translation-exception identification tells of, at the start of its page.
#[inline]
fn faulting_access(machine: &Machine<'_>, store: bool) -> Virtual {
    let identification = lowcore_field!(translation_exception);
    let control = (identification & 3) as u8;
    Virtual {
        space: machine.vcpu().space(control),
        control,
        address: identification & !0xfff,
        store,
    }
}

/// Whether low-address protection, which guests have for themselves, has forbidden a store.
fn is_low_address(machine: &Machine<'_>, access: &Virtual) -> bool {
    /// In an identification: DAT has forbidden it.
    const BY_DAT: u64 = 0x4;
    let by_dat = lowcore_field!(translation_exception) & BY_DAT != 0;
    let is_low = access.address & !(PAGE_SIZE as u64) == 0;
    is_low && !by_dat && machine.vcpu().is_low_protected(access.control)
}

/// Makes the page available that an access wanted.
fn bring_in(machine: &mut Machine<'_>, store: bool) -> Result<(), AccessError> {
    let access = faulting_access(machine, store);
    let has_dat = machine.vcpu().has_dat();
    let (pool, cpu) = (&mut *machine.pool, machine.cpu);
    let memory = &mut machine.guest.memory;
    if has_dat {
        memory.resolve_virtual(pool, cpu, &access)
    } else {
        let page = memory.page_of(cpu, access.address)?;
        memory.resolve(pool, cpu, page, store).map(drop)
    }
}
