//! Runs configurations on machines, not more at a time than there are CPUs for.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use anyhow::{Context as _, Result};
use signal_hook::consts::{SIGINT, SIGTERM};

use super::config::{Config, Files};
use super::judge::{Verdict, judge};
use crate::cli::{Control, QemuOptions, SetupOptions, Word as _};
use crate::machine::End;
use crate::record::{EVENTS, LOG};
use crate::run::{self, Ready, Show};

/// Folder of the images while machines run.
const IMAGES: &str = "images";

/// What runs a configuration.
pub trait Bench: Sync {
    /// Runs it to its end; none if the user has interrupted it. The lines of a run in which something is wrong go to
    /// `keep`, if that is given.
    ///
    /// # Errors
    /// It could not be run.
    fn run(&self, config: &Config, keep: Option<&Path>) -> Result<Option<Verdict>>;
}

/// CPUs that are free for machines.
#[derive(Debug)]
pub struct Places {
    all: u16,
    free: Mutex<u16>,
    freed: Condvar,
}

impl Places {
    /// So many.
    #[must_use]
    pub fn new(all: u16) -> Self {
        Self {
            all,
            free: Mutex::new(all),
            freed: Condvar::new(),
        }
    }

    /// Waits for so many, or for all if that is less, and has them while `what` is done.
    pub fn with<T>(&self, cpus: u16, what: impl FnOnce() -> T) -> T {
        let cpus = cpus.min(self.all);
        let free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let enough = self.freed.wait_while(free, |free| *free < cpus);
        *enough.unwrap_or_else(PoisonError::into_inner) -= cpus;
        let done = what();
        *self.free.lock().unwrap_or_else(PoisonError::into_inner) += cpus;
        self.freed.notify_all();
        done
    }
}

/// Machines on QEMU.
#[derive(Debug)]
pub struct Machines {
    setup: SetupOptions,
    /// Where machines have their files while they run.
    scratch: PathBuf,
    timeout: u64,
    places: Places,
    ready: BTreeMap<Files, Ready>,
    interrupted: Arc<AtomicBool>,
}

impl Machines {
    /// Sets up, builds and packs; machines have their files below `folder` while they run.
    ///
    /// # Errors
    /// Something is missing, or does not build.
    pub fn new(
        setup: &SetupOptions,
        folder: &Path,
        (places, timeout): (u16, u64),
        control: Option<Control>,
    ) -> Result<Self> {
        let interrupted = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM] {
            signal_hook::flag::register(signal, Arc::clone(&interrupted))?;
        }
        let mut ready = BTreeMap::new();
        for files in Files::ALL {
            let path = files.path().map(|path| path.to_string_lossy().into_owned());
            let mut words: Vec<String> = Vec::new();
            words.extend(
                path.into_iter()
                    .flat_map(|path| ["--files".to_owned(), path]),
            );
            if let Some(control) = control {
                words.extend(["--control".to_owned(), control.word()]);
            }
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            let options = QemuOptions::typed(&words, setup)?;
            let prepared = run::prepare(&options, Show::Nothing)?;
            ready.insert(files, prepared.kept_in(&folder.join(IMAGES))?);
        }
        Ok(Self {
            setup: setup.clone(),
            scratch: folder.to_owned(),
            timeout,
            places: Places::new(places),
            ready,
            interrupted,
        })
    }

    /// Whether the user has had enough.
    #[must_use]
    pub fn is_interrupted(&self) -> bool {
        self.interrupted.load(Ordering::Relaxed)
    }

    fn boot(&self, config: &Config, keep: Option<&Path>) -> Result<Option<Verdict>> {
        if self.is_interrupted() {
            return Ok(None);
        }
        let folder = tempfile::Builder::new()
            .prefix("machine-")
            .tempdir_in(&self.scratch)?;
        let mut words = config.words();
        let (out, timeout) = (folder.path().to_string_lossy(), self.timeout.to_string());
        words.extend(["--out", &out, "--timeout", &timeout].map(str::to_owned));
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let options = QemuOptions::typed(&words, &self.setup)?;
        let ready = &self.ready[&config.files];
        let finished = run::boot(&options, Show::Nothing, None, || Ok(ready.clone()))?;
        // A terminal interrupts the emulator as well, which may be faster.
        if finished.end == End::Interrupted || self.is_interrupted() {
            return Ok(None);
        }
        let verdict = judge(config, &finished);
        if let Some(keep) = keep.filter(|_| verdict.wrong.is_some()) {
            fs::create_dir_all(keep)?;
            for name in [EVENTS, LOG] {
                fs::copy(folder.path().join(name), keep.join(name))
                    .with_context(|| format!("cannot keep {name} in {}", keep.display()))?;
            }
        }
        Ok(Some(verdict))
    }
}

impl Bench for Machines {
    fn run(&self, config: &Config, keep: Option<&Path>) -> Result<Option<Verdict>> {
        self.places
            .with(config.machine_cpus, || self.boot(config, keep))
    }
}

impl Drop for Machines {
    fn drop(&mut self) {
        // Nobody wants copies of images.
        let _ = fs::remove_dir_all(self.scratch.join(IMAGES));
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn never_more_machines_than_places() {
        let places = Places::new(2);
        let (now, most) = (Mutex::new(0), Mutex::new(0));
        thread::scope(|scope| {
            for cpus in [1, 2, 1, 4, 1, 1] {
                let (places, now, most) = (&places, &now, &most);
                scope.spawn(move || {
                    places.with(cpus, || {
                        let cpus = cpus.min(2);
                        let sum = {
                            let mut now = now.lock().unwrap();
                            *now += cpus;
                            *now
                        };
                        let mut most = most.lock().unwrap();
                        *most = sum.max(*most);
                        drop(most);
                        thread::sleep(std::time::Duration::from_millis(10));
                        *now.lock().unwrap() -= cpus;
                    });
                });
            }
        });
        assert_eq!((*now.lock().unwrap(), *most.lock().unwrap()), (0, 2));
    }
}
