//! The driver.

use alloc::boxed::Box;
use core::cell::{Cell, UnsafeCell};

use arch::{Absolute, Frame, PAGE_SIZE, clock};
use virtio_spec::{Id, le32};

use super::BalloonError;
use super::layout::{
    self, AT_A_TIME, BLOCKS_AT_A_TIME, DEFLATE, INFLATE, STATISTICS, STATISTICS_BYTES, Statistics,
    feature,
};
use crate::virtio::ccw::{Device, Found, Step};
use crate::virtio::queue::{Piece, Queue};

/// A queue of requests of one piece, one at a time.
type Plain = Queue<1, 1>;
/// The queue of requests with a piece for each block, one at a time.
type Reports = Queue<BLOCKS_AT_A_TIME, BLOCKS_AT_A_TIME>;

/// The queue for statistics, and what the device has or will have been given there.
struct StatisticsQueue {
    queue: Plain,
    buffer: Box<UnsafeCell<[u8; STATISTICS_BYTES]>>,
}

/// The queue for reports, and its number.
struct ReportQueue {
    queue: Reports,
    number: u16,
}

/// A balloon device.
pub struct VirtioBalloon {
    number: u16,
    /// In front of what it knows the addresses of: dropping it resets the device first.
    device: Device,
    inflate: Plain,
    deflate: Plain,
    statistics: Option<StatisticsQueue>,
    reports: Option<ReportQueue>,
    /// The page numbers of a request.
    pages: Box<UnsafeCell<[le32; AT_A_TIME]>>,
    features: u64,
    /// Why the device was given up.
    lost: Cell<Option<BalloonError>>,
}

/// Tells the device about a queue.
fn set_up<const SIZE: usize, const CHAIN: usize>(
    device: &Device,
    number: u16,
) -> Result<Queue<SIZE, CHAIN>, Step> {
    let entries = Queue::<SIZE, CHAIN>::ENTRIES;
    if device.queue_size(number)? < entries {
        return Err("one of its queues is too small");
    }
    let queue = Queue::new();
    device.set_queue(number, entries, queue.parts())?;
    Ok(queue)
}

impl VirtioBalloon {
    /// The balloon device with a number, set up; nothing if no virtio device has that number.
    ///
    /// # Errors
    /// The device is there and cannot be used.
    pub fn find(number: u16) -> Result<Option<Self>, BalloonError> {
        let outcome = match Device::find(number) {
            Ok(Found::Nothing | Found::Other) => return Ok(None),
            Ok(Found::Virtio(device)) => Self::set_up(number, device),
            Err(step) => Err(step),
        };
        outcome.map(Some).map_err(|why| BalloonError {
            device: number,
            why,
            at_large: false,
        })
    }

    fn set_up(number: u16, device: Device) -> Result<Self, Step> {
        if Id::from(device.kind()) != Id::Balloon {
            return Err("it is not a balloon device");
        }
        let (offered, features) = device.agree(
            feature::MUST_TELL_HOST
                | feature::STATISTICS
                | feature::DEFLATE_ON_OOM
                | feature::REPORTING,
        )?;
        let inflate = set_up(&device, INFLATE)?;
        let deflate = set_up(&device, DEFLATE)?;
        let statistics = match features & feature::STATISTICS {
            0 => None,
            _ => Some(StatisticsQueue {
                queue: set_up(&device, STATISTICS)?,
                buffer: Box::new(UnsafeCell::new([0; STATISTICS_BYTES])),
            }),
        };
        let reports = match features & feature::REPORTING {
            0 => None,
            _ => {
                let number = layout::reporting_queue(offered);
                let queue = set_up(&device, number)?;
                Some(ReportQueue { queue, number })
            }
        };
        device.set_indicators()?;
        device.start_working()?;
        Ok(Self {
            number,
            device,
            inflate,
            deflate,
            statistics,
            reports,
            pages: Box::new(UnsafeCell::new([le32::from(0); AT_A_TIME])),
            features,
            lost: Cell::new(None),
        })
    }

    /// Whether free blocks can be reported.
    #[must_use]
    pub fn can_report(&self) -> bool {
        self.reports.is_some()
    }

    /// Whether pages may be taken back, and used before the device is told, when memory is short.
    #[must_use]
    pub fn may_withdraw(&self) -> bool {
        let both = feature::DEFLATE_ON_OOM | feature::MUST_TELL_HOST;
        self.features & both == feature::DEFLATE_ON_OOM
    }

    /// Whether the target may have changed since this was asked last.
    #[must_use]
    pub fn take_change(&self) -> bool {
        self.device.take_config_change()
    }

    /// How many pages the device wants in the balloon.
    ///
    /// # Errors
    /// The device fails.
    pub fn target(&self) -> Result<u32, BalloonError> {
        self.check()?;
        let bytes = self.device.config().map_err(|why| self.lose(why))?;
        Ok(u32::from_le_bytes(bytes))
    }

