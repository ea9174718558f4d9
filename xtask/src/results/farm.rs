//! The result of a farm as it is kept, and what docs/farm.md says of it.

use std::path::Path;

use anyhow::Result;

use super::{lines, short, write};
use crate::events::Status;
use crate::farm::point::{Farm, Measures, Mode, Point, Target, Value, Verdict};
use crate::farm::store;
use crate::{failure, table};

/// Where a result by the wall clock is kept, below the folder of results.
pub(super) const WALL: &str = "wall";

/// Takes over the result of a farm: what each guest did, and samples, are many and nobody quotes them.
///
/// # Errors
/// It is not complete, or cannot be read or written.
pub(super) fn take_over(from: &Path, results: &Path) -> Result<()> {
    let farm = store::read(from)?;
    if !farm.complete {
        return Err(failure::unusable(format!(
            "{}: the farm is not complete: {} of {} points; go on with it by `cargo xtask farm --resume`",
            from.join(store::RESULT).display(),
            farm.points.len(),
            farm.planned
        )));
    }
    let to = match clock(&farm) {
        WALL => results.join(WALL),
        _ => results.to_owned(),
    };
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

/// The word for the clock that it was measured by.
fn clock(farm: &Farm) -> &str {
    farm.settings.get("clock").map_or("", String::as_str)
}

/// What is shown, by the names of blocks.
pub(super) fn blocks(farm: &Farm) -> [(&'static str, String); 4] {
    [
        ("farm-points", points(farm)),
        ("farm-sweeps", sweeps(farm)),
        ("farm-targets", targets(farm)),
        ("farm-cycle", cycle(farm)),
    ]
}

/// What the README shows of it.
pub(super) fn readme_block(farm: &Farm) -> (&'static str, String) {
    ("farm", throughput(farm))
}

/// What is shown of a result by the wall clock.
pub(super) fn wall_blocks(farm: &Farm) -> [(&'static str, String); 1] {
    [("farm-wall", points(farm))]
}

/// The main experiment: means over the seeds.
fn points(farm: &Farm) -> String {
    let mut text = format!(
        "{}, {} CPUs, {}, clock {}; {}.\n\n\
         | overcommit | mode | {} | p99, ms | page writes | page reads | disk pages | discards | ESSA |\n\
         | --- | --- | --- | --- | --- | --- | --- | --- | --- |",
        farm.machine.processor,
        farm.machine.cpus,
        short(farm.commit.as_deref()),
        clock(farm),
        seeds(farm),
        if clock(farm) == WALL {
            "requests a second"
        } else {
            "requests for 10⁹ instructions"
        },
    );
    for guests in sizes(farm) {
        for mode in Mode::ALL {
            if let Some(row) = row(&curve(farm, guests, mode), mode) {
                text += "\n";
                text += &row;
            }
        }
    }
    text
}

/// The numbers of guests in the main experiment.
fn sizes(farm: &Farm) -> Vec<u64> {
    let curve = farm.points.iter().filter(|one| one.experiment == CURVE);
    let mut guests: Vec<u64> = curve.map(|point| point.guests).collect();
    guests.sort_unstable();
    guests.dedup();
    guests
}

/// The main experiment, by the word for it.
const CURVE: &str = "curve";

/// The good points of the main experiment with so many guests in a mode, which differ by their seeds.
fn curve(farm: &Farm, guests: u64, mode: Mode) -> Vec<&Point> {
    let is_one = |point: &&Point| {
        point.experiment == CURVE
            && point.status == Status::Ok
            && (point.guests, point.mode) == (guests, mode)
    };
    farm.points.iter().filter(is_one).collect()
}

/// Requests that so many instructions answer: a row for each size, a column for each mode.
fn throughput(farm: &Farm) -> String {
    let mut text = "| overcommit |".to_owned();
    let mut line = "\n| --- |".to_owned();
    for mode in Mode::ALL {
        text += &format!(" `{}` |", mode.word());
        line += " --- |";
    }
    text += &line;
    for guests in sizes(farm) {
        let cells = Mode::ALL.map(|mode| {
            let points = curve(farm, guests, mode);
            let requests = mean(&measures(&points), &|its| its.requests_per_1e9_instructions);
            (points.first().map(|one| one.overcommit_defined), requests)
        });
        let overcommit = cells.iter().find_map(|(overcommit, _)| *overcommit);
        text += &format!("\n| {}:1 |", overcommit.unwrap_or_default());
        for (_, requests) in cells {
            text += &format!(" {} |", whole(requests));
        }
    }
    text
}

/// What was measured at points.
fn measures<'a>(points: &[&'a Point]) -> Vec<&'a Measures> {
    points
        .iter()
        .filter_map(|one| one.measures.as_ref())
        .collect()
}

