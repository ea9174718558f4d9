//! Streams of arbitrary instructions as guests, beside a kernel that reads and compares files: whatever the
//! guests do, the host goes on, and the kernel finds every byte as it was.
//!
//! The suite runs a few hundred; `STREAMS=10000` in the environment asks for as many, and `STREAMS_SEED=N`
//! for those from this seed on. So `STREAMS=1 STREAMS_SEED=N` repeats one.

mod instructions;
mod known;
mod reduce;
mod stream;

use std::collections::BTreeMap;
use std::env;
use std::iter::successors;

use libtest_mimic::{Failed, Trial};

use crate::beside::{self, Images, Outcome, Setting};
use crate::support::{Verdict, trial};
use instructions::Source;
use known::Mistake;
use stream::Stream;

/// Streams of one machine.
const AT_ONCE: u64 = 63;
/// Streams that the suite runs.
const FEW: u64 = 5 * AT_ONCE;
/// Most mistakes of the emulator that may be screened out.
const MOST_KNOWN: usize = 10;

/// What each stream may use: exits, and milliseconds. The kernel is guest 0.
const LIMITS: &str = "20000:50:1";

/// One after the other: CPUs of machine and guests, policies, paging.
const SETTINGS: [Setting; 5] = [
    Setting {
        cpus: [1, 1],
        memory: 384,
        host: "evict=random:500 balloon=on",
        limits: LIMITS,
    },
    Setting {
        cpus: [2, 2],
        memory: 384,
        host: "evict=steal",
        limits: LIMITS,
    },
    Setting {
        cpus: [2, 1],
        memory: 384,
        host: "evict=lru balloon=on memory=24M expanded=2M paging=model:240M:10:2",
        limits: LIMITS,
    },
    Setting {
        cpus: [1, 2],
        memory: 384,
        host: "evict=random:2000 hinting=unused",
        limits: LIMITS,
    },
    Setting {
        cpus: [2, 2],
        memory: 384,
        host: "evict=random:500 memory=24M paging=model:240M:10:2 shadow=64K",
        limits: LIMITS,
    },
];

pub(crate) fn tests() -> Vec<Trial> {
    let number = |name: &str| env::var(name).ok()?.parse::<u64>().ok();
    let first = number("STREAMS_SEED").unwrap_or(1);
    let end = first + number("STREAMS").unwrap_or(FEW);
    let next = |seed: u64| (batch(seed) + 1) * AT_ONCE + 1;
    let starts = successors(Some(first), move |seed| Some(next(*seed)));
    let batches = starts.take_while(move |seed| *seed < end).map(move |seed| {
        let seeds = seed..end.min(next(seed));
        let name = format!("streams::from_seed_{seed}");
        trial(name, move || survived(seeds))
    });
    let listed = trial(
        "streams::mistakes_of_the_emulator_are_in_the_book",
        in_the_book,
    );
    batches.chain([listed]).collect()
}

/// Which machine a stream is one of. That, and how it is, depends on nothing but the seed.
const fn batch(seed: u64) -> u64 {
    seed.saturating_sub(1) / AT_ONCE
}

fn setting(seed: u64) -> &'static Setting {
    &SETTINGS[batch(seed) as usize % SETTINGS.len()]
}

/// Whatever these streams do, the host and the neighbour go on.
fn survived(seeds: std::ops::Range<u64>) -> Verdict {
    let source = Source::new(Images::get()?.program()?);
    let setting = setting(seeds.start);
    check(
        setting,
        seeds.map(|seed| Stream::new(seed, &source)).collect(),
    )
}

fn check(setting: &Setting, streams: Vec<Stream>) -> Verdict {
    let outcome = beside::run(setting, &stream::images(&streams))?;
    let what = match &outcome {
        Outcome::Good(ends) => return say(setting, ends),
        Outcome::Aborted(said) => {
            if let Some(mistake) = known::find(said) {
                return without_one(setting, streams, mistake);
            }
            format!("the emulator aborted: {said}")
        }
        Outcome::Bad(why) => why.clone(),
    };
    let reduced = reduce::reduce(setting, streams, &outcome)?;
    Err(format!("{what}\n{setting:?}\n{reduced}").into())
}

/// One of these makes the emulator make a mistake that is known: the others are run without it.
fn without_one(setting: &Setting, mut streams: Vec<Stream>, mistake: &Mistake) -> Verdict {
    if let [one] = &streams[..] {
        eprintln!("stream {}: {}", one.seed, mistake.name);
        return Ok(());
    }
    let others = streams.split_off(streams.len() / 2);
    check(setting, streams)?;
    check(setting, others)
}

/// How often guests ended how, if that is asked for.
fn say(setting: &Setting, ends: &[String]) -> Verdict {
    crate::check!(!ends.is_empty(), "no guest but the neighbour");
    if env::var_os("STREAMS").is_some() {
        let mut counts = BTreeMap::<_, u64>::new();
        for end in ends {
            *counts.entry(end).or_default() += 1;
        }
        eprintln!("{setting:?}: {counts:#?}");
    }
    Ok(())
}

fn in_the_book() -> Verdict {
    let path = xtask::workspace::root().join("docs/leaks.md");
    let book = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
    crate::check!(
        known::KNOWN.len() <= MOST_KNOWN,
        "too many to be screened out"
    );
    for mistake in known::KNOWN {
        crate::check!(
            book.contains(mistake.name),
            "not in the book: {}",
            mistake.name
        );
    }
    Ok::<(), Failed>(())
}
