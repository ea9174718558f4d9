//! What the project has aimed at, and what the points say of it.

mod added;
mod cycle;

use added::Added;

use super::point::{Measures, Mode, Point, Target, Value, Verdict};
use crate::events::Status;
use crate::small::{self, Small};

/// Points by what they belong to.
#[derive(Clone, Copy)]
struct Points<'a> {
    all: &'a [Point],
    experiment: &'a str,
    /// Only this variant, if one is named.
    variant: Option<&'a str>,
}

impl<'a> Points<'a> {
    /// Good points of a mode and so many guests, all seeds.
    fn of(&self, mode: Mode, guests: u64) -> Vec<(&'a Point, &'a Measures)> {
        let good = self.all.iter().filter(move |point| {
            point.experiment == self.experiment
                && self.variant.is_none_or(|variant| point.variant == variant)
                && point.mode == mode
                && point.guests == guests
                && point.status == Status::Ok
        });
        good.filter_map(|point| Some((point, point.measures.as_ref()?)))
            .collect()
    }

    /// Numbers of guests that there are points with.
    fn guests(&self) -> Vec<u64> {
        let own = self
            .all
            .iter()
            .filter(|point| point.experiment == self.experiment);
        let mut guests: Vec<u64> = own.map(|point| point.guests).collect();
        guests.sort_unstable();
        guests.dedup();
        guests
    }

    /// A sum of one mode, over the seeds that both modes have, divided by that of another one.
    fn quotient(
        &self,
        [one, other]: [Mode; 2],
        guests: u64,
        what: &str,
        count: impl Fn(&Point, &Measures) -> Option<f64>,
    ) -> Option<Value> {
        let [ones, others] = [one, other].map(|mode| self.of(mode, guests));
        let mut ids = Vec::new();
        let (mut above, mut below) = (0.0, 0.0);
        for (point, measures) in &ones {
            let pair = others.iter().find(|(other, _)| other.seed == point.seed);
            if let Some((other, its)) = pair {
                above += count(point, measures)?;
                below += count(other, its)?;
                ids.extend([point.id.clone(), other.id.clone()]);
            }
        }
        (below > 0.0).then(|| Value {
            name: format!("{what}, {} / {}, {guests} guests", one.word(), other.word()),
            value: above / below,
            least: None,
            most: None,
            points: ids,
        })
    }
}

impl Value {
    fn at_most(self, most: f64) -> Self {
        Self {
            most: Some(most),
            ..self
        }
    }

    fn at_least(self, least: f64) -> Self {
        Self {
            least: Some(least),
            ..self
        }
    }

    fn is_met(&self) -> bool {
        self.least.is_none_or(|least| self.value >= least)
            && self.most.is_none_or(|most| self.value <= most)
    }
}

/// A row of the table. It is met if all values that it needs are there and good.
fn target(
    number: u32,
    what: &str,
    aim: &str,
    values: impl IntoIterator<Item = Option<Value>>,
    note: &str,
) -> Target {
    let values: Vec<Option<Value>> = values.into_iter().collect();
    let bounded = |value: &&Value| value.least.is_some() || value.most.is_some();
    let is_missed = values.iter().flatten().any(|value| !value.is_met());
    let is_complete = !values.is_empty() && values.iter().all(Option::is_some);
    let is_judged = values.iter().flatten().any(|value| bounded(&value));
    Target {
        number,
        what: what.to_owned(),
        aim: aim.to_owned(),
        verdict: if is_missed {
            Verdict::Missed
        } else if is_complete && is_judged {
            Verdict::Met
        } else {
            Verdict::NotMeasured
        },
        values: values.into_iter().flatten().collect(),
        note: note.to_owned(),
    }
}

/// Pages that went to and fro: paging device and guests' disks, each page once.
fn transferred(measures: &Measures) -> f64 {
    let paging = measures.page_writes + measures.page_reads;
    (paging + measures.file_reads + measures.file_writes) as f64
}

