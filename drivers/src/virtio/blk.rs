//! virtio-blk (Virtual I/O Device specification 1.2, "Block Device").

use alloc::boxed::Box;
use core::cell::{Cell, UnsafeCell};
use core::ops::Range;

use arch::{Absolute, Frame, PAGE_SIZE, clock};
use virtio_spec::blk::T;
use virtio_spec::{Id, le32, le64};

use super::ccw::{Device, Found, Step};
use super::queue::{Piece, Queue, Slot};
use crate::block::{BLOCK_SIZE, BlockError, Buffer, Cause};

/// Feature bit of a device that says how many pieces the data of a request may be in.
const PIECES: u64 = 1 << 2;
/// Feature bit of a read-only device.
const READ_ONLY: u64 = 1 << 5;
/// Feature bit of a device that may hold writes back until it is told to flush.
const FLUSH: u64 = 1 << 9;

/// The only queue.
const QUEUE: u16 = 0;
/// Most pages of one request.
const PAGES: usize = 16;
/// The queue's kind: a request has a header, data in one piece or in pages, and a status.
type Requests = Queue<128, { PAGES + 2 }>;
/// Most bytes of one request; what is longer becomes several, which run at the same time.
const MOST: usize = PAGES * PAGE_SIZE;

const _: () = assert!(BLOCK_SIZE == 512, "virtio counts sectors of 512 bytes");

/// What a request has besides its data; the device reads the first three and writes the status.
#[repr(C)]
#[derive(Clone, Copy)]
struct Request {
    kind: le32,
    reserved: le32,
    sector: le64,
    status: u8,
}

/// Bytes of [`Request`] that the device reads.
const HEADER: u32 = 16;

/// A block device.
pub struct VirtioBlk {
    number: u16,
    /// In front of what it knows the addresses of: dropping it resets the device first.
    device: Device,
    queue: Requests,
    requests: Box<UnsafeCell<[Request; Requests::SLOTS]>>,
    blocks: u64,
    /// Most pages that one request reads or writes.
    pages: usize,
    features: u64,
    /// Why the device was given up.
    lost: Cell<Option<Step>>,
}

impl VirtioBlk {
    /// The block device with a number, set up; nothing if there is no device, [`Cause::NotVirtio`]
    /// if there is one of another kind.
    ///
    /// # Errors
    /// The device is there and cannot be used.
    pub fn find(number: u16) -> Result<Option<Self>, BlockError> {
        let outcome = match Device::find(number) {
            Ok(Found::Nothing) => return Ok(None),
            Ok(Found::Other) => Err(Cause::NotVirtio),
            Ok(Found::Virtio(device)) => Self::set_up(number, device).map_err(Cause::Setup),
            Err(step) => Err(Cause::Setup(step)),
        };
        outcome.map(Some).map_err(|cause| BlockError {
            device: number,
            block: 0,
            cause,
        })
    }

    fn set_up(number: u16, device: Device) -> Result<Self, Step> {
        if Id::from(device.kind()) != Id::Block {
            return Err("it is not a block device");
        }
        let (_, features) = device.agree(PIECES | READ_ONLY | FLUSH)?;
        let config: [[u8; 4]; 4] = zerocopy::transmute!(device.config::<16>()?);
        let [low, high, _, most] = config.map(u32::from_le_bytes);
        let blocks = u64::from(high) << 32 | u64::from(low);
        let pages = match features & PIECES {
            0 => 1,
            _ => (most as usize).clamp(1, PAGES),
        };
        if device.queue_size(QUEUE)? < Requests::ENTRIES {
            return Err("its queue is too small");
        }
        let queue = Requests::new();
        device.set_queue(QUEUE, Requests::ENTRIES, queue.parts())?;
        device.set_indicators()?;
        device.start_working()?;
        let request = Request {
            kind: le32::from(0),
            reserved: le32::from(0),
            sector: le64::from(0),
            status: 0,
        };
        Ok(Self {
            number,
            device,
            queue,
            requests: Box::new(UnsafeCell::new([request; Requests::SLOTS])),
            blocks,
            pages,
            features,
            lost: Cell::new(None),
        })
    }

