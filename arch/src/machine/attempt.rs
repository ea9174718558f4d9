//! Executing an instruction to find out what becomes of it, whatever that is.
//!
//! Meanwhile the program new PSW leads to where a problem-state context is left, so that the state of the
//! machine at the interruption comes back as it was: nothing is fixed up, nothing is hidden.

use crate::interruption::Context;
use crate::psw::{Psw, PswMask};
use crate::{lowcore_field, set_lowcore_field};

/// Marks what the machine has not stored: no storage of ours has such an address.
const NOT_STORED: u64 = u64::MAX;

/// The program interruption that ended an attempt.
#[derive(Clone, Copy)]
pub struct Ended {
    /// Program-interruption code.
    pub code: u16,
    /// Instruction-length code, in bytes.
    pub length: u16,
    /// Translation-exception identification (0xA8), if it was stored.
    pub identification: Option<u64>,
    /// Exception access identification (0xA0), if it was stored.
    pub access: Option<u8>,
}

/// Loads registers and PSW of `context` and goes on there until the first program interruption; what they
/// were at it stands in `context` then.
///
/// # Safety
/// What is executed must end in a program interruption, keep interruptions of the other classes disabled,
/// and leave alone all storage but what the caller has for it. Interruptions must be disabled.
pub unsafe fn attempt(context: &mut Context) -> Ended {
    unsafe extern "C" {
        fn arch_enter_context(context: *mut Context) -> u64;
        fn arch_leave_context();
    }
    let new: Psw = lowcore_field!(program_new);
    let leave = arch_leave_context as *const () as usize as u64;
    set_lowcore_field!(program_new, Psw::new(PswMask::empty(), leave));
    set_lowcore_field!(translation_exception, NOT_STORED);
    set_lowcore_field!(exception_access_id, u8::MAX);
    // SAFETY: the assembler saves what the calling convention wants kept, and comes back here at the next
    // program interruption, whose new PSW has just been set.
    unsafe { arch_enter_context(context) };
    set_lowcore_field!(program_new, new);
    let identification: u64 = lowcore_field!(translation_exception);
    let access: u8 = lowcore_field!(exception_access_id);
    Ended {
        code: lowcore_field!(program_code),
        length: lowcore_field!(program_ilc) & 6,
        identification: (identification != NOT_STORED).then_some(identification),
        access: (access != u8::MAX).then_some(access),
    }
}