/// Guests that see twice the host's memory, and as much, in the main experiment.
const TWICE: u64 = 4;
const ONCE: u64 = 2;

/// All rows.
#[must_use]
pub fn targets(points: &[Point]) -> Vec<Target> {
    let of = |experiment| Points {
        all: points,
        experiment,
        variant: None,
    };
    let curve = of("curve");
    vec![
        page_writes(curve),
        transfers(curve, of("target-2")),
        against_balloon(curve),
        asleep(of("target-4")),
        cost_of_a_page(curve),
        without_pressure(curve, of("target-6")),
        cycle::cycle(of("target-7")),
        elapsed(
            8,
            "host paging 10 times as fast as the guests' disks, elapsed",
            1.05,
            of("target-8"),
            Mode::Extended,
        ),
        elapsed(
            9,
            "nothing but memory that is written, elapsed",
            1.02,
            of("target-9"),
            Mode::Full,
        ),
        size(None),
    ]
}

/// The row of the size profile, which belongs to no point.
#[must_use]
pub fn size(small: Option<&Small>) -> Target {
    let value = |name: &str, value: u64, most: u64| {
        Some(Value {
            name: name.to_owned(),
            value: value as f64,
            least: None,
            most: Some(most as f64),
            points: Vec::new(),
        })
    };
    let values = small.map(|small| {
        [
            value("image, bytes", small.kernel.size, small::IMAGE),
            value("guest memory, bytes", small.memory, small::MEMORY),
        ]
    });
    let unpacked = small.and_then(|small| small.kernel.unpacked);
    let note = match unpacked {
        Some(bytes) => format!("the image unpacks itself, to {bytes} bytes"),
        None => "`--experiment 10` measures it".to_owned(),
    };
    target(
        10,
        "the kernel of the size profile: image, and memory of a guest that verifies all files",
        "≤ 192 KiB; ≤ 2 MiB",
        values.into_iter().flatten(),
        &note,
    )
}

fn page_writes(curve: Points<'_>) -> Target {
    let value = curve.quotient(
        [Mode::Full, Mode::None],
        TWICE,
        "page writes",
        |_, measures| Some(measures.page_writes as f64),
    );
    let note =
        "main experiment at 2:1: files of four times a guest's memory, 20 % of it a task's own";
    let value = value.map(|value| value.at_most(0.05));
    target(
        1,
        "pages that the host writes",
        "full / none ≤ 0.05",
        [value],
        note,
    )
}

fn transfers(curve: Points<'_>, fits: Points<'_>) -> Target {
    let count = |_: &Point, measures: &Measures| Some(transferred(measures));
    let name = "pages transferred";
    let value = |points: Points<'_>, rival, name: &str, most| {
        let value = points.quotient([Mode::Full, rival], TWICE, name, count);
        value.map(|value| value.at_most(most))
    };
    let fitting = "pages transferred, files that fit";
    target(
        2,
        "pages transferred by paging and guests' disks, whole run, 2:1",
        "full / none ≤ 0.60, full / unused ≤ 0.70; files that fit: ≤ 1.05",
        [
            value(curve, Mode::None, name, 0.60),
            value(curve, Mode::Unused, name, 0.70),
            value(fits, Mode::None, fitting, 1.05),
            value(fits, Mode::Unused, fitting, 1.05),
        ],
        "",
    )
}

fn against_balloon(curve: Points<'_>) -> Target {
    let mut values: Vec<_> = [2, 4, 8, 16]
        .into_iter()
        .map(|guests| {
            let least = if guests == 16 { 1.20 } else { 1.00 };
            let name = "requests for 10⁹ instructions";
            let value = curve.quotient([Mode::Full, Mode::Balloon], guests, name, |_, measures| {
                measures.requests_per_1e9_instructions
            });
            value.map(|value| value.at_least(least))
        })
        .collect();
    let full = curve
        .guests()
        .into_iter()
        .flat_map(|guests| curve.of(Mode::Full, guests));
    let full: Vec<_> = full.collect();
    values.push((!full.is_empty()).then(|| Value {
        name: "guests woken by the host, full".to_owned(),
        value: full.iter().map(|one| one.1.wake_ups as f64).sum(),
        least: None,
        most: Some(0.0),
        points: full.iter().map(|one| one.0.id.clone()).collect(),
    }));
    target(
        3,
        "requests for 10⁹ instructions at 2, 4, 8 and 16 guests",
        "full / balloon ≥ 1.00, ≥ 1.20 at 16; no wake-ups",
        values,
        "",
    )
}

