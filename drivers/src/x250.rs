//! DIAGNOSE X'250', block I/O ("CP Programming Services"; the 64-bit form that Linux uses).

pub mod layout;

#[cfg(target_os = "none")]
use arch::{Absolute, diagnose};
#[cfg(target_os = "none")]
use layout::{Entry, Initialize, Request};

#[cfg(target_os = "none")]
use crate::block::{BLOCK_SIZE, BlockError, Cause};

/// Blocks of one request: a page at the largest.
#[cfg(target_os = "none")]
const MOST: usize = 64;

/// A block device of the hypervisor's.
#[cfg(target_os = "none")]
pub struct X250 {
    number: u16,
    blocks: u64,
    read_only: bool,
}

#[cfg(target_os = "none")]
impl X250 {
    /// The device with a number, if the hypervisor offers the call and has the device.
    ///
    /// # Errors
    /// The device is there and cannot be used.
    pub fn find(number: u16) -> Result<Option<Self>, BlockError> {
        let mut block = Initialize::new(number, BLOCK_SIZE as u32);
        // SAFETY: the parameter block is a local variable of the right layout.
        match unsafe { diagnose::block_io(layout::INITIALIZE, Absolute::of(&raw mut block)) } {
            Err(_) => Ok(None),
            Ok(0) => Ok(Some(Self {
                number,
                blocks: block.last(),
                read_only: false,
            })),
            Ok(layout::READ_ONLY) => Ok(Some(Self {
                number,
                blocks: block.last(),
                read_only: true,
            })),
            Ok(layout::NO_DEVICE) => Ok(None),
            Ok(code) => Err(BlockError {
                device: number,
                block: 0,
                cause: Cause::Status(u32::from(code)),
            }),
        }
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
        self.transfer(layout::READ, first, to, bytes)
    }

    /// Writes blocks that are on the device.
    ///
    /// # Errors
    /// The device reports an error.
    ///
    /// # Safety
    /// Nobody may write the storage meanwhile.
    pub unsafe fn write(&self, first: u64, from: Absolute, bytes: usize) -> Result<(), BlockError> {
        self.transfer(layout::WRITE, first, from, bytes)
    }

    fn transfer(
        &self,
        kind: u8,
        first: u64,
        data: Absolute,
        bytes: usize,
    ) -> Result<(), BlockError> {
        let mut done = 0;
        while done < bytes {
            let count = ((bytes - done) / BLOCK_SIZE).min(MOST);
            let start = first + (done / BLOCK_SIZE) as u64;
            self.request(kind, start, data + done as u64, count)?;
            done += count * BLOCK_SIZE;
        }
        Ok(())
    }

    fn request(
        &self,
        kind: u8,
        first: u64,
        data: Absolute,
        count: usize,
    ) -> Result<(), BlockError> {
        let mut list = [Entry::default(); MOST];
        for (at, entry) in list[..count].iter_mut().enumerate() {
            // Blocks are counted from 1.
            *entry = Entry::new(
                kind,
                first + at as u64 + 1,
                data.0 + (at * BLOCK_SIZE) as u64,
            );
        }
        let mut request = Request::new(self.number, count as u32, Absolute::of(&raw mut list).0);
        // SAFETY: block and list are local variables of the right layouts; the buffers are the caller's.
        let code = unsafe { diagnose::block_io(layout::TRANSFER, Absolute::of(&raw mut request)) };
        let failed = list[..count].iter().find(|entry| entry.status != 0);
        let cause = match (code, failed) {
            (Ok(0), None) => return Ok(()),
            (_, Some(entry)) => Cause::Status(u32::from(entry.status)),
            (Ok(code), None) => Cause::Status(u32::from(code)),
            (Err(fault), None) => Cause::Status(u32::from(fault.code)),
        };
        Err(BlockError {
            device: self.number,
            block: first,
            cause,
        })
    }
}
