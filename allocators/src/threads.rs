//! Throughput of our allocator on one CPU and on two, which are threads here.
//!
//! Each by the time for which the system let it run: how many others want the cores is not its doing.
//! Waiting for a lock and for lines of the other's cache counts.

use std::sync::Barrier;
use std::thread;

use kernel::mm::Mm;
use kernel::work::page_churn::{Churn, Turn};

use crate::subjects::manager;

/// Pages of the arena.
const PAGES: usize = 64 << 8;
/// Pages that each CPU has, on average.
const LIVE: usize = 4096;
/// Turns of each CPU that are timed.
const TURNS: usize = 2_000_000;
/// Rounds of which the best counts: whatever else the machine does makes a round slower, never faster.
const ROUNDS: usize = 7;

/// Turns a second on one CPU, and on two together.
pub(crate) fn throughput() -> (f64, f64) {
    let (mut one, mut two) = (0.0, 0.0);
    // By turns, so that a slow spell of the machine meets both.
    for _ in 0..ROUNDS {
        one = f64::max(one, round(1));
        two = f64::max(two, round(2));
    }
    (one, two)
}

/// Seconds for which this thread has run.
fn run_time() -> f64 {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: the place is ours.
    let outcome = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    assert_eq!(outcome, 0, "every thread has that clock");
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

/// Turns a second that so many CPUs do together.
fn round(cpus: usize) -> f64 {
    let mm = manager(PAGES);
    let ready = Barrier::new(cpus);
    let work = |cpu| {
        arch::sim::become_cpu(cpu);
        let mut churn = Churn::new(LIVE, cpu as u128);
        turns(mm, &mut churn, TURNS / 10);
        ready.wait();
        let begin = run_time();
        turns(mm, &mut churn, TURNS);
        TURNS as f64 / (run_time() - begin)
    };
    thread::scope(|scope| {
        let work = &work;
        let cpus: Vec<_> = (0..cpus)
            .map(|cpu| scope.spawn(move || work(cpu)))
            .collect();
        cpus.into_iter()
            .map(|cpu| cpu.join().expect("a CPU goes on to the end"))
            .sum()
    })
}

fn turns(mm: &Mm<'_>, churn: &mut Churn<kernel::mm::PageAllocation>, turns: usize) {
    for _ in 0..turns {
        match churn.turn() {
            Turn::Allocate => churn.add(mm.allocate_page().expect("there is memory")),
            Turn::Free(page) => mm.free_allocated(page),
        }
    }
}
