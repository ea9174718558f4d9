//! A guest to drive devices from: its memory, its queue, its disk.

use super::*;
use crate::mem::MOST_RELEASED;

/// Where a queue's parts are, what it has, and the driver's pages.
pub(super) const DESCRIPTORS: u64 = 0x1000;
pub(super) const AVAILABLE: u64 = 0x1100;
pub(super) const USED: u64 = 0x1200;
pub(super) const INDICATORS: [u64; 2] = [0x1300, 0x1308];
pub(super) const DATA: u64 = 0x2000;
pub(super) const ENTRIES: u16 = 4;
pub(super) const PAGES: u64 = 2 * MOST_RELEASED as u64;

/// A guest's memory, and a driver in it.
pub(super) struct Guest {
    pub(super) bytes: Vec<u8>,
    pub(super) released: Vec<u64>,
    /// This page is to be waited for.
    pub(super) away: Option<u64>,
    /// This one is discarded.
    pub(super) discarded: Option<u64>,
    pub(super) offered: u16,
    /// The sectors of disk 0103, by which it answers; and how often it was told to flush.
    pub(super) disk: Vec<u8>,
    pub(super) flushes: usize,
}

impl Storage for Guest {
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
        let pages = pages.start.min(PAGES)..pages.end.min(PAGES);
        self.released.extend(pages.clone());
        pages.end.saturating_sub(pages.start)
    }

    fn pages(&self) -> u64 {
        PAGES
    }

    fn pages_at(&self, at: u64, length: u64) -> Option<Range<u32>> {
        let end = at.checked_add(length);
        let end = end.filter(|end| *end <= PAGES << 12)?;
        let mut pages = at >> 12..end.div_ceil(1 << 12);
        let held = pages.start as u32..pages.end as u32;
        pages
            .all(|page| Some(page) != self.discarded)
            .then_some(held)
    }

    fn transfer(&mut self, transfer: &Transfer<'_>) -> Result<(), Broken> {
        assert_eq!(transfer.disk, 0x0103);
        let range = self.range(transfer.at, transfer.bytes)?;
        let start = transfer.sector as usize * 512;
        let sectors = start..start + transfer.bytes;
        assert!(transfer.bytes == 512 || transfer.at % 0x1000 + transfer.bytes as u64 <= 0x1000);
        if transfer.is_read {
            self.bytes[range].copy_from_slice(&self.disk[sectors]);
        } else {
            self.disk[sectors].copy_from_slice(&self.bytes[range]);
        }
        Ok(())
    }

    fn flush(&mut self, _: u16) -> Result<(), Broken> {
        self.flushes += 1;
        Ok(())
    }
}

impl Guest {
    pub(super) fn new() -> Self {
        Self {
            bytes: vec![0; (PAGES << 12) as usize],
            released: Vec::new(),
            away: None,
            discarded: None,
            offered: 0,
            disk: Vec::new(),
            flushes: 0,
        }
    }

    fn range(&self, at: u64, length: usize) -> Result<Range<usize>, Broken> {
        let end = at.checked_add(length as u64);
        let end = end
            .filter(|end| *end <= PAGES << 12)
            .ok_or(Broken::Driver)?;
        if self.away == Some(at >> 12) {
            return Err(Broken::Storage);
        }
        if self.pages_at(at, length as u64).is_none() {
            return Err(Broken::Driver);
        }
        Ok(at as usize..end as usize)
    }

    pub(super) fn put(&mut self, at: u64, bytes: &[u8]) {
        self.store(at, bytes).unwrap();
    }

    pub(super) fn word(&self, at: u64) -> u32 {
        u32::from_le_bytes(bytes(&self.bytes, at))
    }

    pub(super) fn indicators(&self) -> [u64; 2] {
        INDICATORS.map(|at| u64::from_be_bytes(bytes(&self.bytes, at)))
    }

    pub(super) fn describe(&mut self, number: u16, piece: (u64, u32), flags: u16, next: u16) {
        let at = DESCRIPTORS + 16 * u64::from(number);
        self.describe_at(at, piece, flags, next);
    }

    /// Puts a descriptor anywhere.
    pub(super) fn describe_at(
        &mut self,
        place: u64,
        (at, length): (u64, u32),
        flags: u16,
        next: u16,
    ) {
        let descriptor = u128::from(at)
            | u128::from(length) << 64
            | u128::from(flags) << 96
            | u128::from(next) << 112;
        self.put(place, &descriptor.to_le_bytes());
    }

    /// Makes a request available that begins with a descriptor.
    pub(super) fn offer(&mut self, head: u16) {
        let place = u64::from(self.offered % ENTRIES);
        self.put(AVAILABLE + 4 + 2 * place, &head.to_le_bytes());
        self.offered = self.offered.wrapping_add(1);
        self.put(AVAILABLE + 2, &self.offered.to_le_bytes());
    }

    /// Makes a request of page numbers available.
    pub(super) fn offer_pages(&mut self, pages: &[u32]) {
        let bytes: Vec<u8> = pages.iter().flat_map(|page| page.to_le_bytes()).collect();
        self.put(DATA, &bytes);
        self.describe(0, (DATA, bytes.len() as u32), 0, 0);
        self.offer(0);
    }

    pub(super) fn used(&self) -> u16 {
        u16::from_le_bytes(bytes(&self.bytes, USED + 2))
    }
}

pub(super) fn bytes<const N: usize>(all: &[u8], at: u64) -> [u8; N] {
    core::array::from_fn(|index| all[at as usize + index])
}
