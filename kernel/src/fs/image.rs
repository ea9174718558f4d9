//! The image of files on the disk 0100: a POSIX tar that starts with an index of itself.
//!
//! ```text
//!   block 0   tar header of `.index` ┐
//!         1…  index                  ├ the index member
//!             zeros up to the block  ┘
//!             tar headers of file 0  ┐
//!             content of file 0      ├ a file member; content starts on a block
//!             zeros up to the block  ┘
//!             …
//!             two blocks of zeros      the end of the archive
//! ```
//!
//! Any tar program lists and unpacks it; the kernel needs the index only. The index holds a checksum
//! of every byte of the image: of itself, of each file as a whole and by pieces (see
//! [`digest`]), and of each [`Gap`], which is what lies between two contents.
//!
//! The index is a header, one record a file, the checksums of all pieces, and all paths. Numbers are
//! big-endian, offsets count bytes from the start of the disk.

mod error;
#[cfg(not(target_os = "none"))]
pub mod write;

use alloc::vec::Vec;
use core::mem::offset_of;
use core::str;

use zerocopy::big_endian::{U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::digest::{self, PIECE, PieceDigest};

pub use error::Error;

/// Length of a block of tar archive and disk, in bytes.
pub const BLOCK: usize = 512;
/// How much of the disk [`index_extent`] needs, in bytes.
pub const START: usize = 2 * BLOCK;
/// Name of the first member of the archive.
pub const INDEX_NAME: &str = ".index";
/// The first eight bytes of every index.
pub const MAGIC: [u8; 8] = *b"CMMFILES";
/// The version that this module reads and writes.
pub const VERSION: u32 = 1;

/// The end of a tar archive: two blocks of zeros.
const END_OF_ARCHIVE: usize = 2 * BLOCK;

#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned, Clone, Copy)]
#[repr(C)]
struct Header {
    magic: [u8; 8],
    version: U32,
    files: U32,
    /// Length of the index, in bytes, without its tar header.
    length: U64,
    /// Length of the whole image, in bytes.
    image_length: U64,
    /// Checksums of pieces in all.
    pieces: U32,
    /// Length of all paths, in bytes.
    paths: U32,
    /// CRC-32 of the index member's tar header.
    member_checksum: U32,
    /// CRC-32 of the gap behind the last file.
    end_checksum: U32,
    /// CRC-32 of the index behind this header.
    body_checksum: U32,
    /// CRC-32 of this header up to here.
    checksum: U32,
}

#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned, Clone, Copy)]
#[repr(C)]
struct Record {
    /// Where the content starts on the disk.
    offset: U64,
    size: U64,
    digest: U64,
    /// Where the path starts among the paths.
    path_offset: U32,
    path_length: U32,
    /// Which of the pieces is the file's first.
    first_piece: U32,
    /// CRC-32 of the gap in front of the content.
    gap_checksum: U32,
}

/// The fields of a tar header that matter here (POSIX, ustar interchange format). A reader of archives is a crate's job,
/// but all that there is to read is the first member's name and size, and that in a kernel.
#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct MemberHeader {
    name: [u8; 100],
    _mode_and_owner: [u8; 24],
    /// Octal digits, and a zero or a space behind them.
    size: [u8; 12],
    _time_and_checksum: [u8; 20],
    kind: u8,
    _link_and_owner: [u8; 188],
    /// The first byte of what stands in front of the name.
    prefix: u8,
    _rest: [u8; BLOCK - 346],
}

impl MemberHeader {
    /// Whether it is that of an index of so many bytes.
    fn is_of_index(&self, length: u64) -> bool {
        let name = INDEX_NAME.as_bytes();
        /// A regular file, by either name.
        const REGULAR: [u8; 2] = [b'0', 0];
        let is_named =
            self.name.starts_with(name) && self.name[name.len()] == 0 && self.prefix == 0;
        let digits = self.size.iter().take_while(|byte| byte.is_ascii_digit());
        let size = digits.fold(0, |size: u64, digit| size << 3 | u64::from(digit & 7));
        is_named && REGULAR.contains(&self.kind) && size == length
    }
}

const _: () =
    assert!(size_of::<MemberHeader>() == BLOCK && offset_of!(MemberHeader, prefix) == 345);
const _: () = assert!(size_of::<Header>() == 56);
const _: () = assert!(size_of::<Record>() == 40);
const _: () = assert!(size_of::<Header>() <= START - BLOCK);

/// How much of the header its checksum covers, in bytes.
const HEADER_CHECKED: usize = size_of::<Header>() - size_of::<U32>();