/// The mean of a count, if all have it.
fn mean(measures: &[&Measures], count: &dyn Fn(&Measures) -> Option<f64>) -> Option<f64> {
    let values: Option<Vec<f64>> = measures.iter().map(|its| count(its)).collect();
    let values = values.filter(|values| !values.is_empty())?;
    Some(values.iter().sum::<f64>() / values.len() as f64)
}

/// A number that is rounded to a whole one.
fn whole(value: Option<f64>) -> String {
    let grouped = |value: f64| table::grouped(value.round() as u64);
    value.map_or_else(|| "-".to_owned(), grouped)
}

/// What is said of the seeds.
fn seeds(farm: &Farm) -> String {
    let mut seeds: Vec<u64> = farm.points.iter().map(|point| point.seed).collect();
    seeds.sort_unstable();
    seeds.dedup();
    let words: Vec<_> = seeds.iter().map(u64::to_string).collect();
    match &words[..] {
        [one] => format!("seed {one}"),
        _ => format!("means over seeds {}", words.join(", ")),
    }
}

/// The row of points that differ by their seeds.
fn row(points: &[&Point], mode: Mode) -> Option<String> {
    let throughput = |its: &Measures| {
        let of_instructions = its.requests_per_1e9_instructions;
        of_instructions.or(Some(its.requests_per_second))
    };
    let overcommit = points.first()?.overcommit_defined;
    let measures = measures(points);
    let mean = |count: &dyn Fn(&Measures) -> Option<f64>| mean(&measures, count);
    let count = |count: fn(&Measures) -> u64| whole(mean(&|its| Some(count(its) as f64)));
    let p99 = mean(&|its| Some(its.latency.p99 as f64 / 1e6)).unwrap_or_default();
    Some(format!(
        "| {overcommit}:1 | `{}` | {} | {p99:.1} | {} | {} | {} | {} | {} |",
        mode.word(),
        whole(mean(&throughput)),
        count(|its| its.page_writes),
        count(|its| its.page_reads),
        count(|its| its.file_reads + its.file_writes),
        count(|its| its.discards),
        count(|its| its.essa.values().sum()),
    ))
}

/// The settings of the rivals that were tried, and what came of each.
fn sweeps(farm: &Farm) -> String {
    let mut text =
        "| mode | guests | requests for 10⁹ instructions, by setting |\n| --- | --- | --- |"
            .to_owned();
    for sweep in &farm.sweeps {
        let tried = sweep.tried.iter().map(|one| {
            let score = one.score.map_or_else(|| "failed".to_owned(), number);
            let text = format!("`{}` {score}", one.settings);
            let is_best = sweep.best == one.settings;
            if is_best { format!("**{text}**") } else { text }
        });
        let tried: Vec<_> = tried.collect();
        let (mode, guests) = (sweep.mode.word(), sweep.guests);
        text += &format!("\n| `{mode}` | {guests} | {} |", tried.join(", "));
    }
    text
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

/// The values of a target, a line each; but for those of a cycle, which have a table of their own.
fn values(target: &Target) -> String {
    let is_aimed_at = |value: &&Value| value.least.is_some() || value.most.is_some();
    let values = target.values.iter();
    let values = values.filter(|value| target.number != CYCLE || is_aimed_at(value));
    let words: Vec<_> = values
        .map(|one| format!("**{}** {}", number(one.value), one.name))
        .collect();
    words.join("<br>")
}

/// The number of the target whose values are what a cycle consists of.
const CYCLE: u32 = 7;
/// The modes of that target.
const CYCLES: [&str; 2] = ["none", "full"];

/// What is more when pages are taken: a row for each value that there is in both modes.
fn cycle(farm: &Farm) -> String {
    let mut text = "| | `none` | `full` |\n| --- | --- | --- |".to_owned();
    let target = farm.targets.iter().find(|one| one.number == CYCLE);
    let values = target.map_or(&[][..], |target| &target.values);
    let value = |what: &str, mode| {
        let name = format!("{what}, {mode}");
        let found = values.iter().find(|value| value.name == name);
        found.map_or_else(|| "-".to_owned(), |found| number(found.value))
    };
    for what in values
        .iter()
        .filter_map(|value| value.name.strip_suffix(", none"))
    {
        let [none, full] = CYCLES.map(|mode| value(what, mode));
        text += &format!("\n| {what} | {none} | {full} |");
    }
    text
}

/// A number for people: a count, or with three digits behind the point.
fn number(value: f64) -> String {
    if value.fract() == 0.0 || value >= 1000.0 {
        table::grouped(value.round() as u64)
    } else {
        format!("{value:.3}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_grouped_and_ratios_have_three_digits() {
        assert_eq!(
            [0.0, 94.0, 0.40487, 1234.5, 66_676_553.0].map(number),
            ["0", "94", "0.405", "1,235", "66,676,553"]
        );
    }
}
