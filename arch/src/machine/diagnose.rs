//! DIAGNOSE: the calls to the hypervisor that this project uses.

use core::arch::asm;
use core::cell::UnsafeCell;

use crate::addr::Absolute;
use crate::fault::Fault;
use crate::machine::guard;
use crate::psw::PswMask;

/// DIAGNOSE X'10': releases the pages from `first` to `last`, both included; they read as zero afterwards.
///
/// # Errors
/// The program interruption that it was answered with: a specification exception where it is not offered.
///
/// # Safety
/// The content of the pages is lost: the caller must own them.
pub unsafe fn release_pages(first: Absolute, last: Absolute) -> Result<(), Fault> {
    let (code, identification): (u64, u64);
    // SAFETY: changes storage only in the pages that the caller gives up.
    unsafe {
        asm!(
            "lghi %r0, 0",
            "2: .insn rs,0x83000000,{first},{last},0x10   # diag first,last,0x10",
            "3:",
            extable!("2b", "3b"),
            first = in(reg) first.0,
            last = in(reg) last.0,
            out("r0") code,
            out("r1") identification,
            options(nostack),
        );
    }
    guard::outcome(code, identification)
}

/// What a control program said to a command.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Answer {
    /// Its completion code; 0 is good.
    pub code: u32,
    /// Bytes of the response that are in the buffer.
    pub length: usize,
}

/// DIAGNOSE X'8': has the control program execute a command, in EBCDIC, and tell what it says in the buffer, in lines
/// that X'15' ends.
///
/// # Errors
/// The program interruption that it was answered with: a specification exception where it is not offered.
///
/// # Safety
/// Both must lie below 2 GiB, as must the running code: the call is made in the 31-bit addressing mode. The command
/// may end this machine, or take from it what somebody uses.
pub unsafe fn control_program(command: &[u8], response: &mut [u8]) -> Result<Answer, Fault> {
    /// In front of the command's length: the response is wanted in storage.
    const RESPONSE: u64 = 0x4000_0000;
    let (code, identification): (u64, u64);
    let (mut completion, mut length) = (RESPONSE | command.len() as u64, response.len() as u64);
    let mut cc = 0_u64;
    // SAFETY: the caller vouches for addresses and for the command; nothing is stored but the response. The fix-up lies
    // in front of SAM64, so both ways out end in the 64-bit addressing mode.
    unsafe {
        asm!(
            "lghi %r0, 0",
            "sam31",
            "2: .insn rs,0x83000000,%r2,%r4,0x8   # diag 2,4,0x8",
            "ipm {cc}",
            "3: sam64",
            extable!("2b", "3b"),
            cc = inout(reg) cc,
            in("r2") command.as_ptr(),
            in("r3") response.as_mut_ptr(),
            inout("r4") completion,
            inout("r5") length,
            out("r0") code,
            out("r1") identification,
            options(nostack),
        );
    }
    guard::outcome(code, identification)?;
    // Condition code 1: the buffer is full, and the length is that of what did not fit.
    let is_whole = cc >> 28 & 3 == 0;
    Ok(Answer {
        code: completion as u32,
        length: if is_whole {
            (length as u32 as usize).min(response.len())
        } else {
            response.len()
        },
    })
}

/// DIAGNOSE X'44': gives the rest of the time slice to others.
///
/// # Errors
/// The program interruption that it was answered with.
pub fn yield_time_slice() -> Result<(), Fault> {
    let (code, identification): (u64, u64);
    // SAFETY: no effect on registers or storage.
    unsafe {
        asm!(
            "lghi %r0, 0",
            "2: .insn rs,0x83000000,%r0,%r0,0x44   # diag 0,0,0x44",
            "3:",
            extable!("2b", "3b"),
            out("r0") code,
            out("r1") identification,
            options(nostack),
        );
    }
    guard::outcome(code, identification)
}

/// DIAGNOSE X'258', token: from now on this CPU, when it is in the problem state and enabled, is told of a
/// page that the host has to bring in, and of its arrival, with the doubleword at a real address; or, if
/// there is none, no more. Returns the return code: 0 is good, 8 was so already, 4 was not.
///
/// # Errors
/// The program interruption that it was answered with: a specification exception where it is not offered.
pub fn page_fault_handshake(token: Option<u64>) -> Result<u64, Fault> {
    /// Diagnose code, function, length in doublewords and version.
    const fn head(function: u64) -> u64 {
        0x258 << 48 | function << 32 | 5 << 16 | 2
    }
    const PROBLEM: u64 = PswMask::PROBLEM.bits();
    let block = match token {
        Some(at) => [head(0), at, PROBLEM, PROBLEM, 1 << 63],
        None => [head(1), 0, 0, 0, 0],
    };
    let (code, identification, result): (u64, u64, u64);
    // SAFETY: reads the block, whose real address is its address, for the kernel runs with DAT off.
    unsafe {
        asm!(
            "lghi %r0, 0",
            "2: .insn rs,0x83000000,%r2,%r3,0x258   # diag 2,3,0x258",
            "3:",
            extable!("2b", "3b"),
            in("r2") block.as_ptr(),
            inout("r3") 0_u64 => result,
            out("r0") code,
            out("r1") identification,
            options(nostack),
        );
    }
    guard::outcome(code, identification).map(|()| result)
}

