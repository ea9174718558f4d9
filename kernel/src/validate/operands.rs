//! The instruction's operands, modes and exceptions.

use arch::{Frame, Psw, PswMask, psw};
use cmm::Orc;

use super::observed;
use super::stage::{Seen, Stage, essa_code};

/// An address where no machine of ours has storage.
const NOWHERE: u64 = 1 << 45;
/// A code that is no operation request code.
const BAD: u8 = 8;

pub(super) fn run(stage: &mut Stage<'_>) {
    let page = stage.take();
    let at = page.address().0;
    let free = PswMask::empty();
    let problem = PswMask::PROBLEM;
    let amode31 = PswMask::BASIC.bits();
    let wide = |mask: PswMask| Psw::new(mask, 0).mask;
    let get = Orc::GetState.code();
    let tell = |check: u16, case: &str, seen: &Seen| tell_of(3, check, case, seen);
    // (check, case, PSW, operation request code, address)
    let tries = [
        (201, "problem", wide(problem), get, at),
        (202, "problem, bad code", wide(problem), BAD, at),
        (202, "problem, bad address", wide(problem), get, NOWHERE),
        (203, "bad code, bad address", wide(free), BAD, NOWHERE),
        (204, "0", wide(free), get, NOWHERE),
        (204, "1", wide(free), Orc::SetStable.code(), NOWHERE),
        (205, "byte 123", wide(free), get, at + 0x123),
        (206, "24", 0, get, at | 0x0100_0000),
        (206, "31", amode31, get, at | 0x8000_0000),
        (206, "64", wide(free), get, at | NOWHERE),
        (207, "DAT", wide(PswMask::DAT), get, at),
    ];
    for (check, case, mask, orc, address) in tries {
        tell(
            check,
            case,
            &stage.attempt_by(mask, &essa_code(orc), page, &[(2, address)]),
        );
    }
    let run =
        |code: &[u8], mask: u64, set: &[(usize, u64)]| stage.attempt_by(mask, code, page, set);
    // Bits 20 to 23 of the instruction are to be zero.
    tell(
        208,
        "bit 23",
        &run(&[0xb9, 0xab, 0x01, 0x32], wide(free), &[(2, at)]),
    );
    // The result register: all of it replaced, or only the bits that say something?
    tell(
        209,
        "ones",
        &run(&essa_code(get), wide(free), &[(2, at), (3, u64::MAX)]),
    );
    // One register for both operands.
    let same = run(&[0xb9, 0xab, 0x00, 0x22], wide(free), &[(2, at)]);
    tell_of(2, 210, "get", &same);
    for cc in 0..4 {
        let mask = wide(free) | cc << psw::field::CC_SHIFT;
        let seen = run(&essa_code(get), mask, &[(2, at)]);
        observed(211, &format_args!("cc{cc}"), &seen);
    }
    let zero = Frame(0);
    tell(
        212,
        "page 0",
        &stage.attempt(free, &essa_code(get), zero, &[(2, 0)]),
    );
    stage.give_back(page);
}

/// Prints what a register was told, or how it ended otherwise.
// Called from everywhere, and never in a hurry.
#[inline(never)]
fn tell_of(register: usize, check: u16, case: &str, seen: &Seen) {
    if seen.is_complete() {
        let result = seen.gprs[register];
        observed(check, &case, &format_args!("done {result:x}"));
    } else {
        observed(check, &case, seen);
    }
}
