//! From the first instruction to the image's main function.

use core::arch::global_asm;
use core::ptr;

use arch::handler;

use crate::{fatal, secondary};

global_asm!(include_str!("entry.S"), stack_size = const STACK_SIZE);
global_asm!(include_str!("unpack.S"));

/// Size of the stack that the boot CPU runs on, in bytes.
pub const STACK_SIZE: usize = 64 * 1024;
/// Size of the stack for machine checks and restarts, in bytes.
const EMERGENCY_STACK_SIZE: usize = 8 * 1024;

/// Where a loader in the way of Linux and QEMU leaves the load address of the initial RAM disk.
const INITRD_ADDRESS: usize = 0x10408;
/// Where it leaves the size of the initial RAM disk.
const INITRD_SIZE: usize = 0x10410;
/// Where it leaves the parameter line, ended by a NUL.
const PARAMETER_LINE: usize = 0x10480;
/// Length of the area for the parameter line (QEMU 7.2), in bytes, with its NUL.
const PARAMETER_LINE_SIZE: usize = 0x380;

#[repr(C, align(16))]
struct Stack<const SIZE: usize>(core::cell::UnsafeCell<[u8; SIZE]>);

// SAFETY: only the assembler and the CPU that runs on it use a stack.
unsafe impl<const SIZE: usize> Sync for Stack<SIZE> {}

#[unsafe(export_name = "boot_stack")]
static BOOT_STACK: Stack<STACK_SIZE> = Stack(core::cell::UnsafeCell::new([0; STACK_SIZE]));
static EMERGENCY_STACK: Stack<EMERGENCY_STACK_SIZE> =
    Stack(core::cell::UnsafeCell::new([0; EMERGENCY_STACK_SIZE]));

/// Whether the boot CPU has never come near the end of its stack: what was cleared there still is.
#[must_use]
pub fn is_stack_intact() -> bool {
    /// How much of the end of the stack nobody ever needs.
    const MARGIN: usize = 2048;
    let end = BOOT_STACK.0.get().cast::<u64>();
    let words = MARGIN / size_of::<u64>();
    // SAFETY: the end of our stack, which the caller does not stand on either if it is as it should be.
    (0..words).all(|word| unsafe { end.add(word).read_volatile() } == 0)
}

/// What the loader left for the image.
#[derive(Clone, Copy, Debug)]
pub struct Start {
    /// The time of day at the first instruction, in TOD units.
    pub entry_tod: u64,
    /// The parameter line; bytes that are not UTF-8 make it an error.
    pub parameters: Result<&'static str, core::str::Utf8Error>,
    /// The initial RAM disk, if the loader brought one.
    pub initrd: Option<&'static [u8]>,
}

unsafe extern "C" {
    static __image_end: [u8; 0];
}

/// The first address behind the image, its `.bss` and stacks included.
#[must_use]
pub fn image_end() -> u64 {
    (&raw const __image_end).addr() as u64
}

fn word_at(address: usize) -> u64 {
    // SAFETY: the linker script reserves the loader's area inside the image.
    unsafe { ptr::with_exposed_provenance::<u64>(address).read_volatile() }
}

fn parameter_line() -> Result<&'static str, core::str::Utf8Error> {
    let start = ptr::with_exposed_provenance::<u8>(PARAMETER_LINE);
    // SAFETY: the linker script reserves the loader's area inside the image; the loader has
    // written it before the first instruction and nobody writes it later.
    let area = unsafe { core::slice::from_raw_parts(start, PARAMETER_LINE_SIZE) };
    let length = area
        .iter()
        .position(|byte| *byte == 0)
        .unwrap_or(area.len());
    core::str::from_utf8(&area[..length]).map(str::trim_ascii)
}

fn initrd() -> Option<&'static [u8]> {
    let (address, size) = (word_at(INITRD_ADDRESS), word_at(INITRD_SIZE));
    if address == 0 || size == 0 {
        return None;
    }
    let start = ptr::with_exposed_provenance::<u8>(address as usize);
    // SAFETY: the loader has put that many bytes there; the image's memory management keeps the
    // range out of its free memory.
    Some(unsafe { core::slice::from_raw_parts(start, size as usize) })
}

/// Called by the assembler on the boot stack.
#[unsafe(no_mangle)]
extern "C" fn boot_main(entry_tod: u64) -> ! {
    unsafe extern "Rust" {
        fn image_main(start: Start) -> !;
    }
    let emergency = EMERGENCY_STACK.0.get().cast::<u8>();
    // The end of the stack, less the save area that the first function called on it may use.
    handler::install(emergency.wrapping_add(EMERGENCY_STACK_SIZE - 160));
    secondary::note_first();
    handler::on_unhandled(fatal::unexpected_interruption);
    // SAFETY: `entry!` of this crate defines it with this signature.
    unsafe {
        image_main(Start {
            entry_tod,
            parameters: parameter_line(),
            initrd: initrd(),
        })
    }
}

/// Names the function that an image starts with: `fn(boot::start::Start) -> !`.
#[macro_export]
macro_rules! entry {
    ($main:path) => {
        #[unsafe(no_mangle)]
        extern "Rust" fn image_main(start: $crate::start::Start) -> ! {
            $main(start)
        }
    };
}
