//! The physical CPUs: each takes virtual ones from the queue and runs them, or waits.

use alloc::boxed::Box;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::cell::UnsafeCell;
use core::ptr;
use core::sync::atomic::{AtomicU64, Ordering};

use arch::clock::Patience;
use arch::control::{self, cr0, cr6, cr8};
use arch::handler::{self, external};
use arch::sigp::{Answer, Order};
use arch::state_descriptor::StateDescriptor;
use arch::{Lowcore, PswMask, clock, cpu, facility, switch, translation};
use boot::secondary::{self, Failure, Ground, MOST_CPUS, PATIENCE};
use boot::start::STACK_SIZE;
use spin::Once;
use zerocopy::FromZeros;

use super::host::{Host, HostLock, Next};
use super::queue::Id;
use crate::lock;
use crate::paging::SUBCLASS;
use crate::vcpu::backend::{Backend, Chosen};
use crate::vcpu::run;

/// Size of the stack for machine checks and restarts, in bytes.
const EMERGENCY_STACK_SIZE: usize = 8 * 1024;

/// How long a CPU waits before it looks again whether another one has started, in TOD units: 0.1 ms.
const LOOK_AGAIN: u64 = 100 * clock::UNITS_PER_MICROSECOND;

/// Waits for external interruptions and those of the paging device.
fn wait_for_paging() {
    let others = control::get::<6>();
    // SAFETY: decides which I/O interruptions come; they have a handler.
    unsafe { control::set::<6>(cr6::subclass(SUBCLASS)) }
    cpu::wait(PswMask::EXTERNAL | PswMask::IO);
    // SAFETY: as before.
    unsafe { control::set::<6>(others) }
}

/// What all CPUs work on.
static HOST: Once<HostLock> = Once::new();
/// CPUs that have begun to work, by address.
static ARRIVED: AtomicU64 = AtomicU64::new(0);
/// What each CPU's clock comparator is set to, by address: setting it costs emulators a lot.
static ARMED: [AtomicU64; MOST_CPUS] = [const { AtomicU64::new(0) }; MOST_CPUS];

/// Sets this CPU's clock comparator, if it is not what it should be.
fn arm(at: u64) {
    let armed = &ARMED[usize::from(cpu::address())];
    if armed.swap(at, Ordering::Relaxed) != at {
        clock::set_comparator(at);
    }
}

/// The clock comparator has done its job: whoever was interrupted looks at the clock.
fn on_clock_comparator() {
    arm(u64::MAX);
}

/// Another CPU wants this one to look at what there is to do, which it does anyway now.
fn on_emergency_signal() {}

/// Runs all guests to their ends on the CPUs with these addresses, of which this is the first.
///
/// # Errors
/// One line that names the CPU that does not work.
pub fn run(host: Host, addresses: &[u16]) -> Result<lock::Guard<'static, Host>, String> {
    handler::on_external(external::CLOCK_COMPARATOR, on_clock_comparator);
    handler::on_external(external::EMERGENCY_SIGNAL, on_emergency_signal);
    let host = HOST.call_once(|| HostLock::new(host));
    {
        // Whoever has started waits for the lock until all have: QEMU 7.2 comes to a standstill if a CPU
        // orders another one to do something while a third one invalidates a table entry.
        let _nobody_works = host.lock();
        for (number, address) in addresses.iter().enumerate().skip(1) {
            start(*address, number).map_err(|failure| failure.to_string())?;
        }
    }
    Ok(Worker::new(host, 0)
        .work(|host| host.is_over() && !host.is_any_running() && !host.is_transferring()))
}

/// Starts another CPU and waits until it works.
fn start(address: u16, number: usize) -> Result<(), Failure> {
    // SAFETY: the ground is new, and nobody has started that CPU.
    unsafe { secondary::start(address, ground(), work_elsewhere, number as u64)? }
    control::enable_cr0(cr0::CLOCK_COMPARATOR);
    let mut patience = Patience::new(PATIENCE, clock::now());
    while ARRIVED.load(Ordering::Acquire) >> address & 1 == 0 {
        if patience.is_over(clock::now()) {
            return Err(Failure {
                cpu: address,
                order: Order::Restart,
                answer: Answer::Accepted,
            });
        }
        // Waits instead of spinning: an emulator may run one CPU at a time.
        arm(clock::now() + LOOK_AGAIN);
        cpu::wait(PswMask::EXTERNAL);
    }
    Ok(())
}

/// Prefix area and stacks of one more CPU, for ever.
fn ground() -> Ground {
    let stack = |size: usize| {
        let words: &'static mut [u64] = Vec::leak(alloc::vec![0; size / size_of::<u64>()]);
        words
            .as_mut_ptr_range()
            .end
            .cast::<u8>()
            .wrapping_sub(switch::SAVE_AREA)
    };
    Ground {
        lowcore: Box::leak(Box::new(UnsafeCell::new(Lowcore::new_zeroed()))),
        stack: stack(STACK_SIZE),
        emergency_stack: stack(EMERGENCY_STACK_SIZE),
    }
}

/// Where the other CPUs begin.
extern "C" fn work_elsewhere(number: u64) -> ! {
    // SAFETY: I/O interruptions come while a CPU waits for a disk, and only then.
    unsafe { control::set::<6>(cr6::ALL_SUBCLASSES) }
    ARRIVED.fetch_or(1 << cpu::address(), Ordering::Release);
    let host = HOST.get().expect("there is something to work on");
    drop(Worker::new(host, number as usize).work(Host::is_over));
    secondary::stop_self()
}

type Guard = lock::Guard<'static, Host>;