/// DIAGNOSE X'210': stores information about a virtual device into the block at `block`, which starts
/// with the device's number and the block's length.
///
/// Returns the condition code: 0 to 2 the device exists, 3 it does not.
///
/// # Errors
/// The program interruption that it was answered with: a specification exception where it is not offered.
///
/// # Safety
/// The block must be the caller's, as long as it says, and below 2 GiB, as must be the running code:
/// the call is made in the 31-bit addressing mode, the only one in which hypervisors know it.
pub unsafe fn device_information(block: Absolute) -> Result<u8, Fault> {
    let (code, identification): (u64, u64);
    let mut cc = 0_u64;
    // SAFETY: the caller vouches for the block; the fix-up lies in front of SAM64, so both ways out
    // end in the 64-bit addressing mode.
    unsafe {
        asm!(
            "lghi %r0, 0",
            "sam31",
            "2: .insn rs,0x83000000,%r2,%r0,0x210   # diag 2,0,0x210",
            "ipm {cc}",
            "3: sam64",
            extable!("2b", "3b"),
            cc = inout(reg) cc,
            in("r2") block.0,
            out("r0") code,
            out("r1") identification,
            options(nostack),
        );
    }
    guard::outcome(code, identification).map(|()| (cc >> 28) as u8 & 3)
}

/// DIAGNOSE X'250': block I/O with the parameter block at `block`; returns condition code or return
/// code: 0 is good.
///
/// # Errors
/// The program interruption that it was answered with.
///
/// # Safety
/// Parameter block, list and buffers must be what the function wants, and the caller's.
pub unsafe fn block_io(function: u64, block: Absolute) -> Result<u8, Fault> {
    let (code, identification): (u64, u64);
    let mut cc = 0_u64;
    let result: u64;
    // SAFETY: the caller vouches for all storage; the register pair is 2 and 3.
    unsafe {
        asm!(
            "lghi %r0, 0",
            "2: .insn rs,0x83000000,%r2,%r4,0x250   # diag 2,4,0x250",
            "ipm {cc}",
            "3:",
            extable!("2b", "3b"),
            cc = inout(reg) cc,
            inout("r2") block.0 => _,
            inout("r3") 0_u64 => result,
            in("r4") function,
            out("r0") code,
            out("r1") identification,
            options(nostack),
        );
    }
    let cc = (cc >> 28) as u8 & 3;
    guard::outcome(code, identification).map(|()| result as u8 | cc)
}

/// What a reset takes from this CPU: general registers, control registers, prefix, and the doubleword at absolute
/// address 0, which says where it goes on.
#[repr(C, align(8))]
struct Kept(UnsafeCell<[u64; 34]>);

// SAFETY: only the CPU that resets the machine uses it, and the reset stops the others.
unsafe impl Sync for Kept {}

static KEPT: Kept = Kept(UnsafeCell::new([0; 34]));

/// DIAGNOSE X'308', subcodes 0 and 1: resets the CPUs, which stops all others, and the channel subsystem, and goes on.
///
/// # Errors
/// The program interruption that it was answered with: a specification exception where it is not offered.
///
/// # Safety
/// Interruptions must be disabled, nobody may depend on other CPUs, and devices are driven anew.
pub unsafe fn reset_machine(subcode: u64) -> Result<(), Fault> {
    let (code, identification): (u64, u64);
    // SAFETY: all registers are put back, in z/Architecture, from storage that is found without any; the doubleword
    // at absolute address 0 is at the real address of the prefix area.
    unsafe {
        asm!(
            "larl %r1, {kept}",
            "stmg %r0, %r15, 0(%r1)",
            "stctg %c0, %c15, 128(%r1)",
            "stpx 256(%r1)",
            "llgf %r2, 256(%r1)",
            "mvc 264(8,%r1), 0(%r2)",
            "larl %r3, 3f",
            "oilh %r3, 0x8000",
            "iihf %r3, 0x00080000",
            "stg %r3, 0(%r2)",
            "lghi %r0, 0",
            "2: .insn rs,0x83000000,%r0,%r4,0x308   # diag 0,4,0x308",
            "3: lhi %r1, 1",
            "lhi %r2, 0",
            "lhi %r3, 0",
            "sigp %r1, %r2, 0x12(%r3)   # SET ARCHITECTURE; refused, harmlessly, if it is set still",
            "sam64",
            "larl %r1, {kept}",
            "spx 256(%r1)",
            "lctlg %c0, %c15, 128(%r1)",
            "lmg %r0, %r15, 0(%r1)",
            "lghi %r0, 0",
            "4: larl %r2, {kept}",
            "llgf %r3, 256(%r2)",
            "mvc 0(8,%r3), 264(%r2)",
            extable!("2b", "4b"),
            kept = sym KEPT,
            in("r4") subcode,
            out("r0") code,
            out("r1") identification,
            out("r2") _,
            out("r3") _,
            options(nostack),
        );
    }
    guard::outcome(code, identification)
}
