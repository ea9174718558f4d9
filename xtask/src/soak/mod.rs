//! The subcommand `soak`: random configurations, until the time is up.
//!
//! ```text
//! seed ──► draw ──► config    all that a run is, and the command line that repeats it
//!          rules ◄──┘         what makes no sense is not run
//!      ──► bench ──► judge    machines side by side; what is wrong with a run
//!      ──► search ──► shrink  a smaller one that fails as well, by smaller steps of each dimension
//!      ──► result             runs as they end; soak.json, complete or not
//! ```
//!
//! `docs/soak.md` says what is drawn and what counts as a failure.

pub mod bench;
pub mod config;
mod draw;
pub mod judge;
pub mod result;
mod rules;
pub mod search;
pub mod shrink;
mod smaller;
#[cfg(test)]
mod tests;

use std::num::NonZero;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::Result;

use crate::cli::{Control, SoakOptions};
use crate::{failure, origin, process, workspace};
use bench::{Bench, Machines};
use config::Config;
use judge::Verdict;
use result::{Failed, Run, Soak, Store};
use search::Budget;

/// Time if nothing is said.
const MINUTES: u64 = 10;
/// Configurations that are listed if nothing is said.
const LISTED: u64 = 10;
/// Machines side by side if nothing is said, where there are as many CPUs.
const MACHINES: u16 = 2;
/// Longest time of a search for a smaller configuration.
const SEARCH: Duration = Duration::from_secs(900);

/// Soaks, or lists what would be run.
pub(crate) fn command(options: &SoakOptions, json: bool) -> Result<()> {
    let plan = plan(options);
    if options.list {
        let last = plan.seed.saturating_add(options.count.unwrap_or(LISTED));
        return (plan.seed..last)
            .try_for_each(|seed| process::say(&plan.config(seed).line(plan.timeout)));
    }
    let folder = options.out.clone();
    let folder = folder.unwrap_or_else(|| workspace::target().join("soak"));
    let store = Store::create(&folder)?;
    let machines = Machines::new(
        &options.setup,
        &folder,
        (plan.machines, options.timeout),
        options.control,
    )?;
    let progress: &(dyn Fn(&str) + Sync) = if json {
        &|_| {}
    } else {
        &|line| eprintln!("{line}")
    };
    let soak = run(&plan, &machines, store, progress)?;
    if json {
        process::say(&serde_json::to_string(&soak)?)?;
    } else {
        for failed in &soak.failed {
            process::say(&described(failed))?;
        }
        process::say(&soak.summary())?;
        process::say(&folder.join(result::RESULT).display().to_string())?;
    }
    if !soak.complete {
        return Err(failure::with_status(
            failure::INTERRUPTED,
            format!(
                "interrupted; {} has what there is",
                folder.join(result::RESULT).display()
            ),
        ));
    }
    match soak.runs - soak.passed {
        0 => Ok(()),
        failed => Err(failure::with_status(
            failure::FAILED,
            format!("{failed} of {} runs failed", soak.runs),
        )),
    }
}

/// A failure for people.
fn described(failed: &Failed) -> String {
    let Failed {
        seed,
        command,
        wrong,
        folder,
        tries,
        again: (repeated, again),
        smaller,
    } = failed;
    let mut text = format!(
        "\nseed {seed} failed: {}\n  {command}\n  failed {again} of {repeated} times when repeated; lines: {}",
        wrong.reason,
        folder.display(),
    );
    if let Some(smaller) = smaller {
        let how = if smaller.is_smallest {
            "the smallest"
        } else {
            "smaller"
        };
        text += &format!(
            "\n  {how} that fails, after {tries} runs: {}\n  {}",
            smaller.wrong.reason, smaller.command
        );
    }
    text
}

/// What to do.
#[derive(Clone, Debug)]
struct Plan {
    /// Seed of the first configuration.
    seed: u64,
    /// When no run begins any more.
    time: Option<Duration>,
    /// Most runs.
    count: Option<u64>,
    /// Most that fail.
    failures: Option<u64>,
    /// CPUs to keep busy.
    machines: u16,
    /// Seconds after which a run hangs.
    timeout: u64,
    /// What a search may cost.
    budget: Budget,
    /// What is wrong on purpose.
    control: Option<Control>,
}

impl Plan {
    fn config(&self, seed: u64) -> Config {
        Config {
            control: self.control,
            ..Config::draw(seed)
        }
    }
}

fn plan(options: &SoakOptions) -> Plan {
    let by_clock = || {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        // Seconds, and room for as many runs as there may be in one.
        now.unwrap_or_default().as_secs() * 100
    };
    let seconds = options
        .seconds
        .or(options.minutes.map(|minutes| minutes * 60));
    let seconds = seconds.or(options.count.is_none().then_some(MINUTES * 60));
    let here = thread::available_parallelism().map_or(1, NonZero::get);
    Plan {
        seed: options.seed.unwrap_or_else(by_clock),
        time: seconds.map(Duration::from_secs),
        count: options.count,
        failures: options.failures,
        machines: options.machines.unwrap_or(MACHINES.min(here as u16)),
        timeout: options.timeout,
        budget: Budget {
            tries: options.tries,
            repeats: options.repeats,
            time: SEARCH,
        },
        control: options.control,
    }
}

