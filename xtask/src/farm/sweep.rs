//! Settings of the rivals: tried with the guests of the main experiment, and the best taken.

use super::plan::{Choice, Planned};
use super::point::{Clock, Measures, Mode, Point, Sweep, Tried};
use super::shape::Tuning;

/// Monitors of balloons that are tried: milliseconds, step and floor in percent.
const MONITORS: [&str; 7] = [
    "50:25:25",
    "100:25:25",
    "200:25:25",
    "200:100:25",
    "200:25:10",
    "500:50:25",
    "1000:50:25",
];
/// Free page reporting that is tried: order of a block, milliseconds.
const REPORTING: [(u32, u64); 6] = [(0, 100), (0, 500), (2, 100), (3, 500), (5, 100), (5, 500)];
/// Memory that guests see, by that of the host, where it is tried.
const OVERCOMMIT: [f64; 2] = [2.0, 4.0];

/// What the rivals are set to: as the user says, or to the best of what was tried.
#[derive(Clone, Debug, Default)]
pub struct Chosen {
    /// The user's words, if there are any.
    pub monitor: Option<String>,
    /// The same of reporting.
    pub reporting: Option<(u32, u64)>,
    /// What was tried.
    pub sweeps: Vec<Sweep>,
}

/// Settings that are tried of a mode.
fn tunings(mode: Mode) -> Vec<Tuning> {
    let default = Tuning::default_settings;
    match mode {
        Mode::Balloon => MONITORS
            .map(|monitor| Tuning {
                monitor: monitor.to_owned(),
                ..default()
            })
            .to_vec(),
        Mode::Reporting => REPORTING
            .map(|reporting| Tuning {
                reporting,
                ..default()
            })
            .to_vec(),
        _ => Vec::new(),
    }
}

/// The settings of a mode as one word.
fn word(mode: Mode, tuning: &Tuning) -> String {
    match mode {
        Mode::Reporting => format!("{}:{}", tuning.reporting.0, tuning.reporting.1),
        _ => tuning.monitor.clone(),
    }
}

/// The points of sweeps, of the modes whose settings nobody has said.
#[must_use]
pub fn points(choice: &Choice, chosen: &Chosen) -> Vec<Planned> {
    let is_open = |mode: &Mode| match mode {
        Mode::Balloon => chosen.monitor.is_none(),
        _ => chosen.reporting.is_none(),
    };
    let rivals = [Mode::Balloon, Mode::Reporting];
    let open = rivals.iter().filter(|mode| choice.modes.contains(mode));
    let mut points = Vec::new();
    for mode in open.filter(|mode| is_open(mode)) {
        for overcommit in OVERCOMMIT {
            points.extend(tunings(*mode).into_iter().map(|tuning| Planned {
                experiment: "sweep".to_owned(),
                variant: word(*mode, &tuning),
                mode: *mode,
                guests: choice.shape.guests_of(overcommit),
                seed: choice.seeds[0],
                clock: choice.clock,
                shape: choice.shape.clone(),
                tuning,
            }));
        }
    }
    points
}

/// What a point is judged by: instructions by the virtual clock, time by the other.
fn score(clock: Clock, measures: &Measures) -> Option<f64> {
    match clock {
        Clock::Virtual => measures.requests_per_1e9_instructions,
        Clock::Wall => Some(measures.requests_per_second),
    }
}

/// What came of the points of sweeps.
#[must_use]
pub fn results(planned: &[Planned], points: &[Point]) -> Vec<Sweep> {
    let mut sweeps: Vec<Sweep> = Vec::new();
    for plan in planned {
        let id = plan.id();
        let point = points.iter().find(|point| point.id == id);
        let measures = point.and_then(|point| point.measures.as_ref());
        let tried = Tried {
            settings: plan.variant.clone(),
            point: id,
            score: measures.and_then(|measures| score(plan.clock, measures)),
        };
        let guests = u64::from(plan.guests);
        let is_same = |sweep: &&mut Sweep| sweep.mode == plan.mode && sweep.guests == guests;
        match sweeps.iter_mut().find(is_same) {
            Some(sweep) => sweep.tried.push(tried),
            None => sweeps.push(Sweep {
                mode: plan.mode,
                guests,
                tried: vec![tried],
                best: String::new(),
            }),
        }
    }
    for sweep in &mut sweeps {
        let scored = sweep.tried.iter().filter(|tried| tried.score.is_some());
        let best = scored.max_by(|one, other| {
            let [one, other] = [one, other].map(|tried| tried.score.unwrap_or(f64::MIN));
            one.total_cmp(&other)
        });
        sweep.best = best.map(|tried| tried.settings.clone()).unwrap_or_default();
    }
    sweeps
}

