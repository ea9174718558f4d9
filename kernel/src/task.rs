//! Kernel threads: a stack each, one queue of those that can run, and CPUs that take from it.
//!
//! A thread runs until it waits, ends, or lets others run at [`crate::sync::poll`]; it is never
//! switched away from in between. It always switches to its CPU's scheduler, on a stack of the CPU's
//! own, which decides what becomes of it when nobody runs on its stack any more.

mod lock;
pub mod page_fault;
mod queue;
mod sleep;
mod thread;

use alloc::sync::Arc;
use core::sync::atomic::Ordering;

use arch::clock;

pub use lock::SleepLock;
pub use sleep::{next_wake_up, sleep_until, sleep_until_news, wake_sleepers};
pub use thread::{Join, Stack, Thread, run_all, spawn, spawn_on};

use crate::smp::{self, Cpu, hotplug, mm};
use crate::sync::Mutex;
use crate::time;
use crate::trace::{self, Kind};
use queue::Queue;
use thread::Disposition;

/// Threads that can run and do not.
static QUEUE: Mutex<Queue> = Mutex::new(Queue::new());

/// Lets a thread run, on a CPU that is idle if there is one.
fn make_runnable(thread: Arc<Thread>) {
    QUEUE.lock().push(thread);
    wake_idle();
}

/// As [`make_runnable`], before all others: the thread has waited in the middle of its turn. If no CPU is
/// idle, this one is to let it go on soon.
fn resume(thread: Arc<Thread>) {
    QUEUE.lock().push_first(thread);
    if !wake_idle() {
        let cpu = Cpu::current();
        cpu.preempted.store(true, Ordering::Relaxed);
        cpu.yield_wanted.store(true, Ordering::Relaxed);
    }
}

/// Wakes a CPU that is idle, if there is one, because a thread can run.
fn wake_idle() -> bool {
    // Whoever goes idle from now on looks at the queue after it has said so.
    let idle = mm().idle_cpus();
    let sleeper = smp::all().find(|cpu| idle >> cpu.number & 1 != 0);
    sleeper.inspect(|cpu| smp::wake(cpu)).is_some()
}

/// Whether any thread waits for a CPU.
#[must_use]
pub fn any_waits() -> bool {
    !QUEUE.lock().is_empty()
}

/// Runs threads on this CPU for ever.
pub fn schedule() -> ! {
    let cpu = Cpu::current();
    loop {
        hotplug::stop_if_wanted(cpu);
        let next = QUEUE.lock().pop();
        match next {
            Some(thread) => run(cpu, thread),
            None => idle(cpu),
        }
        if time::is_tick_due(cpu) {
            time::take_tick(cpu);
        }
    }
}

fn run(cpu: &Cpu, thread: Arc<Thread>) {
    cpu.counters.switches.add(1);
    cpu.yield_wanted.store(false, Ordering::Relaxed);
    *cpu.thread.lock() = Some(thread.clone());
    trace::note(Kind::Run, thread.number());
    let disposition = thread.run_on(cpu);
    trace::note(Kind::Leave, thread.number());
    cpu.thread.lock().take();
    let is_preempted = cpu.preempted.swap(false, Ordering::Relaxed);
    if disposition == Disposition::Runnable {
        if is_preempted {
            // It goes on behind the one that resumes: pages that come and go starve nobody.
            let mut queue = QUEUE.lock();
            let resumed = queue.pop();
            queue.push_first(thread);
            resumed
                .into_iter()
                .for_each(|first| queue.push_first(first));
        } else {
            make_runnable(thread);
        }
    }
}

fn idle(cpu: &Cpu) {
    // A device may have ended the last wait; what comes from now on ends the next one.
    wake_sleepers(clock::now());
    mm().enter_idle();
    // Looked at after this CPU has said that it is idle: what comes later wakes it.
    if !any_waits() && !cpu.offline_wanted.load(Ordering::SeqCst) {
        time::wait_idle(cpu);
    }
    mm().leave_idle();
    time::start_ticking();
}

/// The thread that runs on this CPU.
fn current() -> Arc<Thread> {
    let thread = Cpu::current().thread.lock().clone();
    thread.expect("only threads wait")
}

/// Lets other threads run.
pub fn yield_now() {
    let thread = current();
    thread.yields.fetch_add(1, Ordering::Relaxed);
    thread.leave(Disposition::Runnable);
}

/// How often the thread that runs has let others run though it could have gone on.
#[must_use]
pub fn yields() -> u64 {
    current().yields.load(Ordering::Relaxed)
}

/// Takes a tick that is due and lets others run if they should.
pub fn poll() {
    mm().sign_off_if_awaited();
    let cpu = Cpu::current();
    if time::is_tick_due(cpu) {
        time::take_tick(cpu);
    }
    page_fault::look();
    // The tick may have been taken by its interruption, while a task ran.
    let wanted = cpu.yield_wanted.load(Ordering::Relaxed);
    if wanted || cpu.offline_wanted.load(Ordering::SeqCst) {
        yield_now();
    }
}
