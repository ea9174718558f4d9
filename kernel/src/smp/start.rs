//! Starting the CPUs.

use alloc::boxed::Box;
use alloc::format;
use alloc::string::{String, ToString};
use core::cell::UnsafeCell;
use core::ptr::with_exposed_provenance_mut;
use core::sync::atomic::Ordering;

use arch::clock::Patience;
use arch::control::{self, cr0};
use arch::{Lowcore, clock, cpu, move_spaces};
use boot::secondary::{self, Ground, PATIENCE};

use super::{Cpu, all, install_handlers, mm};
use crate::mm::MOST_CPUS;
use crate::{task, time};

/// Size of the stack that a CPU schedules on, in bytes.
const STACK: usize = 16 << 10;
/// Size of the stack for machine checks and restarts, in bytes.
const EMERGENCY_STACK: usize = 8 << 10;
/// What a CPU stands on: prefix area, stacks.
const GROUND: usize = size_of::<Lowcore>() + STACK + EMERGENCY_STACK;

/// The CPU that the image was loaded on.
static FIRST: spin::Once<Cpu> = spin::Once::new();
/// Where the grounds of the other CPUs are.
static GROUNDS: spin::Once<u64> = spin::Once::new();

/// Bytes for what `cpus` CPUs stand on, besides the first.
#[must_use]
pub fn grounds_size(cpus: u32) -> u64 {
    u64::from(cpus.saturating_sub(1)) * GROUND as u64
}

/// Makes the running CPU number 0. `grounds` is where the others will stand, a multiple of 8 KiB below
/// 2 GiB, of [`grounds_size`] bytes that nobody else uses.
pub fn set_up_first(grounds: u64) {
    let first = FIRST.call_once(|| Cpu::new(0, cpu::address()));
    first.register();
    first.become_current();
    GROUNDS.call_once(|| grounds);
    install_handlers();
}

/// What the CPU with a number stands on.
pub(super) fn ground(number: usize) -> Ground {
    let grounds = *GROUNDS.get().expect("the first CPU is set up");
    let at = grounds as usize + (number - 1) * GROUND;
    let lowcore = with_exposed_provenance_mut::<UnsafeCell<Lowcore>>(at);
    let stack = with_exposed_provenance_mut::<u8>(at + size_of::<Lowcore>() + STACK);
    Ground {
        // SAFETY: storage that was set aside for this CPU, for ever; any bytes are a lowcore.
        lowcore: unsafe { &*lowcore },
        stack: stack.wrapping_sub(arch::switch::SAVE_AREA),
        emergency_stack: stack.wrapping_add(EMERGENCY_STACK - arch::switch::SAVE_AREA),
    }
}

/// Starts CPUs until there are `wanted`; `configured` has a bit for each address that the machine has.
///
/// # Errors
/// The machine has fewer, or one does not start; the text names it.
pub fn start(configured: u64, wanted: Option<u64>) -> Result<(), String> {
    let own = Cpu::current().address;
    let configured = configured | 1 << own;
    let there = u64::from(configured.count_ones());
    let wanted = wanted.unwrap_or(there);
    if !(1..=there).contains(&wanted) {
        return Err(format!(
            "cpus={wanted}: this machine has {there}, give 1 to {there}"
        ));
    }
    enable();
    let others =
        (0..MOST_CPUS as u16).filter(|address| configured >> address & 1 != 0 && *address != own);
    for (number, address) in (1..wanted as usize).zip(others) {
        let cpu: &'static Cpu = Box::leak(Box::new(Cpu::new(number, address)));
        cpu.register();
        start_one(cpu)?;
    }
    Ok(())
}

/// Starts a CPU that is set up, and waits until it runs.
pub(super) fn start_one(cpu: &'static Cpu) -> Result<(), String> {
    let argument = core::ptr::from_ref(cpu).expose_provenance() as u64;
    // SAFETY: the ground is this CPU's, which does not run.
    unsafe { secondary::start(cpu.address, ground(cpu.number), main, argument) }
        .map_err(|failure| failure.to_string())?;
    let mut patience = Patience::new(PATIENCE, clock::now());
    while !cpu.online.load(Ordering::Acquire) {
        if patience.is_over(clock::now()) {
            return Err(format!("CPU {} was started and does not run", cpu.address));
        }
        super::spin_a_while();
    }
    Ok(())
}

/// Interruptions that a CPU of this kernel takes, and what the reset has not left as it should be.
fn enable() {
    control::enable_cr0(cr0::CLOCK_COMPARATOR | cr0::EXTERNAL_CALL | cr0::EMERGENCY_SIGNAL);
    move_spaces::prepare();
    task::page_fault::begin();
    mm().go_online();
    // Control register 1 is as the reset has left it.
    Cpu::current().task.store(0, Ordering::Relaxed);
    Cpu::current().online.store(true, Ordering::Release);
    time::start_ticking();
}

/// Where a CPU begins, each time that it is started.
extern "C" fn main(argument: u64) -> ! {
    let number_of = |cpu: &&'static Cpu| core::ptr::from_ref(*cpu).addr() as u64 == argument;
    let cpu = all()
        .find(number_of)
        .expect("it is registered before it is started");
    cpu.become_current();
    enable();
    task::schedule()
}
