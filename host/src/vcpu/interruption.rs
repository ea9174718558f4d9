//! Delivering interruptions to a guest: details and old PSW into its lowcore, the new PSW out of it.

use core::mem::offset_of;

use arch::handler::external as code;
use arch::{Lowcore, PAGE_SIZE, Psw, PswMask, clock, lowcore_field, program, storage};
use zerocopy::{FromBytes, IntoBytes};

use super::End;
use super::external::{self, External};
use super::handshake;
use crate::guest::Machine;
use crate::mem::{AccessError, GuestFault};
use crate::trace::{self, Kind};

/// Bits of a PSW mask that must be zero, or that this host does not offer.
const RESERVED: u64 = !(PswMask::all().bits()
    | (15 << arch::psw::field::KEY_SHIFT)
    | (3 << arch::psw::field::CC_SHIFT)
    | (15 << arch::psw::field::PROGRAM_MASK_SHIFT)
    | 0x0000_0080_0000_0000);

/// Address-space control: by access registers.
const ACCESS_REGISTERS: u64 = PswMask::ASC_LOW.bits();

/// Stores the details of an interruption and swaps PSWs, all by guest real address. That cannot wait.
fn interrupt(
    machine: &mut Machine<'_>,
    details: &[(usize, &[u8])],
    old: usize,
    new: usize,
) -> Result<(), AccessError> {
    machine.vcpu_mut().transferred.1.clear();
    machine.pool.is_urgent = true;
    let outcome = swap_psws(machine, details, old, new);
    machine.pool.is_urgent = false;
    outcome
}

fn swap_psws(
    machine: &mut Machine<'_>,
    details: &[(usize, &[u8])],
    old: usize,
    new: usize,
) -> Result<(), AccessError> {
    let lowcore = machine.lowcore()?;
    for (at, bytes) in details {
        if *at < PAGE_SIZE {
            // SAFETY: a field of the guest's lowcore, which its other CPUs may look at, as on any machine.
            unsafe { storage::copy_in(lowcore + *at as u64, bytes) }
        } else {
            machine.copy_in(*at as u64, bytes)?;
        }
    }
    let (current, mut psw) = (machine.vcpu().psw, Psw::default());
    // SAFETY: as before; all PSWs of the lowcore are in its first page.
    unsafe {
        storage::copy_in(lowcore + old as u64, current.as_bytes());
        storage::copy_out(lowcore + new as u64, psw.as_mut_bytes());
    }
    load_psw(machine, psw);
    Ok(())
}

/// Makes a CPU's prefix area available to the machine, which interprets the CPU and stores interruptions there by
/// itself: it stays where it is then. That cannot wait.
pub fn hold_prefix(machine: &mut Machine<'_>) {
    let first = machine.guest.memory.prefix(machine.cpu) >> arch::PAGE_SHIFT;
    machine.pool.is_urgent = true;
    let outcome = [first, first + 1].into_iter().try_for_each(|page| {
        let (pool, cpu) = (&mut *machine.pool, machine.cpu);
        machine
            .guest
            .memory
            .resolve(pool, cpu, page, true)
            .map(drop)
    });
    machine.pool.is_urgent = false;
    check(machine, outcome);
}

/// Ends a guest whose interruption could not be stored.
fn check(machine: &mut Machine<'_>, result: Result<(), AccessError>) {
    match result {
        Ok(()) => {}
        // Prefix areas are not paged out, and for those that nobody has touched there is the reserve.
        Err(AccessError::Exhausted | AccessError::Wait(_)) => {
            machine.guest.finish(End::MemoryExhausted);
        }
        Err(AccessError::Unreadable) => machine.guest.finish(End::PageLost),
        Err(AccessError::Fault(_)) => {
            machine.guest.finish(End::Misbehaved(
                "its prefix area is not usable at an interruption",
            ));
        }
    }
}

/// Makes a PSW the CPU's own. One that asks for what is not offered ends the guest; a disabled wait is remembered, for it may be the guest's last word.
pub fn load_psw(machine: &mut Machine<'_>, psw: Psw) {
    machine.vcpu_mut().psw = psw;
    if machine.vcpu().is_in_disabled_wait() {
        machine.guest.last_wait = psw.address;
    }
    if psw.contains(PswMask::DAT) && psw.mask & PswMask::ASC.bits() == ACCESS_REGISTERS {
        machine.guest.finish(End::Misbehaved(
            "it turned the access-register mode on, which this host does not offer",
        ));
    } else if psw.contains(PswMask::PER) {
        machine.guest.finish(End::Misbehaved(
            "it turned program-event recording on, which this host does not offer",
        ));
    }
}

