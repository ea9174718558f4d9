use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::style::Color;

use super::*;
use crate::watch::model::Setting;
use crate::watch::model::tests::{answer_at, booted, recorded};

/// The lines that are shown on a terminal of a size.
pub(in crate::watch) fn shown(
    width: u16,
    height: u16,
    draw: impl FnOnce(&mut Frame<'_>),
) -> Vec<String> {
    let terminal = drawn_on(width, height, draw);
    let buffer = terminal.backend().buffer();
    let row = |y| (0..width).map(|x| buffer[(x, y)].symbol()).collect();
    (0..height).map(row).collect()
}

fn drawn_on(width: u16, height: u16, draw: impl FnOnce(&mut Frame<'_>)) -> Terminal<TestBackend> {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(draw).unwrap();
    terminal
}

fn picture(model: &Model, choice: &Choice, width: u16, height: u16) -> Vec<String> {
    let now = Duration::from_secs(75);
    shown(width, height, |frame| draw(frame, model, choice, now))
}

/// So many guests, each with a quarter of its pages stable, and what happens in half a second.
fn guests(number: u16) -> Model {
    let mut model = booted(number);
    let map = format!("{}{}{}", "S".repeat(128), "V".repeat(256), "x".repeat(128));
    model.poll();
    for guest in 0..u64::from(number) {
        for (ms, factor) in [(0, 0), (500, 1)] {
            let counts = [
                ("pages", 6144),
                ("resident", 4608),
                ("discards", 400 * factor),
                ("discard_faults", 30 * factor),
                ("page_writes", 7 * factor),
                ("page_reads", 5 * factor),
                ("essa1", 250 * factor),
                ("essa3", 300 * factor),
                ("essa6", 50 * factor),
            ];
            answer_at(&mut model, ms, "list", Some(guest), Some("runs"), &counts);
        }
        answer_at(
            &mut model,
            500,
            "map",
            Some(guest),
            Some(&map),
            &[("pages", 12)],
        );
    }
    model
}

const SIZES: [(u16, u16); 5] = [(60, 12), (80, 24), (120, 40), (200, 60), (300, 20)];

#[test]
fn the_frame_is_there_at_every_size_with_any_number_of_guests() {
    for number in [1, 4, 16, 64] {
        let model = guests(number);
        for (width, height) in SIZES {
            let lines = picture(&model, &Choice::default(), width, height);
            let text = lines.join("\n");
            assert!(
                lines[0].contains(" 1:15 ") && lines[0].contains("10,240 frames"),
                "{text}"
            );
            assert!(lines[0].contains(&format!("{number} guest")), "{text}");
            let settings = "o policy random:6000  h hinting full  + - withheld 0";
            assert!(lines[1].contains(settings), "{text}");
            let total = rate(Some(800.0 * f64::from(number)));
            assert!(lines[2].contains(&format!("discards {total} ")), "{text}");
            let last = usize::from(height) - 1;
            assert!(
                lines[last].contains("? help  q quit  p pause  e evict  space freeze  ↑↓ guest"),
                "{text}"
            );
            assert!(
                text.contains("S stable") && text.contains("V volatile"),
                "{text}"
            );
            for letter in ["S", "V", "x"] {
                assert!(
                    lines[3..usize::from(height) - 4].concat().contains(letter),
                    "{text}"
                );
            }
        }
    }
}

#[test]
fn one_guest_has_its_whole_map_in_80_by_24() {
    let lines = picture(&guests(1), &Choice::default(), 80, 24);
    assert_eq!(lines[3].trim_end(), "  guest 0 runs  75 % of 6,144 pages");
    let letters: String = lines[4..21].concat();
    for (letter, expected) in [('S', 128), ('V', 256), ('x', 128)] {
        let found = lines[4..20]
            .concat()
            .chars()
            .filter(|c| *c == letter)
            .count();
        assert!(found >= expected, "{found} {letter} in {letters}");
    }
    let rates = "  discards 800 faults 60 writes 14 reads 10 ESSA S 500 V 600 S? 100";
    assert!(lines.iter().any(|line| line.contains(rates)), "{lines:#?}");
}

#[test]
fn four_guests_are_blocks_and_sixteen_are_rows_in_80_by_24() {
    let text = picture(&guests(4), &Choice::default(), 80, 24).join("\n");
    for guest in 0..4 {
        assert!(text.contains(&format!("guest {guest} runs")), "{text}");
    }
    assert_eq!(text.matches("discards 800").count(), 4, "{text}");
    let lines = picture(&guests(16), &Choice::default(), 80, 24);
    for (guest, line) in lines[3..19].iter().enumerate() {
        assert!(
            line.starts_with(&format!("  {guest:>2} runs   75 %")),
            "{lines:#?}"
        );
        assert!(
            line.contains("SSSSVVVV") && line.contains("VVVVxxxx"),
            "{lines:#?}"
        );
        assert!(
            line.trim_end().ends_with("800 disc   60 faults"),
            "{lines:#?}"
        );
    }
}

#[test]
fn sixteen_guests_are_blocks_where_there_is_room() {
    let text = picture(&guests(16), &Choice::default(), 200, 60).join("\n");
    for guest in 0..16 {
        assert!(text.contains(&format!("guest {guest} runs")), "{text}");
    }
}

#[test]
fn the_chosen_guest_is_marked_and_in_sight() {
    let mut choice = Choice {
        guest: Some(1),
        ..Choice::default()
    };
    let lines = picture(&guests(4), &choice, 80, 24);
    assert!(
        lines.iter().any(|line| line.starts_with("▶ guest 1")),
        "{lines:#?}"
    );
    choice.guest = Some(40);
    let lines = picture(&guests(64), &choice, 80, 24);
    assert!(
        lines.iter().any(|line| line.starts_with("▶ 40 ")),
        "{lines:#?}"
    );
}

#[test]
fn what_is_asked_for_and_not_answered_is_marked() {
    let mut model = guests(1);
    model.ask(Setting::Policy("lru".to_owned()));
    model.ask(Setting::Withheld(640));
    let line = &picture(&model, &Choice::default(), 80, 24)[1];
    assert!(
        line.contains("policy lru…") && line.contains("withheld 640 (6 %)…"),
        "{line}"
    );
    answer_at(&mut model, 1, "policy", None, None, &[]);
    let line = &picture(&model, &Choice::default(), 80, 24)[1];
    assert!(line.contains("policy lru "), "{line}");
}

#[test]
fn a_cell_has_the_colour_of_its_state() {
    let model = guests(1);
    let terminal = drawn_on(80, 24, |frame| {
        draw(frame, &model, &Choice::default(), Duration::ZERO);
    });
    let cell = &terminal.backend().buffer()[(2, 4)];
    let stable = cells::State::of('S').unwrap();
    assert_eq!((cell.symbol(), Some(cell.bg)), ("S", stable.style().bg));
    assert!(matches!(cell.bg, Color::Indexed(_)));
}

#[test]
fn a_wide_terminal_has_a_chart_of_discards() {
    let model = guests(2);
    let line = &picture(&model, &Choice::default(), 120, 40)[2];
    assert!(line.contains("discards over time █"), "{line}");
    let line = &picture(&model, &Choice::default(), 80, 40)[2];
    assert!(!line.contains('█'), "{line}");
}

#[test]
fn help_says_all_keys_and_letters() {
    let choice = Choice {
        help: true,
        frozen: true,
        ..Choice::default()
    };
    let lines = picture(&guests(2), &choice, 80, 24);
    let text = lines.join("\n");
    for words in [
        "o O",
        "withhold more, fewer, no frames",
        "Pp pot. volatile, paged out",
        "? closes",
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
    assert!(lines[0].trim_end().ends_with("FROZEN"), "{text}");
}

#[test]
fn before_anything_is_known_and_when_a_guest_has_ended_there_is_a_picture() {
    let text = picture(&Model::new(2), &Choice::default(), 80, 24).join("\n");
    assert!(
        text.contains("the machine starts") && text.contains("guest 1 starts"),
        "{text}"
    );
    let mut model = guests(2);
    model.guests[0].end = Some(true);
    model.guests[1].end = Some(false);
    let text = picture(&model, &Choice::default(), 80, 24).join("\n");
    assert!(
        text.contains("guest 0 ended") && text.contains("guest 1 FAILED"),
        "{text}"
    );
}

#[test]
fn a_terminal_that_is_too_small_is_told_so() {
    for (width, height) in [(59, 24), (80, 11), (40, 3)] {
        let lines = picture(&guests(2), &Choice::default(), width, height);
        assert!(lines[0].contains("60 × 12 cells are needed"), "{lines:#?}");
    }
    picture(&guests(2), &Choice::default(), 1, 1);
}

#[test]
fn a_real_run_is_shown() {
    let model = recorded();
    let lines = picture(&model, &Choice::default(), 80, 24);
    let text = lines.join("\n");
    assert!(
        lines[1].contains("policy steal:20  h hinting full  + - withheld 640 (6 %)"),
        "{text}"
    );
    assert!(
        text.contains("guest 1 runs") && text.contains("% of 6,144 pages"),
        "{text}"
    );
    assert!(text.contains("ESSA S ") && text.contains("pass "), "{text}");
}
