//! Which virtual CPU runs on which CPU of the machine, and for how long.
//!
//! One lock protects all state of the host. A CPU of the machine holds it while it decides and while it
//! emulates, and not while a guest runs or while it is idle: guests run at the same time, emulation is
//! done by one CPU at a time. The lock is the only one of the host but those of its heap and console,
//! which are taken with it held. It is held during a disk request, too; whoever waits for it sleeps.
//!
//! What a virtual CPU is doing is its [`Activity`]; it stands in the queue while it is ready.

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use arch::control::{self, cr0};
use arch::handler::{self, external};
use arch::interruption::Class;
use arch::{PswMask, clock, cpu};
use spin::Once;

use crate::emulate;
use crate::evict::Evictor;
use crate::guest::Guest;
use crate::lock::{HostGuard, HostLock, kick};
use crate::memory::FramePool;
use crate::report;
use crate::vcpu::{Activity, End, interruption, run};

/// Length of a time slice, in TOD units: 10 ms.
const SLICE: u64 = 10_000 * clock::UNITS_PER_MICROSECOND;

static HOST: Once<HostLock<Host>> = Once::new();
/// CPUs whose clock comparator has gone off, a bit for each address.
static DISARMED: AtomicU64 = AtomicU64::new(0);
/// All guests have ended, or nobody can get on.
static DONE: AtomicBool = AtomicBool::new(false);

/// The lock on everything, held.
pub type Guard = HostGuard<'static, Host>;

/// A virtual CPU: guest, address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Place {
    guest: usize,
    cpu: u16,
}

/// Everything that the CPUs of the machine share.
pub struct Host {
    /// The guests, by number.
    pub guests: Vec<Guest>,
    /// Frames that none of them has.
    pub pool: FramePool,
    /// What takes frames from them.
    pub evictor: Evictor,
    queue: VecDeque<Place>,
    /// CPUs of the machine that wait for something to run, a bit for each address.
    idle: u64,
    /// Time that CPUs of the machine were idle, in TOD units.
    pub idle_time: u64,
}

/// The host's clock comparator has done its job: whoever was interrupted looks at the clock.
fn on_clock_comparator() {
    clock::set_comparator(u64::MAX);
    DISARMED.fetch_or(1 << cpu::address(), Ordering::Relaxed);
}

/// Another CPU has something for this one: whoever was interrupted looks for it.
fn on_external_call() {}

fn lock() -> Guard {
    HOST.get()
        .expect("the host is set up before CPUs run guests")
        .lock()
}

/// Sets the guests up to be run by [`run_guests`] on every CPU; the first virtual CPU of each is ready.
pub fn set_up(guests: Vec<Guest>, pool: FramePool, evictor: Evictor) {
    handler::on_external(external::CLOCK_COMPARATOR, on_clock_comparator);
    handler::on_external(external::EXTERNAL_CALL, on_external_call);
    let mut host = Host {
        guests,
        pool,
        evictor,
        queue: VecDeque::new(),
        idle: 0,
        idle_time: 0,
    };
    for guest in 0..host.guests.len() {
        host.make_ready(Place { guest, cpu: 0 });
    }
    HOST.call_once(|| HostLock::new(host));
}

/// Runs guests on this CPU until all have ended; hands over what is left of them then.
pub fn run_guests() -> Guard {
    control::enable_cr0(cr0::CLOCK_COMPARATOR | cr0::EXTERNAL_CALL | cr0::AFP);
    let mut loaded = None;
    loop {
        let mut host = lock();
        if DONE.load(Ordering::Acquire) {
            return host;
        }
        match host.next() {
            Some(place) => drop(run_slice(host, place, &mut loaded)),
            None => idle(host),
        }
    }
}

/// Waits until a virtual CPU has to be looked at.
fn idle(mut host: Guard) {
    let own = 1 << cpu::address();
    host.idle |= own;
    clock::set_comparator(host.next_wake_up());
    drop(host);
    let before = clock::now();
    // Whoever has something for this CPU from now on kicks it.
    cpu::wait(PswMask::EXTERNAL);
    let waited = clock::now() - before;
    let mut host = lock();
    host.idle &= !own;
    host.idle_time += waited;
}