impl Header {
    /// Reads the header from the start of a disk and checks all that can be checked without the
    /// rest of the index.
    fn read(start: &[u8]) -> Result<&Self, Error> {
        let header = start
            .get(BLOCK..)
            .and_then(|index| Self::ref_from_prefix(index).ok())
            .map(|(header, _)| header)
            .ok_or(Error::Truncated {
                needed: START as u64,
                found: start.len() as u64,
            })?;
        if header.magic != MAGIC {
            return Err(Error::NoIndex);
        }
        if header.version.get() != VERSION {
            return Err(Error::Version(header.version.get()));
        }
        if digest::piece_checksum(&header.as_bytes()[..HEADER_CHECKED]) != header.checksum.get() {
            return Err(Error::Header);
        }
        // No sum overflows: three products of 32 bits and small numbers.
        let length = size_of::<Self>() as u64
            + u64::from(header.files) * size_of::<Record>() as u64
            + u64::from(header.pieces) * size_of::<U32>() as u64
            + u64::from(header.paths);
        if header.length.get() != length || header.image_length.get() < BLOCK as u64 + length {
            return Err(Error::Header);
        }
        Ok(header)
    }
}

/// Where the index member lies on the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// Where it starts, in bytes: 0.
    pub offset: u64,
    /// How long it is with its tar header, in bytes: whole blocks.
    pub length: u64,
}

impl Extent {
    /// Length of a buffer that [`Index::parse`] need not make longer, in bytes.
    #[must_use]
    pub const fn capacity(&self) -> u64 {
        self.length + END_OF_ARCHIVE as u64
    }
}

/// Returns where the index lies, from the first [`START`] bytes of the disk or more.
///
/// # Errors
/// What was read is too short or is not the start of such an image.
pub fn index_extent(start: &[u8]) -> Result<Extent, Error> {
    let header = Header::read(start)?;
    let length = BLOCK as u64 + header.length.get().next_multiple_of(BLOCK as u64);
    Ok(Extent { offset: 0, length })
}

/// The index of an image, every field of it checked.
pub struct Index {
    /// The index member with its tar header, and an end of archive.
    bytes: Vec<u8>,
}

/// One file of the image.
#[derive(Clone, Copy)]
pub struct FileEntry<'a> {
    /// Path in the archive, without a leading `/` or `./`.
    pub path: &'a str,
    /// Where the content starts on the disk, in bytes: a multiple of [`BLOCK`].
    pub offset: u64,
    /// Length of the content, in bytes.
    pub size: u64,
    /// CRC-64/XZ of the content.
    pub digest: u64,
    pieces: &'a [U32],
}

/// A part of the image that is no file's content: tar headers and what fills the blocks up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap {
    /// Where it starts on the disk, in bytes; not on a block, as content ends anywhere.
    pub offset: u64,
    /// Length, in bytes.
    pub length: u64,
    /// Its CRC-32/ISCSI.
    pub checksum: u32,
}

impl Index {
    /// Checks the index member, which was read from the disk as [`index_extent`] says.
    ///
    /// # Errors
    /// Anything that is not as the format says, damage of one byte included.
    pub fn parse(mut bytes: Vec<u8>) -> Result<Self, Error> {
        let length = index_extent(&bytes)?.length as usize;
        if bytes.len() < length {
            return Err(Error::Truncated {
                needed: length as u64,
                found: bytes.len() as u64,
            });
        }
        // The member alone, ended like an archive, is one.
        bytes.truncate(length);
        bytes.resize(length + END_OF_ARCHIVE, 0);
        let index = Self { bytes };
        index.check_member()?;
        index.check_records()?;
        Ok(index)
    }

    /// Checks that tar programs and we mean the same by the first member, and its checksums.
    fn check_member(&self) -> Result<(), Error> {
        let header = self.header();
        let length = header.length.get();
        let (member, rest) =
            MemberHeader::ref_from_prefix(&self.bytes).map_err(|_| Error::Member)?;
        let index = usize::try_from(length)
            .ok()
            .and_then(|length| rest.get(..length));
        if !member.is_of_index(length)
            || digest::piece_checksum(&self.bytes[..BLOCK]) != header.member_checksum.get()
        {
            return Err(Error::Member);
        }
        let mut body = PieceDigest::new();
        body.update(&index.ok_or(Error::Member)?[size_of::<Header>()..]);
        if body.finish() != header.body_checksum.get() {
            return Err(Error::Body {
                end: BLOCK as u64 + header.length.get(),
            });
        }
        Ok(())
    }

