//! Tasks: code of the image that runs in the problem state, in an address space of its own.
//!
//! ```text
//!   0        the image, for fetching only: code and constants
//!   16 MiB   the space: stack, then what the task maps
//! ```
//!
//! A task is a kernel thread that enters the problem state and handles what interrupts it. It may move
//! to another CPU whenever it is interrupted.

use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU64, Ordering};

use arch::fault::Fault;
use arch::interruption::{Class, Context};
use arch::table::{PageTables, SegmentTable};
use arch::{
    Absolute, Frame, PAGE_SHIFT, Psw, PswMask, control, cpu, handler, lowcore_field, move_spaces,
    program, translation,
};
use boot::start::image_end;
use spin::Once;

use crate::mm::{Area, MapError, Mm, OutOfMemory, Space, StableRef, UserSpace};
use crate::smp::Cpu;
use crate::sync;
use crate::task::page_fault::Token;

/// Pages of a task's stack, the first of its space.
pub const STACK_PAGES: usize = 16;
/// What the calling convention wants free above the stack pointer, in bytes.
const SAVE_AREA: u64 = 160;
/// The first page of the image, where the linker script puts it.
const IMAGE: usize = 0x10;
/// Most pages that one instruction touches (rule 11 of the design).
const MOST_HELD: usize = 8;

/// Maps the image one to one, for all tasks.
static WINDOW: Once<Option<PageTables>> = Once::new();
/// Number of the latest task.
static LATEST: AtomicU64 = AtomicU64::new(0);

/// What a task wants of the kernel.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event {
    /// SUPERVISOR CALL with this number; arguments are in registers 2 and 3.
    Call(u16),
    /// The task cannot go on; the text says why.
    Failed(String),
}

/// A task.
pub struct Task {
    /// For the TLBs: CPUs that ran another one purge them.
    number: u64,
    space: Arc<Space>,
    segments: SegmentTable,
    context: Context,
    /// What it calls a page that the host brings in.
    token: Token,
    /// The PSW address of the instruction that took the latest discard fault.
    discarded_at: Option<u64>,
    /// Pages that the instruction got which was interrupted by discard faults again and again.
    held: Vec<StableRef<'static>>,
}

/// The image's tables; `None` if there was no memory for them when the first task began.
fn window() -> Option<&'static PageTables> {
    let made = WINDOW.call_once(|| {
        let end = image_end().div_ceil(1 << PAGE_SHIFT) as usize;
        let window = PageTables::new(0, end)?;
        for page in IMAGE..end {
            window.map(page, Frame(page as u32), true);
        }
        Some(window)
    });
    made.as_ref()
}

impl Task {
    /// A task that calls `function` with these arguments, in a new space of so many pages behind its
    /// stack, in which `areas` are mapped; they begin behind the stack.
    ///
    /// # Errors
    /// There is no memory for its tables.
    pub fn new(
        mm: &Mm<'_>,
        pages: usize,
        mut areas: Vec<Area>,
        function: extern "C" fn(u64, u64, u64, u64) -> !,
        arguments: [u64; 4],
    ) -> Result<Self, OutOfMemory> {
        areas.push(Area::memory(0, STACK_PAGES));
        let space = mm.new_space(STACK_PAGES + pages, &areas)?;
        let mask = PswMask::PROBLEM | PswMask::DAT | PswMask::EXTERNAL;
        let mut context = Context {
            gprs: [0; 16],
            psw: Psw::new(mask, function as usize as u64),
        };
        context.gprs[2..6].copy_from_slice(&arguments);
        context.gprs[15] = space.tables().address(STACK_PAGES) - SAVE_AREA;
        Self::of(mm, space, context)
    }

    fn of(mm: &Mm<'_>, space: Arc<Space>, context: Context) -> Result<Self, OutOfMemory> {
        let window = window().ok_or(OutOfMemory);
        let segments = window
            .and_then(|window| SegmentTable::new([window, space.tables()]).ok_or(OutOfMemory));
        let segments = segments.inspect_err(|_| mm.end_space(&space))?;
        let number = LATEST.fetch_add(1, Ordering::Relaxed) + 1;
        Ok(Self {
            number,
            token: Token::new(number),
            segments,
            space,
            context,
            discarded_at: None,
            held: Vec::with_capacity(MOST_HELD),
        })
    }

    /// A copy of this task, at the same place, with a copy of its space.
    ///
    /// # Errors
    /// There is no memory for its tables.
    pub fn fork(&self, mm: &Mm<'_>) -> Result<Self, OutOfMemory> {
        Self::of(mm, mm.copy_space(&self.space)?, self.context)
    }

    /// The task has ended: what it has mapped goes.
    pub fn end(mut self, mm: &Mm<'_>) {
        self.held.clear();
        mm.end_space(&self.space);
    }

