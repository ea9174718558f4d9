//! Which points are measured, and in which order.

use super::point::{Clock, Mode};
use super::shape::{Shape, Tuning, Withheld};

/// Guests of the main experiment: from half the host's memory to eight times as much.
const GUESTS: [u16; 8] = [1, 2, 3, 4, 6, 8, 12, 16];
/// And for a quick look.
const QUICK_GUESTS: [u16; 2] = [2, 6];
/// Guests of the experiments that targets have of their own: twice the host's memory.
const TWICE: u16 = 4;

/// A point before it is measured.
#[derive(Clone, Debug, PartialEq)]
pub struct Planned {
    /// What it belongs to: `curve`, `sweep`, `target-N`.
    pub experiment: String,
    /// Which variant of that; may be empty.
    pub variant: String,
    /// Mode.
    pub mode: Mode,
    /// Guests.
    pub guests: u16,
    /// Seed.
    pub seed: u64,
    /// Clock.
    pub clock: Clock,
    /// The machines.
    pub shape: Shape,
    /// Settings of the mode.
    pub tuning: Tuning,
}

impl Planned {
    /// Its name, which no other point of the run has.
    #[must_use]
    pub fn id(&self) -> String {
        let Self {
            experiment, guests, ..
        } = self;
        let variant = if self.variant.is_empty() {
            String::new()
        } else {
            format!("-{}", self.variant)
        };
        format!(
            "{}-{experiment}{variant}-{}-g{guests}-s{}",
            self.clock.word(),
            self.mode.word(),
            self.seed
        )
    }
}

/// What a user has chosen.
#[derive(Clone, Debug, PartialEq)]
pub struct Choice {
    /// Numbers of guests of the main experiment.
    pub guests: Vec<u16>,
    /// Modes.
    pub modes: Vec<Mode>,
    /// Seeds.
    pub seeds: Vec<u64>,
    /// Clock.
    pub clock: Clock,
    /// Numbers of targets whose experiments are made; 0 is the main one.
    pub experiments: Vec<u32>,
    /// The machines of the main experiment.
    pub shape: Shape,
}

/// Numbers of guests if nothing is said.
#[must_use]
pub fn guests(quick: bool, clock: Clock) -> Vec<u16> {
    match (quick, clock) {
        (true, _) => QUICK_GUESTS.to_vec(),
        (false, Clock::Virtual) => GUESTS.to_vec(),
        // Once, twice and four times the host's memory.
        (false, Clock::Wall) => vec![2, 4, 8],
    }
}

/// The experiments that targets have of their own: number, variant, machines, guests, modes.
fn experiments(main: &Shape) -> Vec<(u32, &'static str, Shape, u16, &'static [Mode])> {
    let fits = Shape {
        files_kib: 2 << 10,
        ..main.clone()
    };
    let asleep = Shape {
        phases: 2,
        requests: main.requests * 2,
        // Five seconds after one guest's burst the other one has its own, and five after that both sleep.
        slot_ms: 5_500,
        ..main.clone()
    };
    // What the burst needed for itself is given back, and its files stay: as after a build.
    let over = Shape {
        own: 2,
        requests: main.requests * 4,
        ..asleep.clone()
    };
    let fast_paging = Shape {
        paging: (20, 3),
        disks: (200, 30),
        ..main.clone()
    };
    let writes = Shape {
        files_kib: 256,
        own: 45,
        written: 30,
        ..main.clone()
    };
    // One guest whose files fit; what it leaves alone is taken between its two phases, and comes back in the second.
    let left = Shape {
        host_mib: 24,
        files_kib: 8 << 10,
        phases: 2,
        requests: 1500,
        slot_ms: 6_000,
        own: 1,
        written: 1,
        ..main.clone()
    };
    let taken = Shape {
        withheld: Some(Withheld {
            frames: left.host_mib * 256 / 8 * 7,
            from_ms: 4_000,
            for_ms: 1_500,
        }),
        ..left.clone()
    };
    // The main experiment goes on: what is more than there finds caches that are full.
    let steady = Shape {
        requests: main.requests * 4,
        ..main.clone()
    };
    // Files that fit, and caches that were filled long ago: nothing comes and goes.
    let warm = Shape {
        requests: main.requests * 4,
        ..fits.clone()
    };
    vec![
        (
            2,
            "fits",
            fits,
            TWICE,
            &[Mode::None, Mode::Unused, Mode::Full],
        ),
        (
            4,
            "asleep",
            asleep,
            2,
            &[Mode::Unused, Mode::Reporting, Mode::Full],
        ),
        (
            4,
            "over",
            over,
            2,
            &[Mode::Unused, Mode::Reporting, Mode::Full],
        ),
        (6, "steady", steady, 2, &[Mode::None, Mode::Full]),
        (6, "warm", warm, 2, &[Mode::None, Mode::Full]),
        (7, "left", left, 1, &[Mode::None, Mode::Full]),
        (7, "taken", taken, 1, &[Mode::None, Mode::Full]),
        (
            8,
            "fast-paging",
            fast_paging,
            TWICE,
            &[Mode::None, Mode::Full, Mode::Extended],
        ),
        (9, "writes", writes, TWICE, &[Mode::None, Mode::Full]),
    ]
}

