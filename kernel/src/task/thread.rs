//! A thread, and switching to and from it.

use alloc::alloc::{Layout, alloc, dealloc};
use alloc::boxed::Box;
use alloc::sync::Arc;
use core::fmt;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use arch::{PAGE_SHIFT, switch};

use super::queue::Queue;
use super::{current, make_runnable};
use crate::mm::{OutOfMemory, with_capacity};
use crate::smp::Cpu;
use crate::sync::{self, Mutex};

/// Size of a thread's stack, in bytes.
const STACK: usize = 64 << 10;

/// What becomes of a thread that has stopped running.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Disposition {
    /// It can go on at once.
    Runnable,
    /// Somebody makes it runnable, or has done so already.
    Waiting,
    /// It has ended.
    Ended,
}

/// The stack of a thread that is going to be started.
pub struct Stack(*mut u8);

impl Stack {
    const LAYOUT: Layout = match Layout::from_size_align(STACK, 16) {
        Ok(layout) => layout,
        Err(_) => panic!("a stack is a power of two"),
    };

    /// A stack, the one large thing that a thread needs.
    ///
    /// # Errors
    /// There is no memory.
    pub fn new() -> Result<Self, OutOfMemory> {
        // SAFETY: the layout is not of size 0.
        let start = unsafe { alloc(Self::LAYOUT) };
        if start.is_null() {
            return Err(OutOfMemory);
        }
        Ok(Self(start))
    }

    fn end(&self) -> *mut u8 {
        self.0.wrapping_add(STACK)
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        // SAFETY: allocated with this layout; the thread has ended, so nobody runs on it.
        unsafe { dealloc(self.0, Self::LAYOUT) }
    }
}

/// A thread of this kernel.
pub struct Thread {
    stack: Stack,
    /// Where to switch to.
    saved: AtomicU64,
    /// Whether a CPU is on its stack.
    on_cpu: AtomicBool,
    disposition: Mutex<Disposition>,
    function: Mutex<Option<Box<dyn FnOnce() + Send>>>,
    /// Who waits for its end; `None` when it has ended.
    joiners: Mutex<Option<Queue>>,
    /// The next one in the queue that it is in.
    pub(super) next: Mutex<Option<Arc<Self>>>,
    /// When it wants to wake up, in TOD units.
    wake_up: AtomicU64,
    /// How often it let others run though it could have gone on.
    pub(super) yields: AtomicU64,
}

// SAFETY: the stack belongs to whoever has set `on_cpu`; all else is behind locks and atomics.
unsafe impl Send for Thread {}
// SAFETY: as above.
unsafe impl Sync for Thread {}

impl fmt::Debug for Thread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Thread")
            .field("stack", &self.stack.0)
            .finish()
    }
}

impl Thread {
    /// What it is called in records: the page that its stack ends in.
    pub(super) fn number(&self) -> u32 {
        (self.stack.0.addr() >> PAGE_SHIFT) as u32
    }

    /// Runs it on this CPU until it stops running; called by the scheduler.
    pub(super) fn run_on(&self, cpu: &Cpu) -> Disposition {
        // Whoever made it runnable may have done so before it had left its stack.
        while self.on_cpu.swap(true, Ordering::Acquire) {
            sync::relax();
        }
        let to = self.saved.load(Ordering::Relaxed);
        // SAFETY: nobody else is on the stack, which was left or prepared there; interruptions are
        // disabled in the scheduler, whose own stack goes on when the thread switches back.
        unsafe { switch::switch(cpu.scheduler.as_ptr(), to) }
        let disposition = *self.disposition.lock();
        self.on_cpu.store(false, Ordering::Release);
        disposition
    }

    /// Switches from this thread, which is running, to the scheduler.
    pub(super) fn leave(&self, disposition: Disposition) {
        *self.disposition.lock() = disposition;
        let to = Cpu::current().scheduler.load(Ordering::Relaxed);
        // SAFETY: the scheduler of this CPU switched to us and is where it has left its stack.
        unsafe { switch::switch(self.saved.as_ptr(), to) }
    }

