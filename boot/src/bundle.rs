//! The bundle: what one initial RAM disk hands to the host: guest images, parameters, disks.
//!
//! ```text
//!   0 ┌──────────────────────────────┐
//!     │ header, 32 bytes             │ magic, version, entries, length, CRC
//!  32 ├──────────────────────────────┤
//!     │ directory, 64 bytes an entry │ name, offset, length, kind, guest, CRC of the data
//!     ├──────────────────────────────┤ zeros up to the page
//!     │ data of entry 0              │ from a page boundary, so that a disk is used where it is
//!     ├──────────────────────────────┤ zeros up to the page
//!     │ data of entry 1 …            │
//!     └──────────────────────────────┘ the length in the header, whole pages
//! ```
//!
//! Numbers are big-endian. The layout has no freedom: data follows in the order of the directory,
//! each from the first page boundary behind the one before, and what lies between is zero. So one
//! comparison finds any overlap, and every byte of a bundle is checked by somebody.
//!
//! [`Bundle::parse`] reads header and directory only; [`Entry::verify`] reads an entry's data, which
//! can be a disk of many MiB, and is for its first user to call.

mod error;
#[cfg(not(target_os = "none"))]
pub mod write;

use core::fmt;
use core::hint::black_box;
use core::str;

use crc::{CRC_32_ISCSI, Crc, Table};
use spin::Once;
use zerocopy::big_endian::{U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

pub use error::Error;

/// The first eight bytes of every bundle.
pub const MAGIC: [u8; 8] = *MAGIC_TEXT
    .as_bytes()
    .first_chunk()
    .expect("it is that long");
const MAGIC_TEXT: &str = "CMMBUNDL";
/// The version that this module reads and writes.
pub const VERSION: u32 = 1;
/// Alignment of an entry's data and of the bundle's length, in bytes.
pub const ALIGNMENT: u64 = 4096;
/// The longest name of an entry, in bytes.
pub const NAME_LENGTH: usize = 32;

static CRC32: Once<Crc<u32, Table<16>>> = Once::new();

/// CRC-32/ISCSI by tables for 16 bytes at a time, for whoever needs it. The tables are made when they are
/// first used: in the image they would be 16 KiB of it.
pub fn crc32() -> &'static Crc<u32, Table<16>> {
    // Else the compiler makes them.
    CRC32.call_once(|| Crc::<u32, Table<16>>::new(black_box(&CRC_32_ISCSI)))
}

/// Value of the directory's guest field that means every guest.
const ALL_GUESTS: u32 = u32::MAX;

#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned, Clone, Copy)]
#[repr(C)]
struct Header {
    magic: [u8; 8],
    version: U32,
    entries: U32,
    /// Length of the whole bundle, in bytes.
    length: U64,
    reserved: U32,
    /// CRC of the header up to here, then of the directory.
    checksum: U32,
}

#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned, Clone, Copy)]
#[repr(C)]
struct Record {
    name: [u8; NAME_LENGTH],
    /// Where the data starts, in bytes from the start of the bundle.
    offset: U64,
    /// Length of the data, in bytes.
    length: U64,
    kind: U32,
    guest: U32,
    /// CRC of the data.
    checksum: U32,
    reserved: U32,
}

const _: () = assert!(size_of::<Header>() == 32);
const _: () = assert!(size_of::<Record>() == 64);

/// How much of the header its checksum covers, in bytes.
const HEADER_CHECKED: usize = size_of::<Header>() - size_of::<U32>();

/// What an entry holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Kind {
    /// A guest image in the ELF format.
    Elf = 1,
    /// A guest image that is loaded at guest absolute 0 as it is.
    Flat = 2,
    /// A parameter line for guests.
    GuestParameters = 3,
    /// A parameter line for the host.
    HostParameters = 4,
    /// A disk that is used where it lies in memory.
    Disk = 5,
    /// Commands for the host's operator.
    Script = 6,
}