    /// Tells the device how many pages are in the balloon.
    ///
    /// # Errors
    /// The device fails.
    pub fn set_actual(&self, pages: u32) -> Result<(), BalloonError> {
        // Writing starts with the first field, the target, which the device does not take from us.
        let target = self.target()?;
        let mut bytes = [0; 8];
        bytes[..4].copy_from_slice(&target.to_le_bytes());
        bytes[4..].copy_from_slice(&pages.to_le_bytes());
        let written = self.device.write_config(&bytes);
        written.map_err(|why| self.lose(why))
    }

    /// Puts at most [`AT_A_TIME`] pages into the balloon.
    ///
    /// # Errors
    /// The device fails.
    ///
    /// # Safety
    /// The pages are the caller's, and nobody uses them until they are out of the balloon again.
    pub unsafe fn inflate(&self, frames: &[Frame]) -> Result<(), BalloonError> {
        self.move_pages(INFLATE, &self.inflate, frames)
    }

    /// Takes at most [`AT_A_TIME`] pages out of the balloon; their content is undefined.
    ///
    /// # Errors
    /// The device fails.
    pub fn deflate(&self, frames: &[Frame]) -> Result<(), BalloonError> {
        self.move_pages(DEFLATE, &self.deflate, frames)
    }

    fn move_pages(&self, number: u16, queue: &Plain, frames: &[Frame]) -> Result<(), BalloonError> {
        assert!(frames.len() <= AT_A_TIME, "they fit into one request");
        if frames.is_empty() {
            return Ok(());
        }
        let (numbers, length) = layout::page_numbers(frames);
        let at = self.pages.get();
        // SAFETY: a request is waited for before the next is made, so the device does not read them.
        unsafe { at.write_volatile(numbers) }
        let piece = Piece {
            address: Absolute::of(at),
            length,
            to_driver: false,
        };
        self.run(number, queue, &[piece])
    }

    /// Reports at most [`BLOCKS_AT_A_TIME`] blocks of 2^n pages as free: their content is undefined
    /// afterwards.
    ///
    /// # Errors
    /// The device fails.
    ///
    /// # Panics
    /// If there are more, or the device cannot be told.
    ///
    /// # Safety
    /// The blocks are the caller's, and nobody uses them meanwhile.
    pub unsafe fn report(&self, blocks: &[(Frame, u32)]) -> Result<(), BalloonError> {
        let reports = self.reports.as_ref().expect("the caller has asked");
        let mut pieces = [Piece {
            address: Absolute(0),
            length: 0,
            to_driver: true,
        }; BLOCKS_AT_A_TIME];
        for (piece, (frame, order)) in pieces.iter_mut().zip(blocks) {
            piece.address = frame.address();
            piece.length = (PAGE_SIZE << order) as u32;
        }
        match &pieces[..blocks.len()] {
            [] => Ok(()),
            pieces => self.run(reports.number, &reports.queue, pieces),
        }
    }

    /// Tells how memory is used if the device wants to know.
    ///
    /// # Errors
    /// The device fails.
    pub fn tell_statistics(&self, now: impl FnOnce() -> Statistics) -> Result<(), BalloonError> {
        self.check()?;
        let Some(StatisticsQueue { queue, buffer }) = &self.statistics else {
            return Ok(());
        };
        // The device keeps the buffer until it wants to know more.
        let _ = queue.take().map_err(|_| self.lose(BOGUS))?;
        let Some(slot) = queue.free_slot() else {
            return Ok(());
        };
        let at = buffer.get();
        // SAFETY: no request is under way, so the device does not read the buffer.
        unsafe { at.write_volatile(now().to_bytes()) }
        let piece = Piece {
            address: Absolute::of(at),
            length: STATISTICS_BYTES as u32,
            to_driver: false,
        };
        queue.offer(slot, &[piece]);
        let notified = self.device.notify(STATISTICS);
        notified.map_err(|why| self.lose(why))
    }

    /// Runs one request and waits for it: afterwards the device does not use its pieces any more.
    fn run<const SIZE: usize, const CHAIN: usize>(
        &self,
        number: u16,
        queue: &Queue<SIZE, CHAIN>,
        pieces: &[Piece],
    ) -> Result<(), BalloonError> {
        self.check()?;
        let slot = queue.free_slot().expect("no request is under way");
        queue.offer(slot, pieces);
        self.device.notify(number).map_err(|why| self.lose(why))?;
        let began = clock::now();
        loop {
            if queue.take().map_err(|_| self.lose(BOGUS))?.is_some() {
                return Ok(());
            }
            self.device.wait(began).map_err(|why| self.lose(why))?;
        }
    }

    /// Refuses to use a device that was given up.
    fn check(&self) -> Result<(), BalloonError> {
        self.lost.get().map_or(Ok(()), Err)
    }

    /// Gives the device up: whatever is under way ends here, and nothing is asked of it any more.
    fn lose(&self, why: Step) -> BalloonError {
        let error = BalloonError {
            device: self.number,
            why,
            at_large: self.device.reset().is_err() && self.device.is_there(),
        };
        self.lost.set(Some(error));
        error
    }
}

/// The device does not keep to the protocol.
const BOGUS: Step = "it completed a request that was not under way";
