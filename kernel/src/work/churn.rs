//! Everything at once: tasks that map, read, write, fork, lock, protect, cut and write files, with more
//! memory than there is, while the kernel reads the archive and writes dirty pages to the disk.
//!
//! Each page carries whose it is and which version, and is checked at every access. In the end all files
//! are written to the disk, and the digest of what they must be there is reported: somebody outside looks.

mod calls;
mod plan;
mod program;

use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, Ordering};

use arch::PAGE_SIZE;
use arch::clock::{self, UNITS_PER_MICROSECOND};
use rand_core::Rng;
use rand_pcg::Pcg64Mcg;

use self::calls::Keeper;
use self::plan::{PLACES, Part, Plan, identity, word};
use crate::fs::archive::Archive;
use crate::fs::digest::FileDigest;
use crate::fs::writable::WritableFiles;
use crate::mm::{Mm, OutOfMemory, with_capacity};
use crate::report;
use crate::sync::Mutex;
use crate::task::{self, Join, Stack};
use crate::user::Task;
use crate::work::frames;
use crate::work::tasks::{self, Done};
use crate::work::verify::{Failure, Verify};

/// Time between two pages that are written back beside the tasks, in microseconds.
const WRITE_BACK_EVERY: u64 = 2000;

/// How many tasks there are on so many CPUs, without their children.
pub fn task_count(cpus: usize) -> u32 {
    cpus.clamp(2, 8) as u32
}

/// Pages of each part of a task's space: together, with what children write, more than there are.
pub fn part_pages(free: usize, tasks: u32) -> u32 {
    (free as u32 / 2 / tasks).clamp(16, 4096)
}

/// Steps of a task with parts of so many pages: some for each page.
///
/// Its children take steps, too, and look at every page in the end: all of them together do work in
/// proportion to the third power of the pages.
pub fn steps(pages: u32, passes: u64) -> u64 {
    passes * u64::from(pages) * Part::ALL.len() as u64
}

/// Reads the archive and checks it until the tasks have ended, a file at a time: whole time slices, of which it would
/// get one whenever a task waits, would be most of the time.
fn read_archive(archive: &Archive<'_>, seed: u64, ended: &AtomicBool) -> Result<u64, Failure> {
    let mut reader = Verify::new(archive, u64::MAX, seed);
    let mut files = 0;
    reader.run(|_| {
        files += 1;
        task::yield_now();
        !ended.load(Ordering::Relaxed)
    })?;
    report::tally("files read beside tasks, and yields", files, task::yields());
    Ok(reader.bytes_verified)
}

/// Writes pages of files back, now and then one, until the tasks have ended.
fn write_back(mm: &Mm<'_>, files: &WritableFiles, tasks: u32, seed: u64, ended: &AtomicBool) {
    let mut random = Pcg64Mcg::new(u128::from(seed) << 1 | 1);
    while !ended.load(Ordering::Relaxed) {
        task::sleep_until(clock::now() + WRITE_BACK_EVERY * UNITS_PER_MICROSECOND);
        let key = WritableFiles::key(random.next_u32() % tasks, random.next_u32() % files.pages());
        // The store has said what went wrong; the page stays dirty.
        let _ = mm.write_back(key);
    }
}

/// Writes all that is dirty to the disk.
fn sync(mm: &Mm<'_>, files: &WritableFiles, number: u32) -> Result<(), String> {
    let file = WritableFiles::key(number, 0).file;
    mm.write_back_range(file, 0..files.pages())
        .map(drop)
        .map_err(|_| format!("a page of file {number} cannot be written"))
}

/// The digest of a file whose pages were left in these states.
fn digest(seed: u64, number: u32, states: &[u32]) -> u64 {
    let identity = identity(seed, Part::File, number);
    let mut digest = FileDigest::new();
    for (index, state) in (0..).zip(states) {
        let mut page = [0; PAGE_SIZE];
        if *state != 0 {
            for place in PLACES {
                let at = place as usize * 8;
                page[at..at + 8]
                    .copy_from_slice(&word(identity, index, place, *state).to_be_bytes());
            }
        }
        digest.update(&page);
    }
    digest.finish()
}

/// Starts the task that has file `number`, of so many.
fn start(
    mm: &'static Mm<'static>,
    keeper: Keeper,
    steps: u64,
    seed: u64,
) -> Result<Join<Done>, OutOfMemory> {
    let plan = keeper.plan;
    let arguments = [Task::address(0), plan.pack(), steps, seed];
    let areas = plan.areas().collect();
    let stack = Stack::new()?;
    let task = Task::new(mm, plan.all() as usize, areas, program::program, arguments)?;
    Ok(task::spawn_on(stack, move || tasks::run(mm, task, keeper)))
}

/// The file of the archive that most pages are shown of, and how many.
fn largest(archive: &Archive<'_>, most: u32) -> (u32, u64) {
    let sizes = (0..).zip(archive.index().files().map(|file| file.pieces()));
    let (number, pages) = sizes.max_by_key(|(_, pages)| *pages).unwrap_or((0, 0));
    (number, pages.min(most as usize) as u64)
}

/// Runs it; each task takes so many steps, and so does a child from where its parent was.
///
/// # Errors
/// The archive has another content than it was packed with, or a file cannot be written.
pub fn run(
    archive: &'static Archive<'static>,
    files: &'static WritableFiles,
    tasks: u32,
    steps: u64,
    seed: u64,
) -> Result<Done, Failure> {
    let mm = archive.mm();
    let shown = largest(archive, files.pages());
    let keeper = |file: u32| {
        Ok(Keeper {
            plan: Plan {
                pages: files.pages().into(),
                file,
                neighbour: (file + 1) % tasks,
                archive: shown,
            },
            files,
            archive,
            last: Arc::new(Mutex::new(with_capacity(files.pages() as usize)?)),
        })
    };
    let keepers: Result<Vec<Keeper>, OutOfMemory> = (0..tasks).map(keeper).collect();
    let keepers = keepers?;
    let stacks = [Stack::new()?, Stack::new()?];
    let ended = Arc::new(AtomicBool::new(false));
    let (its, other) = (ended.clone(), ended.clone());
    let [first, second] = stacks;
    let reader = task::spawn_on(first, move || read_archive(archive, seed, &its));
    let writer = task::spawn_on(second, move || write_back(mm, files, tasks, seed, &other));
    let start = |number: usize| start(mm, keepers[number].clone(), steps, seed);
    let mut done = Done::default();
    let started = task::run_all(keepers.len(), start, |its| done.add(its));
    let mut done = done.and(started);
    ended.store(true, Ordering::Relaxed);
    writer.join();
    let read = reader.join()?;
    done.checked += read / 8;
    for (number, keeper) in (0..).zip(&keepers) {
        if let Err(reason) = sync(mm, files, number) {
            done.reason.get_or_insert(reason);
        }
        let states = keeper.last.lock();
        if states.len() == files.pages() as usize {
            let (first, blocks) = files.blocks_of(number);
            let digest = digest(seed, number, &states);
            report::file(files.disk_number(), first, blocks, digest);
        }
    }
    frames::run(mm);
    Ok(done)
}
