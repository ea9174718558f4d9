//! Throughput of our allocator on one CPU and on two, which are threads here.
//!
//! Each by the time for which the system let it run: how many others want the cores is not its doing.
//! Waiting for a lock and for lines of the other's cache counts.

use std::sync::Barrier;
use std::thread;

use arch::Frame;
use kernel::mm::{Hinting, Mm, Page, PageAllocation};
use kernel::work::page_churn::{Churn, Turn};

use crate::clock::run_time;

/// Pages of the arena: 64 MiB.
const PAGES: u32 = 64 << 8;
/// Pages that each CPU has, on average.
const LIVE: usize = 4096;
/// Turns of each CPU that are timed.
const TURNS: usize = 2_000_000;
/// Rounds of which the best counts: whatever else the machine does makes a round slower, never faster.
const ROUNDS: usize = 9;

/// A memory manager that hints nothing, and its page descriptors; neither is ever given back.
fn manager() -> &'static Mm<'static> {
    let descriptors: Vec<Page> = (0..PAGES).map(|_| Page::reserved()).collect();
    let mm: &Mm<'_> = Box::leak(Box::new(Mm::new(descriptors.leak(), Hinting::Off)));
    mm.add_free(Frame(0), PAGES);
    mm
}

/// Turns a second: one CPU, two of one allocator, two of an allocator each, which is what the machine
/// can do at best.
pub(crate) fn throughput() -> [f64; 3] {
    let mut best = [0.0; 3];
    // By turns, so that a slow spell of the machine meets all.
    for _ in 0..ROUNDS {
        let (shared, other) = (manager(), manager());
        let rounds = [
            round(&[shared]),
            round(&[shared, shared]),
            round(&[shared, other]),
        ];
        for (best, rate) in best.iter_mut().zip(rounds) {
            *best = f64::max(*best, rate);
        }
    }
    best
}

/// Turns a second of CPUs together, each with the allocator that is said.
fn round(cpus: &[&Mm<'_>]) -> f64 {
    let ready = Barrier::new(cpus.len());
    let work = |cpu: usize| {
        arch::sim::become_cpu(cpu);
        let mut churn = Churn::new(LIVE, cpu as u128);
        turns(cpus[cpu], &mut churn, TURNS / 10);
        ready.wait();
        let begin = run_time();
        turns(cpus[cpu], &mut churn, TURNS);
        let rate = TURNS as f64 / (run_time() - begin);
        // All go on while anybody is timed.
        ready.wait();
        churn
            .end()
            .into_iter()
            .for_each(|page| cpus[cpu].free_allocated(page));
        rate
    };
    thread::scope(|scope| {
        let work = &work;
        let cpus: Vec<_> = (0..cpus.len())
            .map(|cpu| scope.spawn(move || work(cpu)))
            .collect();
        cpus.into_iter()
            .map(|cpu| cpu.join().expect("a CPU goes on to the end"))
            .sum()
    })
}

fn turns(mm: &Mm<'_>, churn: &mut Churn<PageAllocation>, turns: usize) {
    for _ in 0..turns {
        match churn.turn() {
            Turn::Allocate => churn.add(mm.allocate_page().expect("there is memory")),
            Turn::Free(page) => mm.free_allocated(page),
        }
    }
}
