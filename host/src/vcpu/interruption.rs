//! Delivering interruptions to a guest: details and old PSW into its lowcore, the new PSW out of it.

use arch::control::cr0;
use arch::handler::external;
use arch::{Psw, PswMask, clock, program};
use core::mem::offset_of;

use arch::Lowcore;
use zerocopy::{FromBytes, IntoBytes};

use super::{End, Vcpu};
use crate::guest::Guest;
use crate::mem::{AccessError, GuestFault};
use crate::memory::FramePool;

/// Bits of a PSW mask that must be zero, or that this host does not offer.
const RESERVED: u64 = !(PswMask::all().bits()
    | (15 << arch::psw::field::KEY_SHIFT)
    | (3 << arch::psw::field::CC_SHIFT)
    | (15 << arch::psw::field::PROGRAM_MASK_SHIFT)
    | 0x0000_0080_0000_0000);

/// Stores the details of an interruption and swaps PSWs, all by guest real address.
fn interrupt(
    guest: &mut Guest,
    pool: &mut FramePool,
    details: &[(usize, &[u8])],
    old: usize,
    new: usize,
) -> Result<(), AccessError> {
    let mut psw = Psw::default();
    guest.memory.read(pool, new as u64, psw.as_mut_bytes())?;
    for (at, bytes) in details {
        guest.memory.write(pool, *at as u64, bytes)?;
    }
    let current = guest.vcpu.psw;
    guest.memory.write(pool, old as u64, current.as_bytes())?;
    load_psw(&mut guest.vcpu, psw);
    Ok(())
}

/// Ends a guest whose interruption could not be stored.
fn check(guest: &mut Guest, result: Result<(), AccessError>) {
    match result {
        Ok(()) => {}
        Err(AccessError::Exhausted) => guest.vcpu.stop(End::MemoryExhausted),
        Err(AccessError::Fault(_)) => {
            guest.vcpu.stop(End::Misbehaved(
                "its prefix area is not usable at an interruption",
            ));
        }
    }
}

/// Makes a PSW the guest's own. One that is invalid, or asks for what is not offered, ends it; so does
/// a disabled wait.
pub fn load_psw(vcpu: &mut Vcpu, psw: Psw) {
    vcpu.psw = psw;
    let enabled = PswMask::IO | PswMask::EXTERNAL | PswMask::MACHINE_CHECK;
    if psw.contains(PswMask::WAIT) && !psw.flags().intersects(enabled) {
        vcpu.stop(End::DisabledWait(psw.address));
    }
    if psw.mask & RESERVED != 0 || psw.contains(PswMask::ESA390_FORMAT) {
        vcpu.stop(End::Misbehaved("it loaded an invalid PSW"));
    } else if psw.contains(PswMask::DAT) {
        vcpu.stop(End::Misbehaved(
            "it turned DAT on, which this host does not offer",
        ));
    } else if psw.contains(PswMask::PER) {
        vcpu.stop(End::Misbehaved(
            "it turned program-event recording on, which this host does not offer",
        ));
    }
}

/// How often a guest may take the same program interruption at the same place with nothing else in
/// between: its handler interrupts itself, and would for ever.
const MOST_REPETITIONS: u32 = 256;

/// Counts a program interruption; one that repeats itself for ever ends the guest.
fn count_repetition(vcpu: &mut Vcpu, code: u16) {
    let address = vcpu.psw.address;
    let (last_code, last_address, times) = vcpu.repeated;
    let same = (last_code, last_address) == (code, address);
    vcpu.repeated = (code, address, if same { times + 1 } else { 0 });
    if vcpu.repeated.2 > MOST_REPETITIONS {
        vcpu.stop(End::Misbehaved(
            "its program-interruption handler interrupts itself",
        ));
    }
}

/// Delivers a program interruption with the guest's PSW as it stands.
///
/// `length` is the length of the instruction, in bytes.
pub fn program(guest: &mut Guest, pool: &mut FramePool, fault: GuestFault, length: u8) {
    count_repetition(&mut guest.vcpu, fault.code);
    match fault.code {
        program::BLOCK_VOLATILITY => guest.counters.discard_faults += 1,
        program::ADDRESSING => guest.counters.addressing_faults += 1,
        _ => {}
    }
    let identification = fault.identification.unwrap_or_default().to_be_bytes();
    let code = [u16::from(length), fault.code].map(u16::to_be_bytes);
    let code: [u8; 4] = [code[0][0], code[0][1], code[1][0], code[1][1]];
    let mut details: [(usize, &[u8]); 2] = [(offset_of!(Lowcore, program_ilc), &code), (0, &[])];
    if fault.identification.is_some() {
        details[1] = (offset_of!(Lowcore, translation_exception), &identification);
    }
    let result = interrupt(
        guest,
        pool,
        &details,
        offset_of!(Lowcore, program_old),
        offset_of!(Lowcore, program_new),
    );
    check(guest, result);
}

