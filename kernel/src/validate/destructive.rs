//! Checks that a machine may not survive: last, and announced one by one, so that it is known which one it was.

use alloc::format;

use arch::clock::{self, UNITS_PER_MICROSECOND};
use arch::{Frame, essa};
use cmm::Orc;

use super::observed;
use super::stage::Stage;
use crate::report;

/// Number of the first one.
pub(super) const FIRST: u16 = 901;
/// How long a page of the prefix area stays so, in TOD units: half a second.
const WHILE: u64 = 500_000 * UNITS_PER_MICROSECOND;

/// A page of the CPU's own prefix area, in which the machine stores at every interruption.
const PREFIX: Frame = Frame(0);

pub(super) fn run(stage: &mut Stage<'_>, from: u64) {
    for (number, orc) in (FIRST..).zip([
        Orc::SetPotentiallyVolatile,
        Orc::SetVolatile,
        Orc::SetUnused,
    ]) {
        if u64::from(number) < from {
            continue;
        }
        report::check_begins(number);
        let old = essa::try_essa(orc, PREFIX.address());
        let end = clock::now() + WHILE;
        while clock::now() < end {
            // An interruption, to look whether it can be taken.
            let _ = stage.attempt(arch::PswMask::empty(), &[], PREFIX, &[]);
        }
        let back = essa::try_essa(Orc::SetStableIfNotDiscarded, PREFIX.address());
        let _ = essa::try_essa(Orc::SetStable, PREFIX.address());
        let name = |result: Result<cmm::EssaResult, arch::fault::Fault>| match result {
            Ok(result) => format!("{}", super::stage::State(Some(result))),
            Err(fault) => format!("{:04x}", fault.code),
        };
        observed(
            number,
            format_args!("prefix"),
            format_args!("{}, then {}", name(old), name(back)),
        );
    }
}