/// Runs one virtual CPU until its slice is over, it waits, stops, or has ended. `loaded` is the one whose
/// tables are in this CPU's control register.
fn run_slice(mut host: Guard, place: Place, loaded: &mut Option<Place>) -> Guard {
    let own = cpu::address();
    let mut end = clock::now() + SLICE;
    host.vcpu(place).activity = Activity::Running(own);
    // What the clock comparator was set to last.
    let mut armed = None;
    loop {
        let Some(deadline) = host.prepare(place, &mut end) else {
            host.leave(place);
            return host;
        };
        if *loaded != Some(place) {
            let asce = host.focus(place).memory.asce();
            // SAFETY: the host runs with DAT off; the tables are the virtual CPU's own.
            unsafe { control::set::<1>(asce) }
            *loaded = Some(place);
        }
        let gone_off = DISARMED.load(Ordering::Relaxed) & 1 << own != 0;
        if gone_off || armed != Some(deadline) {
            // Emulators take a global lock for it, so not at each entry.
            clock::set_comparator(deadline);
            DISARMED.fetch_and(!(1 << own), Ordering::Relaxed);
            armed = Some(deadline);
        }
        let vcpu = host.vcpu(place);
        vcpu.sync_to_real();
        let mut context = vcpu.context;
        drop(host);
        let before = clock::now();
        // SAFETY: interruptions are disabled in the host; the context is in the problem state, and the
        // tables in control register 1 map this guest's frames only.
        let class = unsafe { cpu::run(&mut context) };
        host = lock();
        host.vcpu(place).context = context;
        host.after_exit(place, class, before);
    }
}

impl Host {
    /// The guest, with a virtual CPU in focus.
    fn focus(&mut self, place: Place) -> &mut Guest {
        let guest = &mut self.guests[place.guest];
        guest.focus(place.cpu);
        guest
    }

    fn vcpu(&mut self, place: Place) -> &mut crate::vcpu::Vcpu {
        &mut self.focus(place).vcpu
    }

    /// All virtual CPUs.
    fn places(&self) -> Vec<Place> {
        let cpus = |(guest, state): (usize, &Guest)| {
            (0..state.cpus()).map(move |cpu| Place { guest, cpu })
        };
        self.guests.iter().enumerate().flat_map(cpus).collect()
    }

    /// Puts a virtual CPU into the queue, and wakes a CPU that can run it.
    fn make_ready(&mut self, place: Place) {
        self.vcpu(place).activity = Activity::Ready;
        self.queue.push_back(place);
        if self.idle != 0 {
            let address = self.idle.trailing_zeros() as u16;
            self.idle &= !(1 << address);
            kick(address);
        }
    }

    /// The next virtual CPU to run; those whose time has come are ready first.
    fn next(&mut self) -> Option<Place> {
        for place in self.places() {
            self.look_at(place);
        }
        while let Some(place) = self.queue.pop_front() {
            // It may have been stopped in the queue.
            if self.vcpu(place).activity == Activity::Ready {
                return Some(place);
            }
        }
        None
    }

    /// Makes a virtual CPU ready if it waits and what it waits for is there.
    fn look_at(&mut self, place: Place) {
        let guest = self.focus(place);
        let wakes = match guest.vcpu.activity {
            Activity::Waiting => guest.end.is_none() && interruption::is_due(guest),
            Activity::Held(until) => clock::now() >= until,
            _ => false,
        };
        if wakes {
            self.make_ready(place);
        }
    }

    /// The time of day at which some virtual CPU has to be looked at.
    fn next_wake_up(&self) -> u64 {
        let all = self.guests.iter().filter(|guest| guest.end.is_none());
        let times = all
            .flat_map(Guest::all_cpus)
            .map(|vcpu| match vcpu.activity {
                Activity::Waiting => interruption::wake_up_time(vcpu),
                Activity::Held(until) => until,
                _ => u64::MAX,
            });
        times.min().unwrap_or(u64::MAX)
    }

    /// Delivers what is pending; returns when the virtual CPU has to come back at the latest, or nothing
    /// if it does not run on.
    fn prepare(&mut self, place: Place, end: &mut u64) -> Option<u64> {
        emulate::carry_out_stop(self.focus(place), place.cpu);
        let Self { guests, pool, .. } = self;
        let guest = &mut guests[place.guest];
        if guest.end.is_some() || !matches!(guest.vcpu.activity, Activity::Running(_)) {
            return None;
        }
        interruption::restart(guest, pool);
        // One an entry: a guest whose handler stays enabled would keep us here for ever.
        interruption::external(guest, pool);
        let now = clock::now();
        let gives_way = core::mem::take(&mut guest.vcpu.yields) || now >= *end;
        if now >= *end {
            // If nobody else wants the CPU.
            *end = now + SLICE;
        }
        let vcpu = &guest.vcpu;
        let gives_way = gives_way && !self.queue.is_empty();
        let runs_on = vcpu.end.is_none() && !vcpu.is_waiting() && !gives_way;
        runs_on.then(|| interruption::wake_up_time(vcpu).min(*end))
    }

