//! Files that may be written: equal parts of a disk, all zero at first.
//!
//! Pages that are written again and again carry a record of what the disk has of them: the digest of a
//! block's number and the content behind it. A page with the same digest is not written once more. A
//! digest of 64 bits by a cyclic code differs for certain if all changes are within 64 bits, and else by
//! all but one of 2^64 chances.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use arch::{Absolute, Frame, PAGE_SIZE, storage};
use drivers::block::{BLOCK_SIZE, BlockError, Disk};

use super::digest::FileDigest;
use crate::mm::{Key, Mm};
use crate::task::{self, SleepLock};

/// The number of the first of these files; those that are read only have lower ones.
const FIRST: u32 = 0x4000_0000;
/// Blocks of a page.
pub(super) const BLOCKS: u64 = (PAGE_SIZE / BLOCK_SIZE) as u64;

/// The disk, and a page that is written to it in place of one that tasks may change meanwhile.
struct Writer {
    disk: Disk,
    copy: Frame,
}

/// The files.
pub struct WritableFiles {
    mm: &'static Mm<'static>,
    writer: SleepLock<Writer>,
    pages: u32,
    /// One lock a file: held by who truncates it, and by who reads it.
    files: Vec<SleepLock<()>>,
    /// A page of zeroes.
    zeroes: Frame,
}

impl WritableFiles {
    /// Makes `count` files of so many pages, or fewer if the disk is too small; what is on the disk is
    /// lost.
    ///
    /// # Errors
    /// The disk has failed or has no room for a page of each, or memory is out.
    pub fn create(
        mm: &'static Mm<'static>,
        disk: Disk,
        count: u32,
        pages: u32,
    ) -> Result<Self, String> {
        let room = disk.blocks() / BLOCKS / u64::from(count);
        let pages = u64::from(pages).min(room) as u32;
        if pages == 0 {
            let number = disk.number();
            return Err(format!("disk {number:04x} is too small for {count} files"));
        }
        let block = mm.allocate_reclaiming(1).ok_or("out of memory")?;
        mm.keep(1);
        // SAFETY: the page is ours for good.
        unsafe { storage::copy_in(block.frame.address(), &[0; PAGE_SIZE]) }
        let files = Self {
            mm,
            writer: SleepLock::new(Writer {
                disk,
                copy: Frame(block.frame.0 + 1),
            }),
            pages,
            files: (0..count).map(|_| SleepLock::new(())).collect(),
            zeroes: block.frame,
        };
        for number in 0..count {
            files.clear(number, 0).map_err(|error| error.to_string())?;
        }
        Ok(files)
    }

    /// Pages of each file.
    #[must_use]
    pub fn pages(&self) -> u32 {
        self.pages
    }

    /// Number of the disk.
    #[must_use]
    pub fn disk_number(&self) -> u16 {
        self.writer.lock().disk.number()
    }

    /// The blocks of the disk that a file has: the first, and how many.
    #[must_use]
    pub fn blocks_of(&self, number: u32) -> (u64, u64) {
        let blocks = u64::from(self.pages) * BLOCKS;
        (u64::from(number) * blocks, blocks)
    }

    /// A page of a file, as the memory manager knows it.
    #[must_use]
    pub const fn key(number: u32, index: u32) -> Key {
        Key {
            file: FIRST + number,
            index,
        }
    }

    /// Whether a page is one of these files'.
    #[must_use]
    pub fn has(&self, key: Key) -> bool {
        key.file
            .checked_sub(FIRST)
            .is_some_and(|number| number < self.files.len() as u32)
    }

    /// Where a page is on the disk, as the number of a block.
    fn block(&self, key: Key) -> u64 {
        assert!(key.index < self.pages, "a page behind the end of its file");
        self.blocks_of(key.file - FIRST).0 + u64::from(key.index) * BLOCKS
    }

    /// Reads neighbouring pages of a file.
    ///
    /// # Errors
    /// The disk has failed.
    pub fn read_pages(&self, first: Key, to: &[Frame]) -> Result<(), BlockError> {
        // Not while it is being truncated.
        let _file = self.files[(first.file - FIRST) as usize].lock();
        let writer = self.writer.lock();
        // SAFETY: the pages are new and locked.
        unsafe {
            writer
                .disk
                .read_pages(self.block(first), to, to.len() * PAGE_SIZE)
        }
    }

    /// Writes a page, unless the disk has its content already.
    ///
    /// # Errors
    /// The disk has failed.
    pub fn write(&self, key: Key, from: Frame) -> Result<(), BlockError> {
        if !self.mm.may_carry_record(from) {
            return self.write_from(key, from.address());
        }
        let writer = self.writer.lock();
        let mut content = [0; PAGE_SIZE];
        // SAFETY: the page is stable while it is written. Whoever changes it meanwhile makes it dirty
        // once more; the disk and the digest get the same in any case.
        unsafe { storage::copy_out(from.address(), &mut content) }
        let digest = self.digest(key, &content);
        if self.mm.take_record(from) == Some(digest) {
            self.mm.stats.writes_skipped.add(1);
        } else {
            let copy = writer.copy.address();
            // SAFETY: the copy is the writer's, which is locked.
            unsafe {
                storage::copy_in(copy, &content);
                writer.disk.write(self.block(key), copy, PAGE_SIZE)?;
            }
        }
        self.mm.attach_record(from, digest);
        Ok(())
    }

    /// Digest of where a page is on the disk, and of its content.
    fn digest(&self, key: Key, content: &[u8]) -> u64 {
        let mut digest = FileDigest::new();
        digest.update(&self.block(key).to_be_bytes());
        digest.update(content);
        digest.finish()
    }

    fn write_from(&self, key: Key, from: Absolute) -> Result<(), BlockError> {
        let writer = self.writer.lock();
        // SAFETY: the page is stable while it is written, and nobody changes it.
        unsafe { writer.disk.write(self.block(key), from, PAGE_SIZE) }
    }

    /// Writes zeroes over a file from one of its pages on.
    fn clear(&self, number: u32, from: u32) -> Result<(), BlockError> {
        (from..self.pages).try_for_each(|index| {
            task::poll();
            self.write_from(Self::key(number, index), self.zeroes.address())
        })
    }

    /// Lets a file end in front of a page, and then be as long as before: the rest reads as zero, in
    /// all mappings, and is zero on the disk.
    ///
    /// # Errors
    /// The disk has failed.
    pub fn cut(&self, mm: &Mm<'_>, number: u32, from: u32) -> Result<(), BlockError> {
        let _file = self.files[number as usize].lock();
        mm.truncate(FIRST + number, from..self.pages);
        self.clear(number, from)
    }
}