impl Chosen {
    /// Settings for so many guests: the best of the sweep with the most similar number.
    #[must_use]
    pub fn tuning(&self, guests: u16) -> Tuning {
        let mut tuning = Tuning::default_settings();
        let best = |mode: Mode| {
            let of_mode = self.sweeps.iter().filter(|sweep| sweep.mode == mode);
            let nearest = of_mode.min_by_key(|sweep| sweep.guests.abs_diff(guests.into()));
            nearest
                .map(|sweep| &sweep.best)
                .filter(|best| !best.is_empty())
        };
        if let Some(monitor) = self.monitor.as_ref().or(best(Mode::Balloon)) {
            tuning.monitor.clone_from(monitor);
        }
        let swept = || parse_reporting(best(Mode::Reporting)?);
        if let Some(reporting) = self.reporting.or_else(swept) {
            tuning.reporting = reporting;
        }
        tuning
    }
}

/// Order and interval of free page reporting, from ORDER:MS.
#[must_use]
pub fn parse_reporting(text: &str) -> Option<(u32, u64)> {
    let (order, interval) = text.split_once(':')?;
    let numbers = (order.parse().ok()?, interval.parse().ok()?);
    (numbers.0 <= 12 && numbers.1 >= 1).then_some(numbers)
}

#[cfg(test)]
mod tests {
    use super::super::plan::all_experiments;
    use super::super::shape::Shape;
    use super::*;

    fn choice() -> Choice {
        Choice {
            guests: vec![2],
            modes: Mode::ALL.to_vec(),
            seeds: vec![3],
            clock: Clock::Virtual,
            experiments: all_experiments(),
            shape: Shape::MAIN,
        }
    }

    #[test]
    fn what_the_user_says_is_not_tried() {
        let all = points(&choice(), &Chosen::default());
        assert_eq!(all.len(), 2 * (MONITORS.len() + REPORTING.len()));
        let said = Chosen {
            monitor: Some("1:2:3".to_owned()),
            ..Chosen::default()
        };
        let rest = points(&choice(), &said);
        assert_eq!(rest.len(), 2 * REPORTING.len());
        assert_eq!(said.tuning(4).monitor, "1:2:3");
    }

    #[test]
    fn the_best_of_the_nearest_sweep_is_taken() {
        let sweep = |guests, best: &str| Sweep {
            mode: Mode::Reporting,
            guests,
            tried: Vec::new(),
            best: best.to_owned(),
        };
        let chosen = Chosen {
            sweeps: vec![sweep(4, "0:100"), sweep(8, "2:500"), sweep(90, "")],
            ..Chosen::default()
        };
        assert_eq!(chosen.tuning(1).reporting, (0, 100));
        assert_eq!(chosen.tuning(16).reporting, (2, 500));
        let default = Tuning::default_settings();
        assert_eq!(chosen.tuning(64).reporting, default.reporting);
        assert_eq!(chosen.tuning(1).monitor, default.monitor);
    }

    #[test]
    fn points_that_are_not_there_have_no_score() {
        let planned = points(&choice(), &Chosen::default());
        let sweeps = results(&planned, &[]);
        assert_eq!(sweeps.len(), 4);
        assert!(sweeps.iter().all(|sweep| sweep.best.is_empty()));
        assert_eq!(sweeps[0].tried.len(), MONITORS.len());
    }

    #[test]
    fn reporting_is_two_numbers() {
        assert_eq!(parse_reporting("0:100"), Some((0, 100)));
        for bad in ["", "1", "13:1", "1:0", "a:b"] {
            assert_eq!(parse_reporting(bad), None, "{bad}");
        }
    }
}
