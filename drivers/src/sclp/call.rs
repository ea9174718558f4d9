//! Requests: starting one, waiting for its end, and what they are for.

use core::cell::UnsafeCell;
use core::fmt;
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};

use arch::control::{self, cr0};
use arch::handler::{self, external};
use arch::sigp;
use arch::{Absolute, PswMask, cpu, diagnose, lowcore_field};

use super::block::{self as sccb, Block, Machine};

/// Read what the machine has, whatever state it is in; not every service processor knows this one.
const READ_SCP_INFO_FORCED: u32 = 0x0012_0001;
/// Read what the machine has.
const READ_SCP_INFO: u32 = 0x0002_0001;
/// Say which events this program sends and receives.
const WRITE_EVENT_MASK: u32 = 0x0078_0005;
/// Fetch events.
const READ_EVENT_DATA: u32 = 0x0077_0005;
/// Send events.
const WRITE_EVENT_DATA: u32 = 0x0076_0005;

/// Response code: the request is complete, and has information.
const READ_COMPLETE: u16 = 0x0010;
/// Response code: the request is complete.
const COMPLETE: u16 = 0x0020;
/// Response code: no event waits to be read.
const NO_EVENT: u16 = 0x60f0;

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

impl core::error::Error for Error {}

/// A control block, and whether the machine has it. Static, for it must lie below 2 GiB, page-aligned,
/// for it must not cross a page, and zero at first, so that the image need not hold it.
#[repr(C, align(4096))]
struct Request {
    block: UnsafeCell<Block>,
    under_way: AtomicBool,
}

// SAFETY: `DEPTH` gives each block to one caller at a time; see `request`.
unsafe impl Sync for Request {}

impl Request {
    const fn new() -> Self {
        Self {
            block: UnsafeCell::new([0; sccb::SIZE]),
            under_way: AtomicBool::new(false),
        }
    }

    fn address(&self) -> Absolute {
        Absolute::of(self.block.get())
    }

    fn wait(&self) {
        while self.under_way.load(Ordering::Acquire) {
            cpu::wait(PswMask::EXTERNAL);
        }
    }

    /// Starts the request in the block and waits for its end.
    fn run(&self, command: u32) -> Result<(), Error> {
        loop {
            self.under_way.store(true, Ordering::Release);
            // SAFETY: the block is static, and its owner does not touch it before it is complete.
            let outcome = unsafe { arch::sclp::service_call(command, self.address()) };
            if outcome == Ok(0) {
                self.wait();
                return Ok(());
            }
            self.under_way.store(false, Ordering::Release);
            match outcome {
                // The interruption of an earlier request is still pending.
                Ok(2) => cpu::wait(PswMask::EXTERNAL),
                Ok(_) => return Err(Error::NotOperational),
                Err(fault) => return Err(Error::Refused(fault.code)),
            }
        }
    }
}

/// Which CPU is in the middle of a request, or of a line, its address plus 1; 0 if none is.
static OWNER: AtomicU32 = AtomicU32::new(0);

/// Runs `work` while no other CPU makes requests. May be nested.
pub fn exclusively<T>(work: impl FnOnce() -> T) -> T {
    let own = u32::from(cpu::address()) + 1;
    let nested = OWNER.load(Ordering::Relaxed) == own;
    while !nested
        && OWNER
            .compare_exchange_weak(0, own, Ordering::Acquire, Ordering::Relaxed)
            .is_err()
    {
        // Whoever has it may have lost its real CPU.
        let _ = diagnose::yield_time_slice();
    }
    let outcome = work();
    if !nested {
        OWNER.store(0, Ordering::Release);
    }
    outcome
}

/// Takes requests over for this CPU: all others have stopped, maybe in the middle of one.
pub fn seize() {
    OWNER.store(u32::from(cpu::address()) + 1, Ordering::Relaxed);
}

/// One block for requests, and one for those that come in the middle of another: from an interruption
/// handler that prints, or from a panic, which never comes back.
static REQUESTS: [Request; 2] = [Request::new(), Request::new()];
/// How many requests are in the middle of something.
static DEPTH: AtomicUsize = AtomicUsize::new(0);

