//! Time slices: which guest runs, for how long, and what the host does when none can.

use alloc::vec::Vec;

use arch::control::{self, cr0};
use arch::handler::{self, external};
use arch::{PswMask, clock, cpu};

use crate::evict::Evictor;
use crate::guest::Guest;
use crate::memory::FramePool;
use crate::report;
use crate::vcpu::{End, interruption, run};

/// Length of a time slice, in TOD units: 10 ms.
const SLICE: u64 = 10_000 * clock::UNITS_PER_MICROSECOND;

/// All guests and what they share.
pub struct Scheduler {
    /// The guests, by number.
    pub guests: Vec<Guest>,
    /// Frames that none of them has.
    pub pool: FramePool,
    /// What takes frames from them.
    pub evictor: Evictor,
}

/// The host's clock comparator has done its job: whoever was interrupted looks at the clock.
fn on_clock_comparator() {
    clock::set_comparator(u64::MAX);
}

impl Scheduler {
    /// Runs all guests to their ends.
    pub fn run(&mut self) {
        handler::on_external(external::CLOCK_COMPARATOR, on_clock_comparator);
        control::enable_cr0(cr0::CLOCK_COMPARATOR | cr0::AFP);
        let mut current = 0;
        while let Some(next) = self.next_runnable(current) {
            current = next;
            self.run_slice(current);
            self.print(current);
            if self.guests[current].vcpu.end == Some(End::MemoryExhausted) {
                // Nobody else would get on, either.
                return;
            }
        }
    }

    /// The next guest after `current` that can run; waits while all of them wait.
    fn next_runnable(&mut self, current: usize) -> Option<usize> {
        loop {
            let count = self.guests.len();
            for number in (1..=count).map(|step| (current + step) % count) {
                let guest = &mut self.guests[number];
                if guest.vcpu.end.is_none() && wakes(guest, &mut self.pool) {
                    return Some(number);
                }
            }
            let waiting: Vec<_> = self
                .guests
                .iter()
                .filter(|guest| guest.vcpu.end.is_none())
                .collect();
            let at = waiting.iter().filter_map(|guest| wake_up_time(guest)).min();
            match at {
                Some(at) => {
                    clock::set_comparator(at);
                    cpu::wait(PswMask::EXTERNAL | PswMask::IO);
                }
                None => {
                    for number in 0..count {
                        if self.guests[number].vcpu.end.is_none() {
                            self.guests[number].vcpu.stop(End::NothingToWaitFor);
                            self.print(number);
                        }
                    }
                    return None;
                }
            }
        }
    }

    /// Runs one guest until its slice is over, it waits, or it has ended.
    fn run_slice(&mut self, number: usize) {
        let end = clock::now() + SLICE;
        let asce = self.guests[number].memory.asce();
        // SAFETY: the host runs with DAT off; the tables are the guest's own.
        unsafe { control::set::<1>(asce) }
        loop {
            let guest = &mut self.guests[number];
            // One an entry: a guest whose handler stays enabled would keep us here for ever.
            interruption::external(guest, &mut self.pool);
            let now = clock::now();
            let done = guest.vcpu.end.is_some() || guest.vcpu.is_waiting() || now >= end;
            if done || core::mem::take(&mut guest.vcpu.yields) {
                return;
            }
            clock::set_comparator(end.min(timer_deadline(guest)));
            let before = clock::now();
            run::run(guest, &mut self.pool);
            let ran = clock::now() - before;
            guest.counters.cpu_time += ran;
            guest.vcpu.cpu_timer -= ran as i64;
            self.evictor
                .after_exit(&mut self.guests, number, &mut self.pool);
            if self.guests[number].vcpu.end == Some(End::MemoryExhausted) {
                self.explain_exhaustion(number);
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
        let ended = guest.vcpu.end.is_some();
        let lines = if ended {
            guest.console.all()
        } else {
            guest.console.lines()
        };
        report::console(guest.id, &lines);
        if ended {
            report::guest_end(guest);
        }
    }
}

/// When the guest wants to be interrupted by its clock comparator, if it is enabled for it.
fn timer_deadline(guest: &Guest) -> u64 {
    wake_up_time(guest).unwrap_or(u64::MAX)
}

fn wake_up_time(guest: &Guest) -> Option<u64> {
    let vcpu = &guest.vcpu;
    let open = vcpu.psw.contains(PswMask::EXTERNAL) && vcpu.control[0] & cr0::CLOCK_COMPARATOR != 0;
    (open && vcpu.clock_comparator != u64::MAX).then_some(vcpu.clock_comparator)
}

/// Whether a guest can run: it does not wait, or what it waits for is there.
fn wakes(guest: &mut Guest, pool: &mut FramePool) -> bool {
    !guest.vcpu.is_waiting() || interruption::external(guest, pool)
}