    /// Checks that files follow one another, and their pieces and paths too, and leave nothing over.
    fn check_records(&self) -> Result<(), Error> {
        let header = self.header();
        let mut end = BLOCK as u64 + header.length.get();
        let (mut pieces, mut path_end) = (0u64, 0u64);
        for (index, record) in self.records().iter().enumerate() {
            let bad = |what| Error::Record { index, what };
            let (offset, size) = (record.offset.get(), record.size.get());
            if !offset.is_multiple_of(BLOCK as u64) || offset < end {
                return Err(bad("offset"));
            }
            end = offset
                .checked_add(size)
                .filter(|end| *end <= header.image_length.get())
                .ok_or_else(|| bad("size"))?;
            if u64::from(record.first_piece) != pieces {
                return Err(bad("first piece"));
            }
            pieces += digest::pieces(size);
            if u64::from(record.path_offset) != path_end || record.path_length.get() == 0 {
                return Err(bad("path"));
            }
            path_end += u64::from(record.path_length);
            if path_end > u64::from(header.paths) || self.path(record).is_none() {
                return Err(bad("path"));
            }
        }
        if pieces != u64::from(header.pieces) || path_end != u64::from(header.paths) {
            return Err(Error::Header);
        }
        Ok(())
    }

    /// Returns how many files there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.records().len()
    }

    /// Tells whether there is no file at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the length of the image, in bytes: what the disk must have at least.
    #[must_use]
    pub fn image_length(&self) -> u64 {
        self.header().image_length.get()
    }

    /// Returns the length of all files, in bytes.
    #[must_use]
    pub fn total_size(&self) -> u64 {
        self.records().iter().map(|record| record.size.get()).sum()
    }

    /// Returns a file by number.
    ///
    /// # Panics
    /// If there are not that many.
    #[must_use]
    pub fn file(&self, number: usize) -> FileEntry<'_> {
        let record = &self.records()[number];
        let first = record.first_piece.get() as usize;
        FileEntry {
            path: self
                .path(record)
                .expect("checked when the index was parsed"),
            offset: record.offset.get(),
            size: record.size.get(),
            digest: record.digest.get(),
            pieces: &self.pieces()[first..first + digest::pieces(record.size.get()) as usize],
        }
    }

    /// Returns all files in order.
    pub fn files(&self) -> impl ExactSizeIterator<Item = FileEntry<'_>> {
        (0..self.len()).map(|number| self.file(number))
    }

    /// Returns the gap in front of a file's content; that of number [`Self::len`] is the one behind
    /// the last file.
    ///
    /// # Panics
    /// If there are not that many.
    #[must_use]
    pub fn gap(&self, number: usize) -> Gap {
        let header = self.header();
        let records = self.records();
        let offset = match number.checked_sub(1) {
            None => BLOCK as u64 + header.length.get(),
            Some(before) => records[before].offset.get() + records[before].size.get(),
        };
        let (end, checksum) = if number == records.len() {
            (header.image_length.get(), header.end_checksum.get())
        } else {
            (
                records[number].offset.get(),
                records[number].gap_checksum.get(),
            )
        };
        Gap {
            offset,
            length: end - offset,
            checksum,
        }
    }

    fn header(&self) -> &Header {
        let (header, _) = Header::ref_from_prefix(&self.bytes[BLOCK..])
            .unwrap_or_else(|_| unreachable!("checked when the index was parsed"));
        header
    }

    /// Returns the parts behind the header: records, pieces, and the rest, which starts with paths.
    fn parts(&self) -> (&[Record], &[U32], &[u8]) {
        let header = self.header();
        let body = &self.bytes[BLOCK + size_of::<Header>()..];
        let (records, rest) =
            <[Record]>::ref_from_prefix_with_elems(body, header.files.get() as usize)
                .unwrap_or_else(|_| unreachable!("checked when the header was read"));
        let (pieces, rest) =
            <[U32]>::ref_from_prefix_with_elems(rest, header.pieces.get() as usize)
                .unwrap_or_else(|_| unreachable!("checked when the header was read"));
        (records, pieces, rest)
    }

    fn records(&self) -> &[Record] {
        self.parts().0
    }

    fn pieces(&self) -> &[U32] {
        self.parts().1
    }

    /// Returns a file's path, `None` if it is not UTF-8.
    fn path(&self, record: &Record) -> Option<&str> {
        let start = record.path_offset.get() as usize;
        let bytes = self.parts().2.get(start..)?;
        str::from_utf8(bytes.get(..record.path_length.get() as usize)?).ok()
    }
}

impl FileEntry<'_> {
    /// Returns how many pieces of [`PIECE`] bytes the file has, the last of which can be shorter.
    #[must_use]
    pub fn pieces(&self) -> usize {
        self.pieces.len()
    }

    /// Returns the CRC-32/ISCSI of a piece: of its bytes only, the last piece's too.
    ///
    /// # Panics
    /// If the file has not that many pieces.
    #[must_use]
    pub fn page_checksum(&self, piece: usize) -> u32 {
        self.pieces[piece].get()
    }

    /// Returns how long a piece is, in bytes; 0 behind the end of the file.
    #[must_use]
    pub fn page_length(&self, piece: usize) -> usize {
        let start = piece as u64 * PIECE as u64;
        self.size.saturating_sub(start).min(PIECE as u64) as usize
    }
}
