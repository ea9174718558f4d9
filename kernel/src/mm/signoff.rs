//! Freeing discarded pages when no CPU can be about to handle a discard fault that names them.
//!
//! A discard fault delivers an address, not a reference. Between the fault on one CPU and its handler,
//! another CPU may drop the page's last reference. If the page were reused at once, the handler would
//! find somebody else's page under that address. So a page that the host has discarded is freed only
//! after every CPU has been at a point where it has no such fault before it: it has *signed off*.
//!
//! ```text
//!   await_sign_off ──> list of the CPU ── its next sign-off ──> gather ── next round ──> signing ──> free
//! ```
//!
//! A round is a set of CPUs that have yet to sign off; they do at their ticks, when they go idle or
//! offline, and, once a round waits for them, wherever a thread polls. A page waits for the rest of the round that is under way and for all of the next: two full
//! rounds at most. CPUs that are idle are not part of a round: a fault that one of them takes after it
//! has left idle cannot name a page of the round, because that has no mapping and no reference any
//! more. That is true only if a CPU says that it is not idle *before* it touches any page, and if a
//! round looks at the idle CPUs *after* its pages have lost their last references; all of these
//! accesses are sequentially consistent.
//!
//! Lock order: a CPU's list, then the rounds. Pages are freed with neither held.

use core::sync::atomic::AtomicU32;

use arch::Frame;

use super::guard::Guard;
use super::list::List;
use super::stats::Counter;
use super::{MOST_CPUS, Mm};
use crate::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use crate::sync::{self, Mutex};

/// Latencies that are counted one by one, in ticks; the last place counts all longer ones.
pub const LATENCIES: usize = 16;

/// Pages that wait, and CPUs that they wait for.
pub(super) struct SignOff {
    /// CPUs that take part, by number.
    online: AtomicU64,
    /// CPUs that wait in idle.
    idle: AtomicU64,
    /// Pages by the CPU that found them discarded.
    lists: [Mutex<List>; MOST_CPUS],
    rounds: Mutex<Rounds>,
    /// Whether some CPU has yet to sign off, and pages wait in the rounds: a tick looks here first.
    active: AtomicBool,
    /// CPUs that have yet to sign off: what the rounds say, to be read without their lock.
    awaited: AtomicU64,
    /// Whether somebody needs the pages now: CPUs sign off wherever they can, not only at ticks.
    urgent: AtomicBool,
    /// The current tick, for latencies.
    now: AtomicU32,
    stats: SignOffStats,
}

/// The pages of the round that is under way, and those for the next.
struct Rounds {
    gather: List,
    signing: List,
    /// CPUs that have yet to sign off.
    waiting_for: u64,
}

/// What is known of pages that waited.
#[derive(Debug)]
pub struct SignOffStats {
    /// Pages freed by the ticks that they waited.
    pub latency: [Counter; LATENCIES],
    /// Rounds that are complete.
    pub rounds: Counter,
    /// Most pages that waited at a time.
    longest: AtomicU32,
    /// Pages that wait now.
    waiting: AtomicU32,
}

impl SignOffStats {
    /// Most pages that waited at a time.
    #[must_use]
    pub fn longest(&self) -> u32 {
        self.longest.load(Ordering::Relaxed)
    }

    /// Pages that wait now.
    #[must_use]
    pub fn waiting(&self) -> u32 {
        self.waiting.load(Ordering::Relaxed)
    }
}

const fn bit(cpu: usize) -> u64 {
    1 << cpu
}

impl SignOff {
    pub(super) const fn new() -> Self {
        Self {
            online: AtomicU64::new(1),
            idle: AtomicU64::new(0),
            lists: [const { Mutex::new(List::new()) }; MOST_CPUS],
            rounds: Mutex::new(Rounds {
                gather: List::new(),
                signing: List::new(),
                waiting_for: 0,
            }),
            active: AtomicBool::new(false),
            awaited: AtomicU64::new(0),
            urgent: AtomicBool::new(false),
            now: AtomicU32::new(0),
            stats: SignOffStats {
                latency: [const { Counter::new() }; LATENCIES],
                rounds: Counter::new(),
                longest: AtomicU32::new(0),
                waiting: AtomicU32::new(0),
            },
        }
    }

    /// CPUs besides this one that may have a discard fault before them.
    fn others(&self) -> u64 {
        let online = self.online.load(Ordering::SeqCst);
        online & !self.idle.load(Ordering::SeqCst) & !bit(sync::this_cpu())
    }
}

impl Rounds {
    /// Notes that a CPU has signed off; returns a list of pages that nobody has to wait for any more.
    fn sign_off(
        &mut self,
        cpu: usize,
        others: impl FnOnce() -> u64,
        pages: &[super::Page],
    ) -> List {
        self.waiting_for &= !bit(cpu);
        let mut done = List::new();
        if self.waiting_for != 0 {
            return done;
        }
        done.append(pages, &mut self.signing);
        if self.gather.len() > 0 {
            // This CPU is where it has no fault before it: it need not sign off again.
            self.waiting_for = others();
            let to = if self.waiting_for == 0 {
                &mut done
            } else {
                &mut self.signing
            };
            to.append(pages, &mut self.gather);
        }
        done
    }
}

