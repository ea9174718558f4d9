//! What is more in runs that do more.

use super::{Points, Value};
use crate::farm::point::{Measures, Mode};

/// What is more in runs that do more than in those that they are compared with, seed by seed.
pub(super) struct Added<'a> {
    pairs: Vec<[&'a Measures; 2]>,
    ids: Vec<String>,
}

impl<'a> Added<'a> {
    pub(super) fn of(more: Points<'a>, less: Points<'a>, mode: Mode, guests: u64) -> Option<Self> {
        let less = less.of(mode, guests);
        let (mut pairs, mut ids) = (Vec::new(), Vec::new());
        for (point, measures) in more.of(mode, guests) {
            let pair = less.iter().find(|(other, _)| other.seed == point.seed);
            if let Some((other, its)) = pair {
                pairs.push([measures, its]);
                ids.extend([point.id.clone(), other.id.clone()]);
            }
        }
        (!pairs.is_empty()).then_some(Self { pairs, ids })
    }

    /// How much more of something.
    pub(super) fn sum(&self, count: impl Fn(&Measures) -> Option<u64>) -> Option<f64> {
        let each = self.pairs.iter().map(|[more, less]| {
            let difference = count(more)? as f64 - count(less)? as f64;
            Some(difference)
        });
        each.sum()
    }

    /// Something of the other ones divided by the same of these.
    pub(super) fn under(
        &self,
        others: &Self,
        name: &str,
        what: impl Fn(&Self) -> Option<f64>,
    ) -> Option<Value> {
        let (above, below) = (what(others)?, what(self)?);
        (below > 0.0).then(|| Value {
            name: name.to_owned(),
            value: above / below,
            least: None,
            most: None,
            points: [&others.ids[..], &self.ids].concat(),
        })
    }

    /// So much of something, for the breakdown.
    pub(super) fn part(
        &self,
        name: String,
        count: impl Fn(&Measures) -> Option<u64>,
    ) -> Option<Value> {
        Some(Value {
            name,
            value: self.sum(count)?,
            least: None,
            most: None,
            points: self.ids.clone(),
        })
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::farm::point::Point;
    use crate::report::tests::point;

    /// A point whose run took so many instructions, and so many pages transferred by its guests.
    pub(in super::super) fn run(
        variant: &str,
        mode: Mode,
        seed: u64,
        [instructions, pages]: [u64; 2],
    ) -> Point {
        let mut run = point(mode, 1, seed);
        run.id = format!("{variant}-{}", run.id);
        run.experiment = "target-7".to_owned();
        run.variant = variant.to_owned();
        let measures = run.measures.as_mut().expect("it has some");
        measures.instructions = Some(instructions);
        measures.file_reads = pages;
        run
    }

    fn variant<'a>(all: &'a [Point], name: &'a str) -> Points<'a> {
        Points {
            all,
            experiment: "target-7",
            variant: Some(name),
        }
    }

    #[test]
    fn runs_are_compared_seed_by_seed() {
        let all = [
            run("more", Mode::Full, 1, [700, 0]),
            run("more", Mode::Full, 2, [900, 0]),
            run("more", Mode::Full, 3, [1, 0]),
            run("less", Mode::Full, 2, [500, 0]),
            run("less", Mode::Full, 1, [400, 0]),
            run("less", Mode::None, 3, [400, 0]),
        ];
        let (more, less) = (variant(&all, "more"), variant(&all, "less"));
        let added = Added::of(more, less, Mode::Full, 1).unwrap();
        assert_eq!(added.sum(|its| its.instructions), Some(700.0));
        assert_eq!(added.ids.len(), 4, "{:?}", added.ids);
        assert!(Added::of(more, less, Mode::None, 1).is_none());
    }

    #[test]
    fn nothing_is_divided_by_nothing() {
        let all = ["more", "less"].map(|name| run(name, Mode::Full, 1, [5, 5]));
        let added = Added::of(variant(&all, "more"), variant(&all, "less"), Mode::Full, 1).unwrap();
        assert!(
            added
                .under(&added, "", |its| its.sum(|its| its.instructions))
                .is_none()
        );
    }
}
