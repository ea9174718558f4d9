//! One command of the operator.

use alloc::format;
use alloc::string::String;

use boot::params::parse_int;

use crate::evict::Policy;
use crate::personality::Hinting;

/// What to do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Deed {
    /// Say which guests there are and what they do.
    List,
    /// Count a guest's pages by state.
    States,
    /// Take every page that can be had without I/O.
    Evict,
    /// Let a guest's CPUs rest until they are resumed.
    Pause,
    /// Let them run again.
    Resume,
    /// End a guest.
    Stop,
    /// Show registers of a guest's CPUs, or a piece of its storage.
    Dump,
    /// Draw a guest's pages by their states.
    Map,
    /// Take pages by another policy from now on.
    Policy,
    /// Let more or fewer hints count from now on.
    Hinting,
    /// Withhold frames from guests.
    Withhold,
}

/// What a command sets for the whole host.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Setting {
    /// The policy.
    Policy(Policy),
    /// Which hints count.
    Hinting(Hinting),
    /// Frames that guests do not get.
    Withheld(usize),
}

/// All of them: key, word, and what to do.
const WORDS: [(&str, &str, Deed); 11] = [
    ("l", "list", Deed::List),
    ("s", "states", Deed::States),
    ("e", "evict", Deed::Evict),
    ("p", "pause", Deed::Pause),
    ("r", "resume", Deed::Resume),
    ("x", "stop", Deed::Stop),
    ("d", "dump", Deed::Dump),
    ("m", "map", Deed::Map),
    ("o", "policy", Deed::Policy),
    ("h", "hinting", Deed::Hinting),
    ("w", "withhold", Deed::Withhold),
];

/// What to do, and to whom.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Command {
    /// What to do.
    pub deed: Deed,
    /// The guest's number; all guests if none is named.
    pub guest: Option<u16>,
    /// The guest absolute address of what to dump.
    pub address: Option<u64>,
    /// What is set for the whole host.
    pub setting: Option<Setting>,
}

/// What is said of a value that is none.
const EXPECTED: &str = "expected policy lru|random:RATE|steal[:spare|:MS]|hold, hinting unused|full or withhold FRAMES";

impl Setting {
    fn parse(deed: Deed, word: &str) -> Option<Self> {
        match (deed, word) {
            (Deed::Policy, _) => Policy::parse(word).map(Self::Policy),
            (Deed::Hinting, "unused") => Some(Self::Hinting(Hinting::Unused)),
            (Deed::Hinting, "full") => Some(Self::Hinting(Hinting::Full)),
            (Deed::Withhold, _) => {
                let frames = parse_int(word).ok()?;
                Some(Self::Withheld(usize::try_from(frames).ok()?))
            }
            _ => None,
        }
    }
}

impl Command {
    /// Reads a line: a word or its key, then what is set, or a guest and, to dump storage, an address.
    ///
    /// # Errors
    /// One line that says what is expected.
    pub fn parse(line: &str) -> Result<Self, String> {
        let mut words = line.split_ascii_whitespace();
        let first = words.next().unwrap_or_default();
        let known = WORDS
            .iter()
            .find(|(key, word, _)| [*key, *word].contains(&first));
        let Some((_, _, deed)) = known else {
            return Err(format!(
                "{first}: expected list, states, evict, pause, resume, stop, dump, map, policy, hinting or withhold"
            ));
        };
        let setting = match deed {
            Deed::Policy | Deed::Hinting | Deed::Withhold => {
                let word = words.next().unwrap_or_default();
                Some(Setting::parse(*deed, word).ok_or_else(|| format!("{line}: {}", EXPECTED))?)
            }
            _ => None,
        };
        let mut number = || match words.next() {
            Some(word) => parse_int(word)
                .map(Some)
                .map_err(|_| format!("{word} in {line}: expected a number")),
            None => Ok(None),
        };
        let (guest, address) = (number()?, number()?);
        let is_too_much = setting.is_some() && guest.is_some();
        if words.next().is_some() || is_too_much || (address.is_some() && *deed != Deed::Dump) {
            return Err(format!("{line}: too many words"));
        }
        Ok(Self {
            deed: *deed,
            // No guest has a number that does not fit: none is found then.
            guest: guest.map(|guest| u16::try_from(guest).unwrap_or(u16::MAX)),
            address,
            setting,
        })
    }

    /// Its word.
    #[must_use]
    pub fn word(&self) -> &'static str {
        let mut all = WORDS.iter();
        all.find(|(_, _, deed)| *deed == self.deed)
            .map_or("", |(_, word, _)| word)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_as_good_as_a_word() {
        for (key, word, deed) in WORDS.into_iter().take(8) {
            let command = Command::parse(word).unwrap();
            assert_eq!(Command::parse(&format!(" {key} ")).unwrap(), command);
            assert_eq!((command.deed, command.word()), (deed, word));
            assert_eq!(Command::parse(&format!("{key} 3")).unwrap().guest, Some(3));
        }
        let dump = Command::parse("dump 1 0x2000").unwrap();
        assert_eq!((dump.guest, dump.address), (Some(1), Some(0x2000)));
        assert_eq!(Command::parse("p 70000").unwrap().guest, Some(u16::MAX));
    }

    #[test]
    fn settings_are_for_the_whole_host() {
        for (line, setting) in [
            ("policy steal:5", Setting::Policy(Policy::StealAfter(5))),
            ("o lru", Setting::Policy(Policy::Lru)),
            ("h unused", Setting::Hinting(Hinting::Unused)),
            ("hinting full", Setting::Hinting(Hinting::Full)),
            ("w 0x100", Setting::Withheld(256)),
        ] {
            let command = Command::parse(line).unwrap();
            assert_eq!((command.setting, command.guest), (Some(setting), None));
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (line, word) in [
            ("", "expected list"),
            ("halt", "halt: expected"),
            ("pause one", "one in pause one"),
            ("pause 1 2", "too many"),
            ("dump 1 2 3", "too many"),
            ("policy fifo", "policy fifo: expected policy lru"),
            ("hinting none", "hinting none: expected"),
            ("withhold", "withhold: expected"),
            ("withhold 5 1", "too many"),
        ] {
            let error = Command::parse(line).unwrap_err();
            assert!(error.contains(word), "{line}: {error}");
        }
    }
}