impl Kind {
    const fn from_code(code: u32) -> Option<Self> {
        match code {
            1 => Some(Self::Elf),
            2 => Some(Self::Flat),
            3 => Some(Self::GuestParameters),
            4 => Some(Self::HostParameters),
            5 => Some(Self::Disk),
            6 => Some(Self::Script),
            _ => None,
        }
    }

    /// Returns the kind's name for people, such as "guest parameters".
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Elf => "ELF image",
            Self::Flat => "flat image",
            Self::GuestParameters => "guest parameters",
            Self::HostParameters => "host parameters",
            Self::Disk => "disk",
            Self::Script => "script",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Whom an entry is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// Every guest that has no entry of this kind of its own; also what is the host's.
    All,
    /// One guest, by number.
    Guest(u32),
}

/// A bundle whose header and directory are known to be good.
#[derive(Clone, Copy)]
pub struct Bundle<'a> {
    bytes: &'a [u8],
    directory: &'a [Record],
}

impl<'a> Bundle<'a> {
    /// Reads header and directory; bytes behind the bundle's own length are left alone.
    ///
    /// # Errors
    /// Anything in header or directory that is not as the format says, a truncated bundle included.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Error> {
        let truncated = |needed| Error::Truncated {
            needed,
            found: bytes.len() as u64,
        };
        let (header, rest) =
            Header::ref_from_prefix(bytes).map_err(|_| truncated(size_of::<Header>() as u64))?;
        if header.magic != MAGIC {
            return Err(Error::Magic);
        }
        if header.version.get() != VERSION {
            return Err(Error::Version(header.version.get()));
        }
        let entries = header.entries.get();
        // Cannot overflow: 32 bits times 64.
        let end = size_of::<Header>() as u64 + u64::from(entries) * size_of::<Record>() as u64;
        let (directory, _) = usize::try_from(entries)
            .ok()
            .and_then(|entries| <[Record]>::ref_from_prefix_with_elems(rest, entries).ok())
            .ok_or_else(|| truncated(end))?;
        let mut checksum = crc32().digest();
        checksum.update(&header.as_bytes()[..HEADER_CHECKED]);
        checksum.update(directory.as_bytes());
        if checksum.finalize() != header.checksum.get() || header.reserved.get() != 0 {
            return Err(Error::Directory { end });
        }
        let length = header.length.get();
        let bytes = usize::try_from(length)
            .ok()
            .and_then(|length| bytes.get(..length))
            .ok_or_else(|| truncated(length))?;
        let bundle = Self { bytes, directory };
        bundle.check_layout(end)?;
        Ok(bundle)
    }

    /// Checks every record, and that the data areas are where the format puts them.
    fn check_layout(&self, directory_end: u64) -> Result<(), Error> {
        let mut end = directory_end;
        for (index, record) in self.directory.iter().enumerate() {
            let (offset, length) = (record.offset.get(), record.length.get());
            let bad = |what| Error::Entry {
                index,
                offset,
                what,
            };
            if Kind::from_code(record.kind.get()).is_none() {
                return Err(bad("of an unknown kind"));
            }
            if record.reserved.get() != 0 {
                return Err(bad("not of this version: a reserved field is not zero"));
            }
            if name(&record.name).is_none() {
                return Err(bad("badly named"));
            }
            if Some(offset) != end.checked_next_multiple_of(ALIGNMENT) {
                return Err(bad("not on the page behind what precedes it"));
            }
            end = offset
                .checked_add(length)
                .filter(|end| *end <= self.bytes.len() as u64)
                .ok_or_else(|| bad("longer than the bundle"))?;
        }
        let length = self.bytes.len() as u64;
        if Some(length) != end.checked_next_multiple_of(ALIGNMENT) {
            return Err(Error::Length { length });
        }
        let directory_end = directory_end as usize;
        padding(self.bytes, directory_end)
    }

    /// Returns the entries in the order of the directory.
    pub fn entries(&self) -> impl ExactSizeIterator<Item = Entry<'a>> + Clone + use<'a> {
        let bytes = self.bytes;
        self.directory
            .iter()
            .enumerate()
            .map(move |(index, record)| Entry {
                index,
                record,
                bytes,
            })
    }

    /// Returns the entry of a kind for a guest: the guest's own, else the one for all.
    #[must_use]
    pub fn find(&self, kind: Kind, guest: u32) -> Option<Entry<'a>> {
        let owned_by = |owner| {
            self.entries()
                .find(|entry| entry.kind() == kind && entry.owner() == owner)
        };
        owned_by(Owner::Guest(guest)).or_else(|| owned_by(Owner::All))
    }
}

