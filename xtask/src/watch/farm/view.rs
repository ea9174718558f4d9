//! The picture of a farm.

use std::time::Duration;

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Position, Rect};
use ratatui::style::Stylize as _;
use ratatui::text::{Line, Span};
use ratatui::widgets::{LineGauge, Paragraph};

use super::model::{Farm, Machine};
use crate::events::Counts;
use crate::table::grouped;
use crate::watch::keys::Choice;
use crate::watch::view::cells::{STATES, State};
use crate::watch::view::words::{clock, rate};
use crate::watch::view::{self, help};

/// From this width on, machines are beside each other.
const WIDE: u16 = 120;
/// From this height on, more of the latest points are shown.
const TALL: u16 = 32;

/// Draws a farm that has been going on for `elapsed`.
pub fn draw(frame: &mut Frame<'_>, farm: &Farm, choice: &Choice, elapsed: Duration) {
    let area = frame.area();
    if area.width < view::LEAST.0 || area.height < view::LEAST.1 {
        return view::too_small(frame);
    }
    let lines = if area.height >= TALL { 8 } else { 3 };
    let [first, second, machines, legend, latest, keys] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Length(1),
        Constraint::Fill(1),
        Constraint::Length(1),
        Constraint::Length(lines),
        Constraint::Length(1),
    ])
    .areas(area);
    let mut text = format!(
        "farm  {}  {} of {} points",
        clock(elapsed),
        farm.done,
        farm.all
    );
    if let Some(left) = farm.left(elapsed) {
        text += &format!(", about {} left", clock(left));
    }
    view::title(frame, first, &text, choice.frozen);
    let ratio = if farm.all == 0 {
        0.0
    } else {
        farm.done as f64 / farm.all as f64
    };
    let gauge = LineGauge::default().ratio(ratio.min(1.0)).cyan();
    frame.render_widget(gauge, second);
    draw_machines(frame, machines, farm, elapsed);
    view::draw_legend(frame, legend);
    view::draw_latest(frame, latest, farm.lines.iter().map(String::as_str));
    view::draw_keys(
        frame,
        keys,
        &[
            ("space", "freeze"),
            ("?", "help"),
            ("q", "quit; --resume goes on"),
        ],
    );
    if choice.help {
        help::draw(frame, &help::FARM);
    }
}

fn draw_machines(frame: &mut Frame<'_>, area: Rect, farm: &Farm, elapsed: Duration) {
    let running: Vec<&Machine> = farm.machines.iter().flatten().collect();
    if running.is_empty() {
        frame.render_widget(Paragraph::new(" images and files are made ready"), area);
        return;
    }
    let parts = vec![Constraint::Fill(1); running.len()];
    let layout = if area.width >= WIDE {
        Layout::horizontal(parts)
    } else {
        Layout::vertical(parts)
    };
    for (machine, area) in running.into_iter().zip(layout.split(area).iter()) {
        draw_machine(frame, *area, machine, elapsed);
    }
}

fn draw_machine(frame: &mut Frame<'_>, area: Rect, machine: &Machine, elapsed: Duration) {
    let [head, chart, rates, _] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Fill(1),
        Constraint::Length(1),
        Constraint::Max(1),
    ])
    .areas(area);
    let count = |name| grouped(machine.counts.latest(name));
    let mut line = vec![
        Span::raw(" "),
        Span::raw(machine.id.clone()).bold(),
        Span::raw(format!(
            "  {}",
            clock(elapsed.saturating_sub(machine.since))
        )),
    ];
    if let Some(sample) = machine.samples.last() {
        line.push(Span::raw(format!(
            ", own clock {:.1} s, {} free, {}/{} asleep",
            Duration::from_nanos(sample.time_ns).as_secs_f64(),
            count("frames_free"),
            count("guests_asleep"),
            machine.guests,
        )));
    }
    frame.render_widget(Paragraph::new(Line::from(line)), head);
    let chart = Rect {
        x: chart.x + 2,
        width: chart.width.saturating_sub(3),
        ..chart
    };
    draw_mix(frame, chart, machine);
    let one = |name| rate(machine.counts.rate(name));
    let mut text = format!(
        "  /s: discards {} faults {} writes {} reads {}",
        one("discards"),
        one("discard_faults"),
        one("page_writes"),
        one("page_reads"),
    );
    if machine.ended > 0 {
        text += &format!(
            "; {} ended, {} requests",
            machine.ended,
            grouped(machine.requests)
        );
    }
    frame.render_widget(Paragraph::new(text), rates);
}

