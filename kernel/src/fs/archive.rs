//! The files of disk 0100, read through the page cache.

use alloc::vec::Vec;
use core::fmt;

use arch::{Frame, PAGE_SIZE, storage};
use drivers::block::{BLOCK_SIZE, BlockError, Disk};

use super::digest::PieceDigest;
use super::image::{self, Extent, Index};
use crate::mm::{Filling, Key, Lookup, Mm, Optimistic, OutOfMemory, StableRef, Wanted, frames_of};
use crate::sync::{self, SleepLock};

/// How a range of a file is copied out of the page cache.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Copy {
    /// Through a stable reference.
    Stable,
    /// From the page as it is, volatile or not; a discard fault makes it a stable one.
    FaultTolerant,
    /// As that, without even a reference to the page.
    Optimistic,
}

impl Copy {
    /// The word for it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Stable => "stable",
            Self::FaultTolerant => "fault-tolerant",
            Self::Optimistic => "optimistic",
        }
    }
}

/// Why a file cannot be read.
#[derive(Debug)]
pub enum ReadError {
    /// The disk failed.
    Disk(BlockError),
    /// The index on the disk is damaged.
    Index(image::Error),
    /// The disk is shorter than the index says; its size in bytes, and the index's.
    Short(u64, u64),
    /// There is no memory for the index; its length in bytes.
    IndexTooLong(u64),
    /// No memory, and no page of the cache can go.
    OutOfMemory,
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Disk(error) => error.fmt(f),
            Self::Index(error) => write!(f, "the index of the files: {error}"),
            Self::Short(is, should) => {
                write!(
                    f,
                    "the disk of files has {is} bytes and its index says {should}: it was cut short"
                )
            }
            Self::IndexTooLong(bytes) => write!(
                f,
                "memory too small for the index of the files, which has {} KiB: take more memory or fewer files",
                bytes.div_ceil(1024)
            ),
            Self::OutOfMemory => OutOfMemory.fmt(f),
        }
    }
}

impl From<BlockError> for ReadError {
    fn from(error: BlockError) -> Self {
        Self::Disk(error)
    }
}

impl From<OutOfMemory> for ReadError {
    fn from(OutOfMemory: OutOfMemory) -> Self {
        Self::OutOfMemory
    }
}

/// The files.
pub struct Archive<'m> {
    disk: SleepLock<Disk>,
    index: Index,
    mm: &'m Mm<'m>,
}

/// Reads `length` bytes of the disk from `start`, neither of which need be whole blocks, and hands them
/// on in parts.
fn scan(
    disk: &Disk,
    mm: &Mm<'_>,
    start: u64,
    length: u64,
    part: impl FnMut(&[u8]),
) -> Result<(), ReadError> {
    let block = mm.allocate_reclaiming(0).ok_or(ReadError::OutOfMemory)?;
    let outcome = scan_by_way_of(disk, block.frame, start, length, part);
    mm.free_pages(block.frame, 0);
    outcome
}

/// As [`scan`], with a page for the disk to read to.
fn scan_by_way_of(
    disk: &Disk,
    frame: Frame,
    start: u64,
    length: u64,
    mut part: impl FnMut(&[u8]),
) -> Result<(), ReadError> {
    let mut bytes = [0; PAGE_SIZE];
    let (mut at, end) = (start, start + length);
    while at < end {
        let skip = (at % BLOCK_SIZE as u64) as usize;
        let count = ((PAGE_SIZE - skip) as u64).min(end - at) as usize;
        let whole = (skip + count).next_multiple_of(BLOCK_SIZE);
        // SAFETY: the frame is ours.
        unsafe {
            disk.read(at / BLOCK_SIZE as u64, frame.address(), whole)?;
            storage::copy_out(frame.address() + skip as u64, &mut bytes[..count]);
        }
        part(&bytes[..count]);
        at += count as u64;
    }
    Ok(())
}

