//! Starting the other CPUs, and stopping them at the end.

use core::arch::global_asm;
use core::fmt;
use core::mem::offset_of;
use core::sync::atomic::{AtomicU64, Ordering};

use arch::clock::Patience;
use arch::sigp::{self, Answer, Order};
use arch::{Lowcore, Psw, PswMask, clock, cpu, handler, lowcore_field};

global_asm!(
    include_str!("secondary.S"),
    start_stack = const offset_of!(Lowcore, start_stack),
    start_argument = const offset_of!(Lowcore, start_argument),
);

/// Most CPUs of an image: as many as a word has bits. Their addresses are below.
pub const MOST_CPUS: usize = 64;

/// How long a CPU may take to answer an order, and to do what it asks for, in TOD units in which whoever has ordered
/// runs: ten seconds, for the CPU may have lost its real one for a while.
pub const PATIENCE: u64 = 10_000_000 * clock::UNITS_PER_MICROSECOND;

/// CPUs that run, by address.
static STARTED: AtomicU64 = AtomicU64::new(0);

/// Why a CPU was not started or stopped.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Failure {
    /// Address of the CPU.
    pub cpu: u16,
    /// The order that failed.
    pub order: Order,
    /// What it was answered.
    pub answer: Answer,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (cpu, order) = (self.cpu, self.order as u8);
        match self.answer {
            Answer::NotOperational => write!(f, "CPU {cpu} is not there (order {order:#04x})"),
            Answer::Busy => write!(f, "CPU {cpu} does not answer order {order:#04x}"),
            Answer::Status(status) => {
                write!(
                    f,
                    "CPU {cpu} refuses order {order:#04x}, status {status:#x}"
                )
            }
            Answer::Accepted => write!(f, "CPU {cpu} does not do what order {order:#04x} asks for"),
        }
    }
}

/// What a CPU needs to run: a prefix area and two stacks, for as long as the image runs.
#[derive(Clone, Copy, Debug)]
pub struct Ground {
    /// The prefix area, below 2 GiB.
    pub lowcore: &'static core::cell::UnsafeCell<Lowcore>,
    /// End of the stack that the CPU begins on.
    pub stack: *mut u8,
    /// End of the stack for machine checks and restarts.
    pub emergency_stack: *mut u8,
}

fn order(cpu: u16, order: Order, parameter: u32) -> Result<(), Failure> {
    // SAFETY: the callers prepare what the order starts, and stop only what may stop.
    let answer = unsafe { sigp::signal_patiently(cpu, order, parameter, PATIENCE) };
    match answer {
        Answer::Accepted => Ok(()),
        answer => Err(Failure { cpu, order, answer }),
    }
}

/// Starts a CPU: it calls `function` with `argument`, interruptions disabled, handlers installed.
///
/// Returns when the CPU has accepted; that it has got anywhere is for its function to say.
///
/// # Errors
/// The CPU is not there, refuses, or does not answer within [`PATIENCE`].
///
/// # Safety
/// The ground must be this CPU's alone, and the CPU must not be running.
///
/// # Panics
/// If the prefix area is not below 2 GiB, or the address of the CPU not below [`MOST_CPUS`].
pub unsafe fn start(
    cpu: u16,
    ground: Ground,
    function: extern "C" fn(u64) -> !,
    argument: u64,
) -> Result<(), Failure> {
    unsafe extern "C" {
        fn boot_secondary();
    }
    assert!(usize::from(cpu) < MOST_CPUS, "an address of a CPU");
    let at = ground.lowcore.get();
    let prefix = u32::try_from(at.addr()).expect("prefix areas lie below 2 GiB");
    // SAFETY: the CPU does not run, and the ground is its alone; a lowcore is plain data.
    unsafe {
        core::ptr::write_bytes(at, 0, 1);
        (*at).restart_new = Psw::new(
            PswMask::empty(),
            boot_secondary as *const () as usize as u64,
        );
        (*at).start_stack = ground.stack.addr() as u64;
        (*at).emergency_stack = ground.emergency_stack.addr() as u64;
        (*at).start_function = function as usize as u64;
        (*at).start_argument = argument;
    }
    order(cpu, Order::InitialCpuReset, 0)?;
    order(cpu, Order::SetPrefix, prefix)?;
    order(cpu, Order::Restart, 0)?;
    STARTED.fetch_or(1 << cpu, Ordering::SeqCst);
    Ok(())
}

/// Called by the assembler on the CPU's own stack.
#[unsafe(no_mangle)]
extern "C" fn boot_secondary_main(argument: u64) -> ! {
    let emergency =
        core::ptr::with_exposed_provenance_mut(lowcore_field!(emergency_stack) as usize);
    handler::install(emergency);
    let function = lowcore_field!(start_function);
    // SAFETY: `start` has stored a function of this type.
    let function =
        unsafe { core::mem::transmute::<usize, extern "C" fn(u64) -> !>(function as usize) };
    function(argument)
}

/// Notes that this CPU runs: the first one, which nobody has started.
pub(crate) fn note_first() {
    STARTED.fetch_or(1 << cpu::address(), Ordering::SeqCst);
}

/// Stops this CPU, which is not the first; somebody may start it again.
pub fn stop_self() -> ! {
    let cpu = cpu::address();
    STARTED.fetch_and(!(1 << cpu), Ordering::SeqCst);
    loop {
        // SAFETY: this CPU has nothing left to do.
        unsafe { sigp::signal(cpu, Order::Stop, 0) };
    }
}

/// Waits until a CPU has stopped.
///
/// # Errors
/// It has not within [`PATIENCE`].
fn await_stop(cpu: u16) -> Result<(), Failure> {
    let mut patience = Patience::new(PATIENCE, clock::now());
    while !sigp::is_stopped(cpu) {
        if patience.is_over(clock::now()) {
            return Err(Failure {
                cpu,
                order: Order::Stop,
                answer: Answer::Accepted,
            });
        }
        core::hint::spin_loop();
    }
    Ok(())
}

/// Stops all CPUs but this one, whatever they do: the image ends, and a machine ends with its last CPU.
pub fn stop_others() {
    let own = cpu::address();
    let started = STARTED.load(Ordering::SeqCst);
    for other in (0..MOST_CPUS as u16).filter(|other| started >> other & 1 != 0 && *other != own) {
        // One that does not stop cannot be helped.
        let _ = order(other, Order::Stop, 0).and_then(|()| await_stop(other));
    }
}
