//! The kernel's memory management on the simulated machine, under every schedule that can be tried.
//!
//! A race is a scenario: a few CPUs, each with something to do, and a host that discards. [`holds`]
//! runs it under many schedules; [`fails_without`] takes a guard out and expects that some schedule
//! shows the damage: else the scenario proves nothing about the guard.
//!
//! Schedules are drawn from seeds, the same ones each time. `EXPLORE_SEED=n` tries others,
//! `EXPLORE_SCHEDULES=n` more or fewer. A failure prints its schedule; `EXPLORE_REPLAY=<schedule>` with
//! the name of the test runs exactly that one again.

mod rig;

use std::env;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use kernel::mm::Guard;
use shuttle::scheduler::{PctScheduler, RandomScheduler, ReplayScheduler, Scheduler};
use shuttle::thread::JoinHandle;
use shuttle::{Config, FailurePersistence, Runner};

pub use rig::{KEY, Rig, User, key};

/// Schedules that are tried of each kind.
const SCHEDULES: usize = 2000;
/// Schedules that are tried until a failure must have shown.
const PATIENCE: usize = 20_000;
/// Changes of priority in a schedule of the second kind: races need few.
const DEPTH: usize = 4;

fn number(variable: &str, otherwise: u64) -> u64 {
    let text = env::var(variable).ok();
    text.map_or(otherwise, |text| {
        text.parse()
            .unwrap_or_else(|_| panic!("{variable}={text}: give a number"))
    })
}

fn config(print: bool) -> Config {
    let mut config = Config::new();
    config.stack_size = 0x4_0000;
    config.failure_persistence = if print {
        FailurePersistence::Print
    } else {
        FailurePersistence::None
    };
    config
}

/// What is run under each schedule.
type Play = Arc<dyn Fn() + Send + Sync>;

fn run(scheduler: impl Scheduler + 'static, print: bool, play: &Play) {
    let play = play.clone();
    Runner::new(scheduler, config(print)).run(move || play());
}

/// A scenario on a machine with a memory manager, perhaps without one of its guards.
fn on_rig(scenario: fn(&Rig), without: Option<Guard>) -> Play {
    Arc::new(move || Rig::play(scenario, without))
}

/// Runs a scenario under one schedule, as it was printed.
fn replay(schedule: &str, play: &Play) {
    let scheduler = ReplayScheduler::new_from_encoded(schedule.trim());
    run(scheduler, false, play);
}

/// Runs a scenario under schedules at random, and under schedules with few changes at bad moments.
fn explore(schedules: usize, print: bool, play: &Play) {
    let seed = number("EXPLORE_SEED", 1);
    if print {
        eprintln!("seed {seed}, {schedules} schedules of each kind");
    }
    run(RandomScheduler::new_from_seed(seed, schedules), print, play);
    run(
        PctScheduler::new_from_seed(seed, DEPTH, schedules),
        print,
        play,
    );
}

/// Lets CPUs run to their ends.
///
/// # Panics
/// If one of them does.
pub fn play(cpus: impl IntoIterator<Item = JoinHandle<()>>) {
    for cpu in cpus {
        cpu.join().unwrap();
    }
}

/// Expects a scenario to end well under all schedules that are tried.
///
/// # Panics
/// With the failure of the first schedule that has one, after the schedule was printed.
pub fn holds(scenario: fn(&Rig)) {
    play_holds(&on_rig(scenario, None));
}

/// As [`holds`] for a scenario that has nothing to do with the kernel.
///
/// # Panics
/// As [`holds`].
pub fn holds_alone(scenario: fn()) {
    play_holds(&(Arc::new(scenario) as Play));
}

fn play_holds(play: &Play) {
    if let Ok(schedule) = env::var("EXPLORE_REPLAY") {
        return replay(&schedule, play);
    }
    let schedules = number("EXPLORE_SCHEDULES", SCHEDULES as u64) as usize;
    explore(schedules, true, play);
}

/// Expects some schedule to fail when a guard is taken out, with one of `words` in the message.
///
/// # Panics
/// If none does, or if it fails for another reason.
pub fn fails_without(guard: Guard, words: &[&str], scenario: fn(&Rig)) {
    let found = Arc::new(std::sync::Mutex::new(None));
    let outcome = {
        let _quiet = quiet(found.clone());
        catch_unwind(AssertUnwindSafe(|| {
            explore(PATIENCE, false, &on_rig(scenario, Some(guard)))
        }))
    };
    assert!(
        outcome.is_err(),
        "no schedule fails without {guard:?}: the scenario does not need it"
    );
    let message = found.lock().unwrap().take().unwrap_or_default();
    assert!(
        words.iter().any(|word| message.contains(word)),
        "without {guard:?} it fails, but by: {message}"
    );
}

/// Expects a failing schedule, run again from what was printed of it, to fail in the same way.
///
/// # Panics
/// If nothing fails, or something else does the second time.
pub fn replays(guard: Guard, scenario: fn(&Rig)) {
    let folder = env::temp_dir().join(format!("explore-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("there is room for a schedule");
    let message = |work: &dyn Fn()| {
        let found = Arc::new(std::sync::Mutex::new(None));
        let _quiet = quiet(found.clone());
        let _ = catch_unwind(AssertUnwindSafe(work));
        found.lock().unwrap().take()
    };
    let first = message(&|| {
        let mut config = config(false);
        config.failure_persistence = FailurePersistence::File(Some(folder.clone()));
        let scheduler = RandomScheduler::new_from_seed(1, PATIENCE);
        Runner::new(scheduler, config).run(move || Rig::play(scenario, Some(guard)));
    });
    let schedule = std::fs::read_dir(&folder)
        .expect("the folder is there")
        .find_map(|entry| std::fs::read_to_string(entry.ok()?.path()).ok())
        .expect("a schedule was kept");
    let again = message(&|| {
        replay(&schedule, &on_rig(scenario, Some(guard)));
    });
    let _ = std::fs::remove_dir_all(&folder);
    assert!(first.is_some(), "no schedule fails without {guard:?}");
    assert_eq!(first, again, "the same schedule is another run");
}

/// Keeps the panics of this thread from being printed as long as it exists; the first message is kept.
fn quiet(found: Arc<std::sync::Mutex<Option<String>>>) -> impl Drop {
    struct Restore(std::thread::ThreadId);
    impl Drop for Restore {
        fn drop(&mut self) {
            QUIET
                .lock()
                .unwrap()
                .retain(|(thread, _)| *thread != self.0);
        }
    }
    type Sink = Arc<std::sync::Mutex<Option<String>>>;
    static QUIET: std::sync::Mutex<Vec<(std::thread::ThreadId, Sink)>> =
        std::sync::Mutex::new(Vec::new());
    static HOOK: std::sync::Once = std::sync::Once::new();
    // A runner has a hook of its own, in front of this one.
    HOOK.call_once(|| {
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            let own = std::thread::current().id();
            let sinks = QUIET.lock().unwrap();
            match sinks.iter().find(|(thread, _)| *thread == own) {
                Some((_, sink)) => {
                    sink.lock().unwrap().get_or_insert_with(|| info.to_string());
                }
                None => usual(info),
            }
        }));
    });
    let own = std::thread::current().id();
    QUIET.lock().unwrap().push((own, found));
    Restore(own)
}
