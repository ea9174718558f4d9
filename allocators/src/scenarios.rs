//! What is asked of each allocator.

use std::io::Result;

use kernel::work::page_churn::{Churn, Turn};

use crate::subjects::Subject;
use crate::trace::{self, Meter};

/// Turns of churn before counting, which bring an allocator into the state that it stays in.
const SETTLING: usize = 200_000;
/// Turns that are counted.
const COUNTED: usize = 2000;
/// Operations of one kind that are counted where the worst one is looked for.
const TRIED: usize = 128;
/// The same for all.
const SEED: u128 = 0x5eed;

/// What churn costs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cost {
    /// Instructions of an allocation and a free.
    pub(crate) pair: f64,
    /// Instructions of the one operation that took most.
    pub(crate) worst: u32,
}

/// Instructions of churn with so many pages live on average, among `pages`.
pub(crate) fn churn<S: Subject>(
    pages: usize,
    live: usize,
    make: impl FnOnce(usize) -> S,
) -> Result<Cost> {
    let counts = trace::count(|meter| {
        let mut subject = make(pages);
        let mut churn = Churn::new(live, SEED);
        for _ in 0..live {
            churn.add(subject.allocate().expect("there is memory"));
        }
        for _ in 0..SETTLING {
            turn(&mut churn, &mut subject, None);
        }
        meter.begin();
        for _ in 0..COUNTED {
            turn(&mut churn, &mut subject, Some(meter));
        }
    })?;
    Ok(Cost {
        pair: 2.0 * counts.iter().map(|count| f64::from(*count)).sum::<f64>() / counts.len() as f64,
        worst: worst(&counts),
    })
}

fn worst(counts: &[u32]) -> u32 {
    counts.iter().copied().max().unwrap_or(0)
}

/// One turn, counted if there is a meter.
fn turn<S: Subject>(churn: &mut Churn<usize>, subject: &mut S, meter: Option<&Meter>) {
    match churn.turn() {
        Turn::Allocate => {
            let page = match meter {
                Some(meter) => meter.operation(|| subject.allocate()),
                None => subject.allocate(),
            };
            churn.add(page.expect("there is memory"));
        }
        Turn::Free(page) => match meter {
            Some(meter) => meter.operation(|| subject.free(page)),
            None => subject.free(page),
        },
    }
}

/// Instructions of the worst operation where the memory is free but for one page in 2^`order`: these
/// come back, each of which may merge with all around it, and then pages are taken again, all of which
/// may have to be split off.
pub(crate) fn holes<S: Subject>(
    pages: usize,
    order: u32,
    make: impl FnOnce(usize) -> S,
) -> Result<u32> {
    let counts = trace::count(|meter| {
        let mut subject = make(pages);
        let all: Vec<usize> = std::iter::from_fn(|| subject.allocate()).collect();
        let (mut held, mut others) = (Vec::new(), Vec::new());
        for (index, page) in all.into_iter().enumerate() {
            let hole = index % (1 << order) == 0;
            if hole { &mut held } else { &mut others }.push(page);
        }
        others.into_iter().for_each(|page| subject.free(page));
        free_and_take(meter, &mut subject, &held);
    })?;
    Ok(worst(&counts))
}

/// Frees pages, as many as are tried at most, then allocates as many.
fn free_and_take<S: Subject>(meter: &Meter, subject: &mut S, held: &[usize]) {
    meter.begin();
    for page in held.iter().take(TRIED) {
        meter.operation(|| subject.free(*page));
    }
    for _ in 0..TRIED {
        meter.operation(|| subject.allocate());
    }
}
