//! Making an index, on the build machine.
//!
//! An index precedes the content that it describes, so its length must be known first: a [`Plan`]
//! needs names and sizes only. Then content is written and read, then the index.

use std::vec::Vec;

use zerocopy::IntoBytes;
use zerocopy::big_endian::U32;

use super::{BLOCK, HEADER_CHECKED, Header, MAGIC, Record, VERSION};
use crate::fs::digest::{self, FileDigest, PIECE, PieceDigest};

/// The length of an index before there is one.
#[derive(Clone, Copy, Debug, Default)]
pub struct Plan {
    files: u64,
    pieces: u64,
    paths: u64,
}

impl Plan {
    /// Counts a file.
    pub fn add(&mut self, path: &str, size: u64) {
        self.files += 1;
        self.pieces += digest::pieces(size);
        self.paths += path.len() as u64;
    }

    /// Returns the length of the index, in bytes; `None` if there is more than the format can count.
    #[must_use]
    pub fn length(&self) -> Option<u64> {
        let fits = |count| u32::try_from(count).is_ok();
        (fits(self.files) && fits(self.pieces) && fits(self.paths)).then(|| {
            size_of::<Header>() as u64
                + self.files * size_of::<Record>() as u64
                + self.pieces * size_of::<U32>() as u64
                + self.paths
        })
    }
}

/// The checksums of one file's content, computed as it passes.
#[derive(Default)]
pub struct Summing {
    file: FileDigest,
    piece: PieceDigest,
    size: u64,
    pieces: Vec<U32>,
}

impl Summing {
    /// Adds what comes next.
    pub fn update(&mut self, mut bytes: &[u8]) {
        self.file.update(bytes);
        while !bytes.is_empty() {
            let room = PIECE - (self.size % PIECE as u64) as usize;
            let (now, rest) = bytes.split_at(room.min(bytes.len()));
            self.piece.update(now);
            self.size += now.len() as u64;
            bytes = rest;
            if self.size.is_multiple_of(PIECE as u64) {
                self.end_piece();
            }
        }
    }

    fn end_piece(&mut self) {
        let piece = core::mem::take(&mut self.piece);
        self.pieces.push(piece.finish().into());
    }

    /// Returns how much was added, in bytes.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }
}

/// An index in the making: files are added in the order of the image.
#[derive(Default)]
pub struct IndexWriter {
    records: Vec<Record>,
    pieces: Vec<U32>,
    paths: Vec<u8>,
}

impl IndexWriter {
    /// Makes an empty index.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a file whose content starts at `offset` of the image and has gone through `summing`.
    ///
    /// # Panics
    /// If there is more than the format can count, which [`Plan::length`] tells before.
    pub fn add(&mut self, path: &str, offset: u64, mut summing: Summing) {
        let count = |length| u32::try_from(length).expect("the plan's length was asked for");
        if !summing.size.is_multiple_of(PIECE as u64) {
            summing.end_piece();
        }
        self.records.push(Record {
            offset: offset.into(),
            size: summing.size.into(),
            digest: summing.file.finish().into(),
            path_offset: count(self.paths.len()).into(),
            path_length: count(path.len()).into(),
            first_piece: count(self.pieces.len()).into(),
            // Computed by `finish`, when the image can be read.
            gap_checksum: 0.into(),
        });
        self.pieces.append(&mut summing.pieces);
        self.paths.extend(path.as_bytes());
    }

    /// Reads the gaps of an image that is complete but for its index, and returns the index.
    ///
    /// `read` returns that many bytes of the image from that offset.
    ///
    /// # Errors
    /// Whatever `read` reports.
    pub fn finish<E>(
        mut self,
        image_length: u64,
        mut read: impl FnMut(u64, u64) -> Result<Vec<u8>, E>,
    ) -> Result<Vec<u8>, E> {
        let length = size_of::<Header>()
            + self.records.as_bytes().len()
            + self.pieces.as_bytes().len()
            + self.paths.len();
        let member_checksum = digest::piece_checksum(&read(0, BLOCK as u64)?);
        let mut end = (BLOCK + length) as u64;
        for record in &mut self.records {
            let offset = record.offset.get();
            record.gap_checksum = digest::piece_checksum(&read(end, offset - end)?).into();
            end = offset + record.size.get();
        }
        let end_checksum = digest::piece_checksum(&read(end, image_length - end)?);
        let body = [
            self.records.as_bytes(),
            self.pieces.as_bytes(),
            &self.paths[..],
        ]
        .concat();
        let mut header = Header {
            magic: MAGIC,
            version: VERSION.into(),
            files: (self.records.len() as u32).into(),
            length: (length as u64).into(),
            image_length: image_length.into(),
            pieces: (self.pieces.len() as u32).into(),
            paths: (self.paths.len() as u32).into(),
            member_checksum: member_checksum.into(),
            end_checksum: end_checksum.into(),
            body_checksum: digest::piece_checksum(&body).into(),
            checksum: 0.into(),
        };
        header.checksum = digest::piece_checksum(&header.as_bytes()[..HEADER_CHECKED]).into();
        Ok([header.as_bytes(), &body].concat())
    }
}
