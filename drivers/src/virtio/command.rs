//! Channel commands of the ccw transport (Virtual I/O Device specification 1.2, "Virtio over channel I/O"), for
//! drivers and for who offers a device.

/// Nothing.
pub const NO_OPERATION: u8 = 0x03;
/// Why the latest command was not carried out.
pub const SENSE: u8 = 0x04;
/// What kind of device it is.
pub const SENSE_ID: u8 = 0xe4;
/// Resets the device.
pub const RESET: u8 = 0x33;
/// Says which revision of the transport is spoken.
pub const SET_REVISION: u8 = 0x83;
/// Reads a word of the device's features.
pub const READ_FEATURES: u8 = 0x12;
/// Writes a word of the driver's features.
pub const WRITE_FEATURES: u8 = 0x11;
/// Reads the configuration.
pub const READ_CONFIG: u8 = 0x22;
/// Writes the configuration.
pub const WRITE_CONFIG: u8 = 0x21;
/// Writes the status.
pub const WRITE_STATUS: u8 = 0x31;
/// Reads the status.
pub const READ_STATUS: u8 = 0x72;
/// Reads how many entries a queue has at most.
pub const READ_QUEUE: u8 = 0x32;
/// Says where a queue is.
pub const SET_QUEUE: u8 = 0x13;
/// Says where the device notes that a queue has news.
pub const SET_QUEUE_INDICATORS: u8 = 0x43;
/// Says where the device notes that its configuration has changed.
pub const SET_DEVICE_INDICATORS: u8 = 0x53;
