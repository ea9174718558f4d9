//! The driver: finding a device and its block size, reading and writing.

use alloc::boxed::Box;

use arch::{Absolute, PAGE_SIZE, channel, diagnose, program};

use super::layout::{self, Device, Entry, Initialize, Request};
use crate::block::{BLOCK_SIZE, BlockError, Buffer, Cause};

/// Most entries of one request.
const MOST: usize = 64;

/// Room for a block of any size.
#[repr(C, align(4096))]
struct Page([u8; PAGE_SIZE]);

/// A block device of the hypervisor's.
pub struct X250 {
    number: u16,
    /// Size of the device's blocks, in bytes: 512 times a power of two.
    block_size: usize,
    /// Size in the device's blocks.
    blocks: u64,
    read_only: bool,
}

impl X250 {
    /// The device with a number, if the hypervisor offers the call and has the device.
    ///
    /// # Errors
    /// The device is there and cannot be used.
    pub fn find(number: u16) -> Result<Option<Self>, BlockError> {
        Self::set_up(number).map_err(|cause| BlockError {
            device: number,
            block: 0,
            cause,
        })
    }

    fn set_up(number: u16) -> Result<Option<Self>, Cause> {
        if !may_exist(number)? {
            return Ok(None);
        }
        // Formatted disks have blocks of any size up to a page; a size is right if a block can be read.
        let mut refused = layout::BAD_BLOCK_SIZE.into();
        for block_size in [BLOCK_SIZE, 1024, 2048, PAGE_SIZE] {
            let mut block = Initialize::new(number, block_size as u32);
            let code = match call(layout::INITIALIZE, &mut block) {
                Err(program::SPECIFICATION | program::OPERATION) => return Ok(None),
                Err(code) => return Err(Cause::Status(code.into())),
                Ok(layout::NO_DEVICE) => return Ok(None),
                Ok(code) => code,
            };
            if !matches!(code, 0 | layout::READ_ONLY) {
                refused = code.into();
                continue;
            }
            let device = Self {
                number,
                block_size,
                blocks: block.last(),
                read_only: code == layout::READ_ONLY,
            };
            match device.try_block() {
                Ok(()) => return Ok(Some(device)),
                Err(status) => refused = status,
            }
            // Whatever it answers, the device is initialized with another size next.
            let _ = call(layout::REMOVE, &mut Initialize::new(number, 0));
        }
        Err(Cause::Status(refused))
    }

    /// Reads the first block, if there is one, to see whether the block size is the device's.
    fn try_block(&self) -> Result<(), u32> {
        if self.blocks == 0 {
            return Ok(());
        }
        let mut page = Box::new(Page([0; PAGE_SIZE]));
        let to = Buffer::Piece(Absolute::of(&raw mut page.0));
        self.request(layout::READ, 0, to, 0, 1)
    }

    /// The device's number.
    #[must_use]
    pub fn number(&self) -> u16 {
        self.number
    }

    /// Size in blocks of [`BLOCK_SIZE`].
    #[must_use]
    pub fn blocks(&self) -> u64 {
        self.blocks * self.factor()
    }

    /// Whether writes are refused.
    #[must_use]
    pub fn is_read_only(&self) -> bool {
        self.read_only
    }

    /// Reads blocks that are on the device.
    ///
    /// # Errors
    /// The device reports an error, or has larger blocks that the request does not fit.
    ///
    /// # Safety
    /// The storage is the caller's to overwrite.
    pub(crate) unsafe fn read(
        &self,
        first: u64,
        to: Buffer<'_>,
        bytes: usize,
    ) -> Result<(), BlockError> {
        self.transfer(layout::READ, first, to, bytes)
    }

    /// Writes blocks that are on the device.
    ///
    /// # Errors
    /// As for [`X250::read`].
    ///
    /// # Safety
    /// Nobody may write the storage meanwhile.
    pub(crate) unsafe fn write(
        &self,
        first: u64,
        from: Buffer<'_>,
        bytes: usize,
    ) -> Result<(), BlockError> {
        self.transfer(layout::WRITE, first, from, bytes)
    }

    /// How many blocks of [`BLOCK_SIZE`] one of the device's is.
    fn factor(&self) -> u64 {
        (self.block_size / BLOCK_SIZE) as u64
    }

    fn transfer(
        &self,
        kind: u8,
        first: u64,
        data: Buffer<'_>,
        bytes: usize,
    ) -> Result<(), BlockError> {
        let error = |block, cause| BlockError {
            device: self.number,
            block,
            cause,
        };
        if !first.is_multiple_of(self.factor()) || !bytes.is_multiple_of(self.block_size) {
            return Err(error(first, Cause::Unaligned));
        }
        for at in (0..bytes).step_by(MOST * self.block_size) {
            let count = MOST.min((bytes - at) / self.block_size);
            let block = first + (at / BLOCK_SIZE) as u64;
            self.request(kind, block / self.factor(), data, at, count)
                .map_err(|status| error(block, Cause::Status(status)))?;
        }
        Ok(())
    }

    /// Reads or writes up to [`MOST`] of the device's blocks from its block `first` on, to or from where
    /// the data is from byte `start` on.
    ///
    /// The error is the status of the first entry that failed, else the code that the call answered.
    fn request(
        &self,
        kind: u8,
        first: u64,
        data: Buffer<'_>,
        start: usize,
        count: usize,
    ) -> Result<(), u32> {
        let mut list = [Entry::default(); MOST];
        for (at, entry) in list[..count].iter_mut().enumerate() {
            let buffer = data.at(start + at * self.block_size);
            // Blocks are counted from 1.
            *entry = Entry::new(kind, first + at as u64 + 1, buffer.0);
        }
        let entries = Absolute::of(&raw mut list);
        let mut request = Request::new(self.number, count as u32, entries.0);
        let outcome = call(layout::TRANSFER, &mut request);
        let failed = list[..count].iter().find(|entry| entry.status != 0);
        match (outcome, failed) {
            (Ok(0), None) => Ok(()),
            (_, Some(entry)) => Err(entry.status.into()),
            (Ok(code), None) => Err(code.into()),
            (Err(code), None) => Err(code.into()),
        }
    }
}

/// Calls a function with its parameter block; returns the return code, or the code of the program
/// interruption that answered.
fn call<T>(function: u64, block: &mut T) -> Result<u8, u16> {
    // SAFETY: the block is the function's; a list and buffers that it names are those of `request`,
    // whose callers own them.
    unsafe { diagnose::block_io(function, Absolute::of(&raw mut *block)) }
        .map_err(|fault| fault.code)
}

/// Asks for the class of a device: whether it may exist.
///
/// The error says that it exists and is no disk. Hypervisors need not offer this call.
fn may_exist(number: u16) -> Result<bool, Cause> {
    const NO_DEVICE: u8 = 3;
    let mut block = Device::new(number);
    // Checks that the stack is where the call can find the block: below 2 GiB.
    let at = Absolute(channel::address31(Absolute::of(&raw mut block)).into());
    // SAFETY: the block is a local variable below 2 GiB, as is the image.
    match unsafe { diagnose::device_information(at) } {
        Err(_) => Ok(true),
        Ok(NO_DEVICE) => Ok(false),
        Ok(_) => match block.class {
            layout::CLASS_FIXED_BLOCK | layout::CLASS_COUNT_KEY_DATA => Ok(true),
            _ => Err(Cause::Setup("it is not a disk")),
        },
    }
}