/// Reads the index, whose first bytes have told how long it is.
fn read_index(disk: &Disk, mm: &Mm<'_>, extent: Extent) -> Result<Index, ReadError> {
    let mut bytes = Vec::new();
    bytes
        .try_reserve_exact(extent.capacity() as usize)
        .map_err(|_| ReadError::IndexTooLong(extent.length))?;
    scan(disk, mm, extent.offset, extent.length, |part| {
        bytes.extend_from_slice(part);
    })?;
    Index::parse(bytes).map_err(ReadError::Index)
}

impl<'m> Archive<'m> {
    /// Reads and checks the index of a disk.
    ///
    /// # Errors
    /// The disk fails, is no archive of ours, or is damaged.
    pub fn open(disk: Disk, mm: &'m Mm<'m>) -> Result<Self, ReadError> {
        let size = disk.blocks() * BLOCK_SIZE as u64;
        let mut start = Vec::new();
        let length = size.min(image::START as u64);
        scan(&disk, mm, 0, length, |part| start.extend_from_slice(part))?;
        let extent = image::index_extent(&start).map_err(ReadError::Index)?;
        if extent.length > size {
            return Err(ReadError::Short(size, extent.length));
        }
        let index = read_index(&disk, mm, extent)?;
        if index.image_length() > size {
            return Err(ReadError::Short(size, index.image_length()));
        }
        Ok(Self {
            disk: SleepLock::new(disk),
            index,
            mm,
        })
    }

    /// What is on the disk.
    #[must_use]
    pub fn index(&self) -> &Index {
        &self.index
    }

