//! A disk (Virtual I/O Device specification 1.2, "Block Device").
//!
//! A request is looked at as a whole before anything of it is done: from then on none of its pages is discarded. It is
//! done in parts, and goes on where it was if it has to wait for a page. What is wrong with a request is the request's,
//! and told in its status; a chain that cannot have a status is the device's.

use alloc::sync::Arc;
use alloc::vec::Vec;

use super::device::Served;
use super::ring::{Broken, Piece, Queue, Request};
use super::{ENTRIES, Storage};
use crate::dev::buffers::Buffers;

/// Features: most bytes of a piece, most pieces of a request, read-only, flush.
const MOST_BYTES: u64 = 1 << 1;
const MOST_PIECES: u64 = 1 << 2;
const READ_ONLY: u64 = 1 << 5;
const FLUSHES: u64 = 1 << 9;

/// Kinds of requests.
mod kind {
    pub(super) const IN: u32 = 0;
    pub(super) const OUT: u32 = 1;
    pub(super) const FLUSH: u32 = 4;
    pub(super) const GET_ID: u32 = 8;
}

/// What becomes of them.
const OK: u8 = 0;
const ERROR: u8 = 1;
const NOT_SUPPORTED: u8 = 2;

/// Bytes of a header: kind, reserved, sector.
const HEADER: usize = 16;
/// Bytes of an identification.
const ID: usize = 20;
/// Bytes of a sector, whatever the disk is.
const SECTOR: u64 = 512;
const PAGE: u64 = arch::PAGE_SIZE as u64;
/// Most bytes of a piece, as drivers are told, and of a request, however it is divided: a guest that does not go on with
/// one keeps so much from being discarded.
const PIECE: u32 = 8192;
const LARGEST: u64 = PIECE as u64 * ENTRIES as u64;
/// Most pieces that are moved before others have their turn: pages, or parts of them.
const PART: usize = 16;

/// Sectors that are moved.
pub struct Transfer<'a> {
    /// The device's buffers.
    pub buffers: &'a Buffers,
    /// Number of the disk.
    pub disk: u16,
    /// Whether they are read from the disk.
    pub is_read: bool,
    /// The first.
    pub sector: u64,
    /// Guest absolute address.
    pub at: u64,
    /// Length: whole sectors; more than one do not leave the page that they begin in.
    pub bytes: usize,
}

/// A disk as a virtio device.
pub struct Block {
    number: u16,
    sectors: u64,
    is_read_only: bool,
    buffers: Arc<Buffers>,
    /// Whether a request is under way, the next one of the queue, and which.
    is_under_way: bool,
    order: Order,
}

/// A request's parts.
#[derive(Default)]
struct Order {
    /// The number of its first descriptor.
    head: u16,
    /// What is to be done, unless header or data could not be had, or are too much.
    header: Option<[u8; HEADER]>,
    /// What is left of the pieces.
    data: Vec<Piece>,
    /// Where the status goes.
    status: u64,
    /// How much of the data was moved.
    moved: u64,
}

/// What came of a request so far.
enum Progress {
    /// It is to be gone on with.
    Unfinished,
    /// It has ended with a status.
    Ended(u8),
}

impl Block {
    /// The disk with a number, as large as that, and with buffers that the guest's memory knows.
    #[must_use]
    pub fn new(number: u16, sectors: u64, is_read_only: bool, buffers: Arc<Buffers>) -> Self {
        Self {
            number,
            sectors,
            is_read_only,
            buffers,
            is_under_way: false,
            order: Order::default(),
        }
    }

    /// The disk's number.
    #[must_use]
    pub fn number(&self) -> u16 {
        self.number
    }

    pub(super) fn reset(&mut self) {
        self.end();
    }

    pub(super) fn features(&self) -> u64 {
        let read_only = if self.is_read_only { READ_ONLY } else { 0 };
        MOST_BYTES | MOST_PIECES | FLUSHES | read_only
    }

    /// Capacity, most bytes of a piece, most pieces of data.
    pub(super) fn config(&self) -> [u8; 16] {
        let pieces = u128::from(ENTRIES - 2);
        (u128::from(self.sectors) | u128::from(PIECE) << 64 | pieces << 96).to_le_bytes()
    }

    pub(super) fn serve(
        &mut self,
        queue: &mut Queue,
        storage: &mut dyn Storage,
    ) -> Result<Served, Broken> {
        let mut begun = Ok(());
        if !self.is_under_way {
            let Some(request) = queue.next(storage)? else {
                return Ok(Served::default());
            };
            begun = self.begin(queue, request, storage);
        }
        let outcome = begun.and_then(|()| self.go_on(queue, storage));
        if !matches!(outcome, Ok(None) | Err(Broken::Storage)) {
            self.end();
        }
        match outcome? {
            Some(is_told) => Served::one(queue, storage, is_told),
            None => Ok(Served {
                is_more: true,
                is_told: false,
            }),
        }
    }

    /// Looks at all of a request; nothing that it uses is discarded from now on.
    fn begin(
        &mut self,
        queue: &Queue,
        request: Request,
        storage: &mut dyn Storage,
    ) -> Result<(), Broken> {
        self.order = split(request, storage)?;
        self.is_under_way = true;
        let order = &mut self.order;
        // Without these nobody could be told what came of it.
        for (at, length) in [queue.used_ring(), (order.status, 1)] {
            let pages = storage.pages_at(at, length).ok_or(Broken::Driver)?;
            self.buffers.hold(pages);
        }
        let mut total = 0;
        for piece in order.data.iter().filter(|piece| piece.length > 0) {
            total += u64::from(piece.length);
            let pages = storage.pages_at(piece.address, piece.length.into());
            match pages.filter(|_| total <= LARGEST) {
                Some(pages) => self.buffers.hold(pages),
                None => order.header = None,
            }
        }
        Ok(())
    }