/// Delivers a supervisor call.
pub fn supervisor_call(guest: &mut Guest, pool: &mut FramePool, length: u16, number: u16) {
    let details = [length.to_be_bytes(), number.to_be_bytes()].concat();
    let result = interrupt(
        guest,
        pool,
        &[(offset_of!(Lowcore, svc_ilc), &details)],
        offset_of!(Lowcore, svc_old),
        offset_of!(Lowcore, svc_new),
    );
    check(guest, result);
}

/// The external interruption that the guest is enabled for and that comes first, if any.
///
/// In the order of their priorities (Principles of Operation, "External Interruption").
fn due(guest: &Guest) -> Option<u16> {
    let vcpu = &guest.vcpu;
    if !vcpu.psw.contains(PswMask::EXTERNAL) {
        return None;
    }
    let open = |bit| vcpu.control[0] & bit != 0;
    let pending = &vcpu.pending;
    if open(cr0::EMERGENCY_SIGNAL) && pending.emergency_signals != 0 {
        Some(external::EMERGENCY_SIGNAL)
    } else if open(cr0::EXTERNAL_CALL) && pending.external_call.is_some() {
        Some(external::EXTERNAL_CALL)
    } else if open(cr0::CLOCK_COMPARATOR) && clock::now() > vcpu.clock_comparator {
        Some(external::CLOCK_COMPARATOR)
    } else if open(cr0::CPU_TIMER) && vcpu.cpu_timer < 0 {
        Some(external::CPU_TIMER)
    } else if open(cr0::SERVICE_SIGNAL) && guest.service_signal.is_some() {
        Some(external::SERVICE_SIGNAL)
    } else if open(cr0::SERVICE_SIGNAL) && pending.block_io.is_some() {
        Some(external::BLOCK_IO)
    } else {
        None
    }
}

/// When the clock comparator will interrupt a virtual CPU, if it is enabled for that.
#[must_use]
pub fn wake_up_time(vcpu: &Vcpu) -> u64 {
    let open = vcpu.psw.contains(PswMask::EXTERNAL) && vcpu.control[0] & cr0::CLOCK_COMPARATOR != 0;
    if open {
        vcpu.clock_comparator
    } else {
        u64::MAX
    }
}

/// Delivers a pending restart interruption, for which a CPU is enabled always; returns whether it was.
pub fn restart(guest: &mut Guest, pool: &mut FramePool) -> bool {
    if !core::mem::take(&mut guest.vcpu.pending.restart) {
        return false;
    }
    guest.vcpu.psw.set(PswMask::WAIT, false);
    let (old, new) = (
        offset_of!(Lowcore, restart_old),
        offset_of!(Lowcore, restart_new),
    );
    let result = interrupt(guest, pool, &[], old, new);
    check(guest, result);
    true
}

/// Whether the virtual CPU in focus has something to do: it does not wait, or what it waits for is there.
#[must_use]
pub fn is_due(guest: &Guest) -> bool {
    !guest.vcpu.is_waiting() || guest.vcpu.pending.restart || due(guest).is_some()
}

/// Delivers one pending external interruption if the guest is enabled for it; returns whether it was.
pub fn external(guest: &mut Guest, pool: &mut FramePool) -> bool {
    let Some(code) = due(guest) else {
        return false;
    };
    let mut parameter = 0;
    let mut subcode = 0;
    let mut wide = [0; 8];
    match code {
        external::SERVICE_SIGNAL => {
            parameter = guest.service_signal.take().unwrap_or_default();
        }
        external::EXTERNAL_CALL => {
            subcode = guest.vcpu.pending.external_call.take().unwrap_or_default();
        }
        external::EMERGENCY_SIGNAL => {
            // The lowest address first.
            let signals = &mut guest.vcpu.pending.emergency_signals;
            subcode = signals.trailing_zeros() as u16;
            *signals &= *signals - 1;
        }
        external::BLOCK_IO => {
            let (code, value) = guest.vcpu.pending.block_io.take().unwrap_or_default();
            (subcode, wide) = (code, value.to_be_bytes());
        }
        _ => {}
    }
    let head = [
        parameter.to_be_bytes().as_slice(),
        &subcode.to_be_bytes(),
        &code.to_be_bytes(),
    ]
    .concat();
    let mut details: [(usize, &[u8]); 2] =
        [(offset_of!(Lowcore, external_parameter), &head), (0, &[])];
    if code == external::BLOCK_IO {
        details[1] = (offset_of!(Lowcore, block_io_parameter), &wide);
    }
    guest.vcpu.psw.set(PswMask::WAIT, false);
    let result = interrupt(
        guest,
        pool,
        &details,
        offset_of!(Lowcore, external_old),
        offset_of!(Lowcore, external_new),
    );
    check(guest, result);
    true
}

/// Reads a PSW of 16 bytes.
#[must_use]
pub fn psw_from(bytes: &[u8; 16]) -> Psw {
    Psw::read_from_bytes(bytes).expect("a PSW has 16 bytes")
}
