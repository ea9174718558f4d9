//! Block devices: one trait-less choice of three, on absolute addresses.

mod buffer;

use core::fmt;

use arch::{Absolute, Frame, PAGE_SIZE, storage};

pub(crate) use buffer::Buffer;

#[cfg(target_os = "none")]
use crate::{virtio::blk::VirtioBlk, x250::X250};

/// Size of a block of every device here, in bytes.
pub const BLOCK_SIZE: usize = 512;

/// Why a request failed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BlockError {
    /// Number of the device.
    pub device: u16,
    /// First block of the request; without a meaning where the device itself failed.
    pub block: u64,
    /// What went wrong.
    pub cause: Cause,
}

/// What went wrong with a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Cause {
    /// The blocks are not all on the device.
    OutOfRange,
    /// The request does not start and end with a block, or is empty.
    Unaligned,
    /// A write to a device that is read-only.
    ReadOnly,
    /// The device answered with this status.
    Status(u32),
    /// The device could not be set up; the text says at which step.
    Setup(&'static str),
    /// The device is there and is not driven by virtio.
    NotVirtio,
    /// The device failed and is used no more; the text says how.
    Lost(&'static str),
}

impl fmt::Display for BlockError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { device, block, .. } = self;
        write!(f, "disk {device:04x}")?;
        match self.cause {
            Cause::OutOfRange => write!(f, ", block {block}: not on the disk"),
            Cause::Unaligned => write!(f, ", block {block}: not a number of whole blocks"),
            Cause::ReadOnly => write!(f, ", block {block}: the disk is read-only"),
            Cause::Status(status) => write!(f, ", block {block}: I/O error, status {status:#x}"),
            Cause::Setup(step) => write!(f, ": the device cannot be set up: {step}"),
            Cause::NotVirtio => f.write_str(": it is not a virtio device"),
            Cause::Lost(how) => write!(f, ": the device is lost: {how}"),
        }
    }
}

impl core::error::Error for BlockError {}

/// Which driver to use.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Choice {
    /// Whichever finds the device.
    Auto,
    /// virtio-ccw only.
    Virtio,
    /// DIAGNOSE X'250' only.
    Diag250,
}

/// A disk in memory.
#[derive(Clone, Copy, Debug)]
pub struct MemoryDisk {
    /// Where it is: a pointer that can be sent.
    start: usize,
    blocks: u64,
    /// Its number, if it may be written; one that is read-only stands for 0100.
    writable: Option<u16>,
}

impl MemoryDisk {
    /// A disk of the whole blocks in `bytes`, read-only.
    #[must_use]
    pub fn new(bytes: &'static [u8]) -> Self {
        Self {
            start: bytes.as_ptr().expose_provenance(),
            blocks: (bytes.len() / BLOCK_SIZE) as u64,
            writable: None,
        }
    }

    /// A disk in so many blocks of storage, which may be written.
    ///
    /// # Safety
    /// Nobody else may use that storage, ever.
    #[must_use]
    pub unsafe fn writable(number: u16, start: *mut u8, blocks: u64) -> Self {
        Self {
            start: start.expose_provenance(),
            blocks,
            writable: Some(number),
        }
    }

    /// Storage of blocks that are on the disk.
    fn at(&self, first: u64) -> *mut u8 {
        core::ptr::with_exposed_provenance_mut(self.start + first as usize * BLOCK_SIZE)
    }
}

/// A block device.
pub enum Disk {
    /// By virtio-ccw.
    #[cfg(target_os = "none")]
    Virtio(VirtioBlk),
    /// By DIAGNOSE X'250'.
    #[cfg(target_os = "none")]
    X250(X250),
    /// In memory.
    Memory(MemoryDisk),
}

