//! EXTRACT AND SET STORAGE ATTRIBUTES ("CP Programming Services", ESSA).

use core::arch::asm;

use cmm::{EssaResult, Orc};

use crate::addr::Absolute;
use crate::fault::Fault;
use crate::machine::guard;

/// The instruction with its operation request code as a constant, which the format demands.
fn with_orc<const ORC: u8>(page: Absolute) -> Result<EssaResult, Fault> {
    let result: u64;
    let (code, identification): (u64, u64);
    // SAFETY: ESSA changes the state of the page and no register but its result. A page whose
    // content is given up by it is the caller's, who knows; memory is a clobber, so that no access
    // moves across the change of state.
    unsafe {
        asm!(
            "lghi %r0, 0",
            "2: .insn rrf,0xb9ab0000,{result},{page},{orc},0   # essa result,page,orc",
            "3:",
            extable!("2b", "3b"),
            result = inlateout(reg) 0_u64 => result,
            page = in(reg) page.0,
            orc = const ORC,
            out("r0") code,
            out("r1") identification,
            options(nostack),
        );
    }
    guard::outcome(code, identification).map(|()| EssaResult::from(result))
}

/// Executes ESSA with `orc` on the page at `page`; the result is the state before.
///
/// # Errors
/// The program interruption that the machine answered with: an operation exception where the
/// instruction is not offered.
pub fn try_essa(orc: Orc, page: Absolute) -> Result<EssaResult, Fault> {
    match orc {
        Orc::GetState => with_orc::<0>(page),
        Orc::SetStable => with_orc::<1>(page),
        Orc::SetUnused => with_orc::<2>(page),
        Orc::SetVolatile => with_orc::<3>(page),
        Orc::SetPotentiallyVolatile => with_orc::<4>(page),
        Orc::SetStableMakeResident => with_orc::<5>(page),
        Orc::SetStableIfNotDiscarded => with_orc::<6>(page),
        Orc::SetStableNodat => with_orc::<7>(page),
    }
}

/// Executes ESSA on a page of which the caller knows that the host takes it.
///
/// # Panics
/// If the machine answers with a program interruption: the kernel asks only after its probe has
/// found the instruction, and only about pages it has.
#[must_use]
pub fn essa(orc: Orc, page: Absolute) -> EssaResult {
    match try_essa(orc, page) {
        Ok(result) => result,
        Err(fault) => panic!("ESSA {orc} on page {page}: {fault}"),
    }
}