    /// Its space.
    #[must_use]
    pub fn space(&self) -> &Arc<Space> {
        &self.space
    }

    /// The address of a page behind the stack.
    #[must_use]
    pub fn address(page: usize) -> u64 {
        (((crate::mm::FIRST_SEGMENT << 8) + STACK_PAGES + page) << PAGE_SHIFT) as u64
    }

    /// The arguments of the call that the task has made.
    #[must_use]
    pub fn arguments(&self) -> [u64; 2] {
        [self.context.gprs[2], self.context.gprs[3]]
    }

    /// What the call returns to the task.
    pub fn answer(&mut self, value: u64) {
        self.context.gprs[2] = value;
    }

    /// Runs the task until it wants something.
    pub fn run(&mut self, mm: &'static Mm<'static>) -> Event {
        loop {
            self.load_space();
            self.token.load();
            // SAFETY: threads run with interruptions disabled; the space maps the image, which may be
            // read, and pages of the task.
            let class = unsafe { cpu::run(&mut self.context) };
            match class {
                Class::External | Class::Io => {
                    handler::dispatch(class);
                    // The instruction that waits for a page keeps those that it has got.
                    if class == Class::Io || !self.token.wait() {
                        self.held.clear();
                    }
                }
                Class::SupervisorCall => return Event::Call(lowcore_field!(svc_code)),
                Class::Program => {
                    if let Err(reason) = self.program_interruption(mm) {
                        return Event::Failed(reason);
                    }
                }
                Class::MachineCheck | Class::Restart => {
                    return Event::Failed("the machine failed".into());
                }
            }
            sync::poll();
        }
    }

    /// Makes the space this CPU's, unless it is.
    fn load_space(&self) {
        let cpu = Cpu::current();
        if cpu.task.swap(self.number, Ordering::Relaxed) != self.number {
            // SAFETY: the kernel runs with DAT off; the tables are this task's and live as long as it.
            unsafe { control::set::<1>(self.segments.asce()) }
            // Tables of a task that has ended may have been where these are.
            translation::purge_tlb();
        }
    }

    fn program_interruption(&mut self, mm: &'static Mm<'static>) -> Result<(), String> {
        let code = lowcore_field!(program_code) & !program::PER_EVENT;
        let identification = lowcore_field!(translation_exception);
        let at = self.context.psw.address;
        match code {
            program::BLOCK_VOLATILITY => {
                self.discarded_at = Some(at);
                mm.discard_fault(Absolute(identification).frame());
                Ok(())
            }
            program::SEGMENT_TRANSLATION | program::PAGE_TRANSLATION => {
                self.map(mm, identification, false)
            }
            program::PROTECTION => {
                // Suppressed: the PSW is behind the instruction, which is to be executed again.
                let length = u64::from(lowcore_field!(program_ilc) & 6);
                self.context.psw.address = at.wrapping_sub(length);
                self.map(mm, identification, true)
            }
            _ => Err(format!(
                "program interruption {code:#x} ({}) in the problem state at {at:#x}",
                program::name(code)
            )),
        }
    }

    fn map(&mut self, mm: &'static Mm<'static>, address: u64, store: bool) -> Result<(), String> {
        let at = self.context.psw.address;
        let what = if store { "store" } else { "access" };
        let text = |error: MapError| {
            format!("{what} at {address:#x} by the instruction at {at:#x}: {error}")
        };
        let tables = self.space.tables();
        let page = tables
            .page_at(address)
            .ok_or_else(|| text(MapError::NoArea))?;
        if self.discarded_at != Some(at) {
            self.held.clear();
            return mm.map_page(&self.space, page, store).map_err(text);
        }
        // Another discard fault of the same instruction must not come: it gets its pages for good.
        if self.held.len() == MOST_HELD {
            self.held.remove(0);
        }
        let held = mm.hold_page(&self.space, page, store).map_err(text)?;
        self.held.push(held);
        Ok(())
    }
}

impl UserSpace for Task {
    fn space(&self) -> &Space {
        &self.space
    }

    unsafe fn move_to(&self, from: Absolute, to: u64, length: usize) -> Result<usize, Fault> {
        // Since the last time, other tasks may have run on this CPU, or this one have come to another.
        self.load_space();
        // SAFETY: the caller's promise; of the image and of what is not the task's, the tables map
        // nothing that is not protected.
        unsafe { move_spaces::to_user(from, to, length) }
    }

    unsafe fn move_from(&self, from: u64, to: Absolute, length: usize) -> Result<usize, Fault> {
        self.load_space();
        // SAFETY: the caller's promise.
        unsafe { move_spaces::from_user(from, to, length) }
    }
}
