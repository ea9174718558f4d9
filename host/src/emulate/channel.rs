//! Channel I/O: the guest's subchannels (Principles of Operation, "I/O Instructions").

use core::mem::offset_of;

use arch::{Lowcore, clock, program};
use zerocopy::IntoBytes;

use super::control::check_alignment;
use super::decode::Instruction;
use super::machine::{Machine, Trap};
use crate::dev::channel::{
    ENDED, Ended, INCORRECT_LENGTH, IRB, PROGRAM_CHECK, SCHIB, Subchannel, UNIT_CHECK,
};
use crate::dev::virtio::{LONGEST, Outcome, Storage};
use crate::mem::AccessError;

/// Flags of CCWs: another command follows, an incorrect length is none; and those that are not offered: data
/// chaining, skipping, program-controlled interruption, indirect addressing, suspension.
const CHAIN: u8 = 0x40;
const SUPPRESS_LENGTH: u8 = 0x20;
const NOT_OFFERED: u8 = 0x9e;
/// Command code (its right half) of a transfer in the channel.
const TRANSFER: u8 = 0x08;
/// Most CCWs of a program: it may go round in a circle.
const MOST: usize = 16;
/// Flag of an ORB: CCWs have format 1.
const FORMAT_1: u32 = 0x0080_0000;
/// What the left half of a subsystem identification must be.
const IDENTIFIED: u32 = 1;

/// The number of the subchannel that register 1 names, if the guest has it.
fn find(machine: &Machine<'_>) -> Result<Option<usize>, Trap> {
    let id = machine.gpr(1) as u32;
    if id >> 16 != IDENTIFIED {
        return Err(Trap::exception(program::OPERAND));
    }
    let number = (id & 0xffff) as usize;
    Ok((number < machine.guest.channel.0.len()).then_some(number))
}

/// The operand's address, a word boundary.
fn operand(machine: &Machine<'_>, instruction: &Instruction) -> Result<u64, Trap> {
    let address = machine.address(instruction.base(2));
    check_alignment(address, 4)?;
    Ok(address)
}

fn store_words(machine: &mut Machine<'_>, address: u64, words: &[u32]) -> Result<(), Trap> {
    let mut bytes = [0; 4 * IRB];
    for (place, word) in bytes.chunks_exact_mut(4).zip(words) {
        place.copy_from_slice(&word.to_be_bytes());
    }
    machine.write(address, &bytes[..4 * words.len()])
}

/// Condition code 3: not operational.
pub(super) fn not_operational(machine: &mut Machine<'_>, _: &Instruction) -> Result<(), Trap> {
    machine.set_cc(3);
    Ok(())
}

/// As [`find`], if the guest has enabled it. If not, the condition code says so.
fn find_enabled(machine: &mut Machine<'_>) -> Result<Option<usize>, Trap> {
    let number = find(machine)?;
    let number = number.filter(|number| machine.guest.channel.0[*number].is_enabled());
    if number.is_none() {
        machine.set_cc(3);
    }
    Ok(number)
}

fn one<'a>(machine: &'a mut Machine<'_>, number: usize) -> &'a mut Subchannel {
    &mut machine.guest.channel.0[number]
}

/// Something has become pending for a CPU that is open for it.
fn alert(machine: &mut Machine<'_>) {
    machine.guest.alert_for_floating(machine.cpu, clock::now());
}

/// STORE SUBCHANNEL.
pub(super) fn stsch(machine: &mut Machine<'_>, instruction: &Instruction) -> Result<(), Trap> {
    let address = operand(machine, instruction)?;
    let Some(number) = find(machine)? else {
        return not_operational(machine, instruction);
    };
    let words: [u32; SCHIB] = one(machine, number).information();
    store_words(machine, address, &words)?;
    machine.set_cc(0);
    Ok(())
}

