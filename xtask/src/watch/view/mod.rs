//! The picture of a run: a pure function from what is known to the cells of a terminal.
//!
//! ```text
//! ┌ how long, how many ─────────────────┐
//! │ settings, with their keys           │
//! │ all guests together                 │
//! ├─────────────────────────────────────┤
//! │ guests: maps and rates              │
//! ├─────────────────────────────────────┤
//! │ legend, latest lines, keys          │
//! └─────────────────────────────────────┘
//! ```

pub mod cells;
mod guests;
pub mod help;
pub mod words;

use std::time::Duration;

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Modifier, Style, Stylize as _};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Paragraph, Sparkline};

use super::keys::Choice;
use super::model::Model;
use crate::table::grouped;
use words::{clock, rate};

/// Least terminal that all of it fits into.
pub(super) const LEAST: (u16, u16) = (60, 12);
/// Below this width, what is only nice to know goes.
const USUAL_WIDTH: u16 = 80;
/// From this height on, more of the latest lines are shown.
const TALL: u16 = 32;
/// From this width on, there is room for the small chart.
const WIDE: u16 = 110;

/// Width of the line of rates there.
const RATES_WIDTH: u16 = 68;
/// What the chart is of.
const TREND: &str = "discards over time ";

/// States of the legend with short names, those that matter most first: a narrow terminal has not room for all.
const LEGEND: [(char, &str); 8] = [
    ('S', "stable"),
    ('V', "volatile"),
    ('U', "unused"),
    ('x', "discarded"),
    ('s', "paged"),
    ('P', "pot.vol."),
    ('-', "freed"),
    ('.', "untouched"),
];

/// Keys of the last line.
const KEYS: [(&str, &str); 6] = [
    ("?", "help"),
    ("q", "quit"),
    ("p", "pause"),
    ("e", "evict"),
    ("space", "freeze"),
    ("↑↓", "guest"),
];

/// Draws a run that has been going on for `elapsed`.
pub fn draw(frame: &mut Frame<'_>, model: &Model, choice: &Choice, elapsed: Duration) {
    let area = frame.area();
    if area.width < LEAST.0 || area.height < LEAST.1 {
        return too_small(frame);
    }
    let lines = if area.height >= TALL { 5 } else { 2 };
    let rows = [3, 1, lines, 1].map(Constraint::Length);
    let [head, guests, legend, latest, keys] =
        Layout::vertical([rows[0], Constraint::Fill(1), rows[1], rows[2], rows[3]]).areas(area);
    draw_head(frame, head, model, choice, elapsed);
    guests::draw(frame, guests, model, choice);
    draw_legend(frame, legend);
    draw_latest(frame, latest, model.lines.iter().map(String::as_str));
    draw_keys(frame, keys, &KEYS);
    if choice.help {
        help::draw(frame, &help::RUN);
    }
}

/// Says that there is no room.
pub fn too_small(frame: &mut Frame<'_>) {
    let text = format!("{} × {} cells are needed; q quits", LEAST.0, LEAST.1);
    frame.render_widget(Paragraph::new(text), frame.area());
}

/// The first line of a dashboard.
pub fn title(frame: &mut Frame<'_>, area: Rect, text: &str, is_frozen: bool) {
    let bar = Style::new().add_modifier(Modifier::REVERSED);
    frame.render_widget(Paragraph::new(format!(" {text}")).style(bar), area);
    if is_frozen {
        let mark = Line::from(" FROZEN ").right_aligned().bold();
        frame.render_widget(Paragraph::new(mark).style(bar), area);
    }
}

