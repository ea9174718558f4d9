//! Whether an address is real or absolute: what a prefix area that is elsewhere than at address 0 shows.

use core::fmt;

use arch::{Absolute, Frame, PAGE_SIZE, PswMask, cpu, storage};
use cmm::{EssaResult, Orc, PageState};

use super::observed;
use super::stage::{Stage, essa_code};

/// The operand of ESSA.
const OPERAND: u16 = 213;
/// What a fault says of a page in the prefix area.
const FAULT: u16 = 214;
/// Where in the prefix area its second page is, in which nothing is in use while interruptions are disabled.
const SECOND: u64 = PAGE_SIZE as u64;
/// Where the program new PSW is.
const PROGRAM_NEW: Absolute = Absolute(0x1d0);

/// Copies what is in use of the prefix area (register 8) into another one (register 7), and moves there (register 6).
const MOVE: [u8; 8] = [0xb2, 0x54, 0x00, 0x78, 0xb2, 0x10, 0x60, 0x00];
/// LG.
const FETCH: [u8; 6] = [0xe3, 0x40, 0x20, 0x00, 0x00, 0x04];

pub(super) fn run(stage: &mut Stage<'_>) {
    let query = essa_code(Orc::GetState.code());
    for (check, state, code) in [
        (OPERAND, PageState::VR, &query[..]),
        (FAULT, PageState::UZ, &FETCH),
        (FAULT, PageState::VZ, &FETCH),
    ] {
        for (name, is_own) in [("1000", false), ("prefix+1000", true)] {
            let case = &format_args!("{state} {name}");
            let Some(page) = stage.prepare(check, case, state) else {
                continue;
            };
            moved(stage, check, case, page, code, is_own);
            stage.give_back(page);
        }
    }
}

/// Executes an instruction about the real address of the prefix area's second page, which is `page`, or about the real
/// address that `page` has otherwise.
fn moved(
    stage: &Stage<'_>,
    check: u16,
    case: &dyn fmt::Display,
    page: Frame,
    code: &[u8],
    is_own: bool,
) {
    // Each page comes with the one in front of it, together as aligned as a prefix area is.
    let area = Absolute(page.address().0 - SECOND);
    let (old, word) = (cpu::prefix(), area.0 as u32);
    let mut program = [0; MOVE.len() + FETCH.len()];
    program[..MOVE.len()].copy_from_slice(&MOVE);
    program[MOVE.len()..][..code.len()].copy_from_slice(code);
    let at = if is_own { page.address().0 } else { SECOND };
    let registers = [(2, at), (6, Absolute::of(&raw const word).0), (7, area.0)];
    let code = &program[..MOVE.len() + code.len()];
    let seen = stage.attempt(PswMask::empty(), code, page, &registers);
    if cpu::prefix() == area {
        let mut psw = [0; 16];
        // SAFETY: the old area is as it was left, but for the PSW that was put back into the new one.
        unsafe {
            storage::copy_out(PROGRAM_NEW, &mut psw);
            cpu::set_prefix(old);
            storage::copy_in(PROGRAM_NEW, &psw);
        }
    }
    if check == OPERAND && seen.is_complete() {
        // Of the page that is at address X'1000' otherwise only this is certain.
        let told = EssaResult::from(seen.gprs[3]).usage();
        return observed(check, case, &told.letter());
    }
    stage.tell_end(check, case, &seen);
}
