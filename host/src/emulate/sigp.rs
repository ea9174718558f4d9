//! SIGNAL PROCESSOR.

use arch::PAGE_SIZE;
use arch::sigp::{EXTERNAL_CALL_PENDING, STOPPED};

use super::decode::Instruction;
use super::machine::{Machine, Trap};
use crate::guest::Guest;
use crate::vcpu::{Activity, StopOrder};

/// Orders (Principles of Operation, "Signal-Processor Orders").
mod order {
    pub(super) const SENSE: u8 = 0x01;
    pub(super) const EXTERNAL_CALL: u8 = 0x02;
    pub(super) const EMERGENCY_SIGNAL: u8 = 0x03;
    pub(super) const START: u8 = 0x04;
    pub(super) const STOP: u8 = 0x05;
    pub(super) const RESTART: u8 = 0x06;
    pub(super) const INITIAL_CPU_RESET: u8 = 0x0b;
    pub(super) const CPU_RESET: u8 = 0x0c;
    pub(super) const SET_PREFIX: u8 = 0x0d;
    pub(super) const SET_ARCHITECTURE: u8 = 0x12;
    pub(super) const SENSE_RUNNING: u8 = 0x15;
}

/// Status: the order is invalid.
const INVALID_ORDER: u32 = 0x0000_0002;
/// Status: the parameter is invalid.
const INVALID_PARAMETER: u32 = 0x0000_0100;
/// Status: the CPU is not in the state that the order needs.
const INCORRECT_STATE: u32 = 0x0000_0200;
/// Status: the CPU is not running just now.
const NOT_RUNNING: u32 = 0x0000_0400;

/// What an order came to: its condition code.
enum Answer {
    Accepted,
    Status(u32),
    Busy,
    NotOperational,
}

/// SIGP.
pub(super) fn sigp(machine: &mut Machine<'_>, instruction: &Instruction) -> Result<(), Trap> {
    let (first, cpu) = instruction.rs();
    let order = machine.address(instruction.base(2)) as u8;
    let target = machine.gpr(cpu) as u16;
    // The odd register of the pair.
    let parameter = machine.gpr(first | 1) as u32;
    let cc = match answer(machine.guest, target, order, parameter) {
        Answer::Accepted => 0,
        Answer::Status(status) => {
            machine.set_gpr_low(first, status);
            1
        }
        Answer::Busy => 2,
        Answer::NotOperational => 3,
    };
    machine.set_cc(cc);
    Ok(())
}

fn answer(guest: &mut Guest, address: u16, order: u8, parameter: u32) -> Answer {
    if order == order::SET_ARCHITECTURE {
        // For all CPUs; this machine has one mode.
        return Answer::Status(INVALID_PARAMETER);
    }
    let Some(target) = guest.cpu(address) else {
        return Answer::NotOperational;
    };
    let activity = target.activity;
    if target.pending.stop.is_some() {
        return Answer::Busy;
    }
    match order {
        order::SENSE => sense(guest, address),
        order::EXTERNAL_CALL | order::EMERGENCY_SIGNAL => interrupt(guest, address, order),
        order::START => start(guest, address, false),
        order::RESTART => start(guest, address, true),
        order::STOP => stop(guest, address, StopOrder::Stop),
        order::CPU_RESET => stop(guest, address, StopOrder::Reset),
        order::INITIAL_CPU_RESET => stop(guest, address, StopOrder::InitialReset),
        order::SET_PREFIX if activity != Activity::Stopped => Answer::Status(INCORRECT_STATE),
        order::SET_PREFIX => set_prefix(guest, address, parameter),
        order::SENSE_RUNNING => match activity {
            Activity::Running(_) => Answer::Accepted,
            _ => Answer::Status(NOT_RUNNING),
        },
        _ => Answer::Status(INVALID_ORDER),
    }
}

fn sense(guest: &Guest, address: u16) -> Answer {
    let mut status = 0;
    if let Some(target) = guest.cpu(address) {
        if target.activity == Activity::Stopped {
            status |= STOPPED;
        }
        if target.pending.external_call.is_some() {
            status |= EXTERNAL_CALL_PENDING;
        }
    }
    match status {
        0 => Answer::Accepted,
        status => Answer::Status(status),
    }
}

/// Makes an interruption pending; each sender can have one emergency signal pending, all together one
/// external call.
fn interrupt(guest: &mut Guest, address: u16, order: u8) -> Answer {
    let sender = guest.vcpu.address;
    let Some(target) = guest.cpu_mut(address) else {
        return Answer::NotOperational;
    };
    if order == order::EMERGENCY_SIGNAL {
        target.pending.emergency_signals |= 1 << sender;
    } else if target.pending.external_call.is_some() {
        return Answer::Status(EXTERNAL_CALL_PENDING);
    } else {
        target.pending.external_call = Some(sender);
    }
    guest.signalled.push(address);
    Answer::Accepted
}

fn start(guest: &mut Guest, address: u16, restart: bool) -> Answer {
    let Some(target) = guest.cpu_mut(address) else {
        return Answer::NotOperational;
    };
    target.pending.restart |= restart;
    if target.activity == Activity::Stopped && (restart || target.end.is_none()) {
        target.end = None;
        target.activity = Activity::Waiting;
    }
    guest.signalled.push(address);
    Answer::Accepted
}

/// A CPU that runs carries the order out when it has left the guest; any other is stopped at once.
fn stop(guest: &mut Guest, address: u16, order: StopOrder) -> Answer {
    let Some(target) = guest.cpu_mut(address) else {
        return Answer::NotOperational;
    };
    target.pending.stop = Some(order);
    match target.activity {
        Activity::Running(_) => guest.signalled.push(address),
        _ => carry_out_stop(guest, address),
    }
    Answer::Accepted
}

/// Carries out an order to stop that is pending for a virtual CPU.
pub fn carry_out_stop(guest: &mut Guest, address: u16) {
    let Some(target) = guest.cpu_mut(address) else {
        return;
    };
    match target.pending.stop.take() {
        None => return,
        Some(StopOrder::Stop) => {}
        Some(StopOrder::Reset) => target.reset(),
        Some(StopOrder::InitialReset) => {
            target.initial_reset();
            guest.memory.set_prefix(address, 0);
        }
    }
    if let Some(target) = guest.cpu_mut(address) {
        target.activity = Activity::Stopped;
    }
}

fn set_prefix(guest: &mut Guest, address: u16, parameter: u32) -> Answer {
    let prefix = parameter & 0x7fff_e000;
    if u64::from(prefix) + 2 * PAGE_SIZE as u64 > guest.memory.size() {
        return Answer::Status(INVALID_PARAMETER);
    }
    guest.memory.set_prefix(address, prefix);
    Answer::Accepted
}