    /// The disk's driver, as a word.
    #[must_use]
    pub fn disk_name(&self) -> &'static str {
        self.disk.lock().name()
    }

    /// The memory manager.
    #[must_use]
    pub fn mm(&self) -> &'m Mm<'m> {
        self.mm
    }

    /// Whether what lies before a file's content, or behind the last one, is as it was packed.
    ///
    /// # Errors
    /// The disk fails.
    pub fn gap_is_sound(&self, number: usize) -> Result<bool, ReadError> {
        let gap = self.index.gap(number);
        let mut sum = PieceDigest::new();
        let part = |bytes: &[u8]| sum.update(bytes);
        scan(&self.disk.lock(), self.mm, gap.offset, gap.length, part)?;
        Ok(sum.finish() == gap.checksum)
    }

    /// Reads a range of a file that is within it.
    ///
    /// # Errors
    /// The disk fails or memory is out.
    pub fn read(
        &self,
        file: usize,
        start: u64,
        buffer: &mut [u8],
        copy: Copy,
    ) -> Result<(), ReadError> {
        let mut done = 0;
        while done < buffer.len() {
            // Nothing is held here.
            sync::poll();
            let at = start + done as u64;
            let offset = (at % PAGE_SIZE as u64) as usize;
            let count = (PAGE_SIZE - offset).min(buffer.len() - done);
            let wanted = Wanted {
                key: Key {
                    file: file as u32,
                    index: (at / PAGE_SIZE as u64) as u32,
                },
                pages: (offset + buffer.len() - done).div_ceil(PAGE_SIZE) as u32,
                end: self.pages(file as u32),
            };
            let piece = &mut buffer[done..done + count];
            match copy {
                Copy::Stable => self.stable_page(&wanted)?.read(offset, piece),
                Copy::FaultTolerant => self.read_fault_tolerant(&wanted, offset, piece)?,
                Copy::Optimistic => self.read_optimistic(&wanted, offset, piece)?,
            }
            done += count;
        }
        Ok(())
    }

    /// Copies from a page as it is. If its content is gone, or was never there, the page is read and
    /// held stable until the copy is done, so that no host can keep us from getting on.
    fn read_fault_tolerant(
        &self,
        wanted: &Wanted,
        offset: usize,
        piece: &mut [u8],
    ) -> Result<(), ReadError> {
        let reload = match self.mm.lookup_no_discard(wanted.key) {
            Some(page) => match page.try_read(offset, piece) {
                Ok(()) => return Ok(()),
                Err(_) => true,
            },
            None => false,
        };
        if reload {
            self.mm.stats.reloads.add(1);
        }
        self.load(wanted)?.read(offset, piece);
        Ok(())
    }

    /// Copies from a page without a reference to it. If that fails, as through a stable reference.
    fn read_optimistic(
        &self,
        wanted: &Wanted,
        offset: usize,
        piece: &mut [u8],
    ) -> Result<(), ReadError> {
        match self.mm.read_optimistic(wanted.key, offset, piece) {
            Optimistic::Read => return Ok(()),
            Optimistic::Miss => {}
            Optimistic::WasDiscarded => self.mm.stats.reloads.add(1),
        }
        self.stable_page(wanted)?.read(offset, piece);
        Ok(())
    }

    /// A page of a file, stable.
    fn stable_page(&self, wanted: &Wanted) -> Result<StableRef<'m>, ReadError> {
        match self.mm.lookup_stable(wanted.key) {
            Lookup::Hit(page) => Ok(page),
            Lookup::Miss => self.load(wanted),
            Lookup::WasDiscarded => {
                self.mm.stats.reloads.add(1);
                self.load(wanted)
            }
        }
    }

    /// Reads a page of a file that is not in the cache.
    fn load(&self, wanted: &Wanted) -> Result<StableRef<'m>, ReadError> {
        self.mm
            .load(wanted, |first, fillings| self.fill(first, fillings))
    }

    fn fill(&self, first: Key, fillings: &mut [Filling<'_>]) -> Result<(), ReadError> {
        let (length, written) = self.read_blocks(first, &frames_of(fillings))?;
        // What is behind the end of a file reads as zero.
        if let Some((last, full)) = fillings.split_last_mut() {
            let before = full.len() * PAGE_SIZE;
            last.clear_behind(length - before, written - before);
        }
        Ok(())
    }

    /// Reads the blocks of neighbouring pages of a file, none of them but the first behind its end; returns
    /// how many bytes of them are the file's, and how many were written.
    fn read_blocks(&self, first: Key, to: &[Frame]) -> Result<(usize, usize), ReadError> {
        let file = self.index.file(first.file as usize);
        let start = u64::from(first.index) * PAGE_SIZE as u64;
        let length = file
            .size
            .saturating_sub(start)
            .min((to.len() * PAGE_SIZE) as u64) as usize;
        let bytes = length.next_multiple_of(BLOCK_SIZE);
        if bytes > 0 {
            let block = (file.offset + start) / BLOCK_SIZE as u64;
            // SAFETY: the pages are new and locked.
            unsafe { self.disk.lock().read_pages(block, to, bytes)? };
        }
        Ok((length, bytes))
    }

    /// Reads neighbouring pages of a file, none of them but the first behind its end, into storage that
    /// nobody else uses; what is behind the end of the file is zero.
    ///
    /// # Errors
    /// The disk has failed.
    pub fn read_pages(&self, first: Key, to: &[Frame]) -> Result<(), ReadError> {
        const ZEROES: [u8; PAGE_SIZE] = [0; PAGE_SIZE];
        let (length, _) = self.read_blocks(first, to)?;
        if let Some((last, full)) = to.split_last() {
            let end = length - full.len() * PAGE_SIZE;
            // SAFETY: the caller's page.
            unsafe { storage::copy_in(last.address() + end as u64, &ZEROES[end..]) }
        }
        Ok(())
    }

    /// Pages of a file.
    #[must_use]
    pub fn pages(&self, file: u32) -> u32 {
        let size = self.index.file(file as usize).size;
        size.div_ceil(PAGE_SIZE as u64) as u32
    }

    /// The path of the file that a page is of.
    #[must_use]
    pub fn name(&self, key: Key) -> &str {
        self.index.file(key.file as usize).path
    }

    /// The state of a page of a file as the host has it, for reports.
    #[must_use]
    pub fn page_state(&self, file: usize, index: u64) -> Option<cmm::PageState> {
        let page = self.mm.lookup_no_discard(Key {
            file: file as u32,
            index: index as u32,
        })?;
        page.page_state()
    }
}
