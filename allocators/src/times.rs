//! What churn takes of the build machine's time, for our allocator and others.
//!
//! By the time for which the system let the thread run. What the churn itself takes, its random numbers and its
//! list of pages, is taken off: it is that of an allocator that does nothing.

use kernel::work::page_churn::{Churn, Turn};

use crate::clock::run_time;
use crate::subjects::{
    Alignment, BuddySystem, GoodMemory, LinkedList, Ours, OursDirect, Subject, Talc,
};

/// Pages of the arena, pages that live on average, turns before those that are timed: as in the image.
const PAGES: usize = 64 << 8;
const LIVE: usize = 4096;
const SETTLING: usize = 200_000;
/// Turns that are timed.
const TURNS: usize = 200_000;
/// Rounds of which the best counts: whatever else the machine does makes a round slower, never faster.
const ROUNDS: usize = 5;
/// The same for all.
const SEED: u128 = 0x5eed;

/// Hands out numbers.
struct Nothing(usize);

impl Subject for Nothing {
    fn allocate(&mut self) -> Option<usize> {
        self.0 += 1;
        Some(self.0)
    }

    fn free(&mut self, _: usize) {}
}

/// Nanoseconds for an allocation and a free, by the allocator's name.
pub(crate) fn figures() -> Vec<(String, f64)> {
    let nothing = best(|| Nothing(0));
    let mut figures = Vec::new();
    let mut add =
        |name: &str, time: f64| figures.push((name.to_owned(), (time - nothing).max(0.0)));
    add("ours", best(|| Ours::new(PAGES)));
    add(
        "ours without lists of CPUs",
        best(|| OursDirect::new(PAGES)),
    );
    add("buddy_system_allocator", best(|| BuddySystem::new(PAGES)));
    for alignment in [Alignment::Word, Alignment::Page] {
        let name = |name: &str| format!("{name}, {}", alignment.name());
        add(&name("talc"), best(|| Talc::new(PAGES, alignment)));
        add(
            &name("good_memory_allocator"),
            best(|| GoodMemory::new(PAGES, alignment)),
        );
        add(
            &name("linked_list_allocator"),
            best(|| LinkedList::new(PAGES, alignment)),
        );
    }
    figures
}

/// Nanoseconds for a pair, with the churn's own.
fn best<S: Subject>(make: impl Fn() -> S) -> f64 {
    let rounds = (0..ROUNDS).map(|_| round(&mut make()));
    rounds.fold(f64::INFINITY, f64::min)
}

fn round(subject: &mut impl Subject) -> f64 {
    let mut churn = Churn::new(LIVE, SEED);
    for _ in 0..LIVE {
        churn.add(subject.allocate().expect("there is memory"));
    }
    turns(&mut churn, subject, SETTLING);
    let begin = run_time();
    turns(&mut churn, subject, TURNS);
    (run_time() - begin) * 1e9 / (TURNS as f64 / 2.0)
}

fn turns(churn: &mut Churn<usize>, subject: &mut impl Subject, turns: usize) {
    for _ in 0..turns {
        match churn.turn() {
            Turn::Allocate => churn.add(subject.allocate().expect("there is memory")),
            Turn::Free(page) => subject.free(page),
        }
    }
}
