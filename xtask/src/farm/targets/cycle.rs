//! What it costs that a page goes and comes back.

use super::added::Added;
use super::{Points, target, transferred};
use crate::farm::point::{Measures, Mode, Target};

/// The same pages are taken in both modes, and the same are wanted again: what is more then than in runs in which
/// nothing is taken is what that costs.
pub(super) fn cycle(points: Points<'_>) -> Target {
    let variant = |name| Points {
        variant: Some(name),
        ..points
    };
    let added = |mode| Added::of(variant("taken"), variant("left"), mode, 1);
    let mut values = Vec::new();
    let both = added(Mode::None).zip(added(Mode::Full));
    if let Some((none, full)) = &both {
        // More frames are taken from a guest that cannot say which of its pages nobody needs.
        let of_each = |its: &Added<'_>, count: fn(&Measures) -> Option<u64>| {
            let taken = its.sum(|its| Some(its.discards + its.page_writes))?;
            (taken > 0.0).then_some(its.sum(count)? / taken)
        };
        let operations = |its: &Added<'_>| of_each(its, |its| Some(transferred(its) as u64));
        let instructions = |its: &Added<'_>| of_each(its, |its| its.instructions);
        let name = "device operations, full / none";
        values.push(
            none.under(full, name, operations)
                .map(|value| value.at_most(0.5)),
        );
        let name = "instructions, full / none";
        values.push(
            none.under(full, name, instructions)
                .map(|value| value.at_most(2.0)),
        );
        for (mode, its) in [("none", none), ("full", full)] {
            for (name, count) in PARTS {
                values.push(its.part(format!("{name}, {mode}"), count));
            }
        }
    } else {
        values.push(None);
    }
    target(
        7,
        "a whole cycle: discard, fault, re-read and resume, against page-out and page-in",
        "device operations ≤ 0.5, instructions ≤ 2",
        values,
        "one guest rests with a full cache, the host takes seven eighths of its frames for a while, and the \
         guest goes on: less the same run in which nothing is taken, for each page that was taken, whether it was \
         wanted again or not. A device operation is a page transferred",
    )
}

/// What a cycle consists of.
type Part = (&'static str, fn(&Measures) -> Option<u64>);
const PARTS: [Part; 9] = [
    ("pages discarded", |its| Some(its.discards)),
    ("pages written by the host", |its| Some(its.page_writes)),
    ("pages read by the host", |its| Some(its.page_reads)),
    ("pages read by the guest", |its| Some(its.file_reads)),
    ("instructions", |its| its.instructions),
    ("instructions of the guest", |its| its.guest_instructions),
    ("instructions of the host", |its| its.host_instructions),
    ("of these, for ESSA and discard faults", |its| {
        Some(its.hinting_ns)
    }),
    ("of these, to discard pages", |its| Some(its.reclaim_ns)),
];

#[cfg(test)]
mod tests {
    use super::super::added::tests::run;
    use super::*;
    use crate::farm::point::{Point, Verdict};

    /// With hints so many more instructions and pages than in a run in which nothing is taken; without, 1000 and 20.
    fn verdict([instructions, pages]: [u64; 2]) -> Target {
        let mut all: Vec<Point> = vec![
            run("left", Mode::None, 1, [10_000, 70]),
            run("taken", Mode::None, 1, [11_000, 80]),
            run("left", Mode::Full, 1, [12_000, 70]),
            run("taken", Mode::Full, 1, [12_000 + instructions, 70 + pages]),
        ];
        // Ten pages are taken: written without hints, discarded with them.
        for (at, [written, discarded]) in [(1, [10, 0]), (3, [0, 10])] {
            let its = all[at].measures.as_mut().expect("it has some");
            its.page_writes += written;
            its.discards += discarded;
        }
        cycle(Points {
            all: &all,
            experiment: "target-7",
            variant: None,
        })
    }

    #[test]
    fn what_is_more_when_pages_are_taken_is_compared() {
        let met = verdict([2000, 10]);
        assert_eq!(met.verdict, Verdict::Met, "{met:?}");
        assert_eq!(met.values[0].value, 0.5);
        assert_eq!(met.values[1].value, 2.0);
        assert_eq!(met.values.len(), 2 + 2 * PARTS.len());
        assert_eq!(verdict([2001, 10]).verdict, Verdict::Missed);
        assert_eq!(verdict([2000, 11]).verdict, Verdict::Missed);
    }
}