fn draw_head(frame: &mut Frame<'_>, area: Rect, model: &Model, choice: &Choice, elapsed: Duration) {
    let [first, second, third] = Layout::vertical([Constraint::Length(1); 3]).areas(area);
    let guests = model.guests.len();
    let plural = if guests == 1 { "" } else { "s" };
    let mut text = format!(
        "guest page hinting  {}  {guests} guest{plural}",
        clock(elapsed)
    );
    match &model.boot {
        None => text += ", the machine starts",
        Some(boot) => text += &format!(" on {} frames", grouped(boot.frames)),
    }
    if let Some(free) = model.frames_free {
        text += &format!(", {} free", grouped(free));
    }
    title(frame, first, &text, choice.frozen);
    frame.render_widget(Paragraph::new(settings(model, area.width)), second);
    let [rates, label, trend] = if area.width >= WIDE {
        let parts = [RATES_WIDTH, TREND.len() as u16].map(Constraint::Length);
        Layout::horizontal([parts[0], parts[1], Constraint::Fill(1)]).areas(third)
    } else {
        [third, Rect::ZERO, Rect::ZERO]
    };
    frame.render_widget(Paragraph::new(TREND), label);
    frame.render_widget(Paragraph::new(totals(model)), rates);
    let latest = model.trend.iter().rev().take(trend.width.into());
    let trend_values: Vec<u64> = latest.rev().copied().collect();
    let line = Sparkline::default().data(trend_values).cyan();
    frame.render_widget(line, trend);
}

/// A key, as it is shown everywhere.
pub fn key(name: &'static str) -> Span<'static> {
    Span::styled(
        name,
        Style::new().add_modifier(Modifier::BOLD | Modifier::UNDERLINED),
    )
}

/// What can be changed, beside its keys; `…` stands behind what the host has not confirmed.
fn settings(model: &Model, width: u16) -> Line<'static> {
    let (now, wanted) = (&model.settings, model.wanted());
    let value = |is_pending: bool, text: String| {
        let text = if is_pending { text + "…" } else { text };
        Span::styled(text, Style::new().bold().cyan())
    };
    let frames = model.boot.as_ref().map_or(0, |boot| boot.frames);
    let percent = (wanted.withheld * 100).checked_div(frames).unwrap_or(0);
    let withheld = if width < USUAL_WIDTH {
        format!("{percent} %")
    } else {
        format!("{} ({percent} %)", grouped(wanted.withheld))
    };
    Line::from(vec![
        Span::raw(" "),
        key("o"),
        Span::raw(" policy "),
        value(now.policy != wanted.policy, wanted.policy.clone()),
        Span::raw("  "),
        key("h"),
        Span::raw(" hinting "),
        value(now.hinting != wanted.hinting, wanted.hinting.clone()),
        Span::raw("  "),
        key("+"),
        Span::raw(" "),
        key("-"),
        Span::raw(" withheld "),
        value(now.withheld != wanted.withheld, withheld),
    ])
}

/// Rates of all guests together.
fn totals(model: &Model) -> Line<'_> {
    let one = |name: &str| rate(model.rate(name));
    Line::from(format!(
        " /s: discards {} faults {} writes {} reads {} ESSA {}",
        one("discards"),
        one("discard_faults"),
        one("page_writes"),
        one("page_reads"),
        rate(model.rate("discards").map(|_| model.essa_rate())),
    ))
}

/// The letters and what they mean.
pub fn draw_legend(frame: &mut Frame<'_>, area: Rect) {
    let mut spans = vec![Span::raw(" ")];
    for (letter, name) in LEGEND {
        let style = cells::State::of(letter)
            .map(|state| state.style())
            .unwrap_or_default();
        spans.push(Span::styled(letter.to_string(), style));
        spans.push(Span::raw(format!(" {name} ")));
    }
    frame.render_widget(Paragraph::new(Line::from(spans)), area);
}

/// The latest lines of text, as many as there is room for.
pub fn draw_latest<'a>(
    frame: &mut Frame<'_>,
    area: Rect,
    lines: impl DoubleEndedIterator<Item = &'a str>,
) {
    let mut latest: Vec<Line<'_>> = lines
        .rev()
        .take(area.height.into())
        .map(|line| Line::from(format!(" {line}")).dim())
        .collect();
    latest.reverse();
    frame.render_widget(Paragraph::new(latest), area);
}

/// Keys and what they do, in the last line.
pub fn draw_keys(frame: &mut Frame<'_>, area: Rect, keys: &[(&'static str, &str)]) {
    let mut spans = vec![Span::raw(" ")];
    for (name, what) in keys {
        spans.extend([key(name), Span::raw(format!(" {what}  "))]);
    }
    frame.render_widget(Paragraph::new(Line::from(spans)), area);
}

#[cfg(test)]
#[path = "tests.rs"]
pub(super) mod tests;