impl Disk {
    /// The driver's name, for people and programs.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            #[cfg(target_os = "none")]
            Self::Virtio(_) => "virtio",
            #[cfg(target_os = "none")]
            Self::X250(_) => "diag250",
            Self::Memory(_) => "memory",
        }
    }

    /// The device's number; the memory disk stands for 0100.
    #[must_use]
    pub fn number(&self) -> u16 {
        match self {
            #[cfg(target_os = "none")]
            Self::Virtio(disk) => disk.number(),
            #[cfg(target_os = "none")]
            Self::X250(disk) => disk.number(),
            Self::Memory(disk) => disk.writable.unwrap_or(0x0100),
        }
    }

    /// Size in blocks.
    #[must_use]
    pub fn blocks(&self) -> u64 {
        match self {
            #[cfg(target_os = "none")]
            Self::Virtio(disk) => disk.blocks(),
            #[cfg(target_os = "none")]
            Self::X250(disk) => disk.blocks(),
            Self::Memory(disk) => disk.blocks,
        }
    }

    /// Whether writes are refused.
    #[must_use]
    pub fn is_read_only(&self) -> bool {
        match self {
            #[cfg(target_os = "none")]
            Self::Virtio(disk) => disk.is_read_only(),
            #[cfg(target_os = "none")]
            Self::X250(disk) => disk.is_read_only(),
            Self::Memory(disk) => disk.writable.is_none(),
        }
    }

    /// Reads whole blocks into storage.
    ///
    /// # Errors
    /// The range is not on the disk, or the device fails.
    ///
    /// # Safety
    /// `bytes` bytes of storage from `to` are the caller's to overwrite.
    pub unsafe fn read(&self, first: u64, to: Absolute, bytes: usize) -> Result<(), BlockError> {
        // SAFETY: the caller's promise.
        unsafe { self.read_to(first, Buffer::Piece(to), bytes) }
    }

    /// Reads whole blocks into pages, one page after another, with as few requests as the device allows.
    ///
    /// # Errors
    /// As for [`Disk::read`]; some of the pages may have been read.
    ///
    /// # Safety
    /// The pages are the caller's to overwrite.
    ///
    /// # Panics
    /// If there are not as many pages as the bytes fill.
    pub unsafe fn read_pages(
        &self,
        first: u64,
        to: &[Frame],
        bytes: usize,
    ) -> Result<(), BlockError> {
        assert!(bytes <= to.len() * PAGE_SIZE, "room for all of it");
        // SAFETY: the caller's promise.
        unsafe { self.read_to(first, Buffer::Pages(to), bytes) }
    }

    /// As [`Disk::read`].
    unsafe fn read_to(&self, first: u64, to: Buffer<'_>, bytes: usize) -> Result<(), BlockError> {
        self.check(first, bytes)?;
        match self {
            #[cfg(target_os = "none")]
            // SAFETY: the caller's promise.
            Self::Virtio(disk) => unsafe { disk.read(first, to, bytes) },
            #[cfg(target_os = "none")]
            // SAFETY: the caller's promise.
            Self::X250(disk) => unsafe { disk.read(first, to, bytes) },
            Self::Memory(disk) => {
                // SAFETY: checked to be on the disk, whose storage nobody else writes.
                let mut rest = unsafe { core::slice::from_raw_parts(disk.at(first), bytes) };
                for (address, length) in to.pieces(0..bytes) {
                    let (piece, behind) = rest.split_at(length);
                    // SAFETY: the caller's promise.
                    unsafe { storage::copy_in(address, piece) }
                    rest = behind;
                }
                Ok(())
            }
        }
    }

    /// Writes whole blocks from storage. They outlast the machine after [`Disk::flush`].
    ///
    /// # Errors
    /// As for [`Disk::read`], or the disk is read-only.
    ///
    /// # Safety
    /// Nobody may write the storage meanwhile.
    pub unsafe fn write(&self, first: u64, from: Absolute, bytes: usize) -> Result<(), BlockError> {
        self.check(first, bytes)?;
        let error = BlockError {
            device: self.number(),
            block: first,
            cause: Cause::ReadOnly,
        };
        if self.is_read_only() {
            return Err(error);
        }
        match self {
            #[cfg(target_os = "none")]
            // SAFETY: the caller's promise.
            Self::Virtio(disk) => unsafe { disk.write(first, Buffer::Piece(from), bytes) },
            #[cfg(target_os = "none")]
            // SAFETY: the caller's promise.
            Self::X250(disk) => unsafe { disk.write(first, Buffer::Piece(from), bytes) },
            Self::Memory(disk) => {
                // SAFETY: checked to be on the disk, whose storage nobody else uses; nobody writes `from`.
                unsafe {
                    let to = core::slice::from_raw_parts_mut(disk.at(first), bytes);
                    storage::copy_out(from, to);
                }
                Ok(())
            }
        }
    }

    /// Makes all that was written outlast the machine.
    ///
    /// # Errors
    /// The device fails.
    pub fn flush(&self) -> Result<(), BlockError> {
        match self {
            #[cfg(target_os = "none")]
            Self::Virtio(disk) => disk.flush(),
            #[cfg(target_os = "none")]
            // The hypervisor says that a write is complete when it is.
            Self::X250(_) => Ok(()),
            Self::Memory(_) => Ok(()),
        }
    }

    fn check(&self, first: u64, bytes: usize) -> Result<(), BlockError> {
        let end = first.checked_add((bytes / BLOCK_SIZE) as u64);
        let cause = if bytes == 0 || !bytes.is_multiple_of(BLOCK_SIZE) {
            Cause::Unaligned
        } else if end.is_none_or(|end| end > self.blocks()) {
            Cause::OutOfRange
        } else {
            return Ok(());
        };
        Err(BlockError {
            device: self.number(),
            block: first,
            cause,
        })
    }
}

/// Finds the disk with a number.
///
/// # Errors
/// It is there and cannot be used.
#[cfg(target_os = "none")]
pub fn find(number: u16, choice: Choice) -> Result<Option<Disk>, BlockError> {
    if choice != Choice::Diag250 {
        match VirtioBlk::find(number) {
            Ok(Some(disk)) => return Ok(Some(Disk::Virtio(disk))),
            Ok(None) => {}
            // z/VM has subchannels for the devices that X'250' drives.
            Err(error) if error.cause == Cause::NotVirtio && choice == Choice::Auto => {}
            Err(error) => return Err(error),
        }
    }
    if choice != Choice::Virtio
        && let Some(disk) = X250::find(number)?
    {
        return Ok(Some(Disk::X250(disk)));
    }
    Ok(None)
}

#[cfg(test)]
mod tests;
