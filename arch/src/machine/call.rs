//! SUPERVISOR CALL: what code in the problem state asks for.

use core::arch::asm;

/// Executes SUPERVISOR CALL with this number and two arguments; returns what the supervisor answers.
///
/// Registers 2 and 3 are the arguments, register 2 the answer. The kernel keeps all others.
pub fn supervisor_call<const NUMBER: u16>(first: u64, second: u64) -> u64 {
    let answer;
    // SAFETY: what the supervisor does to storage is done by the caller's own space.
    unsafe {
        asm!(
            "svc {number}",
            number = const NUMBER,
            inout("r2") first => answer,
            in("r3") second,
        );
    }
    answer
}
