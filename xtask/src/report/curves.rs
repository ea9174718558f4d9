//! What is drawn over overcommit: which value of a point, and the points as lines.

use std::collections::BTreeMap;

use plotters::style::RGBColor;

use super::chart::{Line, Measured};
use crate::farm::point::{Clock, Farm, Measures, Mode, Point};

/// Name of the main experiment's points.
const EXPERIMENT: &str = "curve";

/// A chart over overcommit.
#[derive(Clone, Copy)]
pub(super) struct Curve {
    /// What it shows.
    pub(super) title: &'static str,
    /// What has to be known to read it; empty if nothing.
    pub(super) note: &'static str,
    /// The vertical axis.
    pub(super) y: &'static str,
    pub(super) is_logarithmic: bool,
    /// Over pages that have content, instead of those that guests see.
    pub(super) is_by_resident: bool,
    value: fn(&Measures) -> Option<f64>,
}

const CURVE: Curve = Curve {
    title: "",
    note: "",
    y: "",
    is_logarithmic: false,
    is_by_resident: false,
    value: |_| None,
};

fn each_request(measures: &Measures, count: u64) -> Option<f64> {
    (measures.requests > 0).then(|| count as f64 / measures.requests as f64)
}

const MILLISECOND: f64 = 1e6;

/// All charts over overcommit, in the order of the page.
pub(super) const CURVES: [Curve; 10] = [
    Curve {
        title: "Throughput: requests for 10⁹ instructions",
        note: "Instructions of host and guests together; time in which the machine waited is not in it.",
        y: "requests / 10⁹ instructions",
        value: |measures| measures.requests_per_1e9_instructions,
        ..CURVE
    },
    Curve {
        title: "Throughput: requests a second",
        note: "Waiting for disks included.",
        y: "requests / s",
        value: |measures| Some(measures.requests_per_second),
        ..CURVE
    },
    Curve {
        title: "The same over what was really in use",
        note: "Pages with content against those of them in frames, mean over the run: modes that drop content have \
               less of it.",
        y: "requests / s",
        is_by_resident: true,
        value: |measures| Some(measures.requests_per_second),
        ..CURVE
    },
    Curve {
        title: "Paging: pages written for a request",
        y: "pages",
        value: |measures| each_request(measures, measures.page_writes),
        ..CURVE
    },
    Curve {
        title: "All transfers: pages paged, and read from or written to guests' disks, for a request",
        y: "pages",
        value: |measures| {
            let paged = measures.page_writes + measures.page_reads;
            let of_guests = measures.file_reads + measures.file_writes + measures.swap_reads;
            each_request(measures, paged + of_guests)
        },
        ..CURVE
    },
    Curve {
        title: "Latency: half of the requests",
        y: "ms",
        is_logarithmic: true,
        value: |measures| Some(measures.latency.p50 as f64 / MILLISECOND),
        ..CURVE
    },
    Curve {
        title: "Latency: 99 of 100 requests",
        y: "ms",
        is_logarithmic: true,
        value: |measures| Some(measures.latency.p99 as f64 / MILLISECOND),
        ..CURVE
    },
    Curve {
        title: "Cost: instructions of the host for a request",
        y: "instructions",
        value: |measures| measures.host_instructions_per_request,
        ..CURVE
    },
    Curve {
        title: "Cost of hinting: the host's part of all instructions",
        note: "ESSA and discard faults in the host; what guests execute for hints is in their instructions.",
        y: "percent",
        value: |measures| measures.hinting_share.map(|share| share * 100.0),
        ..CURVE
    },
    Curve {
        title: "Fairness between guests",
        note: "Jain's index of the guests' requests a second: 1 if all are as fast.",
        y: "index",
        value: |measures| Some(measures.fairness),
        ..CURVE
    },
];

/// The colour of a mode's lines, which can be told apart on light and on dark ground, and by those who see
/// few colours (Okabe and Ito's palette).
pub(super) const fn colour(mode: Mode) -> RGBColor {
    match mode {
        Mode::None => RGBColor(148, 148, 148),
        Mode::Unused => RGBColor(204, 121, 167),
        Mode::Balloon => RGBColor(230, 159, 0),
        Mode::Reporting => RGBColor(86, 180, 233),
        Mode::Full => RGBColor(0, 158, 115),
        Mode::Extended => RGBColor(213, 94, 0),
    }
}

