//! The parameter line: `key=value` words separated by blanks.
//!
//! ```
//! # use boot::params::{Error, Params};
//! let params = Params::parse("cmma=full passes=2")?;
//! for parameter in &params {
//!     match parameter.key {
//!         "cmma" => assert!(parameter.one_of("off|full", [false, true])?),
//!         "passes" => assert_eq!(parameter.integer()?, 2),
//!         _ => return Err(parameter.unknown()),
//!     }
//! }
//! # Ok::<(), Error<'_>>(())
//! ```
//!
//! Lines come in layers, each overriding the one below: what a bundle holds for all guests, what it
//! holds for one, the parameter line of the host with its `g.key=value` and `gN.key=value`.
//! [`merge`] lays one over another; within one line a key that stands twice is an error, since one
//! of the two is a mistake.

mod error;

use core::fmt;
use core::str::SplitAsciiWhitespace;

pub use error::{Error, ValueError};

/// A parameter line that is known to be well formed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Params<'a> {
    line: &'a str,
}

/// One `key=value` of a parameter line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parameter<'a> {
    /// What stands before the first `=`; never empty.
    pub key: &'a str,
    /// What stands behind it; can be empty.
    pub value: &'a str,
}

impl<'a> Params<'a> {
    /// Checks a line, blanks around and between its words being of no importance.
    ///
    /// # Errors
    /// A character that is not printable ASCII, a word without `=`, an empty key, a key that stands
    /// twice.
    pub fn parse(line: &'a str) -> Result<Self, Error<'a>> {
        let mut words = line.split_ascii_whitespace();
        while let Some(word) = words.next() {
            if !word.bytes().all(|byte| byte.is_ascii_graphic()) {
                return Err(Error::NotAscii(word));
            }
            let (key, _) = word.split_once('=').ok_or(Error::MissingEquals(word))?;
            if key.is_empty() {
                return Err(Error::EmptyKey(word));
            }
            let same = |other: &str| {
                other
                    .strip_prefix(key)
                    .is_some_and(|rest| rest.starts_with('='))
            };
            if words.clone().any(same) {
                return Err(Error::Duplicate(key));
            }
        }
        Ok(Self { line })
    }

    /// Returns the parameters in the order of the line.
    #[must_use]
    pub fn iter(&self) -> Iter<'a> {
        Iter {
            words: self.line.split_ascii_whitespace(),
        }
    }

    /// Returns the value of a key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&'a str> {
        self.iter()
            .find(|parameter| parameter.key == key)
            .map(|parameter| parameter.value)
    }

    /// Returns what this host line says to a guest, without the prefix: `g.key` for all guests
    /// unless there is a `gN.key` for this one.
    pub fn for_guest(&self, guest: u32) -> impl Iterator<Item = Parameter<'a>> + Clone + use<'a> {
        let all = self
            .iter()
            .filter_map(|parameter| match route(parameter.key) {
                Route::AllGuests(key) => Some(Parameter { key, ..parameter }),
                _ => None,
            });
        let own = self
            .iter()
            .filter_map(move |parameter| match route(parameter.key) {
                Route::Guest(number, key) if number == guest => {
                    Some(Parameter { key, ..parameter })
                }
                _ => None,
            });
        merge(all, own)
    }
}

impl<'a> IntoIterator for &Params<'a> {
    type Item = Parameter<'a>;
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Iter<'a> {
        self.iter()
    }
}

/// The parameters of a line.
#[derive(Clone, Debug)]
pub struct Iter<'a> {
    words: SplitAsciiWhitespace<'a>,
}

impl<'a> Iterator for Iter<'a> {
    type Item = Parameter<'a>;

    fn next(&mut self) -> Option<Parameter<'a>> {
        self.words.next().map(|word| {
            let (key, value) = word.split_once('=').expect("checked when parsed");
            Parameter { key, value }
        })
    }
}

impl<'a> Parameter<'a> {
    /// Reads the value as a size in bytes, as [`parse_size`] does.
    ///
    /// # Errors
    /// [`Error::Value`], naming the key.
    pub fn size(&self) -> Result<u64, Error<'a>> {
        parse_size(self.value).map_err(|reason| self.bad(reason))
    }

    /// Reads the value as a number, as [`parse_int`] does.
    ///
    /// # Errors
    /// [`Error::Value`], naming the key.
    pub fn integer(&self) -> Result<u64, Error<'a>> {
        parse_int(self.value).map_err(|reason| self.bad(reason))
    }

    /// Reads the value as a number that has to be in a range.
    ///
    /// # Errors
    /// [`Error::Value`], naming the key.
    pub fn within(&self, least: u64, most: u64) -> Result<u64, Error<'a>> {
        match self.integer()? {
            number if number < least => Err(self.bad(ValueError::TooSmall)),
            number if number > most => Err(self.bad(ValueError::TooLarge)),
            number => Ok(number),
        }
    }

    /// Reads the value as one of the words in `choices`, which `|` separates, and returns what
    /// stands at the word's place in `meanings`.
    ///
    /// # Errors
    /// [`Error::Choice`], naming the key and the choices.
    pub fn one_of<T: Copy, const N: usize>(
        &self,
        choices: &'static str,
        meanings: [T; N],
    ) -> Result<T, Error<'a>> {
        debug_assert_eq!(choices.split('|').count(), N, "a meaning for each choice");
        choices
            .split('|')
            .zip(meanings)
            .find(|(word, _)| *word == self.value)
            .map(|(_, meaning)| meaning)
            .ok_or_else(|| self.expected(choices))
    }

    /// Makes the error that says what the value must be, such as "off|unused|full".
    #[must_use]
    pub const fn expected(&self, choices: &'static str) -> Error<'a> {
        Error::Choice {
            key: self.key,
            value: self.value,
            choices,
        }
    }

    /// Makes the error that says that nobody knows this key.
    #[must_use]
    pub const fn unknown(&self) -> Error<'a> {
        Error::UnknownKey(self.key)
    }

    /// Makes the error that says what is wrong with the value.
    #[must_use]
    pub const fn bad(&self, reason: ValueError) -> Error<'a> {
        Error::Value {
            key: self.key,
            value: self.value,
            reason,
        }
    }
}

