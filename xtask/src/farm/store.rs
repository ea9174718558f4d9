//! The folder of a farm: points as they come, and the result made of them, complete or not.

use std::fs::{self, File, OpenOptions};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use super::point::{FORMAT, Farm, Point};
use crate::events::Status;
use crate::failure;

/// The result.
pub const RESULT: &str = "farm.json";
/// Its points, one a line, in the order in which they were measured.
pub const POINTS: &str = "points.jsonl";

/// The folder.
#[derive(Debug)]
pub struct Store {
    folder: PathBuf,
    /// Points that are there, in no order.
    points: Vec<Point>,
    lines: File,
}

impl Store {
    /// Opens the folder for a result that begins as `head`; with `resume` the good points that it has stay.
    ///
    /// # Errors
    /// It cannot be written, or what it has was measured in another way.
    pub fn open(folder: &Path, head: &Farm, resume: bool) -> Result<Self> {
        let cannot = || format!("cannot write {}", folder.display());
        fs::create_dir_all(folder).with_context(cannot)?;
        let path = folder.join(POINTS);
        let points = if resume {
            check(&folder.join(RESULT), head)?;
            read_points(&path)?
        } else {
            Vec::new()
        };
        // What is broken or failed goes.
        let mut text = String::new();
        for point in &points {
            text += &line(point)?;
        }
        fs::write(&path, text).with_context(cannot)?;
        let lines = OpenOptions::new().append(true).open(&path);
        Ok(Self {
            folder: folder.to_owned(),
            points,
            lines: lines.with_context(cannot)?,
        })
    }

    /// The points that are there.
    #[must_use]
    pub fn points(&self) -> &[Point] {
        &self.points
    }

    /// Adds a point.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn add(&mut self, point: Point) -> Result<()> {
        self.lines.write_all(line(&point)?.as_bytes())?;
        self.points.push(point);
        Ok(())
    }

    /// Writes the result, all at once.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn write(&self, farm: &Farm) -> Result<()> {
        let path = self.folder.join(RESULT);
        let unfinished = path.with_extension("tmp");
        let text = serde_json::to_string_pretty(farm)? + "\n";
        fs::write(&unfinished, text)
            .and_then(|()| fs::rename(&unfinished, &path))
            .with_context(|| format!("cannot write {}", path.display()))
    }
}

fn line(point: &Point) -> Result<String> {
    Ok(serde_json::to_string(point)? + "\n")
}

/// The result in a folder.
///
/// # Errors
/// There is none, or it is of another format.
pub fn read(folder: &Path) -> Result<Farm> {
    let path = folder.join(RESULT);
    let unusable = |what: String| failure::unusable(format!("{}: {what}", path.display()));
    let text = fs::read_to_string(&path).map_err(|error| unusable(error.to_string()))?;
    let farm: Farm = serde_json::from_str(&text).map_err(|error| unusable(error.to_string()))?;
    if farm.format != FORMAT {
        return Err(unusable(format!("format {}, not {FORMAT}", farm.format)));
    }
    Ok(farm)
}

/// Whether a result that is there may go on as `head`; there may be none.
fn check(path: &Path, head: &Farm) -> Result<()> {
    if !path.exists() {
        return Ok(());
    }
    let there = read(path.parent().unwrap_or(path))?;
    let same = [
        ("commit", there.commit == head.commit),
        ("versions", there.versions == head.versions),
        ("machine", there.machine == head.machine),
        ("settings", there.settings == head.settings),
    ];
    match same.iter().find(|(_, same)| !same) {
        None => Ok(()),
        Some((what, _)) => Err(failure::unusable(format!(
            "--resume: {} was measured with another {what}; choose another --out",
            path.display()
        ))),
    }
}

/// The good points of a file; a line that was cut off is none.
fn read_points(path: &Path) -> Result<Vec<Point>> {
    if !path.exists() {
        return Ok(Vec::new());
    }
    let mut points: Vec<Point> = Vec::new();
    for line in BufReader::new(File::open(path)?).split(b'\n') {
        if let Ok(point) = serde_json::from_slice::<Point>(&line?)
            && point.status == Status::Ok
            && points.iter().all(|other| other.id != point.id)
        {
            points.push(point);
        }
    }
    Ok(points)
}

#[cfg(test)]
mod tests {
    use super::super::point::{Clock, Machine, Mode};
    use super::*;

    fn farm(commit: &str) -> Farm {
        Farm {
            format: FORMAT,
            machine: Machine {
                processor: "p".into(),
                cpus: 2,
                memory: 3,
            },
            versions: [("qemu".to_owned(), "7".to_owned())].into(),
            commit: Some(commit.into()),
            settings: [].into(),
            complete: false,
            planned: 2,
            points: Vec::new(),
            sweeps: Vec::new(),
            targets: Vec::new(),
        }
    }

    fn point(id: &str, status: Status) -> Point {
        Point {
            id: id.into(),
            experiment: "curve".into(),
            variant: String::new(),
            mode: Mode::Extended,
            clock: Clock::Virtual,
            seed: 1,
            guests: 2,
            guest_pages: 4096,
            frames: 8192,
            overcommit_defined: 1.0,
            overcommit_resident: Some(0.1 + 0.2),
            settings: [].into(),
            status,
            reason: None,
            measures: None,
            per_guest: Vec::new(),
            timeline: Vec::new(),
        }
    }

    #[test]
    fn what_was_cut_off_goes_on_with_its_good_points() {
        let folder = tempfile::tempdir().unwrap();
        let head = farm("c");
        let mut store = Store::open(folder.path(), &head, false).unwrap();
        store.add(point("a", Status::Ok)).unwrap();
        store.add(point("b", Status::Failed)).unwrap();
        store.add(point("c", Status::Ok)).unwrap();
        store.write(&head).unwrap();
        drop(store);
        // The last line was cut off.
        let path = folder.path().join(POINTS);
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, &text[..text.len() - 9]).unwrap();
        assert_eq!(read(folder.path()).unwrap(), head);

        let mut store = Store::open(folder.path(), &head, true).unwrap();
        assert_eq!(store.points(), [point("a", Status::Ok)]);
        store.add(point("c", Status::Ok)).unwrap();
        drop(store);
        let store = Store::open(folder.path(), &head, true).unwrap();
        assert_eq!(store.points().len(), 2);
        let store = Store::open(folder.path(), &head, false).unwrap();
        assert!(
            store.points().is_empty(),
            "without --resume all begins anew"
        );
    }

    #[test]
    fn what_was_measured_otherwise_does_not_go_on() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path(), &farm("c"), true).unwrap();
        store.write(&farm("c")).unwrap();
        let error = Store::open(folder.path(), &farm("d"), true).unwrap_err();
        assert!(error.to_string().contains("another commit"), "{error}");
    }

    #[test]
    fn a_result_of_another_format_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let mut other = farm("c");
        other.format = FORMAT + 1;
        let store = Store::open(folder.path(), &other, false).unwrap();
        store.write(&other).unwrap();
        assert!(read(folder.path()).is_err());
    }
}
