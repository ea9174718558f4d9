//! Pages of tasks that the host brings in: other threads run meanwhile (DIAGNOSE X'258').
//!
//! The CPUs are told of pages that a task lacks in the problem state, and of no others: a thread in the
//! supervisor state runs with interruptions disabled, so there the whole virtual CPU waits.

use alloc::sync::Arc;
use core::mem::offset_of;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use arch::control::{self, cr0};
use arch::handler::{self, external};
use arch::{Lowcore, clock, cpu, diagnose, lowcore_field, set_lowcore_field};

use super::{Thread, current, resume};
use crate::handshake::{self, Handshake};
use crate::smp::Cpu;

/// High byte of the subcode of interruptions of this kind.
const KIND: u16 = 0x0600;
/// In the subcode: the page is there.
const COMPLETION: u16 = 0x0080;

static TASKS: Handshake<Arc<Thread>> = Handshake::new();
/// Threads that wait for pages.
static WAITING: AtomicU64 = AtomicU64::new(0);
/// When a CPU has looked last whether one is there, in TOD units, and how often one does.
static LOOKED: AtomicU64 = AtomicU64::new(0);
const LOOK_AGAIN: u64 = 200 * clock::UNITS_PER_MICROSECOND;

/// Whether CPUs are to be told of pages, and the host offers it as far as anybody knows.
static IS_WANTED: AtomicBool = AtomicBool::new(false);

/// From now on CPUs that come online are told of pages, if the host offers that.
pub fn install() {
    handler::on_external(external::BLOCK_IO, on_interruption);
    IS_WANTED.store(true, Ordering::Relaxed);
}

/// Whether CPUs are told of pages.
#[must_use]
pub fn is_offered() -> bool {
    IS_WANTED.load(Ordering::Relaxed)
}

/// This CPU, which comes online, is told of pages from now on.
pub fn begin() {
    if !is_offered() {
        return;
    }
    let token = offset_of!(Lowcore, page_fault_token) as u64;
    match diagnose::page_fault_handshake(Some(token)) {
        Ok(_) => control::enable_cr0(cr0::SERVICE_SIGNAL),
        Err(_) => IS_WANTED.store(false, Ordering::Relaxed),
    }
}

/// This CPU, which goes offline, is told nothing any more. Tasks that wait for what it was told go on, for
/// some hosts may now say nothing more of that.
pub fn end(cpu: &Cpu) {
    if is_offered() {
        control::disable_cr0(cr0::SERVICE_SIGNAL);
        // Who is not told need not say so.
        let _ = diagnose::page_fault_handshake(None);
        core::iter::from_fn(|| TASKS.give_up(cpu.number)).for_each(go_on);
    }
}

/// Subcode and token of the external interruption that the lowcore tells of, if it is of this kind.
fn told() -> Option<(u16, u64)> {
    let subcode = lowcore_field!(external_cpu);
    let is_it = lowcore_field!(external_code) == external::BLOCK_IO && subcode & 0xff00 == KIND;
    is_it.then(|| (subcode, lowcore_field!(block_io_parameter)))
}

/// That a page is there is the business of whatever CPU is told. That one is missing is the business of
/// the task that runs.
fn on_interruption() {
    if let Some((subcode, token)) = told()
        && subcode & COMPLETION != 0
    {
        TASKS.complete(token).into_iter().for_each(go_on);
    }
}

/// The thread that has waited for a page goes on.
fn go_on(thread: Arc<Thread>) {
    WAITING.fetch_sub(1, Ordering::Relaxed);
    resume(thread);
}

/// If threads wait for pages, lets this CPU be told now and then that one is there: a thread in the supervisor state would
/// not be before its turn is over.
pub fn look() {
    if WAITING.load(Ordering::Relaxed) == 0 {
        return;
    }
    let (now, last) = (clock::now(), LOOKED.load(Ordering::Relaxed));
    if now.wrapping_sub(last) > LOOK_AGAIN {
        LOOKED.store(now, Ordering::Relaxed);
        cpu::take_external();
    }
}

/// What the page of a task is called that comes to be missing next.
pub struct Token(u64);

impl Token {
    /// That of a new task, which has this number.
    #[must_use]
    pub fn new(task: u64) -> Self {
        Self(TASKS.enter(task))
    }

    /// The task runs on this CPU from now on.
    pub fn load(&self) {
        set_lowcore_field!(page_fault_token, self.0);
    }

    /// If an external interruption of the task says that a page is missing, waits for it, and returns true.
    pub fn wait(&mut self) -> bool {
        let Some((KIND, token)) = told() else {
            return false;
        };
        let cpu = Cpu::current();
        if token == self.0 {
            WAITING.fetch_add(1, Ordering::Relaxed);
            if TASKS.initial(token, current(), cpu.number) {
                cpu.counters.page_faults_waited.add(1);
                // Whoever makes us runnable may have done so.
                current().wait();
            } else {
                WAITING.fetch_sub(1, Ordering::Relaxed);
                cpu.counters.page_faults_late.add(1);
            }
            self.0 = handshake::following(token);
        }
        true
    }
}

impl Drop for Token {
    fn drop(&mut self) {
        TASKS.leave(self.0);
    }
}
