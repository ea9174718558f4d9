//! Taking pages away from guests by policy.

use alloc::vec::Vec;

use arch::clock::{self, UNITS_PER_MICROSECOND};
use rand_core::Rng;
use rand_pcg::Pcg64Mcg;

use super::delay::Delay;
use super::{Gaps, Policy, Turns};
#[cfg(feature = "controls")]
use crate::control::Mistake;
use crate::guest::Guest;
use crate::mem::notifier::BATCH;
use crate::memory::FramePool;

/// Free frames that every exit can count on.
const RESERVE: usize = 128;
/// How many free frames a round of reclaim goes for: when the first of the reserve is gone, a batch.
const GOAL: usize = RESERVE - 1 + BATCH;

/// In TOD units.
const SECOND: u32 = 1_000_000 * UNITS_PER_MICROSECOND as u32;
/// What a CPU that got a discard fault is held for, in TOD units: 10 ms.
const TICK: u64 = 10_000 * UNITS_PER_MICROSECOND;
/// Most ticks that it is.
const MOST_TICKS: u64 = 3;
/// How late a CPU is under the negative control.
#[cfg(feature = "controls")]
const LATE: u64 = 200 * TICK;

/// Takes pages by policy, over all guests.
pub struct Evictor {
    policy: Policy,
    random: Pcg64Mcg,
    turns: Turns,
    /// By guest: how long its pages have been discardable, where that counts.
    delays: Vec<Delay>,
    /// Pages that it has taken because frames ran short.
    pub reclaimed: u64,
    /// How long that took, in TOD units.
    pub reclaim_time: u64,
    #[cfg(feature = "controls")]
    mistake: Option<Mistake>,
}

impl Evictor {
    /// An evictor; `seed` decides what `random` does.
    #[must_use]
    pub fn new(policy: Policy, seed: u64) -> Self {
        Self {
            policy,
            random: Pcg64Mcg::new(u128::from(seed) << 1 | 1),
            turns: Turns::default(),
            delays: Vec::new(),
            reclaimed: 0,
            reclaim_time: 0,
            #[cfg(feature = "controls")]
            mistake: None,
        }
    }

    /// A negative control: makes this mistake from now on, if it is one of the evictor's.
    #[cfg(feature = "controls")]
    pub fn err(&mut self, mistake: Mistake) {
        self.mistake = Some(mistake);
    }

    /// Whether the mistake is made of calling a page something else when it is there.
    #[cfg(feature = "controls")]
    #[must_use]
    pub fn misnames_pages(&self) -> bool {
        self.mistake == Some(Mistake::WrongToken)
    }

    /// From now on pages are taken by this policy.
    pub fn follow(&mut self, policy: Policy) {
        self.policy = policy;
    }

    /// Whether pages are spared that a CPU faulted on.
    #[must_use]
    pub fn spares(&self) -> bool {
        self.policy == Policy::StealSpare
    }

    /// What the policy does after an exit of a CPU of one guest, whether frames run short or not.
    pub fn after_exit(
        &mut self,
        guests: &mut [Guest],
        (current, cpu): (usize, usize),
        pool: &mut FramePool,
    ) {
        match self.policy {
            Policy::Lru => {}
            Policy::StealSpare => steal_but_spare(&mut guests[current], cpu, pool),
            Policy::StealAfter(delay) => {
                self.delays.resize_with(guests.len(), Delay::default);
                let memory = &mut guests[current].memory;
                let delay = u64::from(delay) * 1000 * UNITS_PER_MICROSECOND;
                let ripe = self.delays[current].look(clock::now(), delay, memory.arrived());
                while let Some(page) = memory.next_discardable_of(ripe) {
                    memory.evict(pool, page);
                }
            }
            Policy::Steal | Policy::Hold => {
                guests[current].memory.evict_all(pool);
            }
            Policy::Random(rate) => self.evict_randomly(&mut guests[current], rate, pool),
        }
        #[cfg(feature = "controls")]
        if self.mistake == Some(Mistake::DiscardStable) && self.random.next_u64().is_multiple_of(4)
        {
            guests[current].memory.lose_stable_page(pool);
        }
    }

    /// Whether it has something to do after any exit.
    #[must_use]
    pub fn is_eager(&self) -> bool {
        #[cfg(feature = "controls")]
        if self.mistake.is_some() {
            return true;
        }
        self.policy != Policy::Lru
    }

    /// Whether frames run short.
    #[must_use]
    pub fn is_short(&self, pool: &FramePool) -> bool {
        !pool.has_free(RESERVE)
    }

    /// Frees frames without I/O if they run short: there is no other way, so it does all it can.
    pub fn replenish(&mut self, guests: &mut Vec<Guest>, pool: &mut FramePool) {
        if self.is_short(pool) {
            let goal = GOAL.min(pool.total());
            let patience = guests.iter().map(|guest| 2 * guest.memory.queued()).sum();
            self.reclaim(guests, pool, goal, patience);
        }
    }

    /// Until when a CPU is not dispatched that got a discard fault now.
    pub fn hold_until(&mut self, now: u64) -> u64 {
        #[cfg(feature = "controls")]
        // Not at the very first, which a guest provokes before its clock runs.
        if self.mistake == Some(Mistake::LateCpu) && self.random.next_u64().is_multiple_of(64) {
            self.mistake = None;
            return now + LATE;
        }
        match self.policy {
            Policy::Hold => now + (1 + self.random.next_u64() % MOST_TICKS) * TICK,
            Policy::Lru
            | Policy::Random(_)
            | Policy::Steal
            | Policy::StealSpare
            | Policy::StealAfter(_) => now,
        }
    }

    fn evict_randomly(&mut self, guest: &mut Guest, rate: u32, pool: &mut FramePool) {
        let gaps = Gaps::new(SECOND / rate);
        while guest.next_eviction <= guest.counters.cpu_time {
            guest.next_eviction += gaps.next(&mut self.random);
            // Some of the queue is not discardable any more: a few more draws find one that is.
            for _ in 0..64 {
                if guest.memory.queued() == 0 {
                    break;
                }
                if let Some(page) = guest.memory.discardable_at(self.random.next_u64()) {
                    guest.memory.evict(pool, page);
                    break;
                }
            }
        }
    }

    /// Frees frames without I/O until `goal` are free: see [`Turns::reclaim`].
    pub fn reclaim(
        &mut self,
        guests: &mut Vec<Guest>,
        pool: &mut FramePool,
        goal: usize,
        patience: usize,
    ) {
        let (began, free, count) = (clock::now(), pool.idle(), guests.len());
        self.turns.reclaim(guests, count, pool, goal, patience);
        self.reclaimed += (pool.idle() - free) as u64;
        self.reclaim_time += clock::now() - began;
    }
}

/// Takes all that may be taken, but what a CPU of the guest faulted on and has not used yet.
#[inline(never)]
fn steal_but_spare(guest: &mut Guest, cpu: usize, pool: &mut FramePool) {
    let vcpu = &mut guest.vcpus[cpu];
    if let Some((page, at)) = vcpu.discarded {
        vcpu.spared.fault(page, at);
    }
    vcpu.spared.leave(vcpu.at());
    let Guest { vcpus, memory, .. } = guest;
    let (all, mut kept) = (memory.arrived(), Vec::new());
    while let Some(page) = memory.next_discardable_of(all) {
        if vcpus.iter().any(|vcpu| vcpu.spared.contains(page)) {
            kept.push(page);
        } else {
            memory.evict(pool, page);
        }
    }
    for page in kept {
        memory.note_discardable(page);
    }
}
