//! The main job: read all files, over and over, and compare every byte with what was packed.
//!
//! Each pass visits the files in an order that the seed decides, and reads each in ranges of random
//! lengths, half of them through stable references, half by fault-tolerant copies, of which every second one takes
//! no reference to the page. The checksum of
//! each piece of 4096 bytes is compared as the piece completes, the file's digest at its end. In
//! between, single ranges of files are read and checked by their pieces, most of them of files that
//! were read lately, others of a few files that are popular: as in any use of files, what was used is used again, and is found in the page
//! cache, or found discarded.

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;

use rand_core::Rng;
use rand_pcg::Pcg64Mcg;

use crate::fs::archive::{Archive, Copy, ReadError};
use crate::fs::digest::{FileDigest, PIECE, PieceDigest, piece_checksum};
use crate::fs::image::FileEntry;
use crate::mm::{OutOfMemory, collect};

/// Longest range that is read at once, in bytes.
const LONGEST: usize = 16 * PIECE;
/// How many files count as read lately.
const LATELY: usize = 64;
/// How many files are popular: the first ones, which all parts read now and then.
const POPULAR: usize = 16;

/// How far the work is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Progress {
    /// The current pass, from 1.
    pub pass: u64,
    /// Files done in it.
    pub files_done: usize,
    /// Bytes verified so far.
    pub bytes_verified: u64,
}

/// Bytes that are not those that were packed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Mismatch {
    /// Path of the file.
    pub file: String,
    /// Where the piece starts that is wrong.
    pub offset: u64,
    /// Its length, in bytes.
    pub length: usize,
    /// The state of its page.
    pub page_state: String,
    /// How it was copied.
    pub copy: Copy,
}

/// Why the work ended early.
#[derive(Debug)]
pub enum Failure {
    /// A byte is wrong.
    Mismatch(Mismatch),
    /// What lies between files on the disk, from this byte of it on, is not as it was packed; the file
    /// behind it.
    Gap(String, u64),
    /// A file cannot be read.
    Read(String, ReadError),
    /// There is no memory to begin.
    OutOfMemory,
}

impl From<OutOfMemory> for Failure {
    fn from(OutOfMemory: OutOfMemory) -> Self {
        Self::OutOfMemory
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mismatch(mismatch) => write!(
                f,
                "mismatch in {} at offset {} ({} bytes, page state {}, {} copy)",
                mismatch.file,
                mismatch.offset,
                mismatch.length,
                mismatch.page_state,
                mismatch.copy.name()
            ),
            Self::Gap(name, offset) => write!(
                f,
                "mismatch on the disk at offset {offset} or behind, in front of the content of {name}"
            ),
            Self::Read(name, error) => write!(f, "{name}: {error}"),
            Self::OutOfMemory => OutOfMemory.fmt(f),
        }
    }
}

/// The work.
pub struct Verify<'a> {
    archive: &'a Archive<'a>,
    passes: u64,
    /// Which part of the files, of how many parts.
    share: (usize, usize),
    /// Whether there are files that all parts read.
    popular: bool,
    /// Whether each pass begins with an empty page cache.
    cold: bool,
    random: Pcg64Mcg,
    buffer: Vec<u8>,
    /// Bytes verified so far.
    pub bytes_verified: u64,
}

impl<'a> Verify<'a> {
    /// Work of so many passes.
    #[must_use]
    pub fn new(archive: &'a Archive<'a>, passes: u64, seed: u64) -> Self {
        Self {
            archive,
            passes,
            share: (0, 1),
            popular: true,
            cold: false,
            random: Pcg64Mcg::new(u128::from(seed) << 1 | 1),
            buffer: Vec::new(),
            bytes_verified: 0,
        }
    }

    /// No file is read by more than one part.
    #[must_use]
    pub fn disjoint(self, disjoint: bool) -> Self {
        let popular = !disjoint;
        Self { popular, ..self }
    }

    /// Each pass but the first one frees the page cache before it begins, so that all files come from the disk again.
    #[must_use]
    pub fn cold(self, cold: bool) -> Self {
        Self { cold, ..self }
    }

    /// Takes only part `number` of the files, of `parts`. The others read none of them, but for those
    /// that are popular.
    #[must_use]
    pub fn share(self, number: usize, parts: usize) -> Self {
        let share = (number, parts);
        Self { share, ..self }
    }

