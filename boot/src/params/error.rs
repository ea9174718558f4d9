//! What can be wrong with a parameter line.

use core::fmt::{self, Write as _};

/// Why a parameter line cannot be used; the text is one line and names the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error<'a> {
    /// A word with a character that is not printable ASCII.
    NotAscii(&'a str),
    /// A word without `=`.
    MissingEquals(&'a str),
    /// A word that starts with `=`.
    EmptyKey(&'a str),
    /// A key that stands twice in one line.
    Duplicate(&'a str),
    /// A key that nobody knows.
    UnknownKey(&'a str),
    /// A value that cannot be read.
    Value {
        /// The key.
        key: &'a str,
        /// The value.
        value: &'a str,
        /// What is wrong with it.
        reason: ValueError,
    },
    /// A value that is none of those there are.
    Choice {
        /// The key.
        key: &'a str,
        /// The value.
        value: &'a str,
        /// What there is, such as "off|unused|full".
        choices: &'static str,
    },
}

/// A word with its other bytes in hexadecimal. The library's way knows all of Unicode for it.
struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.bytes().try_for_each(|byte| match byte {
            b' '..=b'~' => f.write_char(char::from(byte)),
            _ => write!(f, "\\x{byte:02x}"),
        })
    }
}

impl fmt::Display for Error<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAscii(word) => write!(
                f,
                "parameter {}: only printable ASCII characters are allowed",
                Escaped(word)
            ),
            Self::MissingEquals(word) => {
                write!(f, "parameter {word}: `=` is missing, write {word}=VALUE")
            }
            Self::EmptyKey(word) => write!(f, "parameter {word}: a key is missing before `=`"),
            Self::Duplicate(key) => write!(f, "parameter {key} is given twice"),
            Self::UnknownKey(key) => write!(f, "unknown parameter {key}"),
            Self::Value { key, value, reason } => {
                write!(f, "parameter {key}={value}: the value is {reason}")
            }
            Self::Choice {
                key,
                value,
                choices,
            } => write!(f, "parameter {key}={value}: the value must be {choices}"),
        }
    }
}

impl core::error::Error for Error<'_> {}

/// Why a value cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValueError {
    /// Not digits only, nor `0x` and hexadecimal digits.
    NotANumber,
    /// Not digits and a unit.
    NotASize,
    /// More than 64 bits hold, or than the parameter allows.
    TooLarge,
    /// Less than the parameter allows.
    TooSmall,
}

impl fmt::Display for ValueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::NotANumber => "not a number",
            Self::NotASize => "not a size such as 4096, 64M or 1GiB",
            Self::TooLarge => "too large",
            Self::TooSmall => "too small",
        })
    }
}

impl core::error::Error for ValueError {}