    /// Puts a virtual CPU that does not run on where it belongs.
    fn leave(&mut self, place: Place) {
        let guest = self.focus(place);
        if let Some(end) = guest.vcpu.end {
            guest.vcpu.activity = Activity::Stopped;
            if !matches!(end, End::DisabledWait(_)) {
                guest.end = Some(end);
            }
        }
        let running = matches!(guest.vcpu.activity, Activity::Running(_));
        if guest.end.is_some() && running {
            guest.vcpu.activity = Activity::Stopped;
        } else if running && guest.vcpu.is_waiting() {
            guest.vcpu.activity = Activity::Waiting;
        } else if running {
            self.make_ready(place);
        }
        self.end_guest(place);
        self.print(place.guest);
    }

    /// Notes the end of a guest none of whose virtual CPUs can get on, and of all if that was the last.
    fn end_guest(&mut self, place: Place) {
        let guest = self.focus(place);
        let stuck = |vcpu: &crate::vcpu::Vcpu| match vcpu.activity {
            Activity::Stopped => true,
            Activity::Waiting => interruption::wake_up_time(vcpu) == u64::MAX,
            _ => false,
        };
        if guest.end.is_none() && guest.all_cpus().all(stuck) && !guest.is_any_due() {
            let waits = guest
                .all_cpus()
                .any(|vcpu| vcpu.activity == Activity::Waiting);
            let last = guest.vcpu.end.unwrap_or(End::NothingToWaitFor);
            guest.end = Some(if waits { End::NothingToWaitFor } else { last });
        }
        let Some(end) = guest.end else {
            return;
        };
        self.stop_running(place.guest);
        // Who ran out of memory stopped all the others: nobody else would get on, either.
        let all = self.guests.iter().all(|guest| guest.end.is_some());
        if all || end == End::MemoryExhausted {
            DONE.store(true, Ordering::Release);
            (0..64)
                .filter(|address| self.idle >> address & 1 != 0)
                .for_each(kick);
        }
    }

    /// Interrupts the CPUs that run virtual CPUs of a guest that has ended.
    fn stop_running(&self, guest: usize) {
        let own = cpu::address();
        for vcpu in self.guests[guest].all_cpus() {
            if let Activity::Running(address) = vcpu.activity
                && address != own
            {
                kick(address);
            }
        }
    }

    /// Handles what has brought a virtual CPU out of its guest.
    fn after_exit(&mut self, place: Place, class: Class, since: u64) {
        let Self { guests, pool, .. } = self;
        let guest = &mut guests[place.guest];
        guest.focus(place.cpu);
        let faults = guest.counters.discard_faults;
        run::handle_exit(guest, pool, class);
        let faulted = guest.counters.discard_faults > faults;
        // What is done for a guest is done in its time.
        let ran = clock::now() - since;
        guest.counters.cpu_time += ran;
        guest.vcpu.cpu_timer -= ran as i64;
        self.evictor
            .after_exit(&mut self.guests, place.guest, &mut self.pool);
        if faulted && let Some(pause) = self.evictor.pause() {
            self.vcpu(place).activity = Activity::Held(clock::now() + pause * SLICE);
        }
        if self.vcpu(place).end == Some(End::MemoryExhausted) {
            self.explain_exhaustion(place.guest);
        }
        if self.guests[place.guest].console.has_lines() {
            self.print(place.guest);
        }
        self.follow_signals(place);
    }

    /// Looks at the virtual CPUs for which something has changed.
    fn follow_signals(&mut self, place: Place) {
        let own = cpu::address();
        while let Some(cpu) = self.guests[place.guest].signalled.pop() {
            let target = Place { cpu, ..place };
            match self.vcpu(target).activity {
                Activity::Running(address) if address != own => kick(address),
                _ => self.look_at(target),
            }
        }
    }

    /// Says who holds what when a guest wants a frame that is not there.
    fn explain_exhaustion(&self, number: usize) {
        log::error!(
            "guest {number} wants a page, and none of {} frames is free or can be taken without I/O",
            self.pool.total()
        );
        for guest in &self.guests {
            log::info!("guest {}: {}", guest.id, report::histogram(guest));
        }
    }

    fn print(&mut self, number: usize) {
        let guest = &mut self.guests[number];
        let ended = guest.end.is_some() && !guest.end_is_told;
        let lines = if ended {
            guest.console.all()
        } else {
            guest.console.lines()
        };
        report::console(guest.id, &lines);
        if ended {
            guest.end_is_told = true;
            report::guest_end(guest);
        }
    }
}