    /// Does it. `progress` hears of every file, and says whether to go on.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn run(&mut self, mut progress: impl FnMut(Progress) -> bool) -> Result<(), Failure> {
        let count = self.archive.index().len();
        let (first, parts) = self.share;
        let mut order = collect((first..count).step_by(parts))?;
        self.buffer = collect(core::iter::repeat_n(0, LONGEST))?;
        for pass in 1..=self.passes {
            self.shuffle(&mut order);
            if self.cold && pass > 1 {
                while self.archive.mm().shrink_cache() > 0 {}
            }
            for (done, file) in (1..).zip(&order) {
                if pass == 1 {
                    self.gap(*file)?;
                }
                self.file(*file)?;
                self.single_ranges(&order, done)?;
                let bytes_verified = self.bytes_verified;
                let goes_on = progress(Progress {
                    pass,
                    files_done: done,
                    bytes_verified,
                });
                if !goes_on {
                    return Ok(());
                }
            }
            if pass == 1 && first == 0 {
                self.gap(count)?;
            }
        }
        Ok(())
    }

    fn shuffle(&mut self, order: &mut [usize]) {
        for at in (1..order.len()).rev() {
            order.swap(at, self.random.next_u64() as usize % (at + 1));
        }
    }

    fn choose_copy(&mut self) -> Copy {
        match self.random.next_u32() & 3 {
            0 | 1 => Copy::Stable,
            2 => Copy::FaultTolerant,
            _ => Copy::Optimistic,
        }
    }

    /// Checks what precedes a file's content on the disk.
    fn gap(&mut self, number: usize) -> Result<(), Failure> {
        let index = self.archive.index();
        let name = || {
            if number < index.len() {
                index.file(number).path.to_string()
            } else {
                "the end of the archive".to_string()
            }
        };
        match self.archive.gap_is_sound(number) {
            Ok(true) => Ok(()),
            Ok(false) => Err(Failure::Gap(name(), index.gap(number).offset)),
            Err(error) => Err(Failure::Read(name(), error)),
        }
    }

    /// Reads a whole file, range by range.
    fn file(&mut self, number: usize) -> Result<(), Failure> {
        let archive = self.archive;
        let file = archive.index().file(number);
        let (mut whole, mut piece, mut at) = (FileDigest::new(), PieceDigest::new(), 0);
        while at < file.size {
            let length = (1 + self.random.next_u64() % LONGEST as u64).min(file.size - at) as usize;
            let copy = self.choose_copy();
            self.read(number, &file, at, length, copy)?;
            whole.update(&self.buffer[..length]);
            let mut rest = &self.buffer[..length];
            while !rest.is_empty() {
                let index = (at / PIECE as u64) as usize;
                let left = PIECE - (at % PIECE as u64) as usize;
                let (now, behind) = rest.split_at(left.min(rest.len()));
                piece.update(now);
                at += now.len() as u64;
                rest = behind;
                if at.is_multiple_of(PIECE as u64) || at == file.size {
                    let sum = core::mem::take(&mut piece).finish();
                    if sum != file.page_checksum(index) {
                        return Err(self.mismatch(number, &file, index, copy));
                    }
                }
            }
        }
        if whole.finish() != file.digest {
            return Err(self.mismatch(number, &file, 0, Copy::Stable));
        }
        self.bytes_verified += file.size;
        Ok(())
    }

    /// Reads a few pieces of files of which the first `done` of `order` have been read in this pass.
    fn single_ranges(&mut self, order: &[usize], done: usize) -> Result<(), Failure> {
        for _ in 0..self.random.next_u32() % 3 {
            let lately = self.random.next_u64() as usize % LATELY.min(done);
            self.single_range(order[done - 1 - lately])?;
        }
        if self.popular && self.random.next_u32().is_multiple_of(2) {
            let popular = POPULAR.min(self.archive.index().len());
            let one = self.random.next_u64() as usize % popular;
            self.single_range(one)?;
        }
        if self.random.next_u32().is_multiple_of(4) {
            let any = self.random.next_u64() as usize % order.len();
            self.single_range(order[any])?;
        }
        Ok(())
    }

    /// Reads a few pieces of a file.
    fn single_range(&mut self, number: usize) -> Result<(), Failure> {
        let archive = self.archive;
        let file = archive.index().file(number);
        let pieces = file.pieces();
        if pieces == 0 {
            return Ok(());
        }
        let first = self.random.next_u64() as usize % pieces;
        let count = (1 + self.random.next_u64() as usize % (LONGEST / PIECE)).min(pieces - first);
        let start = (first * PIECE) as u64;
        let length = ((first + count) * PIECE).min(file.size as usize) - first * PIECE;
        let copy = self.choose_copy();
        self.read(number, &file, start, length, copy)?;
        let wrong = self.buffer[..length]
            .chunks(PIECE)
            .zip(first..)
            .find(|(bytes, index)| piece_checksum(bytes) != file.page_checksum(*index));
        if let Some((_, index)) = wrong {
            return Err(self.mismatch(number, &file, index, copy));
        }
        self.bytes_verified += length as u64;
        Ok(())
    }

    fn read(
        &mut self,
        number: usize,
        file: &FileEntry<'_>,
        start: u64,
        length: usize,
        copy: Copy,
    ) -> Result<(), Failure> {
        self.archive
            .read(number, start, &mut self.buffer[..length], copy)
            .map_err(|error| Failure::Read(file.path.to_string(), error))
    }

    fn mismatch(&self, number: usize, file: &FileEntry<'_>, index: usize, copy: Copy) -> Failure {
        let state = self.archive.page_state(number, index as u64);
        Failure::Mismatch(Mismatch {
            file: file.path.to_string(),
            offset: (index * PIECE) as u64,
            length: file.page_length(index),
            page_state: state.map_or_else(|| "unknown".to_string(), |state| state.to_string()),
            copy,
        })
    }
}
