//! Parameter blocks of DIAGNOSE X'250', 64-bit form, for guest and host alike.

use core::mem::offset_of;

use zerocopy::big_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Function: initialize.
pub const INITIALIZE: u64 = 0;
/// Function: read or write.
pub const TRANSFER: u64 = 1;
/// Function: remove.
pub const REMOVE: u64 = 2;

/// Return code: the device is read-only (initialize).
pub const READ_ONLY: u8 = 4;
/// Return code: there is no such device.
pub const NO_DEVICE: u8 = 16;
/// Return code: the block size is not offered.
pub const BAD_BLOCK_SIZE: u8 = 24;
/// Return code: the device was not initialized.
pub const NOT_INITIALIZED: u8 = 28;
/// Return code: the request was started and is not complete (asynchronous).
pub const STARTED: u8 = 8;
/// Return code: the number of blocks is out of range.
pub const BAD_COUNT: u8 = 36;
/// Return code: an entry failed; its status says why.
pub const ENTRY_FAILED: u8 = 12;

/// Entry type: write.
pub const WRITE: u8 = 1;
/// Entry type: read.
pub const READ: u8 = 2;

/// Entry status: the block is not on the device.
pub const STATUS_OUT_OF_RANGE: u8 = 1;
/// Entry status: the buffer cannot be accessed.
pub const STATUS_BAD_BUFFER: u8 = 2;
/// Entry status: the device is read-only.
pub const STATUS_READ_ONLY: u8 = 3;
/// Entry status: the device failed.
pub const STATUS_IO_ERROR: u8 = 5;
/// Entry status: no such type of entry.
pub const STATUS_BAD_TYPE: u8 = 9;

/// Flag of the 64-bit form.
pub const FORM_64: u8 = 0x80;
/// Flag of a request: asynchronous.
pub const ASYNCHRONOUS: u8 = 0x02;

/// Device class: fixed-block architecture.
pub const CLASS_FIXED_BLOCK: u8 = 0x01;
/// Device class: extended count key data.
pub const CLASS_COUNT_KEY_DATA: u8 = 0x04;

/// What DIAGNOSE X'210' tells about a device.
#[derive(Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable, Debug)]
#[repr(C, align(8))]
pub struct Device {
    /// Device number.
    pub device: U16,
    /// Length of this block.
    pub length: U16,
    /// Class of the virtual device, returned.
    pub class: u8,
    /// Type of the virtual device, returned.
    pub kind: u8,
    /// Status of the virtual device, returned.
    pub status: u8,
    /// Flags of the virtual device, returned.
    pub flags: u8,
    /// Class, type, model and features of the real device, returned.
    pub real: [u8; 4],
    reserved_12: [u8; 4],
}

const _: () = {
    assert!(size_of::<Device>() == 16);
    assert!(offset_of!(Device, class) == 4 && offset_of!(Device, real) == 8);
};

impl Device {
    /// Length of what is asked for and returned, in bytes.
    pub const LENGTH: u16 = 12;

    /// A block that asks for a device.
    #[must_use]
    pub fn new(device: u16) -> Self {
        Self {
            device: device.into(),
            length: Self::LENGTH.into(),
            class: 0,
            kind: 0,
            status: 0,
            flags: 0,
            real: [0; 4],
            reserved_12: [0; 4],
        }
    }
}

/// Parameter block of initialize and, with the device number only, of remove.
#[derive(Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable, Debug)]
#[repr(C, align(8))]
pub struct Initialize {
    /// Device number.
    pub device: U16,
    /// [`FORM_64`].
    pub flags: u8,
    reserved_3: [u8; 21],
    /// Block size in bytes.
    pub block_size: U32,
    reserved_28: [u8; 4],
    /// Offset of the first block on the device.
    pub offset: U64,
    /// Number of the first block, returned.
    pub first: U64,
    /// Number of the last block, returned; blocks are counted from 1.
    pub last: U64,
    reserved_56: [u8; 8],
}

const _: () = {
    assert!(size_of::<Initialize>() == 64);
    assert!(offset_of!(Initialize, block_size) == 24);
    assert!(offset_of!(Initialize, offset) == 32);
    assert!(offset_of!(Initialize, first) == 40 && offset_of!(Initialize, last) == 48);
};

impl Initialize {
    /// A block that asks for a device with this block size.
    #[must_use]
    pub fn new(device: u16, block_size: u32) -> Self {
        Self {
            device: device.into(),
            flags: FORM_64,
            reserved_3: [0; 21],
            block_size: block_size.into(),
            reserved_28: [0; 4],
            offset: 0.into(),
            first: 0.into(),
            last: 0.into(),
            reserved_56: [0; 8],
        }
    }

    /// The last block's number, which is the number of blocks as they are counted from 1.
    #[must_use]
    pub fn last(&self) -> u64 {
        self.last.get()
    }
}

/// Parameter block of read or write.
#[derive(Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable, Debug)]
#[repr(C, align(8))]
pub struct Request {
    /// Device number.
    pub device: U16,
    /// [`FORM_64`].
    pub flags: u8,
    reserved_3: [u8; 21],
    /// Access key.
    pub key: u8,
    /// [`ASYNCHRONOUS`] and others.
    pub options: u8,
    reserved_26: [u8; 2],
    /// Entries of the list.
    pub count: U32,
    /// Access-list-entry token.
    pub alet: U32,
    reserved_36: [u8; 4],
    /// Interruption parameter.
    pub parameter: U64,
    /// Address of the list.
    pub list: U64,
    reserved_56: [u8; 8],
}

const _: () = {
    assert!(size_of::<Request>() == 64);
    assert!(offset_of!(Request, key) == 24 && offset_of!(Request, options) == 25);
    assert!(offset_of!(Request, count) == 28 && offset_of!(Request, alet) == 32);
    assert!(offset_of!(Request, parameter) == 40 && offset_of!(Request, list) == 48);
};

impl Request {
    /// A synchronous request for the entries of a list.
    #[must_use]
    pub fn new(device: u16, count: u32, list: u64) -> Self {
        Self {
            device: device.into(),
            flags: FORM_64,
            reserved_3: [0; 21],
            key: 0,
            options: 0,
            reserved_26: [0; 2],
            count: count.into(),
            alet: 0.into(),
            reserved_36: [0; 4],
            parameter: 0.into(),
            list: list.into(),
            reserved_56: [0; 8],
        }
    }
}

/// An entry of the list: one block.
#[derive(Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable, Default, Debug)]
#[repr(C, align(8))]
pub struct Entry {
    /// [`READ`] or [`WRITE`].
    pub kind: u8,
    /// Returned: 0 is good.
    pub status: u8,
    reserved_2: [u8; 2],
    /// Access-list-entry token.
    pub alet: U32,
    /// Block number, counted from 1.
    pub block: U64,
    /// Address of the buffer.
    pub buffer: U64,
}

const _: () = {
    assert!(size_of::<Entry>() == 24);
    assert!(offset_of!(Entry, status) == 1 && offset_of!(Entry, alet) == 4);
    assert!(offset_of!(Entry, block) == 8 && offset_of!(Entry, buffer) == 16);
};

impl Entry {
    /// An entry that reads or writes one block, counted from 1.
    #[must_use]
    pub fn new(kind: u8, block: u64, buffer: u64) -> Self {
        Self {
            kind,
            block: block.into(),
            buffer: buffer.into(),
            ..Self::default()
        }
    }
}

#[cfg(test)]
mod tests;
