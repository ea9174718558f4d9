//! The CPUs of the machine: starting all of them to run guests.

use alloc::boxed::Box;
use alloc::string::{String, ToString};
use core::cell::UnsafeCell;

use arch::{Lowcore, cpu, switch};
use boot::secondary::{self, Ground};

use crate::sched;

/// Size of the stack that a CPU runs on, in bytes.
const STACK: usize = 64 << 10;
/// Size of the stack for machine checks and restarts, in bytes.
const EMERGENCY_STACK: usize = 8 << 10;

/// A stack that is used for ever.
#[repr(C, align(16))]
struct Stack<const SIZE: usize>([u8; SIZE]);

impl<const SIZE: usize> Stack<SIZE> {
    /// The end of a new one, less the save area of the first function on it.
    fn end() -> *mut u8 {
        let stack = Box::leak(Box::<Self>::new_uninit());
        stack
            .as_mut_ptr()
            .cast::<u8>()
            .wrapping_add(SIZE - switch::SAVE_AREA)
    }
}

/// What a CPU stands on, for ever.
fn ground() -> Ground {
    let lowcore = Box::into_raw(Box::<Lowcore>::new_uninit()).cast::<UnsafeCell<Lowcore>>();
    Ground {
        // SAFETY: just allocated, never freed; it is cleared before anybody looks, through the cell only.
        lowcore: unsafe { &*lowcore },
        stack: Stack::<STACK>::end(),
        emergency_stack: Stack::<EMERGENCY_STACK>::end(),
    }
}

/// Starts all CPUs but this one; `configured` has a bit for each address.
///
/// # Errors
/// One does not start; the text names it.
pub fn start_others(configured: u64) -> Result<(), String> {
    let own = cpu::address();
    for address in (0..secondary::MOST_CPUS as u16).filter(|other| *other != own) {
        if configured >> address & 1 != 0 {
            // SAFETY: the ground is new, and the CPU has not been started before.
            unsafe { secondary::start(address, ground(), main, 0) }
                .map_err(|failure| failure.to_string())?;
        }
    }
    Ok(())
}

/// Where each of them begins.
extern "C" fn main(_: u64) -> ! {
    drop(sched::run_guests());
    secondary::stop_self()
}
