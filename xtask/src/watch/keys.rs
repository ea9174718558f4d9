//! What keys do: they change what is shown, or become commands of the host's operator.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::model::{Model, Setting};

/// Policies that the key goes through, beside the one that the run began with.
pub const POLICIES: [&str; 6] = [
    "lru",
    "random:6000",
    "steal:20",
    "steal:spare",
    "steal",
    "hold",
];
/// One press withholds this part of the frames.
const PRESSURE_STEPS: u64 = 16;
/// This part of them is left to guests, as the host demands.
const LEAST_LEFT: u64 = 8;

/// What the user looks at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Choice {
    /// The guest that commands are for; all of them if none is chosen.
    pub guest: Option<usize>,
    /// Whether the help is shown.
    pub help: bool,
    /// Whether the picture stands still.
    pub frozen: bool,
}

/// What is to be done about a key beside what it has changed already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Deed {
    /// Nothing.
    Nothing,
    /// End the run.
    Quit,
    /// Give the host this command.
    Tell(String),
}

/// Keys that mean the same in every dashboard; none if it is another key.
pub fn common(key: KeyEvent, choice: &mut Choice) -> Option<Deed> {
    let is_control = key.modifiers.contains(KeyModifiers::CONTROL);
    match key.code {
        KeyCode::Char('c') if is_control => return Some(Deed::Quit),
        KeyCode::Char('q') => return Some(Deed::Quit),
        KeyCode::Char('?') => choice.help = !choice.help,
        KeyCode::Esc if choice.help => choice.help = false,
        KeyCode::Char(' ') => choice.frozen = !choice.frozen,
        _ => return None,
    }
    Some(Deed::Nothing)
}

/// A key was pressed in the dashboard of a run.
pub fn pressed(key: KeyEvent, model: &mut Model, choice: &mut Choice) -> Deed {
    if let Some(deed) = common(key, choice) {
        return deed;
    }
    match key.code {
        KeyCode::Down | KeyCode::Tab | KeyCode::Char('j') => {
            choice.guest = next(choice.guest, model.guests.len());
        }
        KeyCode::Up | KeyCode::BackTab | KeyCode::Char('k') => {
            choice.guest = previous(choice.guest, model.guests.len());
        }
        KeyCode::Esc => choice.guest = None,
        // Before the host is up, nothing can be told to it.
        _ if model.boot.is_none() => {}
        KeyCode::Char('o') => return ask(model, policy(model, true)),
        KeyCode::Char('O') => return ask(model, policy(model, false)),
        KeyCode::Char('h') => return ask(model, hinting(model)),
        KeyCode::Char('+' | '=') => return ask(model, pressure(model, true)),
        KeyCode::Char('-') => return ask(model, pressure(model, false)),
        KeyCode::Char('0') => return ask(model, Setting::Withheld(0)),
        KeyCode::Char('e') => return Deed::Tell(for_guest("evict", choice)),
        KeyCode::Char('p') => {
            let word = if all_paused(model, choice) {
                "resume"
            } else {
                "pause"
            };
            return Deed::Tell(for_guest(word, choice));
        }
        _ => {}
    }
    Deed::Nothing
}

fn ask(model: &mut Model, setting: Setting) -> Deed {
    Deed::Tell(model.ask(setting))
}

/// From all guests to the first, and from the last to all.
fn next(guest: Option<usize>, guests: usize) -> Option<usize> {
    let next = guest.map_or(0, |guest| guest + 1);
    (next < guests).then_some(next)
}

fn previous(guest: Option<usize>, guests: usize) -> Option<usize> {
    guest.unwrap_or(guests).checked_sub(1)
}

/// A command for the chosen guest, or all.
fn for_guest(word: &str, choice: &Choice) -> String {
    match choice.guest {
        Some(guest) => format!("{word} {guest}"),
        None => word.to_owned(),
    }
}

/// Whether all guests that are meant and have not ended are paused.
fn all_paused(model: &Model, choice: &Choice) -> bool {
    let all = model.guests.iter().enumerate();
    let mut meant = all
        .filter(|(number, guest)| {
            guest.end.is_none() && choice.guest.is_none_or(|chosen| chosen == *number)
        })
        .peekable();
    meant.peek().is_some() && meant.all(|(_, guest)| guest.is_paused())
}

/// The next policy, or the one before.
fn policy(model: &Model, is_next: bool) -> Setting {
    let first = model.boot.as_ref().map(|boot| &*boot.evict);
    let own = first.filter(|first| !POLICIES.contains(first));
    let all: Vec<&str> = own.into_iter().chain(POLICIES).collect();
    let wanted = model.wanted().policy;
    let at = all.iter().position(|policy| *policy == wanted).unwrap_or(0);
    let step = if is_next { 1 } else { all.len() - 1 };
    Setting::Policy(all[(at + step) % all.len()].to_owned())
}

/// The other kind of hints.
fn hinting(model: &Model) -> Setting {
    let is_unused = model.wanted().hinting == "unused";
    Setting::Hinting(if is_unused { "full" } else { "unused" }.to_owned())
}

