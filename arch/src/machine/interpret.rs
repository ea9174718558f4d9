//! START INTERPRETIVE EXECUTION: the machine itself runs a guest by a state descriptor.

use core::arch::{asm, global_asm};

use crate::interruption::{Class, Context, Frame};
use crate::machine::guard;
use crate::program;
use crate::psw::{Psw, PswMask};
use crate::state_descriptor::{self, StateDescriptor};

global_asm!(include_str!("interpret.S"));

unsafe extern "C" {
    fn arch_interpret(context: *mut Context, state: *mut StateDescriptor) -> u64;
    fn arch_interpret_begin();
    fn arch_interpret_end();
    fn arch_interpret_nothing();
}

/// Whether the machine has the instruction. It is asked with an address that no state descriptor can have.
#[must_use]
pub fn is_installed() -> bool {
    let code: u64;
    // SAFETY: the operand is not aligned, which ends the instruction before it does anything.
    unsafe {
        asm!(
            "lghi %r0, 0",
            "2: sie 1",
            "3:",
            extable!("2b", "3b"),
            out("r0") code,
            out("r1") _,
            options(nostack),
        );
    }
    guard::outcome(code, 0).is_err_and(|fault| fault.code != program::OPERATION)
}

/// Interprets a guest until the machine stops, or the host is interrupted; returns the class of that interruption, whose
/// details stand in the lowcore. The machine may have stopped before it: the state descriptor's code says that.
///
/// # Safety
/// Interruptions must be disabled, and the address space in control register 1 must confine what the guest can
/// reach. Nobody else may use the state descriptor meanwhile, which may not be in a prefix area.
pub unsafe fn interpret(context: &mut Context, state: *mut StateDescriptor) -> Option<Class> {
    /// The machine has stopped by itself.
    const STOPPED: u64 = 6;
    // SAFETY: the caller's promise; the assembler keeps what the calling convention wants kept.
    let class = unsafe {
        (*state).code = 0;
        (*state).psw = context.psw;
        (*state).gpr14 = context.gprs[14];
        (*state).gpr15 = context.gprs[15];
        arch_interpret(context, state)
    };
    // SAFETY: the machine has stored there.
    unsafe {
        context.psw = (*state).psw;
        context.gprs[14] = (*state).gpr14;
        context.gprs[15] = (*state).gpr15;
    }
    (class != STOPPED).then(|| Class::from_number(class))
}

/// Lets this CPU interpret something for the first time: an instruction that is left to the host at once. Returns the class of
/// an interruption that was let in meanwhile.
///
/// Hercules 3.13 takes a page that is missing at the very first instruction for one behind an instruction of two bytes.
///
/// # Safety
/// Interruptions must be disabled.
pub unsafe fn begin(state: &mut StateDescriptor) -> Option<Class> {
    state.mode_control = state_descriptor::HOST_STORAGE;
    let nothing = arch_interpret_nothing as *const () as usize as u64;
    let mut context = Context {
        gprs: [0; 16],
        psw: Psw::new(PswMask::empty(), nothing),
    };
    // SAFETY: what is interpreted accesses nothing, and is there whatever control register 1 holds.
    unsafe { interpret(&mut context, state) }
}

/// If the interruption is one of the host while it let a guest be interpreted, makes the host go on behind that.
///
/// Returns whether it is. Nobody has been told of it then.
pub(super) fn leave(frame: &mut Frame, class: Class) -> bool {
    let begin = arch_interpret_begin as *const () as usize as u64;
    let end = arch_interpret_end as *const () as usize as u64;
    let is_within = (begin..end).contains(&frame.psw.address);
    if is_within {
        frame.psw = Psw::new(PswMask::empty(), end);
        frame.gprs[14] = class as u64;
    }
    is_within
}
