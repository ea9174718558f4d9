//! Runs points: two machines side by side, and none left behind.

use std::collections::{BTreeMap, VecDeque};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use anyhow::Result;
use signal_hook::consts::{SIGINT, SIGTERM};

use super::files;
use super::measure::{measure, overcommit_resident};
use super::plan::{Planned, order};
use super::point::{Clock, Point};
use super::shape::{MIB, Shape, words};
use crate::cli::{QemuOptions, SetupOptions};
use crate::events::Status;
use crate::failure;
use crate::machine::End;
use crate::progress::Viewer;
use crate::run::{self, Finished, Ready, Show};
use crate::watch::farm::{News, Teller};

/// Bytes of a page.
const PAGE: u64 = 4096;

/// Folder of the images while machines run.
const IMAGES: &str = "images";

/// What runs points.
#[derive(Debug)]
pub struct Runner {
    setup: SetupOptions,
    /// Where machines have their files while they run.
    scratch: PathBuf,
    timeout: u64,
    /// What machines need, by the KiB of their files.
    ready: BTreeMap<u64, Ready>,
    interrupted: Arc<AtomicBool>,
    /// Who is told what machines do.
    teller: Teller,
}

impl Runner {
    /// A runner that leaves nothing but what it returns, and logs of points that failed, in `folder`.
    ///
    /// # Errors
    /// Signals cannot be looked for.
    pub fn new(setup: &SetupOptions, folder: &Path, timeout: u64, teller: Teller) -> Result<Self> {
        let interrupted = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM] {
            signal_hook::flag::register(signal, Arc::clone(&interrupted))?;
        }
        Ok(Self {
            setup: setup.clone(),
            scratch: folder.to_owned(),
            timeout,
            ready: BTreeMap::new(),
            interrupted,
            teller,
        })
    }

    /// Builds and packs what these points need.
    ///
    /// # Errors
    /// Something is missing, or does not build.
    pub fn prepare(&mut self, points: &[Planned]) -> Result<()> {
        for point in points {
            let kib = point.shape.files_kib;
            if !self.ready.contains_key(&kib) {
                let archive = files::archive(kib)?;
                let words = ["--files", &archive.to_string_lossy()];
                let options = QemuOptions::typed(&words, &self.setup)?;
                let ready = run::prepare(&options, Show::Nothing)?;
                self.ready
                    .insert(kib, ready.kept_in(&self.scratch.join(IMAGES))?);
            }
        }
        Ok(())
    }

    /// Runs points, and hands each to `done`, one at a time.
    ///
    /// # Errors
    /// A run could not take place, `done` failed, or the user has interrupted us.
    pub fn run(
        &self,
        points: &[Planned],
        done: &mut (dyn FnMut(Point) -> Result<()> + Send),
    ) -> Result<()> {
        let is_wall = points.iter().any(|point| point.clock == Clock::Wall);
        // By the wall clock a neighbour would be measured as well.
        let machines = if is_wall { 1 } else { 2 };
        let queue: Mutex<VecDeque<usize>> = Mutex::new(order(points).into());
        let done = Mutex::new(done);
        let stop = AtomicBool::new(false);
        let work = |number: usize| -> Result<()> {
            let folder = self.scratch.join(format!("machine-{number}"));
            loop {
                if stop.load(Ordering::Relaxed) || self.interrupted.load(Ordering::Relaxed) {
                    return Ok(());
                }
                let next = lock(&queue).pop_front();
                let Some(at) = next else {
                    return Ok(());
                };
                let planned = &points[at];
                let (id, guests) = (planned.id(), planned.guests);
                self.teller.tell(News::Begin {
                    machine: number,
                    id,
                    guests,
                })?;
                let point = self.point(planned, &folder, number)?;
                self.teller.tell(News::End { machine: number })?;
                if let Some(point) = point {
                    lock(&done)(point)?;
                }
            }
        };
        let outcomes: Vec<Result<()>> = thread::scope(|scope| {
            let start = |number| {
                let (work, stop) = (&work, &stop);
                scope.spawn(move || {
                    let outcome = work(number);
                    if outcome.is_err() {
                        stop.store(true, Ordering::Relaxed);
                    }
                    outcome
                })
            };
            let threads: Vec<_> = (0..machines).map(start).collect();
            let join = |thread: thread::ScopedJoinHandle<'_, Result<()>>| {
                thread
                    .join()
                    .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            };
            threads.into_iter().map(join).collect()
        });
        outcomes.into_iter().collect::<Result<()>>()?;
        if self.interrupted.load(Ordering::Relaxed) {
            return Err(failure::with_status(failure::INTERRUPTED, "interrupted"));
        }
        Ok(())
    }

    /// Runs one point on a machine of the farm; none if the user has interrupted it.
    fn point(&self, planned: &Planned, folder: &Path, machine: usize) -> Result<Option<Point>> {
        let Planned {
            shape,
            tuning,
            mode,
            guests,
            seed,
            clock,
            ..
        } = planned;
        let mut words = words(shape, tuning, *mode, *guests, *seed, *clock);
        let (out, timeout) = (folder.to_string_lossy(), self.timeout.to_string());
        words.extend(["--out", &out, "--timeout", &timeout].map(str::to_owned));
        if let Some(withheld) = shape.withheld {
            let script = self.scratch.join(IMAGES).join(planned.id());
            fs::write(&script, withheld.script())?;
            words.extend(["--script".to_owned(), script.to_string_lossy().into_owned()]);
        }
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let options = QemuOptions::typed(&words, &self.setup)?;
        let ready = &self.ready[&shape.files_kib];
        let mut viewer = self.teller.of(machine);
        let viewer: &mut dyn Viewer = &mut viewer;
        let outcome = run::boot(&options, Show::Nothing, Some(viewer), || Ok(ready.clone()));
        let point = outcome.map(|finished| {
            let is_interrupted = finished.end == End::Interrupted;
            (!is_interrupted).then(|| point_of(planned, &finished))
        });
        if let Ok(Some(point)) = &point
            && point.status == Status::Failed
        {
            let log = self.scratch.join(format!("{}.log", point.id));
            let _ = fs::copy(folder.join(crate::record::LOG), log);
        }
        // Images of disks: nobody wants them, and they are large.
        let _ = fs::remove_dir_all(folder);
        point
    }
}

