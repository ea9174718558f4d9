//! Where interruptions arrive, and who is told.
//!
//! The assembler in `handler.S` has one entry a class. An interruption of problem-state code ends
//! [`crate::cpu::run`]; an interruption of supervisor code comes to [`arch_interruption`] with the
//! frame it left, and from there to the handler registered for its class or code.

use core::arch::global_asm;
use core::mem::{offset_of, transmute};
use core::sync::atomic::{AtomicUsize, Ordering};

use crate::interruption::{Class, Frame};
use crate::lowcore::Lowcore;
use crate::machine::{guard, interpret};
use crate::psw::{Psw, PswMask};
use crate::{lowcore_field, set_lowcore_field};

global_asm!(
    include_str!("handler.S"),
    save_gprs = const offset_of!(Lowcore, save_gprs),
    return_psw = const offset_of!(Lowcore, return_psw),
    context = const offset_of!(Lowcore, context),
    context_stack = const offset_of!(Lowcore, context_stack),
    emergency_stack = const offset_of!(Lowcore, emergency_stack),
    restart_old = const offset_of!(Lowcore, restart_old),
    external_old = const offset_of!(Lowcore, external_old),
    svc_old = const offset_of!(Lowcore, svc_old),
    program_old = const offset_of!(Lowcore, program_old),
    machine_check_old = const offset_of!(Lowcore, machine_check_old),
    io_old = const offset_of!(Lowcore, io_old),
);

/// Codes of external interruptions.
pub mod external {
    /// Emergency signal.
    pub const EMERGENCY_SIGNAL: u16 = 0x1201;
    /// External call.
    pub const EXTERNAL_CALL: u16 = 0x1202;
    /// Clock comparator.
    pub const CLOCK_COMPARATOR: u16 = 0x1004;
    /// CPU timer.
    pub const CPU_TIMER: u16 = 0x1005;
    /// Service signal.
    pub const SERVICE_SIGNAL: u16 = 0x2401;
    /// Block I/O completion and page-fault handshaking.
    pub const BLOCK_IO: u16 = 0x2603;
}

/// A handler of program interruptions and of classes that nobody expects; it may change the frame.
pub type FrameHandler = fn(Class, &mut Frame);
/// A handler of external interruptions of one code or of I/O interruptions; details are in the lowcore.
pub type Handler = fn();

/// Handlers by external-interruption code, a few entries because there are few codes.
static EXTERNAL: [(u16, AtomicUsize); 6] = [
    (external::EMERGENCY_SIGNAL, AtomicUsize::new(0)),
    (external::EXTERNAL_CALL, AtomicUsize::new(0)),
    (external::CLOCK_COMPARATOR, AtomicUsize::new(0)),
    (external::CPU_TIMER, AtomicUsize::new(0)),
    (external::SERVICE_SIGNAL, AtomicUsize::new(0)),
    (external::BLOCK_IO, AtomicUsize::new(0)),
];
static IO: AtomicUsize = AtomicUsize::new(0);
static FALLBACK: AtomicUsize = AtomicUsize::new(0);

/// Points this CPU's new PSWs to the entry code. `emergency_stack` is the end of a stack of its own
/// for machine checks and restarts.
pub fn install(emergency_stack: *mut u8) {
    unsafe extern "C" {
        fn arch_restart();
        fn arch_external();
        fn arch_supervisor_call();
        fn arch_program();
        fn arch_machine_check();
        fn arch_io();
    }
    let new = |entry: unsafe extern "C" fn()| Psw::new(PswMask::empty(), entry as usize as u64);
    set_lowcore_field!(emergency_stack, emergency_stack.addr() as u64);
    set_lowcore_field!(restart_new, new(arch_restart));
    set_lowcore_field!(external_new, new(arch_external));
    set_lowcore_field!(svc_new, new(arch_supervisor_call));
    set_lowcore_field!(program_new, new(arch_program));
    set_lowcore_field!(machine_check_new, new(arch_machine_check));
    set_lowcore_field!(io_new, new(arch_io));
}

/// Registers the handler for an external-interruption code.
///
/// # Panics
/// If the code is none of [`external`].
pub fn on_external(code: u16, handler: Handler) {
    let slot = EXTERNAL
        .iter()
        .find(|slot| slot.0 == code)
        .expect("one of the codes in `external`");
    slot.1.store(handler as usize, Ordering::Release);
}

/// Registers the handler of I/O interruptions.
pub fn on_io(handler: Handler) {
    IO.store(handler as usize, Ordering::Release);
}

/// Registers who gets program interruptions outside guarded instructions and all that has no handler.
pub fn on_unhandled(handler: FrameHandler) {
    FALLBACK.store(handler as usize, Ordering::Release);
}

fn call(slot: &AtomicUsize) -> bool {
    let handler = slot.load(Ordering::Acquire);
    if handler == 0 {
        return false;
    }
    // SAFETY: only `on_external` and `on_io` store here, and only values of this type.
    let handler = unsafe { transmute::<usize, Handler>(handler) };
    handler();
    true
}

/// Calls the handler for the interruption whose details are in the lowcore.
///
/// Returns whether there is one. Also for interruptions that ended a problem-state context.
pub fn dispatch(class: Class) -> bool {
    match class {
        Class::External => {
            let code = lowcore_field!(external_code);
            EXTERNAL
                .iter()
                .find(|slot| slot.0 == code)
                .is_some_and(|slot| call(&slot.1))
        }
        Class::Io => call(&IO),
        _ => false,
    }
}

/// Entry from the assembler for interruptions of supervisor code.
#[unsafe(no_mangle)]
extern "C" fn arch_interruption(frame: &mut Frame, class: u64) {
    let class = Class::from_number(class);
    if interpret::leave(frame, class) {
        return;
    }
    let handled = match class {
        Class::Program => guard::fix_up(frame),
        _ => dispatch(class),
    };
    if matches!(class, Class::External | Class::Io) {
        // Whoever waited goes on and looks at what it waited for.
        frame.psw.set(PswMask::WAIT, false);
    }
    if !handled {
        let fallback = FALLBACK.load(Ordering::Acquire);
        if fallback == 0 {
            crate::cpu::stop(0xdead);
        }
        // SAFETY: only `on_unhandled` stores here, and only values of this type.
        let fallback = unsafe { transmute::<usize, FrameHandler>(fallback) };
        fallback(class, frame);
    }
}
