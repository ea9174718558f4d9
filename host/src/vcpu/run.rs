//! Trap and emulate: entering a guest, and what to do when it comes out again.

use arch::interruption::{Class, Context};
use arch::state_descriptor::StateDescriptor;
use arch::{PAGE_SIZE, cpu, handler, lowcore_field, program};

use super::backend::Backend;
use super::exit::Exit;
use super::{End, Vcpu, external, interruption};
use crate::emulate;
use crate::guest::Machine;
use crate::mem::{AccessError, GuestFault, Virtual};

/// Guests run in the real problem state, where all that is privileged traps.
pub struct TrapAndEmulate;

impl Backend for TrapAndEmulate {
    fn name(&self) -> &'static str {
        "trap"
    }

    fn begin(&self) {}

    fn sees_masks(&self) -> bool {
        true
    }

    fn live_control(&self, vcpu: &Vcpu, usable: u64) -> u64 {
        vcpu.live_control(usable)
    }

    fn timer(&self, vcpu: &Vcpu, now: u64) -> Option<u64> {
        external::timer(vcpu, now)
    }

    #[inline(always)]
    fn prepare(&self, machine: &mut Machine<'_>, context: &mut Context) {
        make_ready(machine.vcpu_mut(), context);
    }

    #[inline(always)]
    unsafe fn enter(&self, context: &mut Context, _: *mut StateDescriptor) -> Option<Class> {
        // SAFETY: interruptions are disabled in the host; the context is in the problem state, and the
        // tables in control register 1 map this guest's frames only.
        Some(unsafe { cpu::run(context) })
    }

    #[inline(always)]
    fn take_over(&self, machine: &mut Machine<'_>, context: &Context) -> u64 {
        machine.is_loaded = true;
        let vcpu = machine.vcpu_mut();
        vcpu.context = *context;
        vcpu.sync_from_real();
        vcpu.psw.mask
    }

    #[inline(always)]
    fn handle(&self, machine: &mut Machine<'_>, class: Option<Class>) -> bool {
        class.is_some_and(|class| handle(machine, class))
    }
}

/// As [`Backend::prepare`].
#[inline(always)]
pub fn make_ready(vcpu: &mut Vcpu, context: &mut Context) {
    vcpu.sync_to_real();
    *context = vcpu.context;
}

/// Handles what interrupted a CPU of a guest; as [`Backend::handle`].
#[inline(always)]
fn handle(machine: &mut Machine<'_>, class: Class) -> bool {
    match class {
        Class::Program => return program_exit(machine),
        Class::SupervisorCall => {
            machine.guest.count_exit(Exit::SupervisorCall);
            let (length, number) = (lowcore_field!(svc_ilc), lowcore_field!(svc_code));
            interruption::supervisor_call(machine, length, number);
            return true;
        }
        _ => asynchronous(machine, class),
    }
    false
}

/// Handles an interruption that the guest has not caused.
pub(super) fn asynchronous(machine: &mut Machine<'_>, class: Class) {
    match class {
        Class::External => machine.guest.count_exit(Exit::External),
        Class::Io => machine.guest.count_exit(Exit::Io),
        _ => machine
            .guest
            .finish(End::Misbehaved("the machine failed while it ran")),
    }
}

/// Handles what is the host's own business: its time slice is over, or another CPU signals.
#[inline(always)]
pub fn handle_own(class: Option<Class>) {
    if let Some(class @ (Class::External | Class::Io)) = class {
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
            emulate::instruction(machine, length, None)
        }
        program::PRIVILEGED_OPERATION => {
            machine.guest.count_exit(Exit::Privileged);
            emulate::instruction(machine, length, None)
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
        // What is emulated, and refused by some machines in the problem state or as the real registers are.
        program::ADDRESSING | program::SPECIAL_OPERATION => {
            match emulate::opcode_at(machine, length) {
                Ok(Some((_, true))) => {
                    machine.guest.count_exit(Exit::Mvcos);
                    emulate::instruction(machine, length, None)
                }
                Ok(_) => reflect(machine, code, length),
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
pub(super) fn reflect(machine: &mut Machine<'_>, code: u16, length: u8) -> bool {
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
pub(super) fn back_up(machine: &mut Machine<'_>, length: u8) {
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
    match bring_in(machine, store) {
        // With DAT on, its tables may begin elsewhere now.
        Ok(()) => !machine.vcpu().has_dat(),
        Err(error) => refuse(machine, error, length),
    }
}

/// The access of the instruction at the PSW address is not possible: the guest is interrupted, or waits. Returns false if
/// it waits.
pub(super) fn refuse(machine: &mut Machine<'_>, error: AccessError, length: u8) -> bool {
    let fault = match error {
        AccessError::Fault(fault) => fault,
        other => {
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
/// have been one of an EXECUTE's target, QEMU says that it is the least there is, and Hercules what the last one was.
#[inline(always)]
fn length_of(machine: &mut Machine<'_>, told: u8) -> u8 {
    const LEAST: u8 = 2;
    let distance = lowcore_field!(translation_exception) ^ machine.vcpu().psw.address;
    if told == LEAST || distance < PAGE_SIZE as u64 {
        emulate::length_at(machine)
    } else {
        told
    }
}

/// The access that the translation-exception identification tells of, at the start of its page.
#[inline]
pub(super) fn faulting_access(machine: &Machine<'_>, store: bool) -> Virtual {
    let identification = lowcore_field!(translation_exception);
    let control = if machine.vcpu().has_dat() {
        (identification & 3) as u8
    } else {
        0
    };
    Virtual {
        space: machine.vcpu().space(control),
        control,
        address: identification & !0xfff,
        store,
    }
}

/// Whether low-address protection, which guests have for themselves, has forbidden a store.
pub(super) fn is_low_address(machine: &Machine<'_>, access: &Virtual) -> bool {
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
