//! Finding out what ESSA and page states really do on this machine.
//!
//! Each check has a number and, where it is made on several states or in several ways, cases. The kernel
//! observes and prints; what the model, the documents and known machines say is `xtask`'s. Nothing here
//! presumes an answer: every instruction is an attempt whose interruption is recorded, and a state that
//! the hypervisor does not bring about within a bounded time is reported as not observed.

mod destructive;
mod devices;
mod matrix;
mod operands;
mod prefix;
mod pressure;
mod races;
mod resets;
mod stage;
mod touches;

use alloc::format;
use alloc::string::String;
use core::fmt;

use stage::Stage;

use crate::mm::Mm;
use crate::report;

/// Prints what was observed in one case of a check.
fn observed(check: u16, case: &dyn fmt::Display, seen: &dyn fmt::Display) {
    report::check(check, &format!("{case}"), &format!("{seen}"));
}

/// What is said of a check that needs ESSA where there is none.
const NO_ESSA: &str = "skipped: no ESSA";
/// What is said of a check that needs another CPU where there is none.
const ONE_CPU: &str = "skipped: one CPU";
/// What is said of a state that the hypervisor does not bring about in time.
const NOT_OBSERVED: &str = "not observed";

/// Runs all checks from a number on.
///
/// # Errors
/// One line: there is not the memory that the checks need.
pub fn run(mm: &Mm<'_>, from: u64) -> Result<(), String> {
    let mut stage = Stage::new(mm)?;
    if from < u64::from(destructive::FIRST) {
        // First: what it leaves paged out is what others need.
        pressure::run(&mut stage);
        matrix::run(&mut stage);
        operands::run(&mut stage);
        touches::run(&mut stage);
        touches::tables(&mut stage);
        prefix::run(&mut stage);
        devices::run(&mut stage);
        races::run(&mut stage);
        resets::run(&mut stage);
    }
    destructive::run(&mut stage, from);
    stage.strike();
    Ok(())
}
