//! The subcommand `farm`: many guests on a host with less memory than they see, in each mode of hinting.
//!
//! ```text
//! options ──► plan ──► shape     which points; what machines of a point are and do
//!         ──► sweep              settings of rivals: tried first, the best taken
//!         ──► runner ► measure   two machines side by side; from lines to a point
//!         ──► store              points as they come; farm.json, complete or not
//!         ──► targets            what was aimed at, and what came of it
//!         ──► report             a page about all of it
//! ```
//!
//! `docs/farm.md` says what is measured and why; [`point`] is the result.

pub mod files;
pub mod measure;
pub mod plan;
pub mod point;
pub mod runner;
pub mod shape;
pub mod store;
pub mod sweep;
pub mod targets;

use std::slice;

use anyhow::Result;

use crate::cli::FarmOptions;
use crate::events::Status;
use crate::small::{self, Small};
use crate::watch::farm::{Dashboard, News, Teller};
use crate::watch::terminal;
use crate::{failure, origin, process, report, setup, table, workspace};
use plan::{Choice, Planned};
use point::{Clock, FORMAT, Farm, Mode, Point, Verdict};
use runner::Runner;
use shape::Shape;
use store::Store;
use sweep::Chosen;

/// Seeds if nothing is said.
const SEEDS: [u64; 3] = [1, 2, 3];

/// Runs the farm.
pub(crate) fn command(options: &FarmOptions, json: bool) -> Result<()> {
    let choice = choice(options);
    let is_watched = terminal::is_wanted(options.watch, json)?;
    let reporting = match &options.reporting {
        None => None,
        Some(text) => Some(sweep::parse_reporting(text).ok_or_else(|| {
            failure::unusable(format!("--reporting {text}: ORDER:MS, such as 5:500"))
        })?),
    };
    let is_default = options.quick;
    let default = shape::Tuning::default_settings();
    let chosen = Chosen {
        monitor: options
            .monitor
            .clone()
            .or(is_default.then_some(default.monitor)),
        reporting: reporting.or(is_default.then_some(default.reporting)),
        sweeps: Vec::new(),
    };
    let setup = setup::set_up(&options.setup)?;
    let mut settings = choice.shape.settings();
    settings.insert("clock".to_owned(), choice.clock.word().to_owned());
    let head = Farm {
        format: FORMAT,
        machine: origin::machine(),
        versions: origin::versions(&setup),
        commit: origin::commit(),
        settings,
        complete: false,
        planned: 0,
        points: Vec::new(),
        sweeps: Vec::new(),
        targets: Vec::new(),
    };
    let folder = options.out.clone();
    let folder = folder.unwrap_or_else(|| workspace::target().join("farm"));
    let store = Store::open(&folder, &head, options.resume)?;
    let dashboard = is_watched.then(Dashboard::start).transpose()?;
    let teller = dashboard
        .as_ref()
        .map(Dashboard::teller)
        .unwrap_or_default();
    let mut measurement = Measurement {
        runner: Runner::new(&options.setup, &folder, options.timeout, teller.clone())?,
        store,
        head,
        planned: Vec::new(),
        small: None,
        // The size profile has no rivals.
        sweep: match choice.experiments[..] {
            [plan::SIZE] => Vec::new(),
            _ => sweep::points(&choice, &chosen),
        },
        chosen,
        quiet: json || is_watched,
        teller,
    };
    let outcome = measurement.take(&choice).and_then(|()| {
        if choice.experiments.contains(&plan::SIZE) {
            measurement.small = Some(small::measure(&options.setup)?);
        }
        Ok(())
    });
    let farm = measurement.farm();
    measurement.store.write(&farm)?;
    drop((measurement, dashboard));
    let page = folder.join(report::FILE);
    let name = folder.display().to_string();
    let run = report::Run { name, farm };
    report::write(slice::from_ref(&run), &page)?;
    let farm = run.farm;
    if json {
        process::say(&serde_json::to_string(&farm)?)?;
    } else {
        process::say(render(&farm).trim_end())?;
        process::say(&format!("{}/{}", folder.display(), store::RESULT))?;
        process::say(&page.display().to_string())?;
    }
    outcome?;
    let failed = farm
        .points
        .iter()
        .find(|point| point.status == Status::Failed);
    match failed {
        None => Ok(()),
        Some(point) => Err(failure::with_status(
            failure::FAILED,
            format!(
                "{}: {}",
                point.id,
                point.reason.as_deref().unwrap_or("no reason known")
            ),
        )),
    }
}

/// What the options choose.
fn choice(options: &FarmOptions) -> Choice {
    let mut shape = Shape::MAIN;
    if options.quick {
        shape.phases = 3;
        shape.requests = 250;
    }
    if let Some(requests) = options.requests {
        shape.requests = requests.div_ceil(shape.phases);
    }
    let or = |given: &Vec<u16>, default: Vec<u16>| {
        if given.is_empty() {
            default
        } else {
            given.clone()
        }
    };
    let overcommit = options.overcommit.iter();
    let guests: Vec<u16> = overcommit.map(|ratio| shape.guests_of(*ratio)).collect();
    let default = plan::guests(options.quick, options.clock);
    let has_one_seed = options.quick || options.clock == Clock::Wall;
    Choice {
        guests: or(&options.guests, or(&guests, default)),
        modes: if options.modes.is_empty() {
            Mode::ALL.to_vec()
        } else {
            options.modes.clone()
        },
        seeds: match (&options.seeds[..], has_one_seed) {
            ([], true) => SEEDS[..1].to_vec(),
            ([], false) => SEEDS.to_vec(),
            (seeds, _) => seeds.to_vec(),
        },
        clock: options.clock,
        experiments: match &options.experiment[..] {
            [] if options.quick || options.clock == Clock::Wall => vec![0],
            [] => plan::all_experiments(),
            numbers => numbers.to_vec(),
        },
        shape,
    }
}

