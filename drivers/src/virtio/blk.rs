//! virtio-blk (Virtual I/O Device specification 1.2, "Block Device").

use alloc::boxed::Box;
use core::cell::UnsafeCell;

use arch::Absolute;

use super::ccw::{Device, status};
use super::queue::{Piece, Queue, SIZE};
use crate::block::{BLOCK_SIZE, BlockError, Cause};

/// Virtio device type of block devices.
const BLOCK_DEVICE: u8 = 2;
/// Feature bit of a read-only device.
const READ_ONLY: u32 = 1 << 5;
/// Feature bit 32: the device follows version 1 of the specification.
const VERSION_1: u32 = 1;

/// Request types.
const READ: u32 = 0;
const WRITE: u32 = 1;

#[repr(C, align(16))]
struct Request {
    header: [u8; 16],
    status: u8,
}

/// A block device.
pub struct VirtioBlk {
    number: u16,
    device: Device,
    queue: Queue,
    request: Box<UnsafeCell<Request>>,
    blocks: u64,
    read_only: bool,
}

impl VirtioBlk {
    /// The block device with a number, set up.
    ///
    /// # Errors
    /// The device is there and cannot be used.
    pub fn find(number: u16) -> Result<Option<Self>, BlockError> {
        Self::set_up(number).map_err(|step| BlockError {
            device: number,
            block: 0,
            cause: Cause::Setup(step),
        })
    }

    fn set_up(number: u16) -> Result<Option<Self>, &'static str> {
        let Some(device) = Device::find(number)? else {
            return Ok(None);
        };
        if device.kind() != BLOCK_DEVICE {
            return Err("it is not a block device");
        }
        device.set_status(status::ACKNOWLEDGE | status::DRIVER)?;
        let features = device.features(0)?;
        if device.features(1)? & VERSION_1 == 0 {
            return Err("it does not follow version 1 of virtio");
        }
        device.accept_features(0, features & READ_ONLY)?;
        device.accept_features(1, VERSION_1)?;
        let set_up = status::ACKNOWLEDGE | status::DRIVER | status::FEATURES_OK;
        device.set_status(set_up)?;
        if device.queue_size(0)? < SIZE {
            return Err("its queue is too small");
        }
        let queue = Queue::new();
        device.set_queue(0, SIZE, queue.parts())?;
        device.set_status(set_up | status::DRIVER_OK)?;
        let blocks = u64::from_le_bytes(device.config()?);
        let request = Box::new(UnsafeCell::new(Request {
            header: [0; 16],
            status: 0,
        }));
        let read_only = features & READ_ONLY != 0;
        Ok(Some(Self {
            number,
            device,
            queue,
            request,
            blocks,
            read_only,
        }))
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
        self.read_only
    }

    /// Reads blocks that are on the device.
    ///
    /// # Errors
    /// The device reports an error.
    ///
    /// # Safety
    /// The storage is the caller's to overwrite.
    pub unsafe fn read(&self, first: u64, to: Absolute, bytes: usize) -> Result<(), BlockError> {
        self.request(READ, first, to, bytes)
    }

    /// Writes blocks that are on the device.
    ///
    /// # Errors
    /// The device reports an error.
    ///
    /// # Safety
    /// Nobody may write the storage meanwhile.
    pub unsafe fn write(&self, first: u64, from: Absolute, bytes: usize) -> Result<(), BlockError> {
        self.request(WRITE, first, from, bytes)
    }

    fn request(
        &self,
        kind: u32,
        first: u64,
        data: Absolute,
        bytes: usize,
    ) -> Result<(), BlockError> {
        const { assert!(BLOCK_SIZE == 512, "virtio counts sectors of 512 bytes") };
        let mut header = [0; 16];
        header[0..4].copy_from_slice(&kind.to_le_bytes());
        header[8..16].copy_from_slice(&first.to_le_bytes());
        let request = self.request.get();
        // SAFETY: no request is under way; only addresses are taken.
        let (header_at, status_at) = unsafe {
            (&raw mut (*request).header).write_volatile(header);
            (&raw mut (*request).status).write_volatile(u8::MAX);
            (
                Absolute::of(&raw const (*request).header),
                Absolute::of(&raw const (*request).status),
            )
        };
        self.queue.offer(&[
            Piece {
                address: header_at,
                length: 16,
                to_driver: false,
            },
            Piece {
                address: data,
                length: bytes as u32,
                to_driver: kind == READ,
            },
            Piece {
                address: status_at,
                length: 1,
                to_driver: true,
            },
        ]);
        self.device.notify(0);
        while !self.queue.is_complete() {
            self.device.wait();
        }
        // SAFETY: the request is complete.
        match unsafe { (&raw const (*request).status).read_volatile() } {
            0 => Ok(()),
            status => {
                let cause = Cause::Status(u32::from(status));
                Err(BlockError {
                    device: self.number,
                    block: first,
                    cause,
                })
            }
        }
    }
}
