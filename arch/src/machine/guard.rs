//! Guarded instructions: a program interruption inside one becomes a value.
//!
//! Each guarded instruction has an entry in the exception table (linker section `.extable`): the
//! instruction's address and where to go on. The interruption handler puts the interruption code
//! into general register 0 and the identification of 0xa8 into general register 1, so the assembler
//! around a guarded instruction zeroes register 0 first and lists both as outputs.

use crate::fault::Fault;
use crate::interruption::Frame;
use crate::{lowcore_field, program};

/// An entry of the exception table.
#[repr(C)]
struct Entry {
    instruction: u64,
    fixup: u64,
}

unsafe extern "C" {
    static __extable_start: [Entry; 0];
    static __extable_end: [Entry; 0];
}

/// Assembler text of an exception-table entry: label of the instruction, label to continue at.
macro_rules! extable {
    ($instruction:literal, $fixup:literal) => {
        concat!(
            ".pushsection .extable,\"a\",@progbits\n.balign 8\n.quad ",
            $instruction,
            ",",
            $fixup,
            "\n.popsection"
        )
    };
}

fn entries() -> &'static [Entry] {
    let start = (&raw const __extable_start).cast::<Entry>();
    let end = (&raw const __extable_end).cast::<Entry>();
    // SAFETY: the linker script places both symbols around the entries of one section, which are
    // written by `extable!` only and never change.
    unsafe { core::slice::from_raw_parts(start, end.offset_from_unsigned(start)) }
}

/// If the instruction that the latest program interruption ended is guarded, makes `frame` continue
/// at its fix-up.
///
/// Returns whether it was.
pub(crate) fn fix_up(frame: &mut Frame) -> bool {
    let code = lowcore_field!(program_code) & !program::PER_EVENT;
    let length = u64::from(lowcore_field!(program_ilc) & 6);
    let behind = if program::is_nullifying(code) {
        0
    } else {
        length
    };
    let instruction = frame.psw.address.wrapping_sub(behind);
    let Some(entry) = entries()
        .iter()
        .find(|entry| entry.instruction == instruction)
    else {
        return false;
    };
    frame.psw.address = entry.fixup;
    frame.gprs[0] = u64::from(code);
    frame.gprs[1] = lowcore_field!(translation_exception);
    true
}

/// The outcome of a guarded instruction from what its fix-up found in registers 0 and 1.
pub(crate) fn outcome(code: u64, identification: u64) -> Result<(), Fault> {
    match code {
        0 => Ok(()),
        code => Err(Fault {
            code: code as u16,
            identification,
        }),
    }
}
