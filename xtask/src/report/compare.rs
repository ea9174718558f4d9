//! Two runs beside each other: the points that both have, as ratios.

use crate::farm::point::{Clock, Farm, Measures, Mode, Point};

/// A value of a point; not a number if it has none.
type Value = fn(&Measures) -> f64;

/// What is compared of two points.
const MEASURES: [(&str, Value); 6] = [
    ("requests a second", |measures| measures.requests_per_second),
    ("host instructions a request", |measures| {
        measures.host_instructions_per_request.unwrap_or(f64::NAN)
    }),
    ("latency p99", |measures| measures.latency.p99 as f64),
    ("pages written", |measures| measures.page_writes as f64),
    ("pages read", |measures| measures.page_reads as f64),
    ("discard faults", |measures| measures.discard_faults as f64),
];

/// Names of what is compared.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    MEASURES.iter().map(|(name, _)| *name)
}

/// A row: how many points of a mode both runs have, and for each measure the geometric mean of the second run's values
/// divided by the first one's, where both are above 0.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Row {
    pub(super) clock: Clock,
    pub(super) mode: Mode,
    pub(super) points: usize,
    pub(super) ratios: Vec<Option<f64>>,
}

/// Compares a run with the first one.
pub(super) fn rows(first: &Farm, other: &Farm) -> Vec<Row> {
    let mut rows = Vec::new();
    for clock in [Clock::Virtual, Clock::Wall] {
        for mode in Mode::ALL {
            let pairs = pairs(first, other, clock, mode);
            if !pairs.is_empty() {
                let ratios = MEASURES.iter().map(|(_, value)| mean(&pairs, *value));
                rows.push(Row {
                    clock,
                    mode,
                    points: pairs.len(),
                    ratios: ratios.collect(),
                });
            }
        }
    }
    rows
}

fn pairs<'a>(
    first: &'a Farm,
    other: &'a Farm,
    clock: Clock,
    mode: Mode,
) -> Vec<(&'a Measures, &'a Measures)> {
    let is_it = |point: &&Point| point.clock == clock && point.mode == mode;
    let points = first.points.iter().filter(is_it);
    let pair = |point: &'a Point| {
        let same = other.points.iter().find(|other| other.id == point.id)?;
        Some((point.measures.as_ref()?, same.measures.as_ref()?))
    };
    points.filter_map(pair).collect()
}

fn mean(pairs: &[(&Measures, &Measures)], value: Value) -> Option<f64> {
    let logarithms: Vec<f64> = pairs
        .iter()
        .map(|(one, other)| (value(one), value(other)))
        .filter(|(one, other)| *one > 0.0 && *other > 0.0)
        .map(|(one, other)| (other / one).ln())
        .collect();
    let sum: f64 = logarithms.iter().sum();
    (!logarithms.is_empty()).then(|| (sum / logarithms.len() as f64).exp())
}

#[cfg(test)]
mod tests {
    use super::super::tests::{farm, point};
    use super::*;

    #[test]
    fn points_that_both_have_are_compared() {
        let first = farm(vec![
            point(Mode::Full, 2, 1),
            point(Mode::Full, 4, 1),
            point(Mode::None, 2, 1),
        ]);
        let mut other = farm(vec![
            point(Mode::Full, 2, 1),
            point(Mode::Full, 4, 1),
            point(Mode::Full, 8, 1),
        ]);
        let mut set = |at: usize, writes| {
            let measures = other.points[at].measures.as_mut().unwrap();
            measures.page_writes = writes;
            measures.discard_faults = 0;
        };
        set(0, 20);
        set(1, 80);
        let rows = rows(&first, &other);
        assert_eq!(rows.len(), 1);
        assert_eq!((rows[0].mode, rows[0].points), (Mode::Full, 2));
        let of = |name: &str| {
            let at = names().position(|other| other == name).unwrap();
            rows[0].ratios[at]
        };
        // 10 pages became 20 and 80.
        assert!(of("pages written").is_some_and(|ratio| (ratio - 4.0).abs() < 1e-9));
        assert_eq!(of("requests a second"), Some(1.0));
        assert_eq!(of("discard faults"), None, "there is no ratio to nothing");
    }
}
