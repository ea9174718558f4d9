//! How an image ends, and what it says when it must.

use core::fmt;
use core::panic::PanicInfo;
use core::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

use arch::addr::Absolute;
use arch::interruption::{Class, Frame};
use arch::{cpu, lowcore_field, program, storage};

use crate::{secondary, start, trace};

/// PSW address of the disabled wait that QEMU takes as a normal end.
const SUCCESS: u64 = 0xfff;
/// PSW address of the disabled wait that tells of a failure.
const FAILURE: u64 = 0xbad;

/// Prints a message on the console; must work at any time after it was registered.
pub type Printer = fn(fmt::Arguments<'_>);

static PRINTER: AtomicUsize = AtomicUsize::new(0);
/// Which CPU is ending the image, its address plus 1.
static ENDING: AtomicU32 = AtomicU32::new(0);

/// Registers how the last words are printed.
pub fn set_printer(printer: Printer) {
    PRINTER.store(printer as usize, Ordering::Release);
}

fn print(message: fmt::Arguments<'_>) {
    let printer = PRINTER.load(Ordering::Acquire);
    if printer != 0 {
        // SAFETY: only `set_printer` stores here, and only values of this type.
        let printer = unsafe { core::mem::transmute::<usize, Printer>(printer) };
        printer(message);
    }
}

/// Makes this CPU the one that ends the image: the others stop where they are. If another one was
/// faster, this one stops for good.
///
/// Returns whether it is ending the image already, and has failed meanwhile.
fn take_over() -> bool {
    let own = u32::from(cpu::address()) + 1;
    match ENDING.compare_exchange(0, own, Ordering::SeqCst, Ordering::SeqCst) {
        Ok(_) => {
            secondary::stop_others();
            false
        }
        Err(other) if other == own => true,
        Err(_) => secondary::stop_self(),
    }
}

/// Ends the image: all is well.
pub fn succeed() -> ! {
    take_over();
    cpu::stop(SUCCESS)
}

/// Ends the image: something failed, and the console says what.
pub fn fail() -> ! {
    take_over();
    cpu::stop(FAILURE)
}

/// Prints the reason and ends the image. A failure while it prints ends it at once.
pub fn stop_with(reason: fmt::Arguments<'_>) -> ! {
    if !take_over() {
        print(reason);
    }
    cpu::stop(FAILURE)
}

/// Handler of interruptions that nobody expects: a register dump, then the end.
pub fn unexpected_interruption(class: Class, frame: &mut Frame) {
    match class {
        Class::Program => {
            let code = lowcore_field!(program_code);
            stop_with(format_args!(
                "unexpected program interruption {code:#06x}, {} exception, ILC {}, identification {:#x}{}\n{frame}",
                program::name(code),
                lowcore_field!(program_ilc) & 6,
                lowcore_field!(translation_exception),
                CalledFrom(Some(frame)),
            ))
        }
        Class::External => stop_with(format_args!(
            "unexpected external interruption {:#06x}\n{frame}",
            lowcore_field!(external_code)
        )),
        Class::SupervisorCall => stop_with(format_args!(
            "unexpected supervisor call {}\n{frame}",
            lowcore_field!(svc_code)
        )),
        Class::MachineCheck => stop_with(format_args!(
            "machine check, code {:016x}\n{frame}",
            lowcore_field!(machine_check_code)
        )),
        Class::Io => stop_with(format_args!(
            "unexpected I/O interruption of subchannel {:08x}\n{frame}",
            lowcore_field!(io_subchannel)
        )),
        Class::Restart => stop_with(format_args!("restart requested\n{frame}")),
    }
}

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    // In one line: programs get the first one only.
    stop_with(format_args!(
        "panic: {}{}",
        info.message(),
        CalledFrom(None)
    ));
}

/// The calls that led here, or to an instruction that was interrupted. Where in the sources they are is not
/// in the image, as it would be a tenth of it: `cargo xtask` knows.
pub struct CalledFrom<'a>(pub Option<&'a Frame>);

impl fmt::Display for CalledFrom<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let here = 0_u8;
        f.write_str(trace::CALLED_FROM)?;
        let stack = match self.0 {
            None => (&raw const here).addr() as u64,
            Some(interrupted) => {
                // All others are addresses behind an instruction, too.
                write!(f, " {:#x}", interrupted.psw.address + 2)?;
                interrupted.gprs[15]
            }
        };
        // SAFETY: nobody else writes this stack; a page that cannot be read ends the copy.
        let read = |from, to: &mut [u8; trace::PIECE]| unsafe {
            storage::try_copy_out(Absolute(from), to).is_ok()
        };
        let calls = trace::calls(stack, read, |address| address < start::image_end());
        let mut known = calls.iter().filter(|call| **call != 0);
        known.try_for_each(|call| write!(f, " {call:#x}"))
    }
}
