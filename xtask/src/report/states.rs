//! What states the pages of all guests were in over the time of a run.

use plotters::style::RGBColor;

use super::chart::{Layer, Line, Measured};
use super::curves::{colour, points};
use crate::farm::point::{Clock, Farm, Mode, Point};

/// The states from the bottom of a chart to its top, with their colours: what has a frame is dark, what is paged out
/// is bright, what has neither is grey.
pub(super) const STATES: [(&str, RGBColor); 10] = [
    ("Sr", RGBColor(0, 90, 160)),
    ("Pr", RGBColor(120, 94, 190)),
    ("Vr", RGBColor(0, 140, 100)),
    ("Ur", RGBColor(190, 140, 0)),
    ("Sp", RGBColor(86, 180, 233)),
    ("Pp", RGBColor(190, 170, 240)),
    ("Vp", RGBColor(110, 210, 170)),
    ("Vz", RGBColor(213, 94, 0)),
    ("Sz", RGBColor(130, 130, 130)),
    ("Uz", RGBColor(185, 185, 185)),
];

/// Nanoseconds in a second.
const SECOND: f64 = 1e9;

/// The point of each mode with the most guests that all modes have a timeline of, with its lowest seed.
pub(super) fn chosen(farm: &Farm, clock: Clock) -> Vec<&Point> {
    let has_time = |point: &&Point| point.timeline.len() > 1;
    let modes = Mode::ALL
        .into_iter()
        .filter(|mode| points(farm, clock).any(|point| point.mode == *mode && has_time(&point)));
    let modes: Vec<Mode> = modes.collect();
    let of = |mode: Mode, guests: u64| {
        points(farm, clock)
            .filter(|point| (point.mode, point.guests) == (mode, guests))
            .filter(has_time)
            .min_by_key(|point| point.seed)
    };
    let guests = points(farm, clock).map(|point| point.guests);
    let most = guests
        .filter(|guests| modes.iter().all(|mode| of(*mode, *guests).is_some()))
        .max();
    let Some(most) = most else {
        return Vec::new();
    };
    modes.iter().filter_map(|mode| of(*mode, most)).collect()
}

/// Times of a point's samples in seconds, and a layer for each state that any page was in.
pub(super) fn layers(point: &Point) -> (Vec<f64>, Vec<(&'static str, Layer)>) {
    let times = point.timeline.iter();
    let times = times.map(|sample| sample.time_ns as f64 / SECOND).collect();
    let layers = STATES.iter().map(|(state, colour)| {
        let pages = point.timeline.iter().map(|sample| {
            let pages = sample.states.get(*state).copied().unwrap_or(0);
            pages as f64
        });
        let layer = Layer {
            colour: *colour,
            values: pages.collect(),
        };
        (*state, layer)
    });
    let is_used = |(_, layer): &(_, Layer)| layer.values.iter().any(|pages| *pages > 0.0);
    (times, layers.filter(is_used).collect())
}

/// Frames that are free over the time, a line for each mode.
pub(super) fn free(points: &[&Point]) -> Vec<Line> {
    let line = |point: &&Point| Line {
        colour: colour(point.mode),
        is_dashed: false,
        points: point
            .timeline
            .iter()
            .map(|sample| {
                let free = sample.frames_free as f64;
                Measured {
                    x: sample.time_ns as f64 / SECOND,
                    least: free,
                    median: free,
                    most: free,
                }
            })
            .collect(),
    };
    points.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::super::tests::{farm, point};
    use super::*;

    #[test]
    fn states_that_no_page_was_in_are_no_layers() {
        let point = point(Mode::Full, 4, 1);
        let (times, layers) = layers(&point);
        assert_eq!(times, [0.0, 2.0]);
        let named: Vec<_> = layers
            .iter()
            .map(|(state, layer)| (*state, layer.values.clone()))
            .collect();
        assert_eq!(named, [("Sr", vec![4.0, 3.0]), ("Vz", vec![0.0, 1.0])]);
    }

    #[test]
    fn modes_are_shown_where_all_have_been() {
        let all = vec![
            point(Mode::None, 2, 1),
            point(Mode::Full, 2, 2),
            point(Mode::Full, 2, 1),
            point(Mode::Full, 4, 1),
        ];
        let farm = farm(all);
        let chosen = chosen(&farm, Clock::Virtual);
        let all: Vec<_> = chosen
            .iter()
            .map(|point| (point.mode, point.guests, point.seed))
            .collect();
        assert_eq!(all, [(Mode::None, 2, 1), (Mode::Full, 2, 1)]);
        assert!(super::chosen(&farm, Clock::Wall).is_empty());
    }

    #[test]
    fn every_state_of_a_page_has_its_place() {
        for state in cmm::PageState::ALL.iter().map(ToString::to_string) {
            assert!(STATES.iter().any(|(name, _)| *name == state), "{state}");
        }
    }
}