/// Parts of the states over time: a column for each sample, or several if there is room.
fn draw_mix(frame: &mut Frame<'_>, area: Rect, machine: &Machine) {
    let width = usize::from(area.width);
    let samples = &machine.samples;
    let (columns, wide) = match samples.len() {
        0 => return,
        many if many >= width => (width, 1),
        few => (few, (width / few).min(2)),
    };
    for column in 0..columns {
        // The last column is the latest sample.
        let sample = &samples[(column + 1) * samples.len() / columns - 1];
        for row in 0..area.height {
            let from_below = f64::from(area.height - row) - 0.5;
            let part = from_below / f64::from(area.height);
            let Some(state) = state_at(&sample.states, part) else {
                continue;
            };
            for across in 0..wide {
                let at = Position::new(area.x + (column * wide + across) as u16, area.y + row);
                if let Some(cell) = frame.buffer_mut().cell_mut(at) {
                    let letter = if across == 0 { state.letter } else { ' ' };
                    cell.set_char(letter).set_style(state.style());
                }
            }
        }
    }
}

/// The state at a part of the height of all states on top of each other.
fn state_at(states: &Counts, part: f64) -> Option<State> {
    let all: u64 = states.values().sum();
    let wanted = part * all as f64;
    let mut below = 0.0;
    STATES.into_iter().find(|state| {
        below += states.get(state.name).copied().unwrap_or(0) as f64;
        wanted < below
    })
}

#[cfg(test)]
mod tests {
    use super::super::News;
    use super::super::model::tests::running;
    use super::*;
    use crate::watch::view::tests::shown;

    fn farm(machines: usize) -> Farm {
        let mut farm = Farm::default();
        let at = Duration::from_secs(1);
        farm.take(at, News::Points { done: 2, all: 8 });
        for machine in 0..machines {
            running(&mut farm, machine, &format!("curve-full-g6-s{machine}"));
        }
        farm.take(
            at,
            News::Line("2/8 curve-none-g6-s1: 3600 requests".to_owned()),
        );
        farm
    }

    fn drawn(farm: &Farm, width: u16, height: u16) -> Vec<String> {
        let now = Duration::from_secs(62);
        shown(width, height, |frame| {
            draw(frame, farm, &Choice::default(), now)
        })
    }

    #[test]
    fn progress_and_both_machines_are_there() {
        for (width, height) in [(80, 24), (60, 12), (160, 50)] {
            let lines = drawn(&farm(2), width, height);
            let text = lines.join("\n");
            assert!(lines[0].contains("farm  1:02  2 of 8 points"), "{text}");
            assert!(lines[1].contains("25%"), "{text}");
            for machine in ["curve-full-g6-s0", "curve-full-g6-s1"] {
                assert!(text.contains(machine), "{text}");
            }
            assert!(
                text.contains("2/8 curve-none-g6-s1: 3600 requests"),
                "{text}"
            );
            assert!(
                text.contains("/s: discards 100 faults 0 writes 20 reads 0"),
                "{text}"
            );
            assert!(lines[usize::from(height) - 1].contains("quit"), "{text}");
        }
    }

    #[test]
    fn states_are_stacked_over_time() {
        let lines = drawn(&farm(1), 80, 24);
        let chart = &lines[3..15];
        let column = |x: usize| -> String {
            chart
                .iter()
                .rev()
                .filter_map(|line| line.chars().nth(x))
                .collect()
        };
        // From below: half is stable all the time, and the other half changes.
        let first = column(2);
        assert!(
            first.starts_with("SSS") && first.contains('V') && !first.contains('x'),
            "{first}"
        );
        let last = column(2 + 2 * 10);
        assert!(
            last.starts_with("SSS") && last.contains('x') && !last.contains('V'),
            "{last}"
        );
        let middle = column(2 + 2 * 5);
        assert!(middle.contains("SV") && middle.contains("Vx"), "{middle}");
    }

    #[test]
    fn before_the_first_machine_there_is_something_to_read() {
        let text = drawn(&Farm::default(), 80, 24).join("\n");
        assert!(
            text.contains("0 of 0 points") && text.contains("made ready"),
            "{text}"
        );
    }

    #[test]
    fn help_is_there_too() {
        let choice = Choice {
            help: true,
            ..Choice::default()
        };
        let farm = farm(2);
        let lines = shown(80, 24, |frame| draw(frame, &farm, &choice, Duration::ZERO));
        assert!(lines.join("\n").contains("--resume goes on with it"));
    }
}