    /// The device's number.
    #[must_use]
    pub fn number(&self) -> u16 {
        self.number
    }

    /// Size in blocks.
    #[must_use]
    pub fn blocks(&self) -> u64 {
        self.blocks
    }

    /// Whether writes are refused.
    #[must_use]
    pub fn is_read_only(&self) -> bool {
        self.features & READ_ONLY != 0
    }

    /// Tells the device of news in its queue after something was done to the page that the queue is in: the page, and
    /// whether the device has not failed.
    pub fn notify_after(&self, done: &mut dyn FnMut(Frame)) -> (Frame, bool) {
        let page = self.queue.parts()[0].frame();
        done(page);
        let is_well = self.device.notify(QUEUE).is_ok() && self.device.is_well();
        (page, is_well)
    }

    /// Reads blocks that are on the device.
    ///
    /// # Errors
    /// The device reports an error, or fails.
    ///
    /// # Safety
    /// The storage is the caller's to overwrite.
    pub(crate) unsafe fn read(
        &self,
        first: u64,
        to: Buffer<'_>,
        bytes: usize,
    ) -> Result<(), BlockError> {
        self.transfer(T::In, first, to, bytes)
    }

    /// Writes blocks that are on the device.
    ///
    /// # Errors
    /// The device reports an error, or fails.
    ///
    /// # Safety
    /// Nobody may write the storage meanwhile.
    pub(crate) unsafe fn write(
        &self,
        first: u64,
        from: Buffer<'_>,
        bytes: usize,
    ) -> Result<(), BlockError> {
        self.transfer(T::Out, first, from, bytes)
    }

    /// Makes all that was written outlast the machine.
    ///
    /// # Errors
    /// The device reports an error, or fails.
    pub fn flush(&self) -> Result<(), BlockError> {
        if self.features & FLUSH == 0 {
            return Ok(());
        }
        self.transfer(T::Flush, 0, Buffer::Pages(&[]), 0)
    }

    /// Begins to read or write blocks that are on the device, in one request; returns its number, or
    /// nothing if as many are under way as the device can have. A driver that begins requests itself
    /// must not use [`VirtioBlk::read`] and its like meanwhile.
    ///
    /// # Safety
    /// As for [`VirtioBlk::read`] or [`VirtioBlk::write`], until the request is complete.
    pub unsafe fn begin(
        &self,
        is_write: bool,
        first: u64,
        data: Absolute,
        bytes: usize,
    ) -> Option<usize> {
        let slot = self.queue.free_slot()?;
        let kind = if is_write { T::Out } else { T::In };
        self.offer(slot, kind, first, Buffer::Piece(data), 0..bytes);
        Some(slot.index())
    }

    /// Tells the device of the requests that were begun.
    ///
    /// # Errors
    /// The device fails: nothing is under way any more.
    pub fn notify(&self) -> Result<(), BlockError> {
        self.device.notify(QUEUE).map_err(|why| self.lose(why))
    }

    /// The next request that is complete, and whether it succeeded.
    ///
    /// # Errors
    /// The device fails: nothing is under way any more.
    pub fn take_complete(&self) -> Result<Option<(usize, bool)>, BlockError> {
        let bogus = "it completed a request that was not under way";
        let slot = self.queue.take().map_err(|_| self.lose(bogus))?;
        Ok(slot.map(|slot| (slot.index(), self.result(slot).is_ok())))
    }

    /// From now on the device's interruptions are of this subclass.
    ///
    /// # Errors
    /// It does not take it.
    pub fn set_interruption_subclass(&self, subclass: u32) -> Result<(), BlockError> {
        let outcome = self.device.set_subclass(subclass);
        outcome.map_err(|why| self.error(0, Cause::Setup(why)))
    }

    /// Whether the device will interrupt when the next request is complete: not if one is by now.
    pub fn will_interrupt(&self) -> bool {
        self.device.forget_interruption();
        !self.queue.has_complete()
    }

    /// Gives the device up that does not complete a request.
    pub fn give_up(&self) -> BlockError {
        self.lose("it does not answer")
    }

    /// Most requests under way.
    pub const MOST_REQUESTS: usize = Requests::SLOTS;