    /// Waits until somebody makes this thread, which is running, runnable. Others have to know it before.
    pub(super) fn wait(&self) {
        self.leave(Disposition::Waiting);
    }

    pub(super) fn wake_up(&self) -> u64 {
        self.wake_up.load(Ordering::Relaxed)
    }

    pub(super) fn set_wake_up(&self, at: u64) {
        self.wake_up.store(at, Ordering::Relaxed);
    }

    /// Waits until it has ended.
    #[inline(never)]
    fn wait_for_end(&self) {
        loop {
            match &mut *self.joiners.lock() {
                None => return,
                Some(joiners) => joiners.push(current()),
            }
            current().wait();
        }
    }

    fn end(&self) {
        let joiners = self.joiners.lock().take();
        let mut joiners = joiners.expect("a thread ends once");
        while let Some(thread) = joiners.pop() {
            make_runnable(thread);
        }
    }
}

extern "C" fn begin(_: u64) -> ! {
    let thread = current();
    let function = thread.function.lock().take();
    if let Some(function) = function {
        function();
    }
    thread.end();
    let at = Arc::as_ptr(&thread);
    // The scheduler has a reference as long as we run; ours would never be dropped.
    drop(thread);
    // SAFETY: alive for that reason.
    unsafe { (*at).leave(Disposition::Ended) };
    unreachable!("nobody switches to a thread that has ended")
}

/// A result that a thread will have.
pub struct Join<T> {
    thread: Arc<Thread>,
    result: Arc<Mutex<Option<T>>>,
}

/// Starts a thread.
///
/// # Errors
/// There is no memory for its stack; the function is dropped.
pub fn spawn<T: Send + 'static>(
    function: impl FnOnce() -> T + Send + 'static,
) -> Result<Join<T>, OutOfMemory> {
    Stack::new().map(|stack| spawn_on(stack, function))
}

/// Starts a thread on a stack.
pub fn spawn_on<T: Send + 'static>(
    stack: Stack,
    function: impl FnOnce() -> T + Send + 'static,
) -> Join<T> {
    let result = Arc::new(Mutex::new(None));
    let slot = result.clone();
    let thread = start(
        stack,
        Box::new(move || {
            let value = function();
            *slot.lock() = Some(value);
        }),
    );
    Join { thread, result }
}

/// Starts a thread whose function leaves its result where it belongs. One code for all of them.
#[inline(never)]
fn start(stack: Stack, function: Box<dyn FnOnce() + Send>) -> Arc<Thread> {
    // SAFETY: the end of a stack that nobody uses.
    let saved = unsafe { switch::prepare(stack.end(), begin, 0) };
    let thread = Arc::new(Thread {
        stack,
        saved: AtomicU64::new(saved),
        on_cpu: AtomicBool::new(false),
        disposition: Mutex::new(Disposition::Runnable),
        function: Mutex::new(Some(function)),
        joiners: Mutex::new(Some(Queue::new())),
        next: Mutex::new(None),
        wake_up: AtomicU64::new(0),
        yields: AtomicU64::new(0),
    });
    make_runnable(thread.clone());
    thread
}

/// Starts so many threads and waits for all of them.
///
/// # Errors
/// Memory is out, and some of them were not started. The others have ended.
pub fn run_all<T>(
    count: usize,
    mut start: impl FnMut(usize) -> Result<Join<T>, OutOfMemory>,
    mut result: impl FnMut(T),
) -> Result<(), OutOfMemory> {
    let mut threads = with_capacity(count)?;
    let mut started = Ok(());
    for number in 0..count {
        match start(number) {
            Ok(thread) => threads.push(thread),
            Err(error) => {
                started = Err(error);
                break;
            }
        }
    }
    threads
        .into_iter()
        .for_each(|thread: Join<T>| result(thread.join()));
    started
}

impl<T> Join<T> {
    /// Waits for the thread's end.
    pub fn join(self) -> T {
        self.thread.wait_for_end();
        let value = self.result.lock().take();
        value.expect("the thread has ended")
    }
}