/// A PSW that is invalid is a specification exception before anything is executed by it. The one that is
/// loaded then may be no better.
pub fn early(machine: &mut Machine<'_>) {
    while is_invalid(&machine.vcpu().psw) && machine.guest.end.is_none() {
        program(machine, GuestFault::plain(program::SPECIFICATION), 0);
    }
}

/// Whether nothing can be executed by a PSW: see [`early`].
#[inline]
pub fn is_invalid(psw: &Psw) -> bool {
    let is_64_alone = psw.flags() & PswMask::AMODE64 == PswMask::EXTENDED;
    psw.mask & RESERVED != 0 || psw.contains(PswMask::ESA390_FORMAT) || is_64_alone
}

/// How often a guest may take the same program interruption at the same place with nothing else in
/// between: its handler interrupts itself, and would for ever.
const MOST_REPETITIONS: u32 = 256;

/// Counts a program interruption; one that repeats itself for ever ends the guest.
fn count_repetition(machine: &mut Machine<'_>, code: u16) {
    let vcpu = machine.vcpu_mut();
    let address = vcpu.psw.address;
    let (last_code, last_address, times) = vcpu.repeated;
    let same = (last_code, last_address) == (code, address);
    vcpu.repeated = (code, address, if same { times + 1 } else { 0 });
    if vcpu.repeated.2 > MOST_REPETITIONS {
        machine.guest.finish(End::Misbehaved(
            "its program-interruption handler interrupts itself",
        ));
    }
}

/// Something has happened to the CPU.
#[inline]
fn note(machine: &Machine<'_>, kind: Kind, value: u32) {
    trace::note(kind, machine.guest.id.into(), machine.cpu, value);
}

/// Delivers a program interruption with the CPU's PSW as it stands.
///
/// `length` is the length of the instruction, in bytes.
pub fn program(machine: &mut Machine<'_>, fault: GuestFault, length: u8) {
    count_repetition(machine, fault.code);
    match fault.code {
        program::BLOCK_VOLATILITY => {
            machine.guest.counters.discard_faults += 1;
            let page = fault.identification.unwrap_or_default() >> arch::PAGE_SHIFT;
            let vcpu = machine.vcpu_mut();
            vcpu.discarded = Some((page as u32, vcpu.at()));
            note(machine, Kind::DiscardFault, page as u32);
        }
        program::ADDRESSING => {
            machine.guest.counters.addressing_faults += 1;
            note(machine, Kind::AddressingFault, trace::ANY);
        }
        _ => {}
    }
    let identification = fault.identification.unwrap_or_default().to_be_bytes();
    let code = [u16::from(length), fault.code].map(u16::to_be_bytes);
    let code: [u8; 4] = [code[0][0], code[0][1], code[1][0], code[1][1]];
    // Exceptions of these kinds are the machine's, which has stored the rest for the host.
    let (data_exception, monitor_class, monitor_code);
    let mut details: [(usize, &[u8]); 3] = [
        (offset_of!(Lowcore, program_ilc), &code),
        (offset_of!(Lowcore, translation_exception), &identification),
        // No access register was used.
        (offset_of!(Lowcore, exception_access_id), &[0]),
    ];
    let count = match fault.code {
        program::DATA | program::VECTOR_PROCESSING => {
            data_exception = lowcore_field!(data_exception_code).to_be_bytes();
            details[1] = (offset_of!(Lowcore, data_exception_code), &data_exception);
            2
        }
        program::MONITOR_EVENT => {
            monitor_class = lowcore_field!(monitor_class).to_be_bytes();
            monitor_code = lowcore_field!(monitor_code).to_be_bytes();
            details[1] = (offset_of!(Lowcore, monitor_class), &monitor_class);
            details[2] = (offset_of!(Lowcore, monitor_code), &monitor_code);
            3
        }
        _ if fault.identification.is_some() => 3,
        _ => 1,
    };
    let result = interrupt(
        machine,
        &details[..count],
        offset_of!(Lowcore, program_old),
        offset_of!(Lowcore, program_new),
    );
    check(machine, result);
    if fault.code == program::BLOCK_VOLATILITY {
        machine.guest.counters.hinting_time += machine.since_exit();
    }
}

