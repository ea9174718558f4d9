//! The subcommand `report`: what farms have measured, as one page with charts.
//!
//! The page holds everything itself: style, charts, numbers. It has no scripts.

mod chart;
mod compare;
mod curves;
mod page;
mod states;

use std::fs;
use std::path::Path;

use anyhow::Result;

use crate::cli::ReportOptions;
use crate::farm::point::{FORMAT, Farm};
use crate::farm::store::RESULT;
use crate::{failure, process};

/// The page's name in a run's folder.
pub const FILE: &str = "report.html";

/// A run that was read, with the name that the page has for it.
#[derive(Debug)]
pub struct Run {
    /// What the user calls it: its folder.
    pub name: String,
    /// What was measured.
    pub farm: Farm,
}

/// The subcommand.
pub(crate) fn command(options: &ReportOptions) -> Result<()> {
    let runs = options.folders.iter().map(|folder| read(folder.as_path()));
    let runs: Vec<Run> = runs.collect::<Result<_>>()?;
    let to = options.out.clone().unwrap_or_else(|| {
        let first = &options.folders[0];
        first.join(FILE)
    });
    write(&runs, &to)?;
    process::say(&to.display().to_string())
}

/// Writes the page about some runs; the others are compared with the first.
///
/// # Errors
/// The file cannot be written.
pub fn write(runs: &[Run], to: &Path) -> Result<()> {
    let partial = to.with_extension("partial");
    let written = fs::write(&partial, page::page(runs)).and_then(|()| fs::rename(&partial, to));
    written.map_err(|error| {
        let reason = process::explain_write(&error);
        failure::unusable(format!("cannot write {}: {reason}", to.display()))
    })
}

fn read(folder: &Path) -> Result<Run> {
    let path = folder.join(RESULT);
    let unusable = |reason: String| failure::unusable(format!("{}: {reason}", path.display()));
    let text = fs::read_to_string(&path)
        .map_err(|error| unusable(format!("{error}; give the folder of a farm")))?;
    let value: serde_json::Value =
        serde_json::from_str(&text).map_err(|error| unusable(format!("not JSON: {error}")))?;
    match value.get("format").and_then(serde_json::Value::as_u64) {
        Some(format) if format == u64::from(FORMAT) => {}
        Some(format) => {
            return Err(unusable(format!(
                "format {format}, and {FORMAT} is what this program reads"
            )));
        }
        None => return Err(unusable("no result of a farm".to_owned())),
    }
    let farm = serde_json::from_value(value)
        .map_err(|error| unusable(format!("no result of a farm: {error}")))?;
    let name = folder.display().to_string();
    Ok(Run { name, farm })
}

#[cfg(test)]
pub(crate) mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::events::Status;
    use crate::farm::point::{Clock, Latency, Machine, Measures, Mode, Point, Sample};

    /// A farm with these points, complete.
    pub(super) fn farm(points: Vec<Point>) -> Farm {
        Farm {
            format: FORMAT,
            machine: Machine {
                processor: "a <processor>".to_owned(),
                cpus: 2,
                memory: 1 << 30,
            },
            versions: BTreeMap::from([("qemu".to_owned(), "7.2".to_owned())]),
            commit: Some("0123456".to_owned()),
            settings: BTreeMap::new(),
            complete: true,
            planned: points.len() as u64,
            points,
            sweeps: Vec::new(),
            targets: Vec::new(),
        }
    }

    /// A point of the main experiment, with as many guests as its overcommit.
    pub(crate) fn point(mode: Mode, guests: u64, seed: u64) -> Point {
        let sample = |time_ns, states: &[(&str, u64)], frames_free| Sample {
            time_ns,
            states: states
                .iter()
                .map(|(state, pages)| ((*state).to_owned(), *pages))
                .collect(),
            frames_free,
            balloon_pages: 0,
            guests_asleep: 0,
            page_writes: 0,
            page_reads: 0,
            discards: 0,
            discard_faults: 0,
        };
        Point {
            id: format!("{}-{guests}-{seed}", mode.word()),
            experiment: "curve".to_owned(),
            variant: String::new(),
            mode,
            clock: Clock::Virtual,
            seed,
            guests,
            guest_pages: 100,
            frames: 100,
            overcommit_defined: guests as f64,
            overcommit_resident: Some(guests as f64 / 2.0),
            settings: BTreeMap::new(),
            status: Status::Ok,
            reason: None,
            measures: Some(measures()),
            per_guest: Vec::new(),
            timeline: vec![
                sample(0, &[("Sr", 4), ("Vz", 0)], 10),
                sample(2_000_000_000, &[("Sr", 3), ("Vz", 1)], 20),
            ],
        }
    }

    fn measures() -> Measures {
        let zeroes = serde_json::json!({
            "requests": 100, "bytes": 1000, "bytes_verified": 100, "mismatches": 0, "elapsed_ns": 1_000_000,
            "instructions": 1000, "guest_instructions": 900, "host_instructions": 100, "idle_ns": 5,
            "requests_per_1e9_instructions": 1e8, "requests_per_second": 1e5,
            "guest_instructions_per_request": 9.0, "host_instructions_per_request": 1.0,
            "latency": { "p50": 1000, "p99": 2000, "longest": 3000, "histogram": {} },
            "page_writes": 10, "page_reads": 5, "expanded_out": 0, "expanded_in": 0, "discards": 7,
            "unused_taken": 3, "discard_faults": 2, "reload_reads": 6, "file_reads": 50, "file_writes": 1,
            "swap_reads": 0, "disk_requests": {}, "essa": { "1": 5 }, "exits": {}, "hinting_ns": 10,
            "balloon_ns": 0, "hinting_share": 0.01, "balloon_share": 0.0, "sampling_ns": 1, "wake_ups": 0,
            "balloon_inflated": 0, "balloon_deflated": 0, "balloon_reported": 0, "reclaimed": 9,
            "reclaim_ns": 90, "fairness": 0.99, "wall_seconds": null,
        });
        let measures: Measures = serde_json::from_value(zeroes).expect("all fields are there");
        let latency: &Latency = &measures.latency;
        assert!(latency.p50 < latency.p99);
        measures
    }

    #[test]
    fn folders_are_read_and_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().to_path_buf();
        let told = |text: &str| {
            fs::write(path.join(RESULT), text).unwrap();
            let error = read(&path).unwrap_err();
            assert_eq!(failure::status_of(&error), failure::UNUSABLE);
            error.to_string()
        };
        assert!(told("{").contains("not JSON"));
        assert!(told("{}").contains("no result of a farm"));
        assert!(told(r#"{"format":99}"#).contains("format 99, and 1"));
        assert!(told(r#"{"format":1}"#).contains("missing field"));
        let farm = farm(vec![point(Mode::Full, 2, 1)]);
        fs::write(path.join(RESULT), serde_json::to_string(&farm).unwrap()).unwrap();
        let run = read(&path).unwrap();
        assert_eq!(run.farm, farm);
        write(&[run], &path.join(FILE)).unwrap();
        let names = fs::read_dir(&path).unwrap().count();
        assert_eq!(names, 2, "no partial file is left");
        let error = read(&path.join("elsewhere")).unwrap_err();
        assert!(error.to_string().contains("give the folder of a farm"));
    }
}
