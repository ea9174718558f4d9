//! The service-call logical processor (SCLP): what the machine has, and its event facility.
//!
//! A request is a service-call control block (SCCB) of one page. SERVICE CALL starts it; an external
//! interruption 0x2401 says that it is complete, and its response code is 0x0020 or 0x0010 then.

use core::cell::UnsafeCell;
use core::fmt;
use core::sync::atomic::{AtomicBool, Ordering};

use arch::control::{self, cr0};
use arch::handler::{self, external};
use arch::{Absolute, PswMask, cpu};

/// Size of a control block, in bytes.
pub const SCCB_SIZE: usize = 4096;
/// Read what the machine has.
const READ_SCP_INFO: u32 = 0x0002_0001;
/// Say which events this program sends and receives.
const WRITE_EVENT_MASK: u32 = 0x0078_0005;
/// Send events.
const WRITE_EVENT_DATA: u32 = 0x0076_0005;
/// Header of a control block: length, function, control mask, response code.
pub(crate) const HEADER: usize = 8;

/// Why a service call did not deliver.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Error {
    /// SERVICE CALL is not there or was refused with this program-interruption code.
    Refused(u16),
    /// The service processor is not operational (condition code 3).
    NotOperational,
    /// The request ended with this response code.
    Response(u16),
    /// No console of a known kind.
    NoConsole,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(code) => write!(
                f,
                "SERVICE CALL refused with program interruption {code:#x}"
            ),
            Self::NotOperational => f.write_str("the service processor is not operational"),
            Self::Response(code) => write!(f, "service call ended with response code {code:#06x}"),
            Self::NoConsole => f.write_str("the machine offers no console of a known kind"),
        }
    }
}

#[repr(C, align(4096))]
struct Block(UnsafeCell<[u8; SCCB_SIZE]>);

// SAFETY: one CPU uses it at a time: `BUSY` guards it.
unsafe impl Sync for Block {}

static BLOCK: Block = Block(UnsafeCell::new([0; SCCB_SIZE]));
static BUSY: AtomicBool = AtomicBool::new(false);
static COMPLETE: AtomicBool = AtomicBool::new(false);

fn on_service_signal() {
    COMPLETE.store(true, Ordering::Release);
}

/// Runs one request: `fill` writes the block, `read` reads the answer.
///
/// # Errors
/// The machine refused it, or it ended with a response code other than success.
fn request<T>(
    command: u32,
    length: usize,
    fill: impl FnOnce(&mut [u8; SCCB_SIZE]),
    read: impl FnOnce(&[u8; SCCB_SIZE]) -> T,
) -> Result<T, Error> {
    handler::on_external(external::SERVICE_SIGNAL, on_service_signal);
    // A panic inside a request prints through here once more: it takes the block over.
    BUSY.store(true, Ordering::Relaxed);
    // SAFETY: one CPU, interruptions disabled, and no reference outlives a request.
    let block = unsafe { &mut *BLOCK.0.get() };
    block.fill(0);
    block[0..2].copy_from_slice(&(length as u16).to_be_bytes());
    fill(block);
    COMPLETE.store(false, Ordering::Release);
    control::enable_cr0(cr0::SERVICE_SIGNAL);
    loop {
        // SAFETY: the block is static, and nobody touches it before the answer is there.
        match unsafe { arch::sclp::service_call(command, Absolute::of(&raw const *block)) } {
            Ok(0) => break,
            Ok(2) => cpu::wait(PswMask::EXTERNAL),
            Ok(_) => return Err(Error::NotOperational),
            Err(fault) => return Err(Error::Refused(fault.code)),
        }
    }
    while !COMPLETE.load(Ordering::Acquire) {
        cpu::wait(PswMask::EXTERNAL);
    }
    let code = u16::from_be_bytes([block[6], block[7]]);
    match code {
        0x0010 | 0x0020 => Ok(read(block)),
        _ => Err(Error::Response(code)),
    }
}

/// What the service processor says about the machine.
#[derive(Clone, Copy, Debug)]
pub struct Machine {
    /// Storage from absolute 0, in bytes.
    pub memory: u64,
    /// Configured CPUs.
    pub cpus: u16,
}

/// Asks what the machine has.
///
/// # Errors
/// The service processor does not answer.
pub fn read_info() -> Result<Machine, Error> {
    request(
        READ_SCP_INFO,
        SCCB_SIZE,
        |_| (),
        |block| {
            let half = |at: usize| u16::from_be_bytes([block[at], block[at + 1]]);
            let word = |at: usize| (u64::from(half(at)) << 16) | u64::from(half(at + 2));
            // The wide fields hold what does not fit the narrow ones, which are zero then.
            let increments = match half(8) {
                0 => (word(104) << 32) | word(108),
                count => u64::from(count),
            };
            let mib = match block[10] {
                0 => word(100),
                size => u64::from(size),
            };
            Machine {
                memory: (increments * mib) << 20,
                cpus: half(16).max(1),
            }
        },
    )
}

/// Says which events this program sends; returns those that the machine receives.
///
/// Masks have one bit an event type, type 1 is the leftmost.
pub(crate) fn write_event_mask(send: u32) -> Result<u32, Error> {
    request(
        WRITE_EVENT_MASK,
        HEADER + 4 + 16,
        |block| {
            block[10..12].copy_from_slice(&4_u16.to_be_bytes());
            block[16..20].copy_from_slice(&send.to_be_bytes());
        },
        |block| u32::from_be_bytes([block[20], block[21], block[22], block[23]]),
    )
}

/// Sends one event of `kind`: at most a block's worth of data, written by `fill`.
pub(crate) fn write_event(
    kind: u8,
    length: usize,
    fill: impl FnOnce(&mut [u8]),
) -> Result<(), Error> {
    let event = 6 + length;
    request(
        WRITE_EVENT_DATA,
        HEADER + event,
        |block| {
            block[8..10].copy_from_slice(&(event as u16).to_be_bytes());
            block[10] = kind;
            fill(&mut block[14..14 + length]);
        },
        |_| (),
    )
}