/// MODIFY SUBCHANNEL.
pub(super) fn msch(machine: &mut Machine<'_>, instruction: &Instruction) -> Result<(), Trap> {
    let address = operand(machine, instruction)?;
    let words = u64::from_be_bytes(machine.read::<8>(address)?);
    let Some(number) = find(machine)? else {
        return not_operational(machine, instruction);
    };
    let is_pending = one(machine, number).is_pending();
    if !is_pending {
        one(machine, number).modify([(words >> 32) as u32, words as u32]);
    }
    machine.set_cc(is_pending.into());
    Ok(())
}

/// START SUBCHANNEL.
pub(super) fn ssch(machine: &mut Machine<'_>, instruction: &Instruction) -> Result<(), Trap> {
    let address = operand(machine, instruction)?;
    let orb = u128::from_be_bytes(machine.read::<16>(address)?);
    let [parameter, flags, program] = [96, 64, 32].map(|shift| (orb >> shift) as u32);
    if program >> 31 != 0 {
        return Err(Trap::exception(program::OPERAND));
    }
    let Some(number) = find_enabled(machine)? else {
        return Ok(());
    };
    let is_pending = one(machine, number).is_pending();
    if !is_pending {
        let ended = run(machine, number, flags, program)?;
        one(machine, number).end(parameter, flags, ended);
        alert(machine);
    }
    machine.set_cc(is_pending.into());
    Ok(())
}

/// TEST SUBCHANNEL.
pub(super) fn tsch(machine: &mut Machine<'_>, instruction: &Instruction) -> Result<(), Trap> {
    let address = operand(machine, instruction)?;
    let Some(number) = find_enabled(machine)? else {
        return Ok(());
    };
    // That it can be stored comes first.
    store_words(machine, address, &[0; IRB])?;
    let was_pending = one(machine, number).is_pending();
    let words = one(machine, number).take_status();
    store_words(machine, address, &words)?;
    machine.set_cc((!was_pending).into());
    Ok(())
}

/// CLEAR SUBCHANNEL.
pub(super) fn csch(machine: &mut Machine<'_>, _: &Instruction) -> Result<(), Trap> {
    if let Some(number) = find_enabled(machine)? {
        one(machine, number).stop(true);
        alert(machine);
        machine.set_cc(0);
    }
    Ok(())
}

/// HALT SUBCHANNEL.
pub(super) fn hsch(machine: &mut Machine<'_>, _: &Instruction) -> Result<(), Trap> {
    if let Some(number) = find_enabled(machine)? {
        let is_pending = one(machine, number).is_pending();
        if !is_pending {
            one(machine, number).stop(false);
            alert(machine);
        }
        machine.set_cc(is_pending.into());
    }
    Ok(())
}

/// TEST PENDING INTERRUPTION: without an operand it is stored as an interruption would be.
pub(super) fn tpi(machine: &mut Machine<'_>, instruction: &Instruction) -> Result<(), Trap> {
    let address = operand(machine, instruction)?;
    let open = machine.vcpu().control[6];
    let Some(number) = machine.guest.channel.pending(open) else {
        machine.set_cc(0);
        return Ok(());
    };
    // Both places before it is taken: what cannot be stored is pending still.
    let low = offset_of!(Lowcore, io_subchannel) as u64;
    match address {
        0 => machine.write_real(low, &[0; 12])?,
        _ => machine.write(address, &[0; 8])?,
    }
    let words = machine.guest.channel.take(number).map(u32::to_be);
    match address {
        0 => machine.write_real(low, words.as_bytes())?,
        _ => machine.write(address, words[..2].as_bytes())?,
    }
    machine.set_cc(1);
    Ok(())
}

