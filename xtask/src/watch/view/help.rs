//! Help: all keys and all letters, over the picture.

use ratatui::Frame;
use ratatui::layout::{Constraint, Flex, Layout};
use ratatui::style::Stylize as _;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, BorderType, Clear, Paragraph};

use super::{cells, key};

/// What the help of a dashboard says: keys and what they do, and what else is to be known.
#[derive(Debug)]
pub struct Help {
    keys: &'static [(&'static str, &'static str)],
    notes: &'static [&'static str],
}

/// Of a run.
pub const RUN: Help = Help {
    keys: &[
        ("o O", "next, previous policy of taking pages"),
        ("h", "volatile pages count (full) or stay stable (unused)"),
        ("+ - 0", "withhold more, fewer, no frames"),
        ("p", "pause or resume, the chosen guest or all"),
        ("e", "take what can be had without I/O, of it or of all"),
        ("↑ ↓ Esc", "choose a guest, or all"),
        ("space", "freeze the picture; the run goes on"),
        ("q ^C", "end the run"),
    ],
    notes: &["ESSA: S stable, U unused, V volatile, P pot. volatile, S? if kept"],
};

/// Of a farm.
pub const FARM: Help = Help {
    keys: &[
        ("space", "freeze the picture; the farm goes on"),
        ("q ^C", "end it; --resume goes on with it"),
    ],
    notes: &[
        "A column is a sample: all guests' pages by state, oldest left.",
        "Nothing can be changed here: all modes must do the same work.",
    ],
};

/// Width and rows beside the keys and notes: letters, empty rows, borders.
const WIDTH: u16 = 70;
const MORE_ROWS: u16 = 10;

/// Draws it in the middle.
pub fn draw(frame: &mut Frame<'_>, help: &Help) {
    let mut lines: Vec<Line<'_>> = help
        .keys
        .iter()
        .map(|(name, what)| {
            let space = " ".repeat(9 - name.chars().count().min(8));
            Line::from(vec![Span::raw(" "), key(name), Span::raw(space + what)])
        })
        .collect();
    lines.push(Line::default());
    for pair in cells::STATES.chunks(2) {
        let mut spans = Vec::new();
        for state in pair {
            let what = format!("  {} {:<26}", state.name, state.words);
            spans.extend([
                Span::raw(" "),
                Span::styled(state.letter.to_string(), state.style()),
                Span::raw(what),
            ]);
        }
        lines.push(Line::from(spans));
    }
    lines.push(Line::default());
    let notes = help.notes.iter();
    lines.extend(notes.map(|note| Line::from(format!(" {note}"))));
    let rows = (help.keys.len() + help.notes.len()) as u16 + MORE_ROWS;
    let [area] = Layout::horizontal([Constraint::Max(WIDTH)])
        .flex(Flex::Center)
        .areas(frame.area());
    let [area] = Layout::vertical([Constraint::Max(rows)])
        .flex(Flex::Center)
        .areas(area);
    frame.render_widget(Clear, area);
    let border = Block::bordered()
        .border_type(BorderType::Rounded)
        .title(" Keys ".bold())
        .title_bottom(" ? closes ");
    frame.render_widget(Paragraph::new(lines).block(border), area);
}
