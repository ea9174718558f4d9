//! What resets leave of page states.

use alloc::format;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;
use core::fmt::Write as _;

use arch::clock::{self, UNITS_PER_MICROSECOND};
use arch::sigp::{self, Answer, Order};
use arch::{Frame, diagnose, essa};
use boot::secondary::PATIENCE;
use cmm::{Orc, PageState};

use super::stage::{Stage, code_of};
use super::{NO_ESSA, NOT_OBSERVED, ONE_CPU, observed};
use crate::smp::{self, hotplug};
use crate::task;

/// How long a CPU has time to fail, in TOD units: 20 milliseconds.
const WHILE: u64 = 20_000 * UNITS_PER_MICROSECOND;

/// Resets that one CPU makes another one do: check and order.
const ORDERS: [(u16, Order); 2] = [(601, Order::CpuReset), (602, Order::InitialCpuReset)];

/// The states that pages have before and after.
fn across(stage: &mut Stage<'_>, reset: &mut dyn FnMut()) -> String {
    let pages: Vec<(PageState, Frame)> = PageState::ALL
        .iter()
        // All others need nobody else's doing.
        .filter(|state| **state != PageState::SP)
        .filter_map(|state| Some((*state, stage.in_state(*state).ok()?)))
        .collect();
    reset();
    let mut text = String::new();
    for (state, page) in pages {
        let gap = if text.is_empty() { "" } else { " " };
        let _ = write!(text, "{gap}{state}>{}", stage.state(page));
        stage.give_back(page);
    }
    text
}

/// What becomes of a stopped CPU, and of states, when it is made to do something.
fn with_other(
    stage: &mut Stage<'_>,
    what: &mut dyn FnMut(&mut Stage<'_>, u16) -> String,
) -> String {
    let Some(other) = smp::all().nth(1) else {
        return ONE_CPU.to_string();
    };
    let outcome = hotplug::take_off(other).and_then(|()| {
        let text = what(stage, other.address);
        hotplug::bring_back(other).map(|()| text)
    });
    outcome.unwrap_or_else(|why| why)
}

/// Gives a stopped CPU an order; what it answers.
fn order(cpu: u16, order: Order, parameter: u32) -> u32 {
    // SAFETY: the CPU has stopped itself and has nothing to do; it starts, if it does, where nothing is, and is
    // reset then.
    match unsafe { sigp::signal_patiently(cpu, order, parameter, PATIENCE) } {
        Answer::Accepted => 0,
        Answer::Status(status) => status,
        Answer::Busy | Answer::NotOperational => u32::MAX,
    }
}

pub(super) fn run(stage: &mut Stage<'_>) {
    for (check, reset) in ORDERS {
        let text = if stage.has_essa {
            with_other(stage, &mut |stage, other| {
                across(stage, &mut || {
                    order(other, reset, 0);
                })
            })
        } else {
            NO_ESSA.to_string()
        };
        observed(check, &"states", &text);
    }
}

/// A CPU is restarted whose new PSW is in a page that is not there: what it answers to the order for that prefix, to
/// the one to restart, and when it is asked after a while, and what the page is then.
fn restart(stage: &mut Stage<'_>, state: PageState) -> String {
    let page = stage.take();
    // The first one of an area that is as aligned as it must be.
    let first = Frame(page.0 - 1);
    let text = with_other(stage, &mut |stage, other| {
        if !stage.bring(first, state) {
            return NOT_OBSERVED.to_string();
        }
        let prefix = order(other, Order::SetPrefix, first.address().0 as u32);
        let restart = order(other, Order::Restart, 0);
        task::sleep_until(clock::now() + WHILE);
        let status = order(other, Order::Sense, 0);
        order(other, Order::Stop, 0);
        let after = stage.state(first);
        format!("prefix {prefix:x}, restart {restart:x}, status {status:x} >{after}")
    });
    let _ = essa::try_essa(Orc::SetStable, first.address());
    stage.give_back(page);
    text
}

pub(super) fn restart_on_discarded(stage: &mut Stage<'_>) -> String {
    restart(stage, PageState::VZ)
}

pub(super) fn restart_on_unused(stage: &mut Stage<'_>) -> String {
    restart(stage, PageState::UZ)
}

/// DIAGNOSE X'308' resets CPUs and channel subsystem.
pub(super) fn machine(stage: &mut Stage<'_>, subcode: u64) -> String {
    let mut outcome = Ok(());
    let text = across(stage, &mut || {
        // SAFETY: nothing runs on other CPUs, and no device is used after these checks but the console.
        outcome = unsafe { diagnose::reset_machine(subcode) };
    });
    match outcome {
        Ok(()) => text,
        Err(fault) => code_of(fault),
    }
}
