//! What can be wrong with a bundle.

use core::fmt;

use super::{MAGIC_TEXT, VERSION};

/// Why a bundle or one of its entries cannot be used; the text is one line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// Fewer bytes than the bundle says it has.
    Truncated {
        /// The length that header or directory asks for, in bytes.
        needed: u64,
        /// The length that is there, in bytes.
        found: u64,
    },
    /// The first bytes are not those of a bundle.
    Magic,
    /// A version that this image does not know.
    Version(u32),
    /// The checksum of header and directory is wrong.
    Directory {
        /// Where the directory ends, in bytes from the start of the bundle.
        end: u64,
    },
    /// The header's length is not that of the entries.
    Length {
        /// The length in the header, in bytes.
        length: u64,
    },
    /// A byte between two areas is not zero.
    Padding {
        /// Where, in bytes from the start of the bundle.
        offset: u64,
    },
    /// One entry is not as it must be.
    Entry {
        /// Its place in the directory, from 0.
        index: usize,
        /// Where the directory says that its data starts, in bytes from the start of the bundle.
        offset: u64,
        /// What it is, to follow "is".
        what: &'static str,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated { needed, found } => write!(
                f,
                "the bundle is cut short: {found} bytes of at least {needed} are there"
            ),
            Self::Magic => write!(
                f,
                "the initial RAM disk is no bundle: it does not start with {}",
                MAGIC_TEXT
            ),
            Self::Version(version) => write!(
                f,
                "the bundle has version {version}, only {VERSION} is known"
            ),
            Self::Directory { end } => write!(
                f,
                "the bundle's directory is damaged: wrong checksum of bytes 0 to {end}"
            ),
            Self::Length { length } => {
                write!(f, "the bundle's length {length} is not that of its entries")
            }
            Self::Padding { offset } => {
                write!(f, "the bundle is damaged: byte {offset} must be zero")
            }
            Self::Entry {
                index,
                offset,
                what,
            } => write!(f, "bundle entry {index} (data at byte {offset}) is {what}"),
        }
    }
}

impl core::error::Error for Error {}