    // Long, and called for each kind.
    #[inline(never)]
    fn transfer(
        &self,
        kind: T,
        first: u64,
        data: Buffer<'_>,
        bytes: usize,
    ) -> Result<(), BlockError> {
        let most = match data {
            Buffer::Piece(_) => MOST,
            Buffer::Pages(_) => self.pages * PAGE_SIZE,
        };
        let part = |at: usize| {
            let block = first + (at / BLOCK_SIZE) as u64;
            (kind, block, data, at..bytes.min(at + most))
        };
        // Without data it is one request.
        self.run((0..bytes.max(1)).step_by(most).map(part))
    }

    /// Runs requests, as many at a time as the queue holds, and returns when none is under way: nobody
    /// reads or writes the caller's storage any more.
    fn run<'a>(
        &self,
        mut requests: impl Iterator<Item = (T, u64, Buffer<'a>, Range<usize>)>,
    ) -> Result<(), BlockError> {
        if let Some(why) = self.lost.get() {
            return Err(self.error(0, Cause::Lost(why)));
        }
        let mut outcome = Ok(());
        let mut under_way = 0;
        loop {
            let offered = under_way;
            while outcome.is_ok()
                && let Some(slot) = self.queue.free_slot()
                && let Some((kind, block, data, bytes)) = requests.next()
            {
                self.offer(slot, kind, block, data, bytes);
                under_way += 1;
            }
            if under_way == 0 {
                return outcome;
            }
            if under_way > offered {
                self.device.notify(QUEUE).map_err(|why| self.lose(why))?;
            }
            let slot = self.next_complete()?;
            under_way -= 1;
            outcome = outcome.and(self.result(slot));
        }
    }

    /// Waits for the next request that is complete.
    fn next_complete(&self) -> Result<Slot, BlockError> {
        let began = clock::now();
        loop {
            let bogus = "it completed a request that was not under way";
            if let Some(slot) = self.queue.take().map_err(|_| self.lose(bogus))? {
                return Ok(slot);
            }
            self.device.wait(began).map_err(|why| self.lose(why))?;
        }
    }

    fn offer(&self, slot: Slot, kind: T, block: u64, data: Buffer<'_>, bytes: Range<usize>) {
        let request = self.request(slot);
        // SAFETY: the slot is free, so the device neither reads nor writes its request.
        unsafe {
            request.write_volatile(Request {
                kind: le32::from(u32::from(kind)),
                reserved: le32::from(0),
                sector: le64::from(block),
                status: u8::MAX,
            });
        }
        let mut chain = [Piece {
            address: Absolute::of(request),
            length: HEADER,
            to_driver: false,
        }; PAGES + 2];
        let mut last = 0;
        for (address, length) in data.pieces(bytes) {
            last += 1;
            chain[last] = Piece {
                address,
                length: length as u32,
                to_driver: kind == T::In,
            };
        }
        last += 1;
        chain[last] = Piece {
            address: Absolute::of(request) + u64::from(HEADER),
            length: 1,
            to_driver: true,
        };
        self.queue.offer(slot, &chain[..=last]);
    }

    /// The result of a request that is complete.
    fn result(&self, slot: Slot) -> Result<(), BlockError> {
        // SAFETY: the device has written the status and is done with the request.
        let request = unsafe { self.request(slot).read_volatile() };
        match request.status {
            0 => Ok(()),
            status => Err(self.error(request.sector.into(), Cause::Status(status.into()))),
        }
    }

    fn request(&self, slot: Slot) -> *mut Request {
        self.requests
            .get()
            .cast::<Request>()
            .wrapping_add(slot.index())
    }

    /// Gives the device up: what is under way ends here, and nothing is asked of it any more.
    fn lose(&self, why: Step) -> BlockError {
        // A device that cannot be reset is gone, and stores nowhere either.
        let _ = self.device.reset();
        self.lost.set(Some(why));
        self.error(0, Cause::Lost(why))
    }

    fn error(&self, block: u64, cause: Cause) -> BlockError {
        BlockError {
            device: self.number,
            block,
            cause,
        }
    }
}
