//! Interpretive execution: the machine runs the guest by a state descriptor, does its translations, prefixing and most
//! privileged instructions itself, and leaves the rest to the host.
//!
//! Guest absolute storage is the host's primary space: the tables that the host makes map the guest's absolute
//! addresses, whoever of its CPUs runs and whether with DAT on or off. A page that is not mapped is a program
//! interruption of the host's; a store to one that is mapped read-only is intercepted with the guest's own protection
//! exceptions, and told from them here.

use alloc::boxed::Box;
use core::mem::offset_of;

use arch::interruption::{Class, Context};
use arch::state_descriptor::{self, StateDescriptor, code, intercept, loading, request};
use arch::{
    Lowcore, PAGE_SHIFT, PswMask, clock, cr0, interpret, lowcore_field, program, set_lowcore_field,
};

use super::backend::Backend;
use super::exit::Exit;
use super::{End, Vcpu, external, interruption, run};
use crate::emulate::{self, decode};
use crate::guest::{Guest, Machine};
use crate::mem::{AccessError, GuestFault, Virtual};

/// What the host emulates, and what it offers to no guest.
const INTERCEPTS: u32 = intercept::OPERATION
    | intercept::FACILITIES
    | intercept::ISKE
    | intercept::SSKE
    | intercept::RRBE
    | intercept::CPU_TIMER
    | intercept::CLOCK_COMPARATOR
    | intercept::BSA
    | intercept::PC
    | intercept::PT
    | intercept::LASP
    | intercept::PR
    | intercept::BAKR;

/// Registers with masks that say which interruptions the guest can take.
const LOADS: u16 = loading(0) | loading(6);

/// STORE USING REAL ADDRESS and its 64-bit form: stores by real address of a CPU with DAT on.
const BY_REAL_ADDRESS: [u16; 2] = [0xb246, 0xb925];

/// An operation exception's code, on the right.
const OPERATION: u8 = program::OPERATION as u8;

/// In an identification with a protection exception: a table has forbidden the store, the guest's or the host's.
const BY_DAT: u64 = 0x4;

/// The longest instructions have so many bytes.
const LONGEST: u64 = 6;

/// The machine interprets guests.
pub struct Interpret;

// Not in line: the other back end is, and needs the registers.
impl Backend for Interpret {
    fn name(&self) -> &'static str {
        "sie"
    }

    fn begin(&self) {
        let mut state = state(1 << 31);
        // SAFETY: interruptions are disabled in the host.
        run::handle_own(unsafe { interpret::begin(&mut state) });
    }

    fn sees_masks(&self) -> bool {
        false
    }

    /// Low-address protection is the guest's own, which the machine sees to. Floating-point registers are the real
    /// ones, which the guest may begin to use at any time.
    fn live_control(&self, _: &Vcpu, usable: u64) -> u64 {
        usable & cr0::AFP
    }

    /// One that is due already is requested.
    fn timer(&self, vcpu: &Vcpu, now: u64) -> Option<u64> {
        external::next_timer(vcpu, now).filter(|at| *at > now)
    }

    #[inline(never)]
    fn prepare(&self, machine: &mut Machine<'_>, context: &mut Context) {
        interruption::hold_prefix(machine);
        let requests = requests(machine.guest, machine.cpu);
        let prefix = machine.guest.memory.prefix(machine.cpu);
        let vcpu = machine.vcpu_mut();
        vcpu.context.psw = vcpu.psw;
        *context = vcpu.context;
        if let Some(state) = &mut vcpu.state {
            state.requests = requests;
            state.prefix = prefix;
            state.control = vcpu.control;
        }
    }

    #[inline(never)]
    unsafe fn enter(&self, context: &mut Context, state: *mut StateDescriptor) -> Option<Class> {
        // SAFETY: interruptions are disabled in the host; the tables in control register 1 map this guest's
        // frames only, and the rest is the caller's promise.
        unsafe { interpret::interpret(context, state) }
    }

    #[inline(never)]
    fn take_over(&self, machine: &mut Machine<'_>, context: &Context) -> u64 {
        let vcpu = machine.vcpu_mut();
        // A handler that its first instruction interrupts again would do nothing else for ever. One that executes more
        // does so unseen, and in its own time.
        if context.psw.address.wrapping_sub(vcpu.psw.address) > LONGEST {
            vcpu.repeated.2 = 0;
        }
        vcpu.context = *context;
        if let Some(state) = &vcpu.state {
            vcpu.control = state.control;
        }
        interruption::load_psw(machine, context.psw);
        machine.is_loaded = !machine.vcpu().has_dat();
        context.psw.mask
    }

    #[inline(never)]
    fn handle(&self, machine: &mut Machine<'_>, class: Option<Class>) -> bool {
        let code = machine.vcpu().state.as_ref().map_or(0, |state| state.code);
        let is_same = match class {
            Some(Class::Program) => return missing_page(machine),
            Some(class) => {
                run::asynchronous(machine, class);
                false
            }
            None => true,
        };
        // It may have stopped just before the host was interrupted.
        (code == 0 || intercepted(machine, code)) && is_same
    }
}

/// A CPU's state descriptor, in a guest of so many bytes.
#[inline(never)]
pub fn state(bytes: u64) -> Box<StateDescriptor> {
    let mut state = Box::new(StateDescriptor::new(bytes));
    state.intercepts = INTERCEPTS;
    state.loads = LOADS;
    state.keys = state_descriptor::FRAME_KEYS;
    state
}

