//! The directory that a run leaves: complete, or not at all.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write as _};
use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::{failure, process, trace};

/// Every JSON line of the run.
pub const EVENTS: &str = "run.jsonl";
/// The console and what QEMU said, as it came.
pub const LOG: &str = "run.log";

/// The directory of a run; what was written into it goes away unless the run is kept.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    /// Whether the directory did not exist before.
    is_new: bool,
    written: Vec<PathBuf>,
}

impl Folder {
    /// Makes the directory if it is not there.
    ///
    /// # Errors
    /// It cannot be made, or there is something else of that name.
    pub fn create(path: &Path) -> Result<Self> {
        let is_new = !path.exists();
        let refuse = |what: String| failure::unusable(format!("--out {}: {what}", path.display()));
        if !is_new && !path.is_dir() {
            return Err(refuse("not a directory; choose another one".to_owned()));
        }
        fs::create_dir_all(path).map_err(|error| refuse(process::explain_write(&error)))?;
        Ok(Self {
            path: path.to_path_buf(),
            is_new,
            written: Vec::new(),
        })
    }

    /// The directory.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Makes a file with `write`, which gets its path.
    ///
    /// # Errors
    /// Whatever `write` reports, as one line that names the file.
    pub fn add<T>(&mut self, name: &str, write: impl FnOnce(&Path) -> io::Result<T>) -> Result<T> {
        let path = self.path.join(name);
        self.written.push(path.clone());
        write(&path).map_err(|error| self.explain(&path, &error))
    }

    /// Keeps all that was written.
    pub fn keep(mut self) {
        self.written.clear();
        self.is_new = false;
    }

    fn explain(&self, path: &Path, error: &io::Error) -> anyhow::Error {
        let reason = process::explain_write(error);
        failure::unusable(format!("cannot write {}: {reason}", path.display()))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // Best effort: we are here because something else has gone wrong already.
        for path in &self.written {
            let _ = fs::remove_file(path);
        }
        if self.is_new {
            let _ = fs::remove_dir(&self.path);
        }
    }
}

/// Writes the lines of a run.
#[derive(Debug)]
pub struct Recorder {
    folder: Folder,
    events: BufWriter<File>,
    log: BufWriter<File>,
}

impl Recorder {
    /// Starts both files.
    ///
    /// # Errors
    /// One of them cannot be made.
    pub fn start(mut folder: Folder) -> Result<Self> {
        for name in [EVENTS, LOG, trace::FILE] {
            // An earlier run's files must not be taken for this one's.
            let _ = fs::remove_file(folder.path.join(name));
        }
        let events = BufWriter::new(folder.add(&partial(EVENTS), |path| File::create(path))?);
        let log = BufWriter::new(folder.add(&partial(LOG), |path| File::create(path))?);
        Ok(Self {
            folder,
            events,
            log,
        })
    }

    /// Records a line as it came.
    ///
    /// # Errors
    /// The disk is full, or fails.
    pub fn log(&mut self, line: &str) -> Result<()> {
        let written = writeln!(self.log, "{line}");
        written.map_err(|error| self.folder.explain(&self.folder.path.join(LOG), &error))
    }

    /// Records a JSON line.
    ///
    /// # Errors
    /// The disk is full, or fails.
    pub fn event(&mut self, line: &str) -> Result<()> {
        let written = writeln!(self.events, "{line}");
        written.map_err(|error| self.folder.explain(&self.folder.path.join(EVENTS), &error))
    }

    /// Adds another file, as [`Folder::add`].
    ///
    /// # Errors
    /// As there.
    pub fn add<T>(&mut self, name: &str, write: impl FnOnce(&Path) -> io::Result<T>) -> Result<T> {
        self.folder.add(name, write)
    }

    /// Gives both files their names; returns where they are.
    ///
    /// # Errors
    /// The disk is full, or fails: then nothing is left of the run.
    pub fn finish(mut self) -> Result<PathBuf> {
        for (writer, name) in [(&mut self.events, EVENTS), (&mut self.log, LOG)] {
            let (from, to) = (
                self.folder.path.join(partial(name)),
                self.folder.path.join(name),
            );
            let done = writer.flush().and_then(|()| fs::rename(&from, &to));
            done.map_err(|error| self.folder.explain(&to, &error))?;
            self.folder.written.push(to);
        }
        let path = self.folder.path.clone();
        self.folder.keep();
        Ok(path)
    }
}

fn partial(name: &str) -> String {
    format!("{name}.partial-{}", std::process::id())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        let mut names: Vec<_> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_finished_run_leaves_both_files() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("new/run");
        let mut recorder = Recorder::start(Folder::create(&path).unwrap()).unwrap();
        recorder.event("{}").unwrap();
        recorder.log("text").unwrap();
        assert_eq!(recorder.finish().unwrap(), path);
        assert_eq!(names(&path), [EVENTS, LOG]);
        assert_eq!(fs::read_to_string(path.join(EVENTS)).unwrap(), "{}\n");
    }

    #[test]
    fn an_unfinished_run_leaves_nothing() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("run");
        let mut folder = Folder::create(&path).unwrap();
        folder.add("bundle", |path| fs::write(path, "x")).unwrap();
        drop(Recorder::start(folder).unwrap());
        assert!(!path.exists());
        fs::create_dir(&path).unwrap();
        fs::write(path.join("mine"), "x").unwrap();
        drop(Recorder::start(Folder::create(&path).unwrap()).unwrap());
        assert_eq!(names(&path), ["mine"], "what was there before stays");
    }

    #[test]
    fn a_file_is_no_directory() {
        let error = Folder::create(Path::new("/dev/full")).unwrap_err();
        assert_eq!(failure::status_of(&error), failure::UNUSABLE);
        assert!(error.to_string().contains("/dev/full: not a directory"));
    }

    #[test]
    fn a_full_disk_is_explained() {
        let parent = tempfile::tempdir().unwrap();
        let mut folder = Folder::create(&parent.path().join("run")).unwrap();
        let full = |_: &Path| fs::write("/dev/full", "x");
        let error = folder.add("bundle", full).unwrap_err().to_string();
        assert!(
            error.contains("make room there or choose another directory"),
            "{error}"
        );
    }
}