/// Frames that the host cannot take without writing them, when all guests sleep: of stable pages.
fn held_asleep(point: &Point) -> Option<f64> {
    let asleep = |at: &&super::point::Sample| at.guests_asleep == point.guests;
    let last = point.timeline.iter().rev().find(asleep)?;
    let states = ["Sr", "Pr"].map(|state| last.states.get(state).copied().unwrap_or(0));
    // Of the potentially volatile ones it is not known here which were changed: all of them, at worst.
    Some(states.iter().sum::<u64>() as f64)
}

fn asleep(points: Points<'_>) -> Target {
    let value = |variant, rival, name: &str| {
        let of_variant = Points {
            variant: Some(variant),
            ..points
        };
        let held = |point: &Point, _: &Measures| held_asleep(point);
        of_variant.quotient([Mode::Full, rival], ONCE, name, held)
    };
    let over = |rival| {
        let value = value("over", rival, "frames held, the burst's memory given back");
        value.map(|value| value.at_most(0.25))
    };
    let kept = |rival| value("asleep", rival, "frames held, 20 % of memory a task's own");
    target(
        4,
        "frames that the host cannot take without paging I/O, all guests asleep, caches intact",
        "full / reporting and full / unused ≤ 0.25",
        [
            over(Mode::Reporting),
            over(Mode::Unused),
            kept(Mode::Reporting),
            kept(Mode::Unused),
        ],
        "at the last sample at which all guests slept, 5 s after the last burst; potentially volatile pages \
         count as changed. A burst that is over has given its memory back, and 2 % are a task's own; beside it, \
         without a bound, guests that keep a fifth of their memory",
    )
}

/// What the host does to take a page when it is needed, and what the guest does for that.
fn at_need(point: &Point, its: &Measures) -> Option<f64> {
    let (of, pages) = match point.mode {
        Mode::Balloon => (its.balloon_ns + its.balloon_guest_ns, its.balloon_inflated),
        _ => (its.reclaim_ns, its.reclaimed),
    };
    (pages > 0).then(|| of as f64 / pages as f64)
}

/// All that is done so that pages can be taken, for each that was.
fn all_charged(point: &Point, its: &Measures) -> Option<f64> {
    let (of, pages) = match point.mode {
        Mode::Balloon => (its.balloon_ns + its.balloon_guest_ns, its.balloon_inflated),
        _ => (
            its.hinting_ns + its.reclaim_ns,
            its.discards + its.unused_taken,
        ),
    };
    (pages > 0).then(|| of as f64 / pages as f64)
}

fn cost_of_a_page(curve: Points<'_>) -> Target {
    let mut values = Vec::new();
    for guests in curve.guests().into_iter().filter(|guests| *guests > ONCE) {
        let modes = [Mode::Balloon, Mode::Full];
        let name = "instructions for a page, at the moment of need";
        let moment = curve.quotient(modes, guests, name, at_need);
        values.push(moment.map(|value| value.at_least(5.0)));
        let name = "instructions for a page, everything charged";
        let all = curve.quotient(modes, guests, name, all_charged);
        values.push(all.map(|value| value.at_least(1.0)));
    }
    target(
        5,
        "instructions for a page that is taken, balloon / full",
        "at the moment of need ≥ 5, everything charged ≥ 1",
        values,
        "to a balloon are charged the monitor, requests of the device, and what the guest executes to find \
         pages and to ask for them. What a guest executes beside an ESSA, and what either executes because a page \
         is gone, is charged to neither",
    )
}