impl fmt::Debug for Bundle<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.entries()).finish()
    }
}

/// One entry of a bundle; its data may not have been verified yet.
#[derive(Clone, Copy)]
pub struct Entry<'a> {
    index: usize,
    record: &'a Record,
    bytes: &'a [u8],
}

impl<'a> Entry<'a> {
    /// Returns the entry's place in the directory, from 0.
    #[must_use]
    pub const fn index(&self) -> usize {
        self.index
    }

    /// Returns what the entry holds.
    #[must_use]
    pub fn kind(&self) -> Kind {
        Kind::from_code(self.record.kind.get()).expect("checked when the bundle was parsed")
    }

    /// Returns whom the entry is for.
    #[must_use]
    pub fn owner(&self) -> Owner {
        match self.record.guest.get() {
            ALL_GUESTS => Owner::All,
            guest => Owner::Guest(guest),
        }
    }

    /// Returns the entry's name: 1 to 32 printable ASCII characters.
    #[must_use]
    pub fn name(&self) -> &'a str {
        name(&self.record.name).expect("checked when the bundle was parsed")
    }

    /// Returns where the data starts, in bytes from the start of the bundle: a multiple of 4096.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.record.offset.get()
    }

    /// Returns the data, verified or not.
    #[must_use]
    pub fn data(&self) -> &'a [u8] {
        let start = self.record.offset.get() as usize;
        &self.bytes[start..start + self.record.length.get() as usize]
    }

    /// Reads all data and returns it if it is what was written.
    ///
    /// # Errors
    /// [`Error::Entry`] if the data has another checksum, [`Error::Padding`] if what follows it up
    /// to the next page is not zero.
    pub fn verify(&self) -> Result<&'a [u8], Error> {
        let data = self.data();
        if crc32().checksum(data) != self.record.checksum.get() {
            return Err(self.bad("damaged: its checksum is wrong"));
        }
        padding(self.bytes, self.offset() as usize + data.len())?;
        Ok(data)
    }

    /// Verifies the data and returns it as text.
    ///
    /// # Errors
    /// As [`Self::verify`]; [`Error::Entry`] if it is not UTF-8.
    pub fn text(&self) -> Result<&'a str, Error> {
        str::from_utf8(self.verify()?).map_err(|_| self.bad("not text in UTF-8"))
    }

    fn bad(&self, what: &'static str) -> Error {
        Error::Entry {
            index: self.index,
            offset: self.offset(),
            what,
        }
    }
}

impl fmt::Debug for Entry<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entry")
            .field("kind", &self.kind())
            .field("owner", &self.owner())
            .field("name", &self.name())
            .field("offset", &self.offset())
            .field("length", &self.record.length.get())
            .finish()
    }
}

/// Returns the text of a name field; `None` if it is not printable ASCII, then only NULs.
fn name(field: &[u8; NAME_LENGTH]) -> Option<&str> {
    let length = field.iter().position(|b| *b == 0).unwrap_or(NAME_LENGTH);
    let (text, rest) = field.split_at(length);
    let good = !text.is_empty()
        && text.iter().all(|b| matches!(b, b' '..=b'~'))
        && rest.iter().all(|b| *b == 0);
    if good {
        str::from_utf8(text).ok()
    } else {
        None
    }
}

/// Checks that all is zero from an offset to the next page boundary, which is inside the bundle.
fn padding(bytes: &[u8], from: usize) -> Result<(), Error> {
    let page = from.next_multiple_of(ALIGNMENT as usize);
    match bytes[from..page].iter().position(|byte| *byte != 0) {
        None => Ok(()),
        Some(position) => Err(Error::Padding {
            offset: (from + position) as u64,
        }),
    }
}
