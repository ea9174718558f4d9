//! Checks that a machine may not survive: last, and announced one by one, so that it is known which one it was.

use alloc::format;
use alloc::string::{String, ToString};

use arch::clock::{self, UNITS_PER_MICROSECOND};
use arch::fault::Fault;
use arch::{Absolute, Frame, PAGE_SHIFT, PAGE_SIZE, PswMask, cpu, essa, storage};
use cmm::{EssaResult, Orc};

use super::stage::{Stage, State, code_of};
use super::{NO_ESSA, observed, resets};
use crate::report;

/// Number of the first one.
pub(super) const FIRST: u16 = 901;
/// How long a page of the prefix area stays so, in TOD units: half a second.
const WHILE: u64 = 500_000 * UNITS_PER_MICROSECOND;

/// The real address from which the first page of the prefix area is in use: nothing but the IPL PSW and words of
/// programs are before it, and address 0 is none that a pointer may have.
const USED: Absolute = Absolute(0x80);

/// What is done in a check.
type Deed = fn(&mut Stage<'_>) -> String;

/// All of them, by number, with their cases.
const CHECKS: [(&str, Deed); 7] = [
    ("prefix", |stage| {
        own_prefix(stage, Orc::SetPotentiallyVolatile)
    }),
    ("prefix", |stage| own_prefix(stage, Orc::SetVolatile)),
    ("prefix", |stage| own_prefix(stage, Orc::SetUnused)),
    ("prefix", resets::restart_on_discarded),
    ("prefix", resets::restart_on_unused),
    ("states", |stage| resets::machine(stage, 1)),
    ("states", |stage| resets::machine(stage, 0)),
];

pub(super) fn run(stage: &mut Stage<'_>, from: u64) {
    for (number, (case, deed)) in (FIRST..).zip(CHECKS) {
        if u64::from(number) < from {
            continue;
        }
        if !stage.has_essa {
            observed(number, &case, &NO_ESSA);
            continue;
        }
        report::check_begins(number);
        let text = deed(stage);
        observed(number, &case, &text);
    }
}

/// A page of the prefix area of the CPU that this thread is on, which stores there at every interruption.
fn own_prefix(stage: &Stage<'_>, orc: Orc) -> String {
    let prefix = cpu::prefix();
    let page = Frame((prefix.0 >> PAGE_SHIFT) as u32);
    let mut kept = [0; PAGE_SIZE - USED.0 as usize];
    // SAFETY: nobody but interruptions writes there, and those are disabled.
    unsafe { storage::copy_out(USED, &mut kept) };
    let old = essa::try_essa(orc, prefix);
    let end = clock::now() + WHILE;
    loop {
        // An interruption, to look whether it can be taken.
        stage.attempt(PswMask::empty(), &[], page, &[]);
        if clock::now() >= end {
            break;
        }
    }
    let back = essa::try_essa(Orc::SetStableIfNotDiscarded, prefix);
    let _ = essa::try_essa(Orc::SetStable, prefix);
    // What it held may have gone since the last interruption.
    // SAFETY: puts back what was there.
    unsafe { storage::copy_in(USED, &kept) };
    let (old, back) = (told(old), told(back));
    format!("{old}, then {back}")
}

/// The state that ESSA told, or its interruption.
fn told(result: Result<EssaResult, Fault>) -> String {
    match result {
        Ok(result) => State(Some(result)).to_string(),
        Err(fault) => code_of(fault),
    }
}