/// Delivers a supervisor call.
pub fn supervisor_call(machine: &mut Machine<'_>, length: u16, number: u16) {
    let details = [length.to_be_bytes(), number.to_be_bytes()].concat();
    let result = interrupt(
        machine,
        &[(offset_of!(Lowcore, svc_ilc), &details)],
        offset_of!(Lowcore, svc_old),
        offset_of!(Lowcore, svc_new),
    );
    check(machine, result);
}

/// Restart interruption: whatever the PSW says, and whether the CPU has stopped or not.
pub fn restart(machine: &mut Machine<'_>) {
    let result = interrupt(
        machine,
        &[],
        offset_of!(Lowcore, restart_old),
        offset_of!(Lowcore, restart_new),
    );
    machine.vcpu_mut().is_operating = true;
    check(machine, result);
}

/// Delivers the pending I/O interruption that comes first, if the CPU is enabled for any.
// Rare, and not to make the way to the guest longer.
#[inline(never)]
pub fn io(machine: &mut Machine<'_>) {
    let (vcpu, channel) = (machine.vcpu(), &machine.guest.channel);
    let Some(at) = channel.due(&vcpu.psw, vcpu.control[6]) else {
        return;
    };
    let details = machine.guest.channel.identification(at).map(u32::to_be);
    machine.guest.channel.take(at);
    let result = interrupt(
        machine,
        &[(offset_of!(Lowcore, io_subchannel), details.as_bytes())],
        offset_of!(Lowcore, io_old),
        offset_of!(Lowcore, io_new),
    );
    check(machine, result);
}

/// Delivers the pending external interruption that comes first, if the CPU is enabled for any; returns
/// whether it is.
pub fn external(machine: &mut Machine<'_>) -> bool {
    let now = clock::now();
    let Some(external) = machine.guest.due(machine.cpu, now) else {
        return false;
    };
    let vcpu = &mut machine.guest.vcpus[machine.cpu];
    external::take(vcpu, &mut machine.guest.floating, external);
    let parameter_at = offset_of!(Lowcore, external_parameter);
    // What is in front of the code: a sender or subcode, and the parameter in front of that.
    let (at, head) = match external {
        External::EmergencySignal(sender) => sent(sender, code::EMERGENCY_SIGNAL),
        External::ExternalCall(sender) => sent(sender, code::EXTERNAL_CALL),
        External::ClockComparator => sent(0, code::CLOCK_COMPARATOR),
        External::CpuTimer => sent(0, code::CPU_TIMER),
        External::ServiceSignal(parameter) => {
            let code = u64::from(code::SERVICE_SIGNAL);
            (parameter_at, u64::from(parameter) << 32 | code)
        }
        External::PageIsThere(token) => {
            page_fault(machine, handshake::COMPLETION, token);
            return true;
        }
    };
    let head = head.to_be_bytes();
    store_external(machine, &[(at, &head[at - parameter_at..])]);
    true
}

/// Tells a CPU, which is enabled for that, of a page: that it is being brought in, or is there.
pub fn page_fault(machine: &mut Machine<'_>, subcode: u16, token: u64) {
    let (at, head) = sent(subcode, code::BLOCK_IO);
    let (head, token) = (&head.to_be_bytes()[4..], token.to_be_bytes());
    let parameter = offset_of!(Lowcore, block_io_parameter);
    store_external(machine, &[(at, head), (parameter, &token)]);
}

fn store_external(machine: &mut Machine<'_>, details: &[(usize, &[u8])]) {
    let result = interrupt(
        machine,
        details,
        offset_of!(Lowcore, external_old),
        offset_of!(Lowcore, external_new),
    );
    check(machine, result);
}

/// Where a halfword in front of an external-interruption code begins, and the doubleword that ends
/// with both.
fn sent(halfword: u16, code: u16) -> (usize, u64) {
    let words = u64::from(halfword) << 16 | u64::from(code);
    (offset_of!(Lowcore, external_cpu), words)
}

/// Reads a PSW of 16 bytes.
#[must_use]
pub fn psw_from(bytes: &[u8; 16]) -> Psw {
    Psw::read_from_bytes(bytes).expect("a PSW has 16 bytes")
}
