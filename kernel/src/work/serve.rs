//! Files on request, as a web server has them: few files are wanted often, most of them seldom.
//!
//! Which file is wanted is random by a Zipf distribution with exponent 1: the second most popular file is
//! wanted half as often as the first, the third a third as often, and so on. A file is sent from its
//! beginning to its end in segments, as TCP has them on an Ethernet. Each way of copying out of the page
//! cache has a phase of its own, so that their costs can be told apart.

use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, Ordering};

use cmm::Orc;
use rand_core::Rng;
use rand_pcg::Pcg64Mcg;

use crate::fs::archive::{Archive, Copy};
use crate::fs::digest::FileDigest;
use crate::mm::{Mm, OutOfMemory, collect};
use crate::report;
use crate::smp;
use crate::task;
use crate::time::Stopwatch;
use crate::work::verify::{Failure, Mismatch};

/// Bytes of a segment: what a frame of 1500 bytes leaves to TCP with time stamps.
const SEGMENT: usize = 1448;
/// One request in so many is checked against the file's digest, and not counted among the others.
const CHECKED: u64 = 16;
/// The phases.
const COPIES: [Copy; 3] = [Copy::FaultTolerant, Copy::Optimistic, Copy::Stable];

/// What has been served.
#[derive(Clone, Copy, Default)]
pub struct Served {
    /// Requests.
    pub requests: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Bytes whose digest was compared.
    pub bytes_verified: u64,
    /// Instructions of all requests that were not checked, on this CPU.
    instructions: u64,
}

impl Served {
    fn add(&mut self, other: &Self) {
        self.requests += other.requests;
        self.bytes += other.bytes;
        self.bytes_verified += other.bytes_verified;
        self.instructions += other.instructions;
    }
}

/// The files by popularity, and how popular each is, those before it included.
struct Popularity {
    files: Vec<usize>,
    sums: Vec<u64>,
}

impl Popularity {
    /// Who is popular is random: a file's size has nothing to do with it.
    fn new(archive: &Archive<'_>, random: &mut Pcg64Mcg) -> Result<Self, OutOfMemory> {
        let index = archive.index();
        let mut files = collect(0..index.len())?;
        files.retain(|file| index.file(*file).size > 0);
        for last in (1..files.len()).rev() {
            files.swap(last, random.next_u64() as usize % (last + 1));
        }
        let mut sum = 0;
        let weight = |rank: u64| (1 << 32) / rank;
        let sums = (0..files.len()).map(|rank| {
            sum += weight(rank as u64 + 1);
            sum
        });
        let sums = collect(sums)?;
        Ok(Self { files, sums })
    }

    fn choose(&self, random: &mut Pcg64Mcg) -> Option<usize> {
        let at = random.next_u64() % self.sums.last()?;
        let rank = self.sums.partition_point(|sum| *sum <= at);
        Some(self.files[rank])
    }
}

/// One CPU's requests.
pub(super) struct Server<'a> {
    archive: &'a Archive<'a>,
    popularity: Popularity,
    random: Pcg64Mcg,
    /// What it has served.
    pub(super) served: Served,
}

impl<'a> Server<'a> {
    pub(super) fn new(
        archive: &'a Archive<'a>,
        seed: u64,
        number: u64,
    ) -> Result<Self, OutOfMemory> {
        // All CPUs agree on who is popular, and on nothing else.
        let mut random = Pcg64Mcg::new(u128::from(seed) << 1 | 1);
        let popularity = Popularity::new(archive, &mut random)?;
        let own = seed
            .wrapping_add(number << 32)
            .wrapping_mul(0x2545_f491_4f6c_dd1d);
        Ok(Self {
            archive,
            popularity,
            random: Pcg64Mcg::new(u128::from(own) << 1 | 1),
            served: Served::default(),
        })
    }

    /// Sends a file; `each` gets the segments.
    fn send(&self, number: usize, copy: Copy, mut each: impl FnMut(&[u8])) -> Result<u64, Failure> {
        let file = self.archive.index().file(number);
        let mut segment = [0; SEGMENT];
        let mut at = 0;
        while at < file.size {
            let length = (file.size - at).min(SEGMENT as u64) as usize;
            self.archive
                .read(number, at, &mut segment[..length], copy)
                .map_err(|error| Failure::Read(file.path.into(), error))?;
            each(&segment[..length]);
            at += length as u64;
        }
        Ok(file.size)
    }