impl fmt::Display for Parameter<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.key, self.value)
    }
}

/// Lays one layer of parameters over another: those of `base` whose key `over` does not name, then
/// those of `over`.
pub fn merge<'a, B, O>(base: B, over: O) -> impl Iterator<Item = Parameter<'a>> + Clone
where
    B: Iterator<Item = Parameter<'a>> + Clone,
    O: Iterator<Item = Parameter<'a>> + Clone,
{
    let above = over.clone();
    base.filter(move |parameter| !above.clone().any(|other| other.key == parameter.key))
        .chain(over)
}

/// Writes parameters as a line.
///
/// # Errors
/// Whatever `out` reports.
pub fn write_line<'a>(
    parameters: impl Iterator<Item = Parameter<'a>>,
    out: &mut impl fmt::Write,
) -> fmt::Result {
    let mut separator = "";
    for parameter in parameters {
        write!(out, "{separator}{parameter}")?;
        separator = " ";
    }
    Ok(())
}

/// Whom a key of the host's parameter line is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route<'a> {
    /// The host itself, or nobody.
    Own(&'a str),
    /// One guest: its number, and the key without the prefix.
    Guest(u32, &'a str),
    /// All guests: the key without the prefix.
    AllGuests(&'a str),
}

/// Tells whom a key is for by its prefix: `gN.` or `g.`; guest numbers have no leading zeros, so
/// that every key can be written in one way only.
#[must_use]
pub fn route(key: &str) -> Route<'_> {
    let Some((number, rest)) = key
        .strip_prefix('g')
        .and_then(|tail| tail.split_once('.'))
        .filter(|(_, rest)| !rest.is_empty())
    else {
        return Route::Own(key);
    };
    if number.is_empty() {
        return Route::AllGuests(rest);
    }
    match decimal(number) {
        Ok(guest) if number == "0" || !number.starts_with('0') => match u32::try_from(guest) {
            Ok(guest) => Route::Guest(guest, rest),
            Err(_) => Route::Own(key),
        },
        _ => Route::Own(key),
    }
}

/// Reads a decimal number, digits only.
fn decimal(text: &str) -> Result<u64, ValueError> {
    // `str::parse` takes a plus sign too.
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(ValueError::NotANumber);
    }
    text.parse().map_err(|_| ValueError::TooLarge)
}

/// Reads a number: decimal digits, or `0x` and hexadecimal digits.
///
/// # Errors
/// [`ValueError::NotANumber`], or [`ValueError::TooLarge`] if 64 bits do not hold it.
pub fn parse_int(text: &str) -> Result<u64, ValueError> {
    match text.strip_prefix("0x") {
        None => decimal(text),
        Some(digits) if !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_hexdigit()) => {
            u64::from_str_radix(digits, 16).map_err(|_| ValueError::TooLarge)
        }
        Some(_) => Err(ValueError::NotANumber),
    }
}

/// Reads a size in bytes: digits, and possibly `K`, `M`, `G` or `T`, or `KiB`, `MiB`, `GiB`, `TiB`,
/// which all are powers of 1024.
///
/// # Errors
/// [`ValueError::NotASize`], or [`ValueError::TooLarge`] if 64 bits do not hold it.
pub fn parse_size(text: &str) -> Result<u64, ValueError> {
    let digits = text
        .bytes()
        .position(|byte| !byte.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(digits).ok_or(ValueError::NotASize)?;
    let shift = match unit {
        "" => 0,
        "K" | "KiB" => 10,
        "M" | "MiB" => 20,
        "G" | "GiB" => 30,
        "T" | "TiB" => 40,
        _ => return Err(ValueError::NotASize),
    };
    let number = match decimal(number) {
        Err(ValueError::NotANumber) => return Err(ValueError::NotASize),
        other => other?,
    };
    number.checked_mul(1 << shift).ok_or(ValueError::TooLarge)
}