    /// No request is under way any more.
    fn end(&mut self) {
        self.is_under_way = false;
        self.buffers.let_go();
    }

    /// Goes on with a request. If it is over, returns whether the driver wants to be told.
    fn go_on(
        &mut self,
        queue: &mut Queue,
        storage: &mut dyn Storage,
    ) -> Result<Option<bool>, Broken> {
        let status = match self.carry_out(storage) {
            Ok(Progress::Unfinished) => return Ok(None),
            Ok(Progress::Ended(status)) => status,
            Err(Broken::Driver) => ERROR,
            Err(error) => return Err(error),
        };
        storage.store(self.order.status, &[status])?;
        // Nothing is promised of a request that failed.
        let is_good = status == OK;
        let order = &self.order;
        let to_driver = order.data.iter().filter(|piece| piece.to_driver && is_good);
        let written: u32 = to_driver.fold(0, |sum, piece| sum.saturating_add(piece.length));
        let written = written.saturating_add(is_good.into());
        let is_told = queue.complete(storage, order.head, written)?;
        queue.take();
        Ok(Some(is_told))
    }

    /// Does what a request asks for. What fails by `Broken::Driver` is its own error.
    fn carry_out(&mut self, storage: &mut dyn Storage) -> Result<Progress, Broken> {
        let order = &self.order;
        let header = order.header.ok_or(Broken::Driver)?;
        let header = u128::from_le_bytes(header);
        let (kind, sector) = (header as u32, (header >> 64) as u64);
        match kind {
            kind::IN => self.transfer(true, sector, storage),
            kind::OUT if self.is_read_only => Err(Broken::Driver),
            kind::OUT => self.transfer(false, sector, storage),
            kind::FLUSH => storage.flush(self.number).map(|()| Progress::Ended(OK)),
            kind::GET_ID => {
                let to = order
                    .data
                    .iter()
                    .find(|piece| piece.to_driver && piece.length as usize >= ID)
                    .ok_or(Broken::Driver)?;
                let mut id = *b"disk 0000\0\0\0\0\0\0\0\0\0\0\0";
                for (index, digit) in id[5..9].iter_mut().enumerate() {
                    let value = self.number >> (12 - 4 * index) & 15;
                    *digit = b"0123456789abcdef"[usize::from(value)];
                }
                storage.store(to.address, &id)?;
                Ok(Progress::Ended(OK))
            }
            _ => Ok(Progress::Ended(NOT_SUPPORTED)),
        }
    }

    /// Moves a part of what is left to move.
    fn transfer(
        &mut self,
        is_read: bool,
        first: u64,
        storage: &mut dyn Storage,
    ) -> Result<Progress, Broken> {
        let order = &mut self.order;
        let mut total = 0;
        for piece in order.data.iter().filter(|piece| piece.length > 0) {
            let length = u64::from(piece.length);
            if piece.to_driver != is_read || length % SECTOR != 0 {
                return Err(Broken::Driver);
            }
            total += length;
        }
        let end = first.checked_add(total / SECTOR);
        if end.is_none_or(|end| end > self.sectors) {
            return Err(Broken::Driver);
        }
        for _ in 0..PART {
            let Some((at, left)) = locate(&order.data, order.moved) else {
                return Ok(Progress::Ended(OK));
            };
            let in_page = (PAGE - at % PAGE).min(left);
            // A sector that lies across two pages goes alone.
            let bytes = (in_page - in_page % SECTOR).max(SECTOR);
            storage.transfer(&Transfer {
                buffers: &self.buffers,
                disk: self.number,
                is_read,
                sector: first + order.moved / SECTOR,
                at,
                bytes: bytes as usize,
            })?;
            order.moved += bytes;
        }
        Ok(Progress::Unfinished)
    }
}

/// Where a byte of the data is, and how many bytes are in its piece from there on.
fn locate(data: &[Piece], mut byte: u64) -> Option<(u64, u64)> {
    for piece in data {
        let length = u64::from(piece.length);
        if byte < length {
            return Some((piece.address.wrapping_add(byte), length - byte));
        }
        byte -= length;
    }
    None
}

/// Takes header and status out of the pieces: the first bytes for the device and the last one for the driver,
/// however they are divided.
fn split(request: Request, storage: &mut dyn Storage) -> Result<Order, Broken> {
    let Request { head, mut pieces } = request;
    if pieces
        .windows(2)
        .any(|two| two[0].to_driver && !two[1].to_driver)
    {
        return Err(Broken::Driver);
    }
    let last = pieces.last_mut().ok_or(Broken::Driver)?;
    if !last.to_driver || last.length == 0 {
        return Err(Broken::Driver);
    }
    last.length -= 1;
    let status = last.address.wrapping_add(last.length.into());
    let mut header = [0; HEADER];
    let (mut have, mut is_there) = (0, true);
    for piece in pieces.iter_mut().take_while(|piece| !piece.to_driver) {
        let count = (HEADER - have).min(piece.length as usize);
        match storage.load(piece.address, &mut header[have..have + count]) {
            Err(Broken::Driver) => is_there = false,
            outcome => outcome?,
        }
        have += count;
        piece.address = piece.address.wrapping_add(count as u64);
        piece.length -= count as u32;
    }
    if have < HEADER {
        return Err(Broken::Driver);
    }
    Ok(Order {
        head,
        header: is_there.then_some(header),
        data: pieces,
        status,
        moved: 0,
    })
}
