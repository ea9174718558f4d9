//! The device's side of a split virtqueue (Virtual I/O Device specification 1.2, "Split Virtqueues").

use alloc::vec::Vec;

use super::Storage;

/// Bytes of a descriptor.
const DESCRIPTOR: usize = 16;
/// Flags of a descriptor.
const NEXT: u16 = 1;
const TO_DRIVER: u16 = 2;
const INDIRECT: u16 = 4;
/// Flag of the available ring: the driver does not want to be told.
const NO_INTERRUPT: u16 = 1;

/// Why a request is not served.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Broken {
    /// The driver does not keep to the protocol, or names what is not there.
    Driver,
    /// The storage knows what has to be waited for, or that the host has run out of something.
    Storage,
}

/// A piece of storage in a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Piece {
    /// Guest absolute address.
    pub address: u64,
    /// Length in bytes.
    pub length: u32,
    /// Whether the device may write it.
    pub to_driver: bool,
}

/// A request: number of its first descriptor, by which the driver knows it, and its pieces.
#[derive(PartialEq, Eq, Debug)]
pub struct Request {
    /// The number.
    pub head: u16,
    /// At least one, and as many as the queue has entries at most.
    pub pieces: Vec<Piece>,
}

/// Where a queue is, and how far the device has got.
#[derive(Clone, Copy, Default, Debug)]
pub struct Queue {
    /// A power of two; 0 is a queue that is not there.
    entries: u16,
    descriptors: u64,
    available: u64,
    used: u64,
    /// Requests that were taken, modulo 2^16.
    taken: u16,
    /// Requests that were completed, modulo 2^16.
    completed: u16,
    /// Whether the driver may put descriptors into tables of their own.
    pub(super) has_tables: bool,
}

fn load16(storage: &mut dyn Storage, at: u64) -> Result<u16, Broken> {
    let mut bytes = [0; 2];
    storage.load(at, &mut bytes)?;
    Ok(u16::from_le_bytes(bytes))
}

impl Queue {
    /// A queue of so many entries, with descriptors, available ring and used ring there, if it can be one.
    /// Without entries it is given up.
    #[must_use]
    pub fn new(entries: u16, [descriptors, available, used]: [u64; 3]) -> Option<Self> {
        let queue = Self {
            entries,
            descriptors,
            available,
            used,
            ..Self::default()
        };
        let is_aligned = descriptors % 16 == 0 && available % 2 == 0 && used % 4 == 0;
        // Nothing is computed that does not fit.
        let is_low = descriptors.max(available).max(used) >> 62 == 0;
        (is_aligned && is_low && (entries == 0 || entries.is_power_of_two())).then_some(queue)
    }

    /// Where the used ring is, and how long.
    pub(super) fn used_ring(&self) -> (u64, u64) {
        (self.used, 6 + 8 * u64::from(self.entries))
    }

    /// Whether the driver has made a request available that was not taken.
    ///
    /// # Errors
    /// That cannot be read, or makes no sense.
    pub fn is_more(&self, storage: &mut dyn Storage) -> Result<bool, Broken> {
        if self.entries == 0 {
            return Ok(false);
        }
        let offered = load16(storage, self.available + 2)?.wrapping_sub(self.taken);
        if offered > self.entries {
            return Err(Broken::Driver);
        }
        Ok(offered > 0)
    }

    /// The next request that the driver has made available, if there is one. It stays the next until it is
    /// taken.
    ///
    /// # Errors
    /// It cannot be read, or makes no sense.
    // Long, and called for each kind of device.
    #[inline(never)]
    pub fn next(&self, storage: &mut dyn Storage) -> Result<Option<Request>, Broken> {
        if !self.is_more(storage)? {
            return Ok(None);
        }
        let place = u64::from(self.taken % self.entries);
        let head = load16(storage, self.available + 4 + 2 * place)?;
        let mut pieces = Vec::new();
        let mut at = u32::from(head);
        let (mut table, mut length) = (self.descriptors, u32::from(self.entries));
        let mut may_point = self.has_tables;
        loop {
            // A chain that is longer than that comes back to where it was, or should not be.
            if at >= length || pieces.len() == usize::from(self.entries) {
                return Err(Broken::Driver);
            }
            let mut bytes = [0; DESCRIPTOR];
            let place = table.wrapping_add(DESCRIPTOR as u64 * u64::from(at));
            storage.load(place, &mut bytes)?;
            let descriptor = u128::from_le_bytes(bytes);
            let flags = (descriptor >> 96) as u16;
            let piece = Piece {
                address: descriptor as u64,
                length: (descriptor >> 64) as u32,
                to_driver: flags & TO_DRIVER != 0,
            };
            if flags & INDIRECT != 0 {
                // The chain goes on in a table of its own, to its end.
                let is_whole = piece.length.is_multiple_of(DESCRIPTOR as u32);
                if !may_point || flags & NEXT != 0 || !is_whole {
                    return Err(Broken::Driver);
                }
                (table, length) = (piece.address, piece.length / DESCRIPTOR as u32);
                (at, may_point) = (0, false);
                continue;
            }
            pieces.push(piece);
            if flags & NEXT == 0 {
                return Ok(Some(Request { head, pieces }));
            }
            at = (descriptor >> 112) as u32;
        }
    }

    /// The next request is taken; it is to be completed later.
    pub fn take(&mut self) {
        self.taken = self.taken.wrapping_add(1);
    }

    /// A request that was taken is complete, with so many bytes written. Returns whether the driver wants to
    /// be told.
    ///
    /// # Errors
    /// That cannot be stored; it is not complete then.
    pub fn complete(
        &mut self,
        storage: &mut dyn Storage,
        head: u16,
        written: u32,
    ) -> Result<bool, Broken> {
        let flags = load16(storage, self.available)?;
        let place = u64::from(self.completed % self.entries);
        let element = u64::from(head) | u64::from(written) << 32;
        storage.store(self.used + 4 + 8 * place, &element.to_le_bytes())?;
        let completed = self.completed.wrapping_add(1);
        storage.store(self.used + 2, &completed.to_le_bytes())?;
        self.completed = completed;
        Ok(flags & NO_INTERRUPT == 0)
    }
}