/// More frames withheld, or fewer.
fn pressure(model: &Model, is_more: bool) -> Setting {
    let frames = model.boot.as_ref().map_or(0, |boot| boot.frames);
    let (step, most) = (frames / PRESSURE_STEPS, frames - frames / LEAST_LEFT);
    let withheld = model.wanted().withheld;
    Setting::Withheld(if is_more {
        (withheld + step).min(most)
    } else {
        withheld.saturating_sub(step)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::watch::model::tests::{answer, booted};

    fn press(code: KeyCode, model: &mut Model, choice: &mut Choice) -> Deed {
        pressed(KeyEvent::new(code, KeyModifiers::NONE), model, choice)
    }

    /// What the host is told when these keys are pressed one after another.
    fn told(keys: &str, model: &mut Model, choice: &mut Choice) -> Vec<String> {
        let deeds = keys
            .chars()
            .map(|key| press(KeyCode::Char(key), model, choice));
        deeds
            .filter_map(|deed| match deed {
                Deed::Tell(command) => Some(command),
                _ => None,
            })
            .collect()
    }

    fn all_are_commands(lines: &[String]) {
        for line in lines {
            assert!(host::operator::Command::parse(line).is_ok(), "{line}");
        }
    }

    #[test]
    fn policies_go_round_and_are_all_the_hosts() {
        let (mut model, mut choice) = (booted(2), Choice::default());
        let lines = told("oooooo", &mut model, &mut choice);
        let policies = [
            "steal:20",
            "steal:spare",
            "steal",
            "hold",
            "lru",
            "random:6000",
        ];
        assert_eq!(lines, policies.map(|policy| format!("policy {policy}")));
        all_are_commands(&lines);
        assert_eq!(told("O", &mut model, &mut choice), ["policy lru"]);
    }

    #[test]
    fn the_policy_that_the_run_began_with_is_one_of_them() {
        let (mut model, mut choice) = (booted(2), Choice::default());
        let boot = model.boot.as_mut().unwrap();
        boot.evict = "random:5".to_owned();
        model.settings.policy = "random:5".to_owned();
        let lines = told("oO", &mut model, &mut choice);
        assert_eq!(lines, ["policy lru", "policy random:5"]);
    }

    #[test]
    fn hints_and_pressure_count_from_what_was_asked_for_last() {
        let (mut model, mut choice) = (booted(2), Choice::default());
        let lines = told("hh++-0-", &mut model, &mut choice);
        assert_eq!(
            lines,
            [
                "hinting unused",
                "hinting full",
                "withhold 640",
                "withhold 1280",
                "withhold 640",
                "withhold 0",
                "withhold 0",
            ]
        );
        all_are_commands(&lines);
        assert_eq!(
            told(&"+".repeat(20), &mut model, &mut choice)
                .last()
                .unwrap(),
            "withhold 8960"
        );
    }

    #[test]
    fn commands_are_for_the_chosen_guest() {
        let (mut model, mut choice) = (booted(2), Choice::default());
        assert_eq!(told("ep", &mut model, &mut choice), ["evict", "pause"]);
        press(KeyCode::Down, &mut model, &mut choice);
        press(KeyCode::Down, &mut model, &mut choice);
        assert_eq!(choice.guest, Some(1));
        let lines = told("ep", &mut model, &mut choice);
        assert_eq!(lines, ["evict 1", "pause 1"]);
        all_are_commands(&lines);
        answer(&mut model, "pause", Some(1), None, &[]);
        assert_eq!(told("p", &mut model, &mut choice), ["resume 1"]);
        press(KeyCode::Down, &mut model, &mut choice);
        assert_eq!(choice.guest, None);
        // One of the two runs.
        assert_eq!(told("p", &mut model, &mut choice), ["pause"]);
        press(KeyCode::Up, &mut model, &mut choice);
        press(KeyCode::Up, &mut model, &mut choice);
        assert_eq!(choice.guest, Some(0));
        press(KeyCode::Esc, &mut model, &mut choice);
        assert_eq!(choice.guest, None);
    }

    #[test]
    fn nothing_is_told_before_the_host_is_up() {
        let (mut model, mut choice) = (Model::new(2), Choice::default());
        assert!(told("oOh+-0ep", &mut model, &mut choice).is_empty());
    }

    #[test]
    fn the_picture_and_the_end_are_keys_too() {
        let (mut model, mut choice) = (booted(1), Choice::default());
        press(KeyCode::Char('?'), &mut model, &mut choice);
        press(KeyCode::Char(' '), &mut model, &mut choice);
        assert!(choice.help && choice.frozen);
        press(KeyCode::Esc, &mut model, &mut choice);
        press(KeyCode::Char(' '), &mut model, &mut choice);
        assert_eq!(choice, Choice::default());
        assert_eq!(
            press(KeyCode::Char('q'), &mut model, &mut choice),
            Deed::Quit
        );
        let control = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
        assert_eq!(pressed(control, &mut model, &mut choice), Deed::Quit);
        assert_eq!(
            press(KeyCode::Char('c'), &mut model, &mut choice),
            Deed::Nothing
        );
    }
}
