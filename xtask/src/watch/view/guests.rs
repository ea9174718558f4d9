//! Guests: blocks with maps of several rows where there is room, else a row each.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::{Style, Stylize as _};
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use super::super::keys::Choice;
use super::super::model::{Guest, Model};
use super::cells;
use super::words::{rate, short};
use crate::table::grouped;

/// Least height of a block: what it is, two rows of its map, its rates.
const LEAST_BLOCK: u16 = 4;
/// A block is this wide at least.
const BLOCK_WIDTH: u16 = 64;
/// Most blocks beside each other.
const MOST_COLUMNS: u16 = 4;
/// Room for what a row says before and behind its map.
const ROW_HEAD: u16 = 17;
const ROW_TAIL: u16 = 22;
/// A map needs no more rows than this: the host's has 512 letters.
const MOST_MAP: u16 = 16;

/// Draws all guests.
pub(super) fn draw(frame: &mut Frame<'_>, area: Rect, model: &Model, choice: &Choice) {
    let guests = model.guests.len() as u16;
    // As few columns as possible: maps are easier to read when they are wide.
    let columns = (1..=MOST_COLUMNS).find(|columns| {
        area.width / columns >= BLOCK_WIDTH.min(area.width)
            && area.height / guests.div_ceil(*columns) >= LEAST_BLOCK
    });
    match columns {
        Some(columns) => draw_blocks(frame, area, model, choice, columns),
        None => draw_rows(frame, area, model, choice),
    }
}

fn draw_blocks(frame: &mut Frame<'_>, area: Rect, model: &Model, choice: &Choice, columns: u16) {
    let rows = (model.guests.len() as u16).div_ceil(columns);
    let (width, height) = (area.width / columns, area.height / rows);
    for (number, guest) in model.guests.iter().enumerate() {
        let (row, column) = (number as u16 / columns, number as u16 % columns);
        let block = Rect::new(
            area.x + column * width,
            area.y + row * height,
            width,
            height.min(MOST_MAP + 3),
        );
        draw_block(frame, block, number, guest, choice);
    }
}

fn draw_block(frame: &mut Frame<'_>, area: Rect, number: usize, guest: &Guest, choice: &Choice) {
    let line = |y| Rect::new(area.x, area.y + y, area.width, 1);
    let mut head = vec![
        mark(number, choice),
        Span::from(format!("guest {number} ")).bold(),
    ];
    head.push(condition(guest));
    if let Some(percent) = guest.resident_percent() {
        let pages = grouped(guest.counts.latest("pages"));
        head.push(Span::raw(format!("  {percent} % of {pages} pages")));
    }
    let (head, work) = (Line::from(head), work(guest));
    if head.width() + work.len() + 3 <= area.width.into() {
        let work = Line::from(work + " ").right_aligned();
        frame.render_widget(Paragraph::new(work), line(0));
    }
    frame.render_widget(Paragraph::new(head), line(0));
    // A row stays empty below it if there is room.
    let empty = u16::from(area.height > LEAST_BLOCK);
    let map = Rect::new(
        area.x + 2,
        area.y + 1,
        area.width.saturating_sub(3),
        area.height - 2 - empty,
    );
    cells::draw(&guest.map, map, frame.buffer_mut());
    frame.render_widget(Paragraph::new(rates(guest)), line(area.height - 1 - empty));
}

/// What happens in a guest, each number a second.
fn rates(guest: &Guest) -> Line<'static> {
    let one = |name: &str| rate(guest.counts.rate(name));
    let mut text = format!(
        "  discards {} faults {} writes {} reads {}",
        one("discards"),
        one("discard_faults"),
        one("page_writes"),
        one("page_reads"),
    );
    let essa: Vec<String> = guest
        .essa_rates()
        .map(|(code, per_second)| format!("{} {}", essa_letter(code), short(per_second as u64)))
        .collect();
    if !essa.is_empty() {
        text += &format!(" ESSA {}", essa.join(" "));
    }
    Line::from(text)
}

/// How far the work is.
fn work(guest: &Guest) -> String {
    if let Some(requests) = guest.requests {
        return format!("{} requests", grouped(requests));
    }
    let Some(progress) = &guest.progress else {
        return String::new();
    };
    let mut text = format!(
        "pass {}/{} file {}/{}",
        progress.pass,
        progress.passes,
        grouped(progress.files_done),
        grouped(progress.files)
    );
    if let Some(bytes) = guest.verified.rate("bytes") {
        text += &format!(" {:.1} MiB/s", bytes / f64::from(1 << 20));
    }
    text
}

/// What an operation request code asks for, as short as possible: the state; `S?` is stable unless discarded.
fn essa_letter(code: u8) -> &'static str {
    match code {
        1 => "S",
        2 => "U",
        3 => "V",
        4 => "P",
        6 => "S?",
        _ => "?",
    }
}

/// Guests as rows; those around the chosen one if there are too many.
fn draw_rows(frame: &mut Frame<'_>, area: Rect, model: &Model, choice: &Choice) {
    let (all, fit) = (model.guests.len(), usize::from(area.height));
    let chosen = choice.guest.unwrap_or(0);
    let first = (chosen + 1)
        .saturating_sub(fit)
        .min(all.saturating_sub(fit));
    let shown = model.guests.iter().enumerate().skip(first).take(fit);
    for (row, (number, guest)) in shown.enumerate() {
        draw_row(
            frame,
            Rect::new(area.x, area.y + row as u16, area.width, 1),
            number,
            guest,
            choice,
        );
    }
}

fn draw_row(frame: &mut Frame<'_>, area: Rect, number: usize, guest: &Guest, choice: &Choice) {
    let percent = guest
        .resident_percent()
        .map_or_else(String::new, |percent| format!("{percent} %"));
    let head = Line::from(vec![
        mark(number, choice),
        Span::raw(format!("{number:>2} ")).bold(),
        condition(guest),
    ]);
    let part = |x, width| Rect::new(area.x + x, area.y, width, 1);
    frame.render_widget(Paragraph::new(head), part(0, ROW_HEAD - 6));
    let resident = Line::from(percent).right_aligned();
    frame.render_widget(Paragraph::new(resident), part(ROW_HEAD - 6, 5));
    let map = area.width - ROW_HEAD - ROW_TAIL;
    cells::draw(&guest.map, part(ROW_HEAD, map), frame.buffer_mut());
    let text = format!(
        " {:>4} disc {:>4} faults",
        rate(guest.counts.rate("discards")),
        rate(guest.counts.rate("discard_faults"))
    );
    frame.render_widget(Paragraph::new(text), part(ROW_HEAD + map, ROW_TAIL));
}

/// The mark of the chosen guest.
fn mark(number: usize, choice: &Choice) -> Span<'static> {
    if choice.guest == Some(number) {
        Span::styled("▶ ", Style::new().bold().yellow())
    } else {
        Span::raw("  ")
    }
}

/// What it does, in one word where there is no room for more.
fn condition(guest: &Guest) -> Span<'static> {
    let word = match (guest.end, &*guest.condition) {
        (Some(true), _) => return Span::raw("ended").green(),
        (Some(false), _) => return Span::raw("FAILED").red().bold(),
        (None, "") => "starts",
        (None, "waits for a page") => "paging",
        (None, other) => other,
    };
    let span = Span::raw(word.to_owned());
    if guest.is_paused() {
        span.yellow().bold()
    } else {
        span
    }
}
