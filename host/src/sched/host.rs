//! All that the physical CPUs share, and the decisions about it.

mod end;
mod monitor;
mod operator;
mod paging;
mod plain;
mod sample;

use alloc::vec::Vec;

use arch::interruption::{Class, Context};
use arch::{Psw, PswMask, clock};

pub use sample::Sampler;

use super::queue::{Id, RunQueue};
use crate::evict::Evictor;
use crate::guest::{Guest, Machine, Missing};
use crate::lock::{self, Lock};
use crate::memory::FramePool;
use crate::monitor::Monitor;
use crate::operator::Operator;
use crate::paging::Pager;
use crate::report;
use crate::trace::{self, Kind};
use crate::vcpu::backend::Backend as _;
use crate::vcpu::{Place, Vcpu, Yield, interruption, signal};

/// Length of a time slice, in TOD units: 10 ms.
const SLICE: u64 = 10_000 * clock::UNITS_PER_MICROSECOND;

/// How long an idle CPU waits for an interruption by the paging device, in TOD units: a second.
const PATIENCE: u64 = 1_000_000 * clock::UNITS_PER_MICROSECOND;

/// How long a virtual CPU rests that has given its slice away to nobody, in TOD units: 50 us.
const REST: u64 = 50 * clock::UNITS_PER_MICROSECOND;

/// The one lock of the host. A physical CPU has it whenever it looks at or changes anything of a
/// guest, so emulation is one CPU's work at a time; it gives it up while it runs a guest and while it
/// is idle. Whoever has it may print: the order is this lock, the service processor's, the heap's.
///
/// It is held while a guest's disk request is under way, too.
pub(super) type HostLock = Lock<Host>;

/// A physical CPU.
#[derive(Clone, Copy, Debug)]
struct Physical {
    /// Its address.
    address: u16,
    /// Whether it waits for something to do.
    is_idle: bool,
}

/// All guests and what they share.
pub struct Host {
    /// The guests, by number.
    pub guests: Vec<Guest>,
    /// Frames that none of them has.
    pub pool: FramePool,
    /// What takes frames from them.
    pub evictor: Evictor,
    /// What writes pages out to take more, if there is a paging device.
    pub pager: Option<Pager>,
    /// Who tells it what to do meanwhile.
    operator: Operator,
    /// When there is something to do for the operator.
    operator_due: u64,
    /// When it prints samples.
    pub sampler: Sampler,
    /// When it began to run guests, in TOD units.
    pub began: u64,
    /// Time that the monitor took, in TOD units.
    pub monitor_time: u64,
    /// What drives the guests' balloons, if anything does.
    pub monitor: Option<Monitor>,
    /// What is missing, and for whom.
    waiting: Vec<(Id, Missing)>,
    /// The CPUs to run them on.
    physical: Vec<Physical>,
    queue: RunQueue,
    /// Time that physical CPUs waited for something to do, in TOD units.
    pub idle_time: u64,
    /// Set when nothing is to run any more.
    is_over: bool,
}

// SAFETY: what is not `Send` are reference counts of disks; all that count the same disk are in the
// guests of this structure and go wherever it goes.
unsafe impl Send for Host {}

/// What a physical CPU is to do with a virtual CPU that it has.
pub enum Next {
    /// Let it run until the time given.
    Enter(Context, u64),
    /// It is within an instruction: let others have the host, and ask again.
    Again,
    /// Give it up.
    Leave,
}

impl Host {
    /// A host whose guests have not run yet.
    #[must_use]
    pub fn new(
        guests: Vec<Guest>,
        pool: FramePool,
        evictor: Evictor,
        pager: Option<Pager>,
        operator: Operator,
        addresses: &[u16],
    ) -> Self {
        let physical = addresses.iter().map(|address| Physical {
            address: *address,
            is_idle: false,
        });
        let mut host = Self {
            guests,
            pool,
            evictor,
            pager,
            operator,
            operator_due: 0,
            sampler: Sampler::new(0),
            began: clock::now(),
            monitor_time: 0,
            monitor: None,
            waiting: Vec::new(),
            physical: physical.collect(),
            queue: RunQueue::default(),
            idle_time: 0,
            is_over: false,
        };
        host.queue_those_that_can_run(clock::now());
        host
    }

