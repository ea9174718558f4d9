//! What is asked of each allocator.

use kernel::work::page_churn::{Churn, Turn};

use crate::meter::Meter;
use crate::storage::Storage;
use crate::subjects::Subject;

/// Turns of churn before counting, which bring an allocator into the state that it stays in.
const SETTLING: usize = 200_000;
/// Turns that are counted.
const COUNTED: usize = 100_000;
/// Operations of one kind that are counted where the worst one is looked for.
const TRIED: usize = 128;
/// The same for all.
const SEED: u128 = 0x5eed;

/// What churn costs.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Cost {
    /// Pairs of an allocation and a free.
    pub(crate) count: u64,
    /// Instructions of all of them.
    pub(crate) instructions: u64,
    /// Instructions of the one operation that took most.
    pub(crate) worst: u64,
}

impl Cost {
    fn add(&mut self, instructions: u64) {
        self.instructions += instructions;
        self.worst = self.worst.max(instructions);
    }
}

/// Churn with so many pages live on average.
pub(crate) fn churn<S: Subject>(meter: &Meter, subject: &mut S, live: usize) -> Cost {
    let mut churn = Churn::new(live, SEED);
    for _ in 0..live {
        churn.add(subject.allocate().expect("there is memory"));
    }
    let mut settling = Cost::default();
    for _ in 0..SETTLING {
        turn(meter, &mut churn, subject, &mut settling);
    }
    let mut cost = Cost {
        count: COUNTED as u64 / 2,
        ..Cost::default()
    };
    for _ in 0..COUNTED {
        turn(meter, &mut churn, subject, &mut cost);
    }
    cost
}

fn turn<S: Subject>(meter: &Meter, churn: &mut Churn<usize>, subject: &mut S, cost: &mut Cost) {
    match churn.turn() {
        Turn::Allocate => {
            let (page, instructions) = meter.count(|| subject.allocate());
            cost.add(instructions);
            churn.add(page.expect("there is memory"));
        }
        Turn::Free(page) => cost.add(meter.count(|| subject.free(page)).1),
    }
}

/// Instructions of the worst operation where the memory is free but for one page in 2^`order`: these
/// come back, each of which may merge with all around it, and then pages are taken again, all of which
/// may have to be split off.
pub(crate) fn holes<S: Subject>(meter: &Meter, subject: &mut S, pages: usize, order: u32) -> u64 {
    let mut storage = Storage::new(pages * size_of::<usize>());
    let places = storage.places::<usize>(pages);
    let mut count = 0;
    while count < pages
        && let Some(page) = subject.allocate()
    {
        places[count].write(page);
        count += 1;
    }
    let mut held = [0; TRIED];
    let mut holding = 0;
    for (index, place) in places[..count].iter().enumerate() {
        // SAFETY: it has just been written.
        let page = unsafe { place.assume_init() };
        if index % (1 << order) != 0 {
            subject.free(page);
        } else if holding < TRIED {
            held[holding] = page;
            holding += 1;
        }
    }
    free_and_take(meter, subject, &held[..holding])
}

/// Frees pages, then allocates; returns the worst operation.
fn free_and_take<S: Subject>(meter: &Meter, subject: &mut S, held: &[usize]) -> u64 {
    let mut cost = Cost::default();
    for page in held {
        cost.add(meter.count(|| subject.free(*page)).1);
    }
    for _ in 0..TRIED {
        cost.add(meter.count(|| subject.allocate()).1);
    }
    cost.worst
}