/// Points of the main experiment by one clock.
pub(super) fn points(farm: &Farm, clock: Clock) -> impl Iterator<Item = &Point> {
    let points = farm.points.iter();
    points.filter(move |point| point.experiment == EXPERIMENT && point.clock == clock)
}

impl Curve {
    /// The lines of a run: one for each mode that has points.
    pub(super) fn lines(&self, farm: &Farm, clock: Clock, is_dashed: bool) -> Vec<Line> {
        let all = Mode::ALL.into_iter().map(|mode| Line {
            colour: colour(mode),
            is_dashed,
            points: self.line(farm, clock, mode),
        });
        all.filter(|line| !line.points.is_empty()).collect()
    }

    /// The points of all seeds at one number of guests are one.
    fn line(&self, farm: &Farm, clock: Clock, mode: Mode) -> Vec<Measured> {
        let mut found: BTreeMap<(u64, u64), Vec<(f64, f64)>> = BTreeMap::new();
        for point in points(farm, clock).filter(|point| point.mode == mode) {
            let x = if self.is_by_resident {
                point.overcommit_resident
            } else {
                Some(point.overcommit_defined)
            };
            let value = point.measures.as_ref().and_then(self.value);
            if let (Some(x), Some(value)) = (x, value) {
                let place = (point.guests * point.guest_pages, point.frames);
                found.entry(place).or_default().push((x, value));
            }
        }
        let measured = found.into_values().map(|seeds| {
            let (xs, values): (Vec<_>, Vec<_>) = seeds.into_iter().unzip();
            let values = sorted(values);
            Measured {
                x: median(&sorted(xs)),
                least: values[0],
                median: median(&values),
                most: values[values.len() - 1],
            }
        });
        let mut line: Vec<Measured> = measured.collect();
        line.sort_by(|one, other| one.x.total_cmp(&other.x));
        line
    }
}

fn sorted(mut values: Vec<f64>) -> Vec<f64> {
    values.sort_by(f64::total_cmp);
    values
}

/// The middle of values in order; of an even number, the mean of the two.
pub(super) fn median(sorted: &[f64]) -> f64 {
    let half = sorted.len() / 2;
    if sorted.len().is_multiple_of(2) {
        f64::midpoint(sorted[half - 1], sorted[half])
    } else {
        sorted[half]
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{farm, point};
    use super::*;

    #[test]
    fn seeds_become_one_point_with_their_range() {
        let mut all = Vec::new();
        for (seed, rate) in [(1, 30.0), (2, 10.0), (3, 20.0)] {
            let mut point = point(Mode::Full, 4, seed);
            point.measures.as_mut().unwrap().requests_per_second = rate;
            all.push(point);
        }
        all.push(point(Mode::None, 2, 1));
        // What has failed, what is of another experiment, and another clock's are not in it.
        let mut failed = point(Mode::None, 4, 1);
        failed.measures = None;
        let mut other = point(Mode::None, 8, 1);
        other.experiment = "sweep".to_owned();
        let mut wall = point(Mode::None, 8, 1);
        wall.clock = Clock::Wall;
        all.extend([failed, other, wall]);
        let lines = CURVES[1].lines(&farm(all), Clock::Virtual, false);
        let of = |mode| {
            lines
                .iter()
                .find(|line| line.colour == colour(mode))
                .unwrap()
        };
        assert_eq!(lines.len(), 2);
        let measured = Measured {
            x: 4.0,
            least: 10.0,
            median: 20.0,
            most: 30.0,
        };
        assert_eq!(of(Mode::Full).points, [measured]);
        assert_eq!(of(Mode::None).points.len(), 1);
    }

    #[test]
    fn medians() {
        assert_eq!(median(&[3.0]), 3.0);
        assert_eq!(median(&[1.0, 4.0]), 2.5);
        assert_eq!(median(&[1.0, 2.0, 9.0]), 2.0);
    }
}
