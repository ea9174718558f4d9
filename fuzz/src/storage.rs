//! A guest's storage and disk, for devices: what a device may do with them is checked here.

use std::collections::BTreeSet;
use std::ops::Range;

use host::dev::virtio::{Broken, Storage, Transfer};
use host::mem::MOST_RELEASED;

/// Pages of the guest.
pub(crate) const PAGES: u64 = 16;
/// Bytes of a page, and of a sector.
pub(crate) const PAGE: u64 = 4096;
pub(crate) const SECTOR: u64 = 512;

/// The storage.
#[derive(Clone)]
pub(crate) struct Memory {
    pub(crate) bytes: Vec<u8>,
    /// By page: how often it has to be waited for.
    pub(crate) waits: [u8; PAGES as usize],
    /// This one is discarded.
    pub(crate) discarded: Option<u64>,
    pub(crate) disk: Vec<u8>,
    pub(crate) is_read_only: bool,
    /// Sectors that the disk cannot move, by bit.
    pub(crate) broken: u64,
    pub(crate) released: BTreeSet<u64>,
}

impl Memory {
    /// Storage without anything, and a disk of some sectors.
    pub(crate) fn new(sectors: u64) -> Self {
        Self {
            bytes: vec![0; (PAGES * PAGE) as usize],
            waits: [0; PAGES as usize],
            discarded: None,
            disk: (0..sectors * SECTOR)
                .map(|at| (at / 3 + at) as u8)
                .collect(),
            is_read_only: false,
            broken: 0,
            released: BTreeSet::new(),
        }
    }

    fn range(&mut self, at: u64, length: usize) -> Result<Range<usize>, Broken> {
        let pages = self.pages_at(at, length as u64).ok_or(Broken::Driver)?;
        for page in pages {
            let waits = &mut self.waits[page as usize];
            if *waits > 0 {
                *waits -= 1;
                return Err(Broken::Storage);
            }
        }
        Ok(at as usize..at as usize + length)
    }

    /// Puts bytes somewhere, as the driver does.
    pub(crate) fn put(&mut self, at: u64, bytes: &[u8]) {
        let at = at as usize;
        self.bytes[at..at + bytes.len()].copy_from_slice(bytes);
    }

    /// A number in the storage, if it is there.
    pub(crate) fn get<const N: usize>(&self, at: u64) -> Option<[u8; N]> {
        let at = usize::try_from(at).ok()?;
        self.bytes.get(at..)?.first_chunk().copied()
    }
}

impl Storage for Memory {
    fn load(&mut self, at: u64, buffer: &mut [u8]) -> Result<(), Broken> {
        let range = self.range(at, buffer.len())?;
        buffer.copy_from_slice(&self.bytes[range]);
        Ok(())
    }

    fn store(&mut self, at: u64, bytes: &[u8]) -> Result<(), Broken> {
        let range = self.range(at, bytes.len())?;
        self.bytes[range].copy_from_slice(bytes);
        Ok(())
    }

    fn release(&mut self, pages: Range<u64>) -> u64 {
        assert!(pages.start <= pages.end, "{pages:?}");
        let there = pages.start.min(PAGES)..pages.end.min(PAGES);
        let count = there.end - there.start;
        assert!(count <= u64::from(MOST_RELEASED));
        self.released.extend(there);
        count
    }

    fn pages(&self) -> u64 {
        PAGES
    }

    fn pages_at(&self, at: u64, length: u64) -> Option<Range<u32>> {
        let end = at.checked_add(length)?;
        let pages = at / PAGE..end.div_ceil(PAGE);
        let is_there =
            end <= PAGES * PAGE && !self.discarded.is_some_and(|page| pages.contains(&page));
        is_there.then_some(pages.start as u32..pages.end as u32)
    }

    fn transfer(&mut self, transfer: &Transfer<'_>) -> Result<(), Broken> {
        let (at, bytes) = (transfer.at, transfer.bytes as u64);
        assert!(bytes > 0 && bytes.is_multiple_of(SECTOR));
        let is_in_page = at % PAGE + bytes <= PAGE;
        assert!(bytes == SECTOR || is_in_page, "{bytes} bytes at {at:x}");
        assert!(!self.is_read_only || transfer.is_read);
        let end = transfer.sector + bytes / SECTOR;
        assert!(end * SECTOR <= self.disk.len() as u64, "on the disk");
        let range = self.range(at, transfer.bytes)?;
        if (transfer.sector..end).any(|sector| self.broken >> (sector % 64) & 1 != 0) {
            return Err(Broken::Driver);
        }
        let disk = (transfer.sector * SECTOR) as usize..(end * SECTOR) as usize;
        if transfer.is_read {
            self.bytes[range].copy_from_slice(&self.disk[disk]);
        } else {
            self.disk[disk].copy_from_slice(&self.bytes[range]);
        }
        Ok(())
    }

    fn flush(&mut self, _: u16) -> Result<(), Broken> {
        if self.broken >> 63 == 0 {
            Ok(())
        } else {
            Err(Broken::Driver)
        }
    }
}
