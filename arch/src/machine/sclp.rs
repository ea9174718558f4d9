//! SERVICE CALL: how a program talks to the service processor.

use core::arch::asm;

use crate::addr::Absolute;
use crate::fault::Fault;
use crate::machine::guard;

/// Issues `command` for the service-call control block at `sccb`; returns the condition code.
///
/// Condition codes: 0 initiated (an external interruption 0x2401 follows), 2 busy, 3 not operational.
///
/// # Errors
/// The program interruption that the machine answered with.
///
/// # Safety
/// The service processor stores into the control block at any time until it is complete.
pub unsafe fn service_call(command: u32, sccb: Absolute) -> Result<u8, Fault> {
    let mut cc: u64 = 0;
    let (code, identification): (u64, u64);
    // SAFETY: the caller keeps the control block alive; nothing else is stored.
    unsafe {
        asm!(
            "lghi %r0, 0",
            "2: .insn rre,0xb2200000,{command},{sccb}   # servc command,sccb",
            "ipm {cc}",
            "3:",
            extable!("2b", "3b"),
            command = in(reg) u64::from(command),
            sccb = in(reg) sccb.0,
            cc = inout(reg) cc,
            out("r0") code,
            out("r1") identification,
            options(nostack),
        );
    }
    guard::outcome(code, identification).map(|()| (cc >> 28) as u8 & 3)
}