impl Drop for Runner {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(self.scratch.join(IMAGES));
    }
}

/// What is behind a lock, whoever has panicked with it.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The point that a run has come to.
fn point_of(planned: &Planned, finished: &Finished) -> Point {
    let wall = finished.wall.as_secs_f64();
    let measured = measure(&finished.collector, planned.clock, wall);
    let guest_pages = planned.shape.guest_mib * MIB / PAGE;
    let frames = planned.shape.host_mib * MIB / PAGE;
    let mut settings = planned.shape.differences(&Shape::MAIN);
    settings.extend(planned.tuning.of(planned.mode, &planned.shape));
    let (measures, per_guest, timeline) = match measured {
        Some(all) => (Some(all.measures), all.per_guest, all.timeline),
        None => (None, Vec::new(), Vec::new()),
    };
    Point {
        id: planned.id(),
        experiment: planned.experiment.clone(),
        variant: planned.variant.clone(),
        mode: planned.mode,
        clock: planned.clock,
        seed: planned.seed,
        guests: planned.guests.into(),
        guest_pages,
        frames,
        overcommit_defined: u64::from(planned.guests) as f64 * guest_pages as f64 / frames as f64,
        overcommit_resident: overcommit_resident(&timeline),
        settings,
        status: finished.outcome.status,
        reason: finished.outcome.reason.clone(),
        measures,
        per_guest,
        timeline,
    }
}
