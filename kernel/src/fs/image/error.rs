//! What can be wrong with an image of files.

use core::fmt;

use super::{INDEX_NAME, VERSION};

/// Why the disk of files cannot be used; the text is one line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// Fewer bytes than needed.
    Truncated {
        /// How many must be there.
        needed: u64,
        /// How many are.
        found: u64,
    },
    /// Where the index must be is something else.
    NoIndex,
    /// A version that this kernel does not know.
    Version(u32),
    /// The index's header is damaged.
    Header,
    /// The tar header of the index is damaged.
    Member,
    /// The index behind its header is damaged.
    Body {
        /// Where the index ends on the disk, in bytes.
        end: u64,
    },
    /// A file's record contradicts others.
    Record {
        /// The file's number.
        index: usize,
        /// The field.
        what: &'static str,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated { needed, found } => write!(
                f,
                "the disk of files is cut short: {found} bytes of at least {needed} are there"
            ),
            Self::NoIndex => write!(
                f,
                "the disk of files has no index at byte 512: pack it with cargo xtask"
            ),
            Self::Version(version) => write!(
                f,
                "the index of the disk of files has version {version}, only {VERSION} is known"
            ),
            Self::Header => write!(
                f,
                "{INDEX_NAME} on the disk of files is damaged: bad header at byte 512"
            ),
            Self::Member => write!(
                f,
                "{INDEX_NAME} on the disk of files is damaged: bad tar header at byte 0"
            ),
            Self::Body { end } => write!(
                f,
                "{INDEX_NAME} on the disk of files is damaged: wrong checksum of bytes 568 to {end}"
            ),
            Self::Record { index, what } => write!(
                f,
                "{INDEX_NAME} on the disk of files is damaged: wrong {what} of file {index}"
            ),
        }
    }
}

impl core::error::Error for Error {}