    /// Whether nothing is to run any more.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.is_over
    }

    /// Whether some physical CPU still has a virtual one.
    #[must_use]
    pub fn is_any_running(&self) -> bool {
        let mut all = self.guests.iter().flat_map(|guest| &guest.vcpus);
        all.any(|vcpu| matches!(vcpu.place, Place::Running(_)))
    }

    /// Marks a physical CPU as waiting, or as not waiting any more.
    pub fn set_idle(&mut self, me: usize, is_idle: bool) {
        self.physical[me].is_idle = is_idle;
    }

    /// A virtual CPU.
    pub fn vcpu(&mut self, id: Id) -> &mut Vcpu {
        &mut self.guests[id.guest].vcpus[id.cpu]
    }

    /// What control registers 1, 7 and 13 must hold for a virtual CPU that is going to run, and what
    /// changes when the TLB is out of date for it.
    pub fn spaces(&mut self, id: Id) -> ([u64; 3], u32) {
        let guest = &mut self.guests[id.guest];
        let vcpu = &guest.vcpus[id.cpu];
        // With a state descriptor, the machine translates by the guest's own tables.
        let spaces = match vcpu.state {
            Some(_) => None,
            None => vcpu.spaces(),
        };
        (guest.memory.enter(id.cpu, spaces), vcpu.spaces)
    }

    #[inline]
    fn machine(&mut self, id: Id) -> Machine<'_> {
        Machine {
            guest: &mut self.guests[id.guest],
            pool: &mut self.pool,
            cpu: id.cpu,
            is_loaded: false,
        }
    }

    /// Looks at the clock for all that wait: those that can run come into the queue.
    pub fn queue_those_that_can_run(&mut self, now: u64) {
        for guest in 0..self.guests.len() {
            self.queue_those_of(guest, now);
        }
    }

    /// As [`Host::queue_those_that_can_run`], of one guest.
    fn queue_those_of(&mut self, guest: usize, now: u64) {
        for cpu in 0..self.guests[guest].vcpus.len() {
            self.queue_if_it_can_run(Id { guest, cpu }, now);
        }
    }

    fn queue_if_it_can_run(&mut self, id: Id, now: u64) {
        let guest = &mut self.guests[id.guest];
        if guest.vcpus[id.cpu].place == Place::Off && guest.can_run(id.cpu, now) {
            guest.vcpus[id.cpu].place = Place::Queued;
            self.queue.push(id);
        }
    }

    /// When the clock will bring somebody into the queue, for a CPU that is interrupted by the paging device
    /// or is not.
    #[must_use]
    pub fn earliest(&self, now: u64, is_interrupted: bool) -> Option<u64> {
        let times = self.guests.iter().flat_map(|guest| {
            let off = |cpu: &usize| guest.vcpus[*cpu].place == Place::Off;
            let waiting = (0..guest.vcpus.len()).filter(off);
            waiting.filter_map(move |cpu| guest.wakes_at(cpu, now))
        });
        let others = [
            if is_interrupted {
                Some(now + PATIENCE)
            } else {
                self.look_at(now)
            },
            Some(self.operator_due),
            self.monitor_at(),
        ];
        times.chain(others.into_iter().flatten()).min()
    }

    /// The virtual CPU that a physical one is to run now; it has it then.
    pub fn take_next(&mut self, me: usize, now: u64) -> Option<Id> {
        self.tend_monitor(me, now);
        self.tend_paging(me, now);
        self.tend_operator(me, now);
        if self.is_over {
            return None;
        }
        self.queue_those_that_can_run(now);
        while let Some(id) = self.queue.pop() {
            let guest = &mut self.guests[id.guest];
            let can_run = guest.can_run(id.cpu, now);
            let vcpu = &mut guest.vcpus[id.cpu];
            if can_run {
                vcpu.cpu_timer = vcpu.cpu_timer_at(now);
                vcpu.waits_since = None;
                vcpu.place = Place::Running(me);
                trace::note(Kind::Run, id.guest, id.cpu, trace::ANY);
                self.wake_if_needed();
                return Some(id);
            }
            vcpu.place = Place::Off;
            self.conclude(id.guest, now);
            self.attend(me, id.guest);
        }
        None
    }

    /// What comes next for a virtual CPU that a physical one has, between two exits.
    pub fn next(&mut self, me: usize, id: Id, slice_end: &mut u64) -> Next {
        let is_within = self.go_on(id);
        self.attend(me, id.guest);
        let now = clock::now_resident();
        self.tend_operator(me, now);
        let guest = &mut self.guests[id.guest];
        let may_run = guest.end.is_none() && !guest.is_paused;
        if self.is_over || !may_run || !guest.vcpus[id.cpu].can_execute(now) {
            return Next::Leave;
        }
        let yields = guest.vcpus[id.cpu].yields.take();
        if yields.is_some() || now >= *slice_end {
            self.queue_those_that_can_run(now);
            if let Some(Yield::To(cpu)) = yields {
                let guest = id.guest;
                self.queue.prefer(Id { guest, cpu });
            }
            if !self.queue.is_empty() {
                return Next::Leave;
            }
            if yields.is_some() {
                // It waits for another CPU of its guest, which may need the real one that this one has.
                self.guests[id.guest].vcpus[id.cpu].held_until = now + REST;
                return Next::Leave;
            }
            // Nobody else wants to run.
            self.tend_monitor(me, now);
            *slice_end = Self::slice_end(now);
            self.print(id.guest);
        }
        if is_within {
            return Next::Again;
        }
        let until = self
            .look_at(now)
            .map_or(*slice_end, |at| at.min(*slice_end))
            .min(self.operator_due);
        let vcpu = &mut self.guests[id.guest].vcpus[id.cpu];
        if self.evictor.spares() {
            let at = vcpu.at();
            vcpu.spared.enter(at);
        }
        let mut machine = self.machine(id);
        let backend = machine.guest.backend;
        let timer = backend.timer(machine.vcpu(), now).unwrap_or(u64::MAX);
        let mut context = Context {
            gprs: [0; 16],
            psw: Psw::default(),
        };
        backend.prepare(&mut machine, &mut context);
        if machine.guest.end.is_some() {
            return Next::Leave;
        }
        Next::Enter(context, timer.min(until))
    }

    /// Does to a virtual CPU what is pending for it: first the rest of an instruction. Returns whether it is within that
    /// still.
    fn go_on(&mut self, id: Id) -> bool {
        let mut machine = self.machine(id);
        if machine.guest.end.is_some() {
            return false;
        }
        if !machine.vcpu().releases.is_empty() && machine.go_on() {
            return true;
        }
        signal::carry_out_accepted(&mut machine);
        if machine.vcpu().is_operating {
            // One an entry: a guest whose handler stays enabled would keep us here for ever.
            if !interruption::external(&mut machine) {
                interruption::io(&mut machine);
            }
            interruption::early(&mut machine);
        }
        false
    }

    /// The slice of a virtual CPU that begins now ends then.
    #[must_use]
    pub fn slice_end(now: u64) -> u64 {
        now + SLICE
    }

    /// Handles an exit of a virtual CPU that ran for some time. Returns true if it goes on as it was, with the
    /// context as it is now; else it has left its spaces, and what comes next is to be found out.
    pub fn after_exit(
        &mut self,
        me: usize,
        id: Id,
        context: &mut Context,
        class: Option<Class>,
        ran: u64,
    ) -> bool {
        let began = clock::now_resident();
        let mut machine = self.machine(id);
        let backend = machine.guest.backend;
        machine.guest.counters.exit_began = began;
        let mask = backend.take_over(&mut machine, context);
        let is_by_shadow = mask & PswMask::DAT.bits() != 0;
        // Another CPU of it may have ended it meanwhile.
        let is_same = machine.guest.end.is_none() && backend.handle(&mut machine, class);
        // What is done for a guest is done in its time.
        let now = clock::now_resident();
        machine.charge(ran + (now - began));
        if is_same && self.goes_on(id, context, mask, now) {
            return true;
        }
        if is_by_shadow {
            self.guests[id.guest].memory.leave(id.cpu);
        }
        if !self.guests[id.guest].is_end_known {
            self.settle(me, id);
        }
        false
    }

    /// Does what an exit of a virtual CPU leads to beyond the CPU itself.
    fn settle(&mut self, me: usize, id: Id) {
        self.evictor
            .after_exit(&mut self.guests, (id.guest, id.cpu), &mut self.pool);
        let guest = &mut self.guests[id.guest];
        let vcpu = &mut guest.vcpus[id.cpu];
        if vcpu.discarded.take().is_some() {
            vcpu.held_until = self.evictor.hold_until(clock::now());
        }
        if self.pager.is_none() {
            self.evictor.replenish(&mut self.guests, &mut self.pool);
            return;
        }
        if let Some(missing) = self.guests[id.guest].missing.take() {
            self.waiting.push((id, missing));
        }
        self.tend_paging(me, clock::now());
    }

    /// A physical CPU gives up a virtual one: it waits from now on, or stands at the queue's end.
    pub fn leave(&mut self, me: usize, id: Id) {
        let now = clock::now();
        let guest = &mut self.guests[id.guest];
        let can_run = guest.can_run(id.cpu, now);
        let vcpu = &mut guest.vcpus[id.cpu];
        trace::note(Kind::Leave, id.guest, id.cpu, trace::ANY);
        // SAFETY: this physical CPU has it.
        unsafe { vcpu.store_registers() }
        vcpu.place = if can_run { Place::Queued } else { Place::Off };
        vcpu.waits_since = (vcpu.is_operating && vcpu.is_waiting()).then_some(now);
        if can_run {
            self.queue.push(id);
        } else {
            self.conclude(id.guest, now);
        }
        self.attend(me, id.guest);
        self.print(id.guest);
        if self.is_over {
            // Who waits for the last one to leave looks again.
            self.wake_all(me);
        }
    }

    /// Acts on what has become pending for the CPUs of a guest, and on its end.
    fn attend(&mut self, me: usize, number: usize) {
        let guest = &mut self.guests[number];
        let alerts = core::mem::take(&mut guest.alerts);
        if alerts != 0 {
            let now = clock::now();
            for cpu in (0..guest.vcpus.len()).filter(|cpu| alerts >> cpu & 1 != 0) {
                self.attend_to(me, Id { guest: number, cpu }, now);
            }
        }
        let guest = &self.guests[number];
        if guest.end.is_some() && !guest.is_end_known {
            self.end(me, number);
        }
    }

    fn attend_to(&mut self, me: usize, id: Id, now: u64) {
        let guest = &self.guests[id.guest];
        match guest.vcpus[id.cpu].place {
            Place::Off => {
                self.queue_if_it_can_run(id, now);
                self.wake_if_needed();
            }
            Place::Running(other) if other != me => {
                if guest.vcpus[id.cpu].order.is_some()
                    || !guest.backend.sees_masks()
                    || guest.is_due(id.cpu, now)
                {
                    self.kick(other);
                }
            }
            // It looks itself before it is entered.
            Place::Queued | Place::Running(_) => {}
        }
    }

    /// Prints what a guest has printed since.
    fn print(&mut self, number: usize) {
        let guest = &mut self.guests[number];
        let lines = guest.console.lines();
        report::console(guest.id, &lines);
    }

    /// Makes a physical CPU come out of its guest, or stop waiting.
    fn kick(&self, other: usize) {
        lock::signal(self.physical[other].address);
    }

    /// Wakes a physical CPU that waits if there is something to do; it wakes the next one.
    fn wake_if_needed(&mut self) {
        if !self.queue.is_empty()
            && let Some(idle) = self.physical.iter().position(|cpu| cpu.is_idle)
        {
            self.physical[idle].is_idle = false;
            self.kick(idle);
        }
    }

    fn wake_all(&self, me: usize) {
        (0..self.physical.len())
            .filter(|other| *other != me)
            .for_each(|other| self.kick(other));
    }
}