impl Mm<'_> {
    /// How long pages wait, and how many.
    #[must_use]
    pub fn sign_off_stats(&self) -> &SignOffStats {
        &self.sign_off.stats
    }

    /// Whether a page that has just lost its last reference, and is discarded, has to wait for others.
    ///
    /// This CPU is executing: it has no fault before it.
    pub(super) fn must_wait(&self) -> bool {
        self.sign_off.others() != 0
    }

    /// Keeps a page that nobody refers to until all CPUs have signed off.
    pub(super) fn await_sign_off(&self, frame: Frame) {
        let sign_off = &self.sign_off;
        let now = sign_off.now.load(Ordering::Relaxed);
        self.page(frame).waits_since.store(now, Ordering::Relaxed);
        sign_off.lists[sync::this_cpu()]
            .lock()
            .push(self.pages, frame);
        let waiting = sign_off.stats.waiting.fetch_add(1, Ordering::Relaxed) + 1;
        sign_off.stats.longest.fetch_max(waiting, Ordering::Relaxed);
    }

    /// Signs this CPU off: it has no discard fault before it that was taken earlier.
    ///
    /// `tick` is the current one, in which latencies are counted.
    pub fn sign_off(&self, tick: u32) {
        self.sign_off.now.store(tick, Ordering::Relaxed);
        self.sign_off_now();
    }

    fn sign_off_now(&self) {
        let (sign_off, cpu) = (&self.sign_off, sync::this_cpu());
        let done = {
            let mut own = sign_off.lists[cpu].lock();
            if own.len() == 0 && !sign_off.active.load(Ordering::SeqCst) {
                return;
            }
            let mut rounds = sign_off.rounds.lock();
            // Before the idle CPUs are read: one that goes idle meanwhile sees either this, and waits
            // for the lock, or is seen to be idle.
            sign_off.active.store(true, Ordering::SeqCst);
            rounds.gather.append(self.pages, &mut own);
            let done = rounds.sign_off(cpu, || sign_off.others(), self.pages);
            // No page waits in the rounds but for these.
            let active = rounds.waiting_for != 0;
            sign_off.active.store(active, Ordering::SeqCst);
            sign_off
                .awaited
                .store(rounds.waiting_for, Ordering::Relaxed);
            done
        };
        self.free_signed_off(done);
    }

    /// Tells what tick it is, when a CPU begins to run and none may have ticked for long.
    pub fn note_tick(&self, tick: u32) {
        self.sign_off.now.store(tick, Ordering::Relaxed);
    }

    /// Waits a little for pages that wait for sign-off, because memory is out; returns whether there
    /// are any.
    pub(super) fn hurry_sign_off(&self) -> bool {
        if self.sign_off.stats.waiting() == 0 {
            return false;
        }
        self.sign_off.urgent.store(true, Ordering::SeqCst);
        self.sign_off_now();
        sync::relax();
        true
    }

    /// Signs this CPU off if a round waits for it, or somebody is in a hurry. For threads, at points where
    /// they hold no lock and no page's address without a reference.
    pub fn sign_off_if_awaited(&self) {
        let sign_off = &self.sign_off;
        let awaited = sign_off.awaited.load(Ordering::Relaxed) & bit(sync::this_cpu()) != 0;
        if awaited || sign_off.urgent.load(Ordering::SeqCst) {
            self.sign_off_now();
        }
    }

    /// Frees pages for which all CPUs have signed off. They are marked unused already, or are stable and zero.
    fn free_signed_off(&self, mut done: List) {
        if done.len() == 0 {
            return;
        }
        let stats = &self.sign_off.stats;
        let now = self.sign_off.now.load(Ordering::Relaxed);
        stats.rounds.add(1);
        self.sign_off.urgent.store(false, Ordering::SeqCst);
        while let Some(frame) = done.first() {
            done.remove(self.pages, frame);
            let since = self.page(frame).waits_since.load(Ordering::Relaxed);
            let ticks = (now.saturating_sub(since) as usize).min(LATENCIES - 1);
            stats.latency[ticks].add(1);
            stats.waiting.fetch_sub(1, Ordering::Relaxed);
            self.give_unused(frame);
        }
    }

    /// This CPU goes idle: nobody waits for it, and all it had goes to others.
    pub fn enter_idle(&self) {
        let own = bit(sync::this_cpu());
        self.empty_batch(sync::this_cpu());
        self.drain_page_list();
        if !self.has(Guard::IdleOrder) {
            self.sign_off_now();
            self.sign_off.idle.fetch_or(own, Ordering::SeqCst);
            return;
        }
        self.sign_off.idle.fetch_or(own, Ordering::SeqCst);
        // A round that began before now waits for us, one that begins from now on does not.
        self.sign_off_now();
    }

    /// This CPU is not idle any more. It has touched no page since [`Mm::enter_idle`].
    pub fn leave_idle(&self) {
        let own = bit(sync::this_cpu());
        self.sign_off.idle.fetch_and(!own, Ordering::SeqCst);
    }

    /// This CPU takes part from now on. It has touched no page yet.
    pub fn go_online(&self) {
        let own = bit(sync::this_cpu());
        self.sign_off.online.fetch_or(own, Ordering::SeqCst);
    }

    /// This CPU stops: it signs off for the last time, hands its lists over, and nobody waits for it.
    pub fn go_offline(&self) {
        let own = bit(sync::this_cpu());
        self.empty_batch(sync::this_cpu());
        self.drain_page_list();
        self.sign_off.online.fetch_and(!own, Ordering::SeqCst);
        if self.has(Guard::LeaveRound) {
            // A round that began before now waits for us, one that begins from now on does not.
            self.sign_off_now();
        }
    }

    /// CPUs that take part, by number.
    #[must_use]
    pub fn online_cpus(&self) -> u64 {
        self.sign_off.online.load(Ordering::SeqCst)
    }

    /// CPUs that are idle, by number.
    #[must_use]
    pub fn idle_cpus(&self) -> u64 {
        self.sign_off.idle.load(Ordering::SeqCst)
    }
}