/// The experiment of the size profile, which has no points.
pub const SIZE: u32 = 10;

/// Numbers of all experiments.
#[must_use]
pub fn all_experiments() -> Vec<u32> {
    let own = experiments(&Shape::MAIN).into_iter().map(|one| one.0);
    let mut all: Vec<u32> = std::iter::once(0).chain(own).chain([SIZE]).collect();
    all.dedup();
    all
}

/// All points but those of sweeps, in the order of the report; `tuning` says how rivals are set with so many
/// guests.
#[must_use]
pub fn points(choice: &Choice, tuning: &dyn Fn(u16) -> Tuning) -> Vec<Planned> {
    let mut points = Vec::new();
    let mut add = |experiment: &str, variant: &str, shape: &Shape, guests: u16, modes: &[Mode]| {
        for mode in modes.iter().filter(|mode| choice.modes.contains(mode)) {
            points.extend(choice.seeds.iter().map(|seed| Planned {
                experiment: experiment.to_owned(),
                variant: variant.to_owned(),
                mode: *mode,
                guests,
                seed: *seed,
                clock: choice.clock,
                shape: shape.clone(),
                tuning: tuning(guests),
            }));
        }
    };
    if choice.experiments.contains(&0) {
        for guests in &choice.guests {
            add("curve", "", &choice.shape, *guests, &Mode::ALL);
        }
    }
    for (number, variant, shape, guests, modes) in experiments(&choice.shape) {
        if choice.experiments.contains(&number) {
            let name = format!("target-{number}");
            add(&name, variant, &shape, guests, modes);
        }
    }
    points
}

/// The order in which points are run: with each number of guests and each seed another mode comes first, so
/// that what changes on the build machine meanwhile hits none more than others.
#[must_use]
pub fn order(points: &[Planned]) -> Vec<usize> {
    let mut groups: Vec<(u64, u16, &str, &str)> = Vec::new();
    let mut order: Vec<(u64, usize, usize, usize)> = Vec::new();
    for (at, point) in points.iter().enumerate() {
        let key = (
            point.seed,
            point.guests,
            point.experiment.as_str(),
            point.variant.as_str(),
        );
        let group = groups.iter().position(|known| *known == key);
        let group = group.unwrap_or_else(|| {
            groups.push(key);
            groups.len() - 1
        });
        let mode = Mode::ALL.iter().position(|mode| *mode == point.mode);
        let turn = (mode.unwrap_or(0) + group) % Mode::ALL.len();
        order.push((point.seed, group, turn, at));
    }
    order.sort_unstable();
    order.into_iter().map(|(.., at)| at).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choice() -> Choice {
        Choice {
            guests: vec![2, 4],
            modes: Mode::ALL.to_vec(),
            seeds: vec![1, 2],
            clock: Clock::Virtual,
            experiments: all_experiments(),
            shape: Shape::MAIN,
        }
    }

    fn planned() -> Vec<Planned> {
        points(&choice(), &|_| Tuning::default_settings())
    }

    #[test]
    fn names_are_unique() {
        let mut names: Vec<_> = planned().iter().map(Planned::id).collect();
        let count = names.len();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), count);
        assert!(names.contains(&"virtual-curve-full+extended-g4-s2".to_owned()));
        assert!(names.contains(&"virtual-target-9-writes-none-g4-s1".to_owned()));
    }

    #[test]
    fn each_mode_comes_first_now_and_then_and_every_point_comes_once() {
        let all = choice();
        let only = Choice {
            guests: vec![1, 2, 3, 4, 6, 8],
            experiments: vec![0],
            seeds: vec![1],
            ..all
        };
        let points = points(&only, &|_| Tuning::default_settings());
        let order = order(&points);
        let mut sorted = order.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, (0..points.len()).collect::<Vec<_>>());
        let firsts: std::collections::BTreeSet<_> = order
            .chunks(Mode::ALL.len())
            .map(|group| points[group[0]].mode)
            .collect();
        assert_eq!(firsts.len(), Mode::ALL.len());
        for group in order.chunks(Mode::ALL.len()) {
            let same = |at: &usize| points[*at].guests == points[group[0]].guests;
            assert!(group.iter().all(same), "a group stays together");
        }
    }

    #[test]
    fn modes_that_nobody_asked_for_are_left_out() {
        let less = Choice {
            modes: vec![Mode::Full],
            ..choice()
        };
        let points = points(&less, &|_| Tuning::default_settings());
        assert!(points.iter().all(|point| point.mode == Mode::Full));
    }
}