/// A physical CPU at work.
struct Worker {
    host: &'static HostLock,
    /// Its number among those of the host.
    me: usize,
    /// What its clock comparator is set to.
    armed: &'static AtomicU64,
    /// The virtual CPU whose spaces are loaded, and the state of its real addresses.
    loaded: Option<(Id, u32)>,
    /// What lets the virtual CPU run, and by what.
    by: (Chosen, *mut StateDescriptor),
    /// The monitor masks of control register 8.
    monitor: u64,
    /// What control registers 1, 7 and 13 hold.
    asces: [u64; 3],
    /// Bits of control register 0 that are the guests' business.
    usable: u64,
    /// Those that are on. They may stay so in the host, which has no use for them and stores nothing
    /// at protected addresses.
    cr0: u64,
}

impl Worker {
    /// Prepares this CPU for work.
    fn new(host: &'static HostLock, me: usize) -> Self {
        let armed = &ARMED[usize::from(cpu::address())];
        armed.store(u64::MAX, Ordering::Relaxed);
        clock::set_comparator(u64::MAX);
        control::enable_cr0(cr0::CLOCK_COMPARATOR | cr0::EMERGENCY_SIGNAL);
        let vector = if facility::has_vectors() {
            cr0::VECTOR
        } else {
            0
        };
        Self {
            host,
            me,
            armed,
            loaded: None,
            by: (Chosen::Trap, ptr::null_mut()),
            monitor: 0,
            asces: [0; 3],
            usable: cr0::LOW_ADDRESS_PROTECTION | cr0::AFP | vector,
            cr0: 0,
        }
    }

    /// Runs what there is to run until that is all.
    fn work(&mut self, is_done: impl Fn(&Host) -> bool) -> Guard {
        let mut host = self.host.lock();
        if let Some(guest) = host.guests.first() {
            guest.backend.begin();
        }
        while !is_done(&host) {
            let now = clock::now();
            host = match host.take_next(self.me, now) {
                Some(id) => self.run_slice(host, id),
                // It may have found the end of the last guest in the queue.
                None if is_done(&host) => host,
                None => self.wait(host, now),
            };
        }
        host
    }

    /// Runs one virtual CPU until its slice is over, it waits, or it is not to run any more.
    fn run_slice(&mut self, mut host: Guard, id: Id) -> Guard {
        let mut slice_end = Host::slice_end(clock::now());
        loop {
            let (mut context, until) = match host.next(self.me, id, &mut slice_end) {
                Next::Enter(context, until) => (context, until),
                Next::Again => {
                    host = self.host.give_way(host);
                    continue;
                }
                Next::Leave => break,
            };
            self.load(&mut host, id);
            let mut in_all = 0;
            loop {
                drop(host);
                if self.armed.load(Ordering::Relaxed) != until {
                    arm(until);
                }
                let begin = clock::now_resident();
                // SAFETY: the virtual CPU is this one's now, and its space is loaded.
                let class = unsafe { self.by.0.enter(&mut context, self.by.1) };
                let ran = clock::now_resident() - begin;
                in_all += ran;
                // Now, for waiting for the lock lets other interruptions in.
                run::handle_own(class);
                host = self.host.lock();
                if !host.after_exit(self.me, id, &mut context, class, ran) {
                    break;
                }
            }
            host.guests[id.guest].counters.ran += in_all;
        }
        host.leave(self.me, id);
        host
    }

    /// Makes a virtual CPU's registers and spaces this CPU's. Only those that are not: emulators flush the whole TLB
    /// for each.
    fn load(&mut self, host: &mut Host, id: Id) {
        let backend = host.guests[id.guest].backend;
        let vcpu = host.vcpu(id);
        let state = vcpu.state.as_deref_mut();
        self.by = (backend, state.map_or(ptr::null_mut(), ptr::from_mut));
        let cr0 = backend.live_control(vcpu, self.usable);
        if self.cr0 != cr0 {
            self.cr0 = cr0;
            control::choose_cr0(self.usable, cr0);
        }
        let monitor = vcpu.control[8] & cr8::MONITOR_MASKS;
        if self.monitor != monitor {
            self.monitor = monitor;
            // SAFETY: the host itself has no MONITOR CALL.
            unsafe { control::set::<8>(monitor) }
        }
        // SAFETY: it runs here; the one before it has got its registers back.
        unsafe { vcpu.load_registers(cr0) }
        let (asces, state) = host.spaces(id);
        let old = core::mem::replace(&mut self.asces, asces);
        // SAFETY: the host runs with DAT off; the tables are the guest's own, or map nothing.
        unsafe {
            if old[0] != asces[0] {
                control::set::<1>(asces[0]);
            }
            if old[1] != asces[1] {
                control::set::<7>(asces[1]);
            }
            if old[2] != asces[2] {
                control::set::<13>(asces[2]);
            }
        }
        if self.loaded != Some((id, state)) {
            self.loaded = Some((id, state));
            // What is left of this space from an earlier time may be out of date.
            translation::purge_tlb();
        }
    }

    /// Waits until another CPU has something for this one, or the clock has, or the paging device. For no other I/O
    /// interruptions: one of a disk belongs to the CPU that waits for its request.
    fn wait(&self, mut host: Guard, now: u64) -> Guard {
        let is_interrupted = host.will_interrupt();
        arm(host.earliest(now, is_interrupted).unwrap_or(u64::MAX));
        host.set_idle(self.me, true);
        drop(host);
        let before = clock::now();
        if is_interrupted {
            wait_for_paging();
        } else {
            cpu::wait(PswMask::EXTERNAL);
        }
        let waited = clock::now() - before;
        let mut host = self.host.lock();
        host.idle_time += waited;
        host.set_idle(self.me, false);
        host
    }
}
