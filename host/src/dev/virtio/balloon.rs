//! The balloon (Virtual I/O Device specification 1.2, "Traditional Memory Balloon Device").
//!
//! What goes into it, and what is reported as free, loses its content. A page that comes out again needs
//! nothing: it is supplied when the guest touches it.

use alloc::vec::Vec;

use super::Storage;
use super::device::Served;
use super::ring::{Broken, Piece, Queue, Request};
use crate::mem::MOST_RELEASED;

/// Queues; the fourth is for reports.
const INFLATE: usize = 0;
const DEFLATE: usize = 1;
pub(super) const STATISTICS: usize = 2;
/// Bytes of the configuration: target and size in pages.
const CONFIG: usize = 8;

/// Most bytes of a request of page numbers, and of statistics.
const LONGEST: usize = 4096;
/// Bytes of a page number.
const NUMBER: usize = 4;
/// Bytes of one statistic, and the tag of memory that can be had without harm.
const STATISTIC: usize = 10;
const AVAILABLE: u16 = 6;

/// What happened to a balloon.
#[derive(Clone, Copy, Default, Debug)]
pub struct Counters {
    /// Pages that went in.
    pub inflated: u64,
    /// Pages that came out.
    pub deflated: u64,
    /// Pages that were reported as free.
    pub reported: u64,
    /// How often the guest was told of another target.
    pub wake_ups: u64,
}

/// A balloon.
#[derive(Default, Debug)]
pub struct Balloon {
    /// Pages that it should have.
    target: u32,
    /// Pages that it has, as the guest says.
    actual: u32,
    /// Pages of the next report that were released already.
    released: u64,
    /// A request for statistics that is not complete.
    held: Option<u16>,
    /// Memory that the guest could give up without harm when it was asked last, in bytes.
    available: Option<u64>,
    /// What happened.
    pub counters: Counters,
}

impl Balloon {
    /// Features: statistics, pages may be taken back when memory is out, free pages can be reported.
    pub(super) const FEATURES: u64 = 1 << 1 | 1 << 2 | 1 << 5;

    pub(super) fn reset(&mut self) {
        (self.actual, self.released) = (0, 0);
        (self.held, self.available) = (None, None);
    }

    /// Pages that it should have.
    #[must_use]
    pub fn target(&self) -> u32 {
        self.target
    }

    /// Sets how many pages it should have.
    pub fn set_target(&mut self, pages: u32) {
        self.target = pages;
    }

    /// Pages that it has, as the guest says.
    #[must_use]
    pub fn actual(&self) -> u32 {
        self.actual
    }

    /// Bytes of memory that the guest could give up without harm, as it has said last.
    #[must_use]
    pub fn available(&self) -> Option<u64> {
        self.available
    }

    pub(super) fn config(&self) -> [u8; CONFIG] {
        let [a, b, c, d] = self.target.to_le_bytes();
        let [e, f, g, h] = self.actual.to_le_bytes();
        [a, b, c, d, e, f, g, h]
    }

    /// The target is not the guest's to write.
    pub(super) fn write_config(&mut self, bytes: &[u8]) {
        if let Some(actual) = bytes.get(4..8) {
            self.actual = le32(actual);
        }
    }

    /// Serves the next request of a queue.
    ///
    /// # Errors
    /// It makes no sense, or something has to be waited for.
    pub(super) fn serve(
        &mut self,
        number: usize,
        queue: &mut Queue,
        storage: &mut dyn Storage,
    ) -> Result<Served, Broken> {
        let Some(request) = queue.next(storage)? else {
            return Ok(Served::default());
        };
        let mut counters = self.counters;
        match number {
            INFLATE => counters.inflated += release_each(storage, &request)?,
            DEFLATE => {
                let numbers = contents(storage, &request)?.len() / NUMBER;
                counters.deflated += numbers as u64;
            }
            STATISTICS => {
                // The first comes without being asked for. It is kept until there is more to ask.
                let bytes = contents(storage, &request)?;
                let is_told = self.ask(queue, storage)?;
                self.available = statistic(&bytes, AVAILABLE);
                self.held = Some(request.head);
                queue.take();
                return Served::one(queue, storage, is_told);
            }
            _ => {
                let (count, is_all) = release_some(storage, &request.pieces, self.released)?;
                counters.reported += count;
                if !is_all {
                    self.released += u64::from(MOST_RELEASED);
                    self.counters = counters;
                    return Ok(Served {
                        is_more: true,
                        is_told: false,
                    });
                }
            }
        }
        let is_told = queue.complete(storage, request.head, 0)?;
        queue.take();
        self.released = 0;
        self.counters = counters;
        Served::one(queue, storage, is_told)
    }

