//! Checks that a machine may not survive: last, and announced one by one, so that it is known which one it was.

use alloc::format;
use alloc::string::{String, ToString};

use arch::clock::{self, UNITS_PER_MICROSECOND};
use arch::fault::Fault;
use arch::{Absolute, Frame, PAGE_SIZE, PswMask, essa, storage};
use cmm::{EssaResult, Orc};

use super::stage::{Stage, State};
use super::{NO_ESSA, observed};
use crate::report;

/// Number of the first one.
pub(super) const FIRST: u16 = 901;
/// How long a page of the prefix area stays so, in TOD units: half a second.
const WHILE: u64 = 500_000 * UNITS_PER_MICROSECOND;

/// A page of the CPU's own prefix area, in which the machine stores at every interruption.
const PREFIX: Frame = Frame(0);

/// Where the part of it begins that is in use: nothing but the IPL PSW and programs' words are before it, and
/// address 0 is none that a pointer may have.
const USED: Absolute = Absolute(0x80);

pub(super) fn run(stage: &mut Stage<'_>, from: u64) {
    for (number, orc) in (FIRST..).zip([
        Orc::SetPotentiallyVolatile,
        Orc::SetVolatile,
        Orc::SetUnused,
    ]) {
        if u64::from(number) < from {
            continue;
        }
        if !stage.has_essa {
            observed(number, format_args!("prefix"), format_args!("{NO_ESSA}"));
            continue;
        }
        report::check_begins(number);
        let mut kept = [0; PAGE_SIZE - USED.0 as usize];
        // SAFETY: nobody but interruptions writes there, and those are disabled.
        unsafe { storage::copy_out(USED, &mut kept) };
        let old = essa::try_essa(orc, PREFIX.address());
        let end = clock::now() + WHILE;
        loop {
            // An interruption, to look whether it can be taken.
            stage.attempt(PswMask::empty(), &[], PREFIX, &[]);
            if clock::now() >= end {
                break;
            }
        }
        let back = essa::try_essa(Orc::SetStableIfNotDiscarded, PREFIX.address());
        let _ = essa::try_essa(Orc::SetStable, PREFIX.address());
        // What it held may have gone since the last interruption.
        // SAFETY: puts back what was there.
        unsafe { storage::copy_in(USED, &kept) };
        let (old, back) = (told(old), told(back));
        observed(
            number,
            format_args!("prefix"),
            format_args!("{old}, then {back}"),
        );
    }
}

/// The state that ESSA told, or its interruption.
fn told(result: Result<EssaResult, Fault>) -> String {
    match result {
        Ok(result) => State(Some(result)).to_string(),
        Err(fault) => format!("{:04x}", fault.code),
    }
}