/// All that is under way.
struct Measurement {
    runner: Runner,
    store: Store,
    head: Farm,
    planned: Vec<Planned>,
    /// What is known of the size profile.
    small: Option<Small>,
    /// Points of sweeps.
    sweep: Vec<Planned>,
    chosen: Chosen,
    quiet: bool,
    teller: Teller,
}

impl Measurement {
    /// Measures all points: those of sweeps first, for others depend on them.
    fn take(&mut self, choice: &Choice) -> Result<()> {
        let sweep = self.sweep.clone();
        let main = |chosen: &Chosen| plan::points(choice, &|guests| chosen.tuning(guests));
        self.planned = main(&self.chosen);
        self.run(&sweep)?;
        self.chosen.sweeps = sweep::results(&sweep, self.store.points());
        self.planned = main(&self.chosen);
        let planned = self.planned.clone();
        self.run(&planned)
    }

    /// Measures those of the points that are not there.
    fn run(&mut self, points: &[Planned]) -> Result<()> {
        let is_there = |point: &Planned, there: &[Point]| {
            let id = point.id();
            there.iter().any(|one| one.id == id)
        };
        let missing: Vec<Planned> = points
            .iter()
            .filter(|point| !is_there(point, self.store.points()))
            .cloned()
            .collect();
        self.runner.prepare(&missing)?;
        let Self {
            runner,
            store,
            head,
            planned,
            sweep,
            chosen,
            quiet,
            teller,
            small: _,
        } = self;
        let all = sweep.len() + planned.len();
        let told = |done| teller.tell(News::Points { done, all });
        told(store.points().len())?;
        runner.run(&missing, &mut |point| {
            let done = store.points().len() + 1;
            let line = progress(&point, done, all);
            if !*quiet {
                eprintln!("{line}");
            }
            teller.tell(News::Line(line))?;
            store.add(point)?;
            told(done)?;
            store.write(&result(head, sweep, planned, chosen, store.points()))
        })
    }

    /// The result as far as it is there.
    fn farm(&self) -> Farm {
        let points = self.store.points();
        let mut farm = result(&self.head, &self.sweep, &self.planned, &self.chosen, points);
        let size = targets::size(self.small.as_ref());
        farm.targets.retain(|target| target.number != size.number);
        farm.targets.push(size);
        farm
    }
}

/// The result of the points that are there, in the order of the plan.
fn result(
    head: &Farm,
    sweep: &[Planned],
    planned: &[Planned],
    chosen: &Chosen,
    there: &[Point],
) -> Farm {
    let all = || sweep.iter().chain(planned);
    let find = |plan: &Planned| {
        let id = plan.id();
        there.iter().find(|point| point.id == id).cloned()
    };
    let points: Vec<Point> = all().filter_map(find).collect();
    let count = all().count();
    Farm {
        complete: points.len() == count,
        planned: count as u64,
        sweeps: if chosen.sweeps.is_empty() {
            sweep::results(sweep, &points)
        } else {
            chosen.sweeps.clone()
        },
        targets: targets::targets(&points),
        points,
        ..head.clone()
    }
}

/// A point in a line.
fn progress(point: &Point, number: usize, all: usize) -> String {
    let what = match (&point.measures, &point.reason) {
        (_, Some(reason)) => reason.clone(),
        (None, None) => "nothing was measured".to_owned(),
        (Some(its), None) => format!("{} requests, {}", its.requests, rate(point)),
    };
    format!("{number}/{all} {}: {what}", point.id)
}

/// What it did for its instructions, or its time.
fn rate(point: &Point) -> String {
    let Some(its) = &point.measures else {
        return String::new();
    };
    match its.requests_per_1e9_instructions {
        Some(rate) => format!("{rate:.0} for 10⁹ instructions"),
        None => format!("{:.0} a second", its.requests_per_second),
    }
}

/// Points and targets as tables.
fn render(farm: &Farm) -> String {
    let header = [
        "point",
        "requests for 10⁹",
        "a second",
        "p50 us",
        "p99 us",
        "page writes",
        "page reads",
        "disk pages",
        "discards",
        "ESSA",
    ];
    let rows: Vec<Vec<String>> = farm
        .points
        .iter()
        .filter_map(|point| {
            let its = point.measures.as_ref()?;
            let rate = its.requests_per_1e9_instructions;
            let numbers = [
                its.requests_per_second as u64,
                its.latency.p50 / 1000,
                its.latency.p99 / 1000,
                its.page_writes,
                its.page_reads,
                its.file_reads + its.file_writes,
                its.discards,
                its.essa.values().sum(),
            ];
            let first = [
                point.id.clone(),
                rate.map_or_else(|| "-".to_owned(), |rate| table::grouped(rate as u64)),
            ];
            Some(
                first
                    .into_iter()
                    .chain(numbers.map(table::grouped))
                    .collect(),
            )
        })
        .collect();
    let mut text = table::layout(&header.map(str::to_owned), &rows);
    for target in &farm.targets {
        let verdict = match target.verdict {
            Verdict::Met => "met",
            Verdict::Missed => "missed",
            Verdict::NotMeasured => "not measured",
        };
        text += &format!(
            "\ntarget {}: {verdict}: {} ({})\n",
            target.number, target.what, target.aim
        );
        for value in &target.values {
            text += &format!("  {:.3}  {}\n", value.value, value.name);
        }
    }
    if !farm.complete {
        text += &format!(
            "\nNOT COMPLETE: {} of {} points\n",
            farm.points.len(),
            farm.planned
        );
    }
    text
}
