//! The main job on all CPUs: one thread each, on files of its own.

use alloc::sync::Arc;
use core::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use crate::control::Control;
use crate::fs::archive::Archive;
use crate::report;
use crate::smp;
use crate::sync::Mutex;
use crate::task;
use crate::work::verify::{Failure, Progress, Verify};

/// How often a pass is reported on.
const REPORTS: usize = 20;

/// How the job ended.
pub struct Done {
    /// Bytes verified.
    pub bytes_verified: u64,
    /// The first thing that was wrong.
    pub failure: Option<Failure>,
}

/// What the threads add up.
struct Sum {
    files: usize,
    control: Control,
    files_done: AtomicUsize,
    bytes_verified: AtomicU64,
    failed: AtomicBool,
    failure: Mutex<Option<Failure>>,
}

impl Sum {
    /// Adds a file that is done, with the bytes verified on the way; reports now and then.
    fn add(&self, bytes: u64) {
        let bytes_verified = self.bytes_verified.fetch_add(bytes, Ordering::Relaxed) + bytes;
        let all_done = self.files_done.fetch_add(1, Ordering::Relaxed) + 1;
        let files_done = (all_done - 1) % self.files + 1;
        let step = self.files.div_ceil(REPORTS).max(1);
        if files_done.is_multiple_of(step) || files_done == self.files {
            let progress = Progress {
                pass: ((all_done - 1) / self.files) as u64 + 1,
                files_done,
                bytes_verified,
            };
            report::progress(progress, self.control.passes, self.files);
        }
    }

    fn fail(&self, failure: Failure) {
        self.failed.store(true, Ordering::Relaxed);
        self.failure.lock().get_or_insert(failure);
    }
}

/// Verifies part `number` of `parts` of the files.
fn verify(archive: &Archive<'_>, sum: &Sum, number: usize, parts: usize) {
    let control = &sum.control;
    let seed = control.seed.wrapping_add((number as u64) << 32);
    let mut work = Verify::new(archive, control.passes, seed)
        .share(number, parts)
        .disjoint(control.disjoint)
        .cold(control.cold);
    let mut reported = 0;
    let outcome = work.run(|progress| {
        sum.add(progress.bytes_verified - reported);
        reported = progress.bytes_verified;
        !sum.failed.load(Ordering::Relaxed)
    });
    sum.bytes_verified
        .fetch_add(work.bytes_verified - reported, Ordering::Relaxed);
    if let Err(failure) = outcome {
        sum.fail(failure);
    }
}

/// Verifies all files as often as the parameters say, and as they say.
pub fn run(archive: &'static Archive<'static>, control: &Control) -> Done {
    let sum = Arc::new(Sum {
        files: archive.index().len(),
        control: *control,
        files_done: AtomicUsize::new(0),
        bytes_verified: AtomicU64::new(0),
        failed: AtomicBool::new(false),
        failure: Mutex::new(None),
    });
    let parts = smp::all().count();
    let start = |number| {
        let sum = sum.clone();
        task::spawn(move || verify(archive, &sum, number, parts))
    };
    // The others need not go on if one cannot start.
    let start = |number| start(number).inspect_err(|error| sum.fail((*error).into()));
    let started = task::run_all(parts, start, |()| ());
    started.unwrap_or_else(|error| sum.fail(error.into()));
    Done {
        bytes_verified: sum.bytes_verified.load(Ordering::Relaxed),
        failure: sum.failure.lock().take(),
    }
}