fn on_service_signal() {
    // The last three bits say other things.
    let address = Absolute(u64::from(lowcore_field!(external_parameter) & !7));
    for request in &REQUESTS {
        if request.address() == address {
            request.under_way.store(false, Ordering::Release);
        }
    }
    let owner = OWNER.load(Ordering::Relaxed);
    if owner != u32::from(cpu::address()) + 1
        && let Some(owner) = owner.checked_sub(1)
    {
        // It waits for the interruption that this CPU has taken.
        sigp::emergency_signal(owner as u16);
    }
}

/// Runs one request: `fill` writes the block, which is zero before, and `read` reads the answer.
fn request<T>(
    command: u32,
    fill: impl FnOnce(&mut Block),
    read: impl FnOnce(&Block) -> T,
) -> Result<T, Error> {
    exclusively(|| {
        let was_enabled = control::get::<0>() & cr0::SERVICE_SIGNAL != 0;
        if !was_enabled {
            control::enable_cr0(cr0::SERVICE_SIGNAL);
        }
        let outcome = request_alone(command, fill, read);
        if !was_enabled {
            control::disable_cr0(cr0::SERVICE_SIGNAL);
        }
        outcome
    })
}

/// As [`request`], while no other CPU makes one.
fn request_alone<T>(
    command: u32,
    fill: impl FnOnce(&mut Block),
    read: impl FnOnce(&Block) -> T,
) -> Result<T, Error> {
    handler::on_external(external::SERVICE_SIGNAL, on_service_signal);
    let depth = DEPTH.fetch_add(1, Ordering::Relaxed);
    let mine = &REQUESTS[depth.min(REQUESTS.len() - 1)];
    // One request at a time is all that the service processor takes. A block that is not complete
    // here is that of the request that this one interrupted.
    for earlier in &REQUESTS {
        earlier.wait();
    }
    // SAFETY: this CPU has the right to make requests. The block is another one than that of the request in whose middle this
    // one comes, unless this is a panic within a panic, after which nobody uses the earlier
    // reference; the machine does not store into it, for it is complete.
    let block = unsafe { &mut *mine.block.get() };
    block.fill(0);
    fill(block);
    let outcome = mine.run(command).and_then(|()| {
        // SAFETY: complete, and still this caller's; the machine has stored into it meanwhile.
        let block = unsafe { &*mine.block.get() };
        match sccb::response(block) {
            READ_COMPLETE | COMPLETE => Ok(read(block)),
            code => Err(Error::Response(code)),
        }
    });
    DEPTH.fetch_sub(1, Ordering::Relaxed);
    outcome
}

/// Asks what the machine has.
///
/// # Errors
/// The service processor does not answer.
pub fn read_info() -> Result<Machine, Error> {
    let read = |command| request(command, sccb::put_read_info, sccb::machine);
    match read(READ_SCP_INFO_FORCED) {
        Err(Error::Response(_)) => read(READ_SCP_INFO),
        outcome => outcome,
    }
}

/// Says which events this program sends and receives; returns those that the machine receives.
pub(crate) fn write_event_mask(sends: u32, receives: u32) -> Result<u32, Error> {
    request(
        WRITE_EVENT_MASK,
        |block| sccb::put_event_mask(block, sends, receives),
        sccb::machine_receives,
    )
}

/// Sends the event that `fill` writes.
pub(crate) fn write_event(fill: impl FnOnce(&mut Block)) -> Result<(), Error> {
    request(WRITE_EVENT_DATA, fill, |_| ())
}

/// Gives the type and the data of each event that waits for this program to `take`.
pub(crate) fn read_events(take: impl FnMut(u8, &[u8])) -> Result<(), Error> {
    match request(READ_EVENT_DATA, sccb::put_read_event, |block| {
        sccb::events(block, take);
    }) {
        Err(Error::Response(NO_EVENT)) => Ok(()),
        outcome => outcome,
    }
}