    fn request(&mut self, number: usize, copy: Copy) -> Result<(), Failure> {
        if self.served.requests.is_multiple_of(CHECKED) {
            let mut digest = FileDigest::new();
            let bytes = self.send(number, copy, |segment| digest.update(segment))?;
            let file = self.archive.index().file(number);
            if digest.finish() != file.digest {
                return Err(Failure::Mismatch(Mismatch {
                    file: file.path.into(),
                    offset: 0,
                    length: bytes as usize,
                    page_state: "unknown".into(),
                    copy,
                }));
            }
            self.served.bytes += bytes;
            self.served.bytes_verified += bytes;
        } else {
            let watch = Stopwatch::start();
            // What is sent leaves by a device.
            let bytes = self.send(number, copy, |segment| {
                core::hint::black_box(segment);
            })?;
            self.served.instructions += watch.instructions();
            self.served.bytes += bytes;
        }
        self.served.requests += 1;
        Ok(())
    }

    /// Serves a file of its choice; returns a random number that is not 0.
    pub(super) fn serve(&mut self, copy: Copy) -> Result<u64, Failure> {
        if let Some(number) = self.popularity.choose(&mut self.random) {
            self.request(number, copy)?;
        }
        Ok(self.random.next_u64() | 1)
    }

    fn run(&mut self, requests: u64, copy: Copy, stop: &AtomicBool) -> Result<Served, Failure> {
        self.served = Served::default();
        for _ in 0..requests {
            if stop.load(Ordering::Relaxed) {
                break;
            }
            task::poll();
            let Some(number) = self.popularity.choose(&mut self.random) else {
                break;
            };
            if let Err(failure) = self.request(number, copy) {
                stop.store(true, Ordering::Relaxed);
                return Err(failure);
            }
        }
        Ok(self.served)
    }
}

/// Counters before a phase, or after it.
#[derive(Clone, Copy)]
struct Counted {
    /// ESSA issued by making pages stable and volatile.
    essa: u64,
    stable: u64,
    others: u64,
}

impl Counted {
    fn now(mm: &Mm<'_>) -> Self {
        let orcs = [
            Orc::SetVolatile,
            Orc::SetPotentiallyVolatile,
            Orc::SetStableIfNotDiscarded,
        ];
        let stats = &mm.stats;
        Self {
            essa: orcs
                .iter()
                .map(|orc| stats.essa[usize::from(orc.code())].get())
                .sum(),
            stable: stats.stable_copies.get(),
            others: stats.fault_tolerant_copies.get() + stats.optimistic_copies.get(),
        }
    }
}

/// A phase on all CPUs.
fn phase(
    archive: &'static Archive<'static>,
    requests: u64,
    seed: u64,
    copy: Copy,
) -> Result<Served, Failure> {
    let stop = Arc::new(AtomicBool::new(false));
    let cpus = smp::all().count();
    let start = |number: usize| {
        let its = stop.clone();
        let server = Server::new(archive, seed, number as u64);
        server
            .and_then(|mut server| {
                task::spawn(move || server.run(requests / cpus as u64, copy, &its))
            })
            // The others need not go on.
            .inspect_err(|_| stop.store(true, Ordering::Relaxed))
    };
    let mut all = Served::default();
    let mut failed = None;
    let started = task::run_all(
        cpus,
        start,
        |outcome: Result<Served, Failure>| match outcome {
            Ok(served) => all.add(&served),
            Err(failure) => {
                failed.get_or_insert(failure);
            }
        },
    );
    failed.map_or(Ok(()), Err)?;
    started?;
    Ok(all)
}

fn report(copy: Copy, served: &Served, before: Counted, after: Counted, pending: usize) {
    let name = |what: &str| -> String { format!("serve, {} copy: {what}", copy.name()) };
    let measured = served.requests - served.requests.div_ceil(CHECKED);
    if smp::all().count() == 1 {
        report::measure(&name("a request"), measured, served.instructions);
    }
    let hits = match copy {
        Copy::Stable => after.stable - before.stable,
        Copy::FaultTolerant | Copy::Optimistic => after.others - before.others,
    };
    report::tally(&name("page-cache hits of a request"), served.requests, hits);
    report::tally(
        &name("state changes of a hit"),
        hits,
        after.essa - before.essa,
    );
    if copy == Copy::Stable {
        report::tally(
            &name("pages that wait to become volatile"),
            1,
            pending as u64,
        );
    }
}

/// Serves `passes` times as many requests as there are files, by each way of copying.
///
/// # Errors
/// A file is not what was packed, or cannot be read.
pub fn run(archive: &'static Archive<'static>, passes: u64, seed: u64) -> Result<Served, Failure> {
    let mm = archive.mm();
    let requests = passes * archive.index().len() as u64;
    let mut all = Served::default();
    // The first phase fills the cache, and lets the host map what became volatile; it is not reported.
    let first = core::iter::once(Copy::FaultTolerant);
    for (number, copy) in first.chain(COPIES).enumerate() {
        let before = Counted::now(mm);
        let served = phase(archive, requests, seed, copy)?;
        if number > 0 {
            report(
                copy,
                &served,
                before,
                Counted::now(mm),
                mm.pending_page_count(),
            );
        }
        all.add(&served);
    }
    Ok(all)
}