/// Runs a channel program. Whatever it has to wait for, it does again from the beginning then.
fn run(
    machine: &mut Machine<'_>,
    number: usize,
    orb: u32,
    mut program: u32,
) -> Result<Ended, Trap> {
    let mut ended = Ended {
        behind: program,
        device: ENDED,
        subchannel: PROGRAM_CHECK,
        residual: 0,
    };
    for _ in 0..MOST {
        let mut ccw = [0; 8];
        match machine.load_absolute(program, &mut ccw)? {
            true if program.is_multiple_of(8) => {}
            _ => return Ok(ended),
        }
        let word = u64::from_be_bytes(ccw);
        let (code, flags, count, data) = if orb & FORMAT_1 != 0 {
            (ccw[0], ccw[1], (word >> 32) as u16, word as u32)
        } else {
            let data = (word >> 32) as u32 & 0x00ff_ffff;
            (ccw[0], ccw[4], word as u16, data)
        };
        program = program.wrapping_add(8);
        ended.behind = program;
        if code & 15 == TRANSFER {
            program = data;
            continue;
        }
        if flags & NOT_OFFERED != 0 || data >> 31 != 0 {
            return Ok(ended);
        }
        let Some((device, subchannel, residual)) = execute(machine, number, code, data, count)?
        else {
            return Ok(ended);
        };
        let is_suppressed = flags & SUPPRESS_LENGTH != 0;
        ended.device = device;
        let is_wrong = device == ENDED && residual > 0 && !is_suppressed;
        ended.subchannel = if is_wrong {
            INCORRECT_LENGTH
        } else {
            subchannel
        };
        ended.residual = residual;
        if flags & CHAIN == 0 || (device, ended.subchannel) != (ENDED, 0) {
            return Ok(ended);
        }
        ended.subchannel = PROGRAM_CHECK;
    }
    Ok(ended)
}

/// Executes one command; returns status of device and subchannel, and how many bytes were not transferred.
/// Nothing is returned if its data is not there.
fn execute(
    machine: &mut Machine<'_>,
    number: usize,
    code: u8,
    at: u32,
    count: u16,
) -> Result<Option<(u8, u8, u16)>, Trap> {
    let mut data = [0; LONGEST];
    let length = usize::from(count).min(LONGEST);
    if !machine.load_absolute(at, &mut data[..length])? {
        return Ok(None);
    }
    let virtio = &mut one(machine, number).virtio;
    let done = match virtio.command(code, &mut data, length) {
        Outcome::Took(done) => done,
        Outcome::Gave(done) => {
            match Storage::store(machine, at.into(), &data[..done]) {
                Ok(()) => {}
                Err(AccessError::Fault(_)) => return Ok(None),
                Err(error) => return Err(error.into()),
            }
            done
        }
        Outcome::TooShort => return Ok(Some((ENDED, INCORRECT_LENGTH, count))),
        Outcome::Refused => return Ok(Some((ENDED | UNIT_CHECK, 0, count))),
    };
    Ok(Some((ENDED, 0, count - done as u16)))
}

impl Machine<'_> {
    /// Copies out of absolute storage; returns false if it is not there.
    fn load_absolute(&mut self, at: u32, buffer: &mut [u8]) -> Result<bool, Trap> {
        match Storage::load(self, at.into(), buffer) {
            Ok(()) => Ok(true),
            Err(AccessError::Fault(_)) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}

/// STORE CHANNEL REPORT WORD: none, zeroes are stored.
pub(super) fn stcrw(machine: &mut Machine<'_>, instruction: &Instruction) -> Result<(), Trap> {
    let address = operand(machine, instruction)?;
    machine.write(address, &[0; 4])?;
    machine.set_cc(1);
    Ok(())
}

/// STORE CHANNEL PATH STATUS: none is in use.
pub(super) fn stcps(machine: &mut Machine<'_>, instruction: &Instruction) -> Result<(), Trap> {
    let address = machine.address(instruction.base(2));
    check_alignment(address, 32)?;
    machine.write(address, &[0; 32])
}

/// SET ADDRESS LIMIT and SET CHANNEL MONITOR, which are about what guests have not; and PURGE ALB: guests
/// have no access registers that could fill it.
pub(super) fn nothing(_: &mut Machine<'_>, _: &Instruction) -> Result<(), Trap> {
    Ok(())
}
