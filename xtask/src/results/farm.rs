//! The result of a farm as it is kept, and what docs/farm.md says of it.

use std::path::Path;

use anyhow::Result;

use super::{lines, short, write};
use crate::events::Status;
use crate::farm::point::{Farm, Measures, Mode, Point, Target, Verdict};
use crate::farm::store;
use crate::{failure, table};

/// Takes over the result of a farm: what each guest did, and samples, are many and nobody quotes them.
///
/// # Errors
/// It is not complete, or cannot be read or written.
pub(super) fn take_over(from: &Path, to: &Path) -> Result<()> {
    let farm = store::read(from)?;
    if !farm.complete {
        return Err(failure::unusable(format!(
            "{}: the farm is not complete: {} of {} points; go on with it by `cargo xtask farm --resume`",
            from.join(store::RESULT).display(),
            farm.points.len(),
            farm.planned
        )));
    }
    write(&to.join(store::RESULT), &lines::text(&compact(farm))?)
}

fn compact(farm: Farm) -> Farm {
    let compact = |point: Point| Point {
        per_guest: Vec::new(),
        timeline: Vec::new(),
        ..point
    };
    Farm {
        points: farm.points.into_iter().map(compact).collect(),
        ..farm
    }
}

/// What is shown, by the names of blocks.
pub(super) fn blocks(farm: &Farm) -> [(&'static str, String); 2] {
    [
        ("farm-points", points(farm)),
        ("farm-targets", targets(farm)),
    ]
}

/// The main experiment: means over the seeds.
fn points(farm: &Farm) -> String {
    let mut text = format!(
        "{}, {} CPUs, {}, clock {}; means over seeds {}.\n\n\
         | overcommit | mode | requests for 10⁹ instructions | p99, ms | page writes | page reads | disk pages | discards | ESSA |\n\
         | --- | --- | --- | --- | --- | --- | --- | --- | --- |",
        farm.machine.processor,
        farm.machine.cpus,
        short(farm.commit.as_deref()),
        farm.settings.get("clock").map_or("", String::as_str),
        seeds(farm),
    );
    let curve = |point: &&Point| point.experiment == "curve" && point.status == Status::Ok;
    let all: Vec<&Point> = farm.points.iter().filter(curve).collect();
    let mut guests: Vec<u64> = all.iter().map(|point| point.guests).collect();
    guests.sort_unstable();
    guests.dedup();
    for guests in guests {
        for mode in Mode::ALL {
            let its = all
                .iter()
                .filter(|one| one.guests == guests && one.mode == mode);
            let its: Vec<&Point> = its.copied().collect();
            if let Some(row) = row(&its, mode) {
                text += "\n";
                text += &row;
            }
        }
    }
    text
}

fn seeds(farm: &Farm) -> String {
    let mut seeds: Vec<u64> = farm.points.iter().map(|point| point.seed).collect();
    seeds.sort_unstable();
    seeds.dedup();
    let words: Vec<_> = seeds.iter().map(u64::to_string).collect();
    words.join(", ")
}

/// The row of points that differ by their seeds.
fn row(points: &[&Point], mode: Mode) -> Option<String> {
    let overcommit = points.first()?.overcommit_defined;
    let measures: Vec<&Measures> = points
        .iter()
        .filter_map(|one| one.measures.as_ref())
        .collect();
    let mean = |count: &dyn Fn(&Measures) -> Option<f64>| {
        let values: Option<Vec<f64>> = measures.iter().map(|its| count(its)).collect();
        let values = values.filter(|values| !values.is_empty())?;
        Some(values.iter().sum::<f64>() / values.len() as f64)
    };
    let whole = |value: Option<f64>| {
        let grouped = |value: f64| table::grouped(value.round() as u64);
        value.map_or_else(|| "-".to_owned(), grouped)
    };
    let count = |count: fn(&Measures) -> u64| whole(mean(&|its| Some(count(its) as f64)));
    let p99 = mean(&|its| Some(its.latency.p99 as f64 / 1e6)).unwrap_or_default();
    Some(format!(
        "| {overcommit}:1 | `{}` | {} | {p99:.1} | {} | {} | {} | {} | {} |",
        mode.word(),
        whole(mean(&|its| its.requests_per_1e9_instructions)),
        count(|its| its.page_writes),
        count(|its| its.page_reads),
        count(|its| its.file_reads + its.file_writes),
        count(|its| its.discards),
        count(|its| its.essa.values().sum()),
    ))
}

fn targets(farm: &Farm) -> String {
    let mut text = "| target | value | |\n| --- | --- | --- |".to_owned();
    for target in &farm.targets {
        text += &format!(
            "\n| {}: {}: {} | {} | {} |",
            target.number,
            target.what,
            target.aim,
            values(target),
            match target.verdict {
                Verdict::Met => "met",
                Verdict::Missed => "missed",
                Verdict::NotMeasured => "not measured",
            }
        );
    }
    text
}

fn values(target: &Target) -> String {
    let value = |value: f64| match value {
        large if large >= 1000.0 => table::grouped(large.round() as u64),
        small => format!("{small:.3}"),
    };
    let values = target.values.iter();
    let words: Vec<_> = values
        .map(|one| format!("{} ({})", value(one.value), one.name))
        .collect();
    words.join("; ")
}