/// For what a CPU is to come out when it becomes enabled.
fn requests(guest: &Guest, cpu: usize) -> u8 {
    let vcpu = &guest.vcpus[cpu];
    let mut psw = vcpu.psw;
    psw.set(PswMask::IO, true);
    let mut requests = 0;
    if external::pending(vcpu, &guest.floating, clock::now()).is_some() {
        requests |= request::EXTERNAL;
    }
    if guest.channel.due(&psw, vcpu.control[6]).is_some() {
        requests |= request::IO;
    }
    requests
}

/// Handles that the machine has stopped interpreting; as [`Backend::handle`].
fn intercepted(machine: &mut Machine<'_>, code: u8) -> bool {
    match code {
        code::INSTRUCTION | code::IO_INSTRUCTION => {
            machine.guest.count_exit(Exit::Instruction);
            return instruction(machine, code);
        }
        code::OPERATION => {
            machine.guest.count_exit(Exit::Operation);
            return instruction(machine, code);
        }
        code::PROGRAM => return program_interruption(machine),
        code::EXTERNAL_REQUEST | code::IO_REQUEST => machine.guest.count_exit(Exit::Request),
        code::WAIT => machine.guest.count_exit(Exit::Wait),
        _ => return refused(machine),
    }
    false
}

/// Ends a guest that the machine does not run by its state descriptor, or stops for what was not asked for.
fn refused(machine: &mut Machine<'_>) -> bool {
    let end = End::Misbehaved("the machine does not interpret it");
    machine.guest.finish(end);
    false
}

/// Emulates the instruction that is left to the host.
///
/// Hercules 3.13 leaves what it would tell the guest of an operation exception in the guest's prefix area, and may tell the
/// host that it is another instruction if it is executed by EXECUTE.
fn instruction(machine: &mut Machine<'_>, code: u8) -> bool {
    let mut stored = [0; 4];
    let at = offset_of!(Lowcore, program_ilc) as u64;
    if code == code::OPERATION
        && machine.copy_out(at, &mut stored).is_ok()
        && matches!(stored, [0, 2 | 4 | 6, 0, OPERATION])
    {
        return emulate::instruction(machine, stored[1], None);
    }
    let Some(state) = &machine.vcpu().state else {
        return false;
    };
    let mut bytes = [0; 8];
    bytes[..6].copy_from_slice(&state.instruction);
    let length = if state.status & state_descriptor::EXECUTED != 0 {
        emulate::execute_length(machine)
    } else {
        decode::length(bytes[0]) as u8
    };
    emulate::instruction(machine, length, Some(u64::from_be_bytes(bytes)))
}

/// An access to a page that is not mapped. The host's interruption nullified it.
fn missing_page(machine: &mut Machine<'_>) -> bool {
    let code = lowcore_field!(program_code);
    if !program::is_nullifying(code) {
        return refused(machine);
    }
    machine.guest.count_exit(Exit::Translation);
    let page = lowcore_field!(translation_exception) >> PAGE_SHIFT;
    resolve(machine, page as u32, false)
}

/// Makes an absolute page available for the instruction at the PSW address, or interrupts that.
fn resolve(machine: &mut Machine<'_>, page: u32, store: bool) -> bool {
    let (pool, cpu) = (&mut *machine.pool, machine.cpu);
    match machine.guest.memory.resolve(pool, cpu, page, store) {
        Ok(_) => true,
        // It is for the host to find the length.
        Err(error) => run::refuse(machine, error, 2),
    }
}

/// A program interruption that is left to the host.
fn program_interruption(machine: &mut Machine<'_>) -> bool {
    let Some(state) = &machine.vcpu().state else {
        return false;
    };
    let (code, length) = (state.program_code, (state.program_ilc & 6) as u8);
    // From here on as if the host had been interrupted.
    set_lowcore_field!(translation_exception, state.translation_exception);
    if code & !program::PER_EVENT != program::PROTECTION {
        return run::reflect(machine, code, length);
    }
    let access = run::faulting_access(machine, true);
    if run::is_low_address(machine, &access) {
        machine.guest.count_exit(Exit::Protection);
        interruption::program(machine, access.low_address_protection(), length);
        true
    } else if lowcore_field!(translation_exception) & BY_DAT != 0 {
        machine.guest.count_exit(Exit::Protection);
        protected_page(machine, &access, length)
    } else {
        run::reflect(machine, code, length)
    }
}

/// A store that a table has forbidden: the guest's own, or the host's because the page is clean. The exception suppressed
/// the instruction, so the PSW is backed up to execute it again.
fn protected_page(machine: &mut Machine<'_>, access: &Virtual, length: u8) -> bool {
    let found = page_of_store(machine, access, length);
    run::back_up(machine, length);
    match found {
        Ok(page) => resolve(machine, page, true),
        Err(error) => run::refuse(machine, error, length),
    }
}

/// The absolute page of a store, if the guest allows it.
fn page_of_store(
    machine: &mut Machine<'_>,
    access: &Virtual,
    length: u8,
) -> Result<u32, AccessError> {
    let mut real = access.address;
    if machine.vcpu().has_dat() {
        let found = emulate::opcode_at(machine, length).map_err(AccessError::Wait)?;
        if !found.is_some_and(|(opcode, _)| BY_REAL_ADDRESS.contains(&opcode)) {
            let memory = &mut machine.guest.memory;
            real = memory.translate(machine.pool, access)?.real;
        }
    }
    let page = machine.guest.memory.page_of(machine.cpu, real)?;
    let (key, own) = (machine.guest.memory.key(page), machine.vcpu().psw.key());
    if own != 0 && own != key >> 4 {
        // The machine looked at the host's table first. That the page is changed is not true.
        return Err(AccessError::Fault(GuestFault {
            code: program::PROTECTION,
            identification: Some(access.address),
        }));
    }
    Ok(page)
}