fn without_pressure(curve: Points<'_>, longer: Points<'_>) -> Target {
    let name = "requests for 10⁹ instructions";
    let guests = curve.guests().into_iter().filter(|guests| *guests <= ONCE);
    let mut values: Vec<_> = guests
        .map(|guests| {
            let value = curve.quotient([Mode::Full, Mode::None], guests, name, |_, measures| {
                measures.requests_per_1e9_instructions
            });
            value.map(|value| value.at_least(0.99))
        })
        .collect();
    let variant = |name| Points {
        variant: Some(name),
        ..longer
    };
    let more = |mode| Added::of(variant("steady"), curve, mode, ONCE);
    let steady = more(Mode::None).zip(more(Mode::Full));
    let steady = steady.and_then(|(none, full)| {
        let rate = |added: &Added<'_>| {
            let requests = added.sum(|its| Some(its.requests))?;
            Some(requests / added.sum(|its| its.instructions)?)
        };
        let name = format!("{name}, full / none, {ONCE} guests, caches full");
        none.under(&full, &name, rate)
    });
    values.push(steady.map(|value| value.at_least(0.99)));
    let fits = format!("{name}, files that fit");
    let warm = variant("warm").quotient([Mode::Full, Mode::None], ONCE, &fits, |_, measures| {
        measures.requests_per_1e9_instructions
    });
    values.push(warm.map(|value| value.at_least(0.99)));
    target(
        6,
        "requests at 1:1 and less",
        "full / none ≥ 0.99",
        values,
        "runs of the main experiment begin with empty caches, and filling these is most of their work. Beside \
         them the same run with four times as many requests, less what the shorter one took: caches are full then, and \
         files of four times a guest's memory go on displacing one another. Files that fit do not",
    )
}

fn elapsed(number: u32, what: &str, most: f64, points: Points<'_>, mode: Mode) -> Target {
    let value = points.quotient([mode, Mode::None], TWICE, "elapsed", |_, measures| {
        Some(measures.elapsed_ns as f64)
    });
    let aim = format!("{} / none ≤ {most}", mode.word());
    let value = value.map(|value| value.at_most(most));
    let busy = points.quotient([mode, Mode::None], TWICE, "time of requests", |point, _| {
        Some(
            point
                .per_guest
                .iter()
                .map(|guest| guest.busy_ns as f64)
                .sum(),
        )
    });
    let note =
        "elapsed time has pauses between phases in it; the time of requests has none, and no bound";
    target(number, what, &aim, [value, busy], note)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(value: f64) -> Option<Value> {
        Some(Value {
            name: "v".into(),
            value,
            least: None,
            most: None,
            points: Vec::new(),
        })
    }

    fn verdict(values: impl IntoIterator<Item = Option<Value>>) -> Verdict {
        target(1, "", "", values, "").verdict
    }

    #[test]
    fn a_row_is_met_if_all_that_it_needs_is_there_and_good() {
        let good = || value(0.5).map(|value| value.at_most(0.5));
        let bad = || value(0.5).map(|value| value.at_least(0.51));
        assert_eq!(verdict([good(), good()]), Verdict::Met);
        assert_eq!(verdict([good(), None]), Verdict::NotMeasured);
        assert_eq!(verdict([good(), bad(), None]), Verdict::Missed);
        assert_eq!(
            verdict([value(0.5)]),
            Verdict::NotMeasured,
            "nothing bounds it"
        );
        assert_eq!(verdict([]), Verdict::NotMeasured);
    }

    #[test]
    fn nothing_is_said_of_points_that_are_not_there() {
        let targets = targets(&[]);
        let numbers: Vec<u32> = targets.iter().map(|target| target.number).collect();
        assert_eq!(numbers, (1..=10).collect::<Vec<_>>());
        let is_open = |target: &Target| target.verdict == Verdict::NotMeasured;
        assert!(targets.iter().all(is_open), "{targets:?}");
    }
}
