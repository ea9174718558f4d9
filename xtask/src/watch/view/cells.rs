//! Page states as letters with colours, and a map of them of any size.

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::style::{Color, Modifier, Style};

/// A state as the host's map has it: letter, name in the page states' notation, words, and colours.
#[derive(Clone, Copy, Debug)]
pub struct State {
    /// The letter of the host's map.
    pub letter: char,
    /// As `cmm` names it.
    pub name: &'static str,
    /// For people.
    pub words: &'static str,
    /// Number of the background in the palette of 256 colours.
    colour: u8,
    /// Whether the letter has to be dark to be read.
    is_bright: bool,
}

/// All states, those with frames first. The colours are those of the farm's page, which people with the usual colour
/// blindnesses can tell apart; and there is always the letter.
pub const STATES: [State; 11] = [
    state('S', "Sr", "stable", 25, false),
    state('V', "Vr", "volatile", 29, false),
    state('P', "Pr", "potentially volatile", 97, false),
    state('U', "Ur", "unused", 136, true),
    state('s', "Sp", "stable, paged out", 74, true),
    state('v', "Vp", "volatile, kept elsewhere", 79, true),
    state('p', "Pp", "pot. volatile, paged out", 146, true),
    state('u', "Up", "unused, kept elsewhere", 186, true),
    state('x', "Vz", "discarded", 166, true),
    state('-', "Uz", "unused, without a frame", 238, false),
    state('.', "Sz", "never touched", 235, false),
];

const fn state(
    letter: char,
    name: &'static str,
    words: &'static str,
    colour: u8,
    is_bright: bool,
) -> State {
    State {
        letter,
        name,
        words,
        colour,
        is_bright,
    }
}

impl State {
    /// The state with a letter.
    #[must_use]
    pub fn of(letter: char) -> Option<Self> {
        STATES.into_iter().find(|state| state.letter == letter)
    }

    /// How a cell of it looks.
    #[must_use]
    pub fn style(&self) -> Style {
        let letter = match (self.is_bright, self.letter) {
            (_, '.' | '-') => Color::Indexed(245),
            (true, _) => Color::Indexed(16),
            (false, _) => Color::Indexed(255),
        };
        Style::new().bg(Color::Indexed(self.colour)).fg(letter)
    }
}

/// How a letter looks; one that is no state's is not hidden.
fn style(letter: char) -> Style {
    let unknown = Style::new().add_modifier(Modifier::REVERSED);
    State::of(letter).map_or(unknown, |state| state.style())
}

/// Letters for exactly so many cells, or as many as there are: for a cell of several letters the one that most of
/// them are, the first of those if there are several.
#[must_use]
pub fn resample(map: &str, cells: usize) -> Vec<char> {
    let letters: Vec<char> = map.chars().collect();
    let cells = cells.min(letters.len());
    let at = |cell: usize| cell * letters.len() / cells;
    (0..cells)
        .map(|cell| most_frequent(&letters[at(cell)..at(cell + 1)]))
        .collect()
}

fn most_frequent(letters: &[char]) -> char {
    let count = |letter: &char| letters.iter().filter(|other| *other == letter).count();
    let best = letters.iter().rev().max_by_key(|letter| count(letter));
    best.copied().unwrap_or(' ')
}

/// Draws a map into an area, row by row. If there is more room than letters, cells are wider.
pub fn draw(map: &str, area: Rect, buffer: &mut Buffer) {
    let (width, height) = (usize::from(area.width), usize::from(area.height));
    let all = map.chars().count();
    if width * height == 0 || all == 0 {
        return;
    }
    // The widest cells with which everything still fits.
    let fits = |wide: &usize| (width / wide) * height >= all;
    let wide = (1..=width).rev().find(fits).unwrap_or(1);
    let in_row = (width / wide).max(1);
    // All rows equally long, so that there is no hole in the last one.
    let rows = all.min(in_row * height).div_ceil(in_row);
    let cells = resample(map, all.min(in_row * height));
    let in_row = cells.len().div_ceil(rows);
    let wide = width / in_row;
    for (number, letter) in cells.into_iter().enumerate() {
        let (row, column) = (number / in_row, number % in_row * wide);
        let (x, y) = (area.x + column as u16, area.y + row as u16);
        let style = style(letter);
        for across in 0..wide as u16 {
            if let Some(cell) = buffer.cell_mut(Position::new(x + across, y)) {
                cell.set_char(if across == 0 { letter } else { ' ' })
                    .set_style(style);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use cmm::{PageState, extended};

    use super::*;

    fn drawn(map: &str, width: u16, height: u16) -> Vec<String> {
        let area = Rect::new(0, 0, width, height);
        let mut buffer = Buffer::empty(area);
        draw(map, area, &mut buffer);
        let row = |y| {
            (0..width)
                .map(|x| buffer[(x, y)].symbol().to_owned())
                .collect()
        };
        (0..height).map(row).collect()
    }

    #[test]
    fn a_cell_is_what_most_of_its_pages_are() {
        let text = |cells| resample("SSVVVxxS", cells).into_iter().collect::<String>();
        assert_eq!(text(8), "SSVVVxxS");
        assert_eq!(text(4), "SVVx");
        assert_eq!(text(2), "Sx");
        assert_eq!(text(1), "S");
        assert_eq!(text(100), "SSVVVxxS");
        assert_eq!(resample("SSVVV", 1), ['V']);
        assert!(resample("", 5).is_empty());
    }

    #[test]
    fn a_map_fills_its_area() {
        assert_eq!(drawn("SSVVxx", 3, 2), ["SSV", "Vxx"]);
        assert_eq!(drawn("SSVVxx", 6, 2), ["S S V ", "V x x "]);
        assert_eq!(drawn("SSVVxx", 3, 1), ["SVx"]);
        // No short last row.
        assert_eq!(drawn("SSSSSSSSVV", 9, 2), ["SSSSS    ", "SSSVV    "]);
        assert_eq!(drawn("", 2, 1), ["  "]);
        assert_eq!(drawn("S", 0, 1), [""]);
    }

    #[test]
    fn every_state_has_a_letter_and_a_colour_of_its_own() {
        let names: Vec<_> = STATES.iter().map(|state| state.name).collect();
        for state in PageState::ALL
            .into_iter()
            .chain([extended::VP, extended::PP, extended::UP])
        {
            assert!(names.contains(&state.name()), "{state}");
        }
        for (number, state) in STATES.iter().enumerate() {
            let others = &STATES[..number];
            assert!(others.iter().all(|other| other.letter != state.letter));
            assert!(
                others
                    .iter()
                    .all(|other| other.style().bg != state.style().bg)
            );
            assert_eq!(State::of(state.letter).unwrap().name, state.name);
        }
    }
}