    /// Asks for statistics again, by completing the request that has brought the last ones.
    ///
    /// # Errors
    /// As for a request.
    pub(super) fn ask(
        &mut self,
        queue: &mut Queue,
        storage: &mut dyn Storage,
    ) -> Result<bool, Broken> {
        let Some(head) = self.held else {
            return Ok(false);
        };
        let is_told = queue.complete(storage, head, 0)?;
        self.held = None;
        Ok(is_told)
    }
}

/// The word at the beginning.
fn le32(bytes: &[u8]) -> u32 {
    u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
}

/// The bytes of a request that the driver has written.
fn contents(storage: &mut dyn Storage, request: &Request) -> Result<Vec<u8>, Broken> {
    let mut bytes = Vec::new();
    for piece in &request.pieces {
        let start = bytes.len();
        let length = piece.length as usize;
        if piece.to_driver || length > LONGEST - start {
            return Err(Broken::Driver);
        }
        bytes.resize(start + length, 0);
        storage.load(piece.address, &mut bytes[start..])?;
    }
    Ok(bytes)
}

/// Releases the pages whose numbers are in a request; returns how many that are.
fn release_each(storage: &mut dyn Storage, request: &Request) -> Result<u64, Broken> {
    let bytes = contents(storage, request)?;
    let mut count = 0;
    let mut run = 0..0;
    for word in bytes.chunks_exact(NUMBER) {
        let page = u64::from(le32(word));
        if page == run.end {
            run.end += 1;
            continue;
        }
        count += storage.release(run);
        run = page..page + 1;
    }
    Ok(count + storage.release(run))
}

/// The content of whole pages in the pieces goes: of some behind so many that have gone before. Returns how many are
/// released now, and whether that is all.
fn release_some(
    storage: &mut dyn Storage,
    pieces: &[Piece],
    before: u64,
) -> Result<(u64, bool), Broken> {
    const PAGE: u64 = arch::PAGE_SIZE as u64;
    // Each page once, so that this has an end soon; and nothing of what makes no sense.
    let length: u64 = pieces.iter().map(|piece| u64::from(piece.length)).sum();
    let end = |piece: &Piece| piece.address.checked_add(piece.length.into());
    let is_good = |piece: &Piece| piece.to_driver && end(piece).is_some();
    if length / PAGE > storage.pages() || !pieces.iter().all(is_good) {
        return Err(Broken::Driver);
    }
    let (mut count, mut skip, mut room) = (0, before, u64::from(MOST_RELEASED));
    for piece in pieces {
        let end = end(piece).unwrap_or(0) / PAGE;
        let first = piece.address.div_ceil(PAGE);
        let pages = end.saturating_sub(first);
        let skipped = pages.min(skip);
        skip -= skipped;
        if pages - skipped > room {
            count += storage.release(first + skipped..first + skipped + room);
            return Ok((count, false));
        }
        room -= pages - skipped;
        count += storage.release(first + skipped..first.max(end));
    }
    Ok((count, true))
}

/// The value of a statistic.
fn statistic(bytes: &[u8], tag: u16) -> Option<u64> {
    let mut all = bytes.chunks_exact(STATISTIC);
    let found = all.find(|one| one[..2] == tag.to_le_bytes())?;
    Some(u64::from(le32(&found[2..])) | u64::from(le32(&found[6..])) << 32)
}