/// Runs what is planned, and leaves the result in `store`.
fn run(
    plan: &Plan,
    bench: &dyn Bench,
    store: Store,
    progress: &(dyn Fn(&str) + Sync),
) -> Result<Soak> {
    let run = Running {
        plan,
        bench,
        progress,
        start: Instant::now(),
        next: AtomicU64::new(0),
        is_over: AtomicBool::new(false),
        found: Mutex::new((Soak::new(plan.seed, origin::commit()), store)),
    };
    run.write(|_| {})?;
    let outcomes: Vec<Result<bool>> = thread::scope(|scope| {
        let threads: Vec<_> = (0..plan.machines)
            .map(|_| scope.spawn(|| run.work()))
            .collect();
        let join = |thread: thread::ScopedJoinHandle<'_, Result<bool>>| {
            thread
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        };
        threads.into_iter().map(join).collect()
    });
    let outcomes: Vec<bool> = outcomes.into_iter().collect::<Result<_>>()?;
    let complete = outcomes.into_iter().all(|is_done| is_done);
    run.write(|soak| soak.complete = complete)?;
    Ok(run.locked().0.clone())
}

/// A soak that is under way.
struct Running<'a> {
    plan: &'a Plan,
    bench: &'a dyn Bench,
    progress: &'a (dyn Fn(&str) + Sync),
    start: Instant,
    /// How many runs have begun.
    next: AtomicU64,
    /// Whether none begins any more.
    is_over: AtomicBool,
    found: Mutex<(Soak, Store)>,
}

impl Running<'_> {
    /// Runs one configuration after the other; returns false if the user has interrupted it.
    fn work(&self) -> Result<bool> {
        loop {
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            let is_late = self
                .plan
                .time
                .is_some_and(|time| self.start.elapsed() >= time);
            let failed = self.locked().0.failed.len() as u64;
            let is_enough = self.plan.failures.is_some_and(|most| failed >= most);
            let is_over = is_late || is_enough || self.is_over.load(Ordering::Relaxed);
            if is_over || self.plan.count.is_some_and(|count| number >= count) {
                return Ok(true);
            }
            let seed = self.plan.seed.wrapping_add(number);
            if !self.one(seed).inspect_err(|_| self.stop())? {
                self.stop();
                return Ok(false);
            }
        }
    }

    /// Lets nobody begin another run.
    fn stop(&self) {
        self.is_over.store(true, Ordering::Relaxed);
    }

    /// Runs the configuration of a seed, and looks for a smaller one if it fails.
    fn one(&self, seed: u64) -> Result<bool> {
        let config = self.plan.config(seed);
        let folder = self.locked().1.failed(seed);
        let Some(verdict) = self.bench.run(&config, Some(&folder))? else {
            return Ok(false);
        };
        let run = self.record(&config, verdict)?;
        let Some(wrong) = run.wrong else {
            return Ok(true);
        };
        let mut failed = Failed {
            seed,
            command: run.command,
            wrong,
            folder,
            tries: 0,
            again: (0, 0),
            smaller: None,
        };
        // It is in the result before anything else is tried.
        self.write(|soak| soak.failed.push(failed.clone()))?;
        let Plan {
            budget, timeout, ..
        } = *self.plan;
        let goes_on =
            budget.tries == 0 || search::search(self.bench, &config, &mut failed, budget, timeout)?;
        self.write(|soak| {
            let place = soak.failed.iter_mut().find(|other| other.seed == seed);
            if let Some(place) = place {
                *place = failed;
            }
        })?;
        Ok(goes_on)
    }

    /// Adds a run to what there is, and says so.
    fn record(&self, config: &Config, verdict: Verdict) -> Result<Run> {
        let run = Run {
            seed: config.seed,
            command: config.line(self.plan.timeout),
            seconds: verdict.seconds,
            wrong: verdict.wrong,
            endured: verdict.endured,
            counts: verdict.counts,
        };
        self.locked().1.add(&run)?;
        let mut number = 0;
        self.write(|soak| {
            soak.add(&run, &config.words());
            number = soak.runs;
        })?;
        let how = match (&run.wrong, &run.endured) {
            (Some(wrong), _) => format!("FAILED: {}", wrong.reason),
            (None, Some(reason)) => format!("ok, ended by its disk: {reason}"),
            (None, None) => "ok".to_owned(),
        };
        (self.progress)(&format!(
            "{number:>4}  seed {}  {:5.1} s  {how}\n      {}",
            run.seed, run.seconds, run.command
        ));
        Ok(run)
    }

    fn locked(&self) -> MutexGuard<'_, (Soak, Store)> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the result, and writes it.
    fn write(&self, change: impl FnOnce(&mut Soak)) -> Result<()> {
        let mut found = self.locked();
        change(&mut found.0);
        found.0.seconds = self.start.elapsed().as_secs_f64();
        found.1.write(&found.0)
    }
}
