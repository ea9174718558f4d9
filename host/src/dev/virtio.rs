//! virtio devices as guests see them, over channel I/O (Virtual I/O Device specification 1.2, "Virtio Over
//! Channel I/O"): version 1 of the protocol only, whose rings are little-endian on any machine.
//!
//! ```text
//!   channel program ── command ──> Virtio ── Device: balloon, disk
//!   DIAGNOSE X'500' ── one request ──> Queue ──┘      │
//!   guest <── indicator, alert, I/O interruption ─────┘
//! ```
//!
//! Nothing that a guest says is believed: structures are copied once, and a queue that makes no sense makes
//! the device one that needs a reset. What a request does can be done twice, for the instruction is executed
//! again if a page of the guest must be waited for.

mod balloon;
mod block;
mod device;
#[cfg(target_os = "none")]
mod notify;
mod ring;

use alloc::vec::Vec;
use core::ops::Range;

use drivers::virtio::command;

pub use balloon::Balloon;
pub use block::{Block, Transfer};
pub use device::Device;
#[cfg(target_os = "none")]
pub use notify::{diagnose, set_target};
pub use ring::{Broken, Piece, Queue, Request};

/// Longest data of a command, in bytes.
pub const LONGEST: usize = 64;
/// Most entries of a queue.
const ENTRIES: u16 = 128;
/// Revisions of the transport that are spoken.
const REVISIONS: Range<u16> = 1..3;
/// Feature bit of a device that reads tables of descriptors.
const INDIRECT: u64 = 1 << 28;
/// Feature bit of a device that follows version 1 of the specification.
const VERSION_1: u64 = 1 << 32;
/// Sense data: the command is not known, or not possible now.
const COMMAND_REJECT: u8 = 0x80;

/// Bits of the status.
const FEATURES_OK: u8 = 8;
const DRIVER_OK: u8 = 4;
const NEEDS_RESET: u8 = 0x40;

/// What came of a command.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// It has used so many bytes of the guest's.
    Took(usize),
    /// It has so many bytes for the guest.
    Gave(usize),
    /// There are too few bytes.
    TooShort,
    /// It is refused.
    Refused,
}

/// Which of the guest's memory a device uses, by absolute address.
pub trait Storage {
    /// Copies out of storage.
    ///
    /// # Errors
    /// The address does not exist, or has to be waited for.
    fn load(&mut self, at: u64, buffer: &mut [u8]) -> Result<(), Broken>;

    /// Copies into storage.
    ///
    /// # Errors
    /// As for [`Storage::load`]; part of it may be stored then.
    fn store(&mut self, at: u64, bytes: &[u8]) -> Result<(), Broken>;

    /// The content of these pages, as far as they exist, is not needed any more; returns how many do.
    fn release(&mut self, pages: Range<u64>) -> u64;

    /// How many pages there are.
    fn pages(&self) -> u64;

    /// The pages of some storage, if all of it exists and is not discarded.
    fn pages_at(&self, at: u64, length: u64) -> Option<Range<u32>>;

    /// Moves sectors between a disk, which has them, and storage.
    ///
    /// # Errors
    /// As for [`Storage::load`], or the disk fails as if the driver had made a mistake.
    fn transfer(&mut self, transfer: &Transfer<'_>) -> Result<(), Broken>;

    /// Makes what was written to a disk last.
    ///
    /// # Errors
    /// The disk fails, as for [`Storage::transfer`].
    fn flush(&mut self, disk: u16) -> Result<(), Broken>;
}

/// A virtio device.
pub struct Virtio {
    /// What it is.
    pub device: Device,
    revision: Option<u16>,
    status: u8,
    sense: u8,
    features: u64,
    queues: Vec<Queue>,
    /// Where the guest finds out about its queues, and about the configuration; 0 is nowhere.
    indicators: [u64; 2],
    /// Bits that are to be set there.
    news: [u64; 2],
}

/// The bytes of a word at some place.
fn bytes_at<const N: usize>(data: &[u8; LONGEST], at: usize) -> [u8; N] {
    core::array::from_fn(|index| data[at + index])
}

impl Virtio {
    /// A device that nobody has used.
    #[must_use]
    pub fn new(device: Device) -> Self {
        let queues = (0..device.queues()).map(|_| Queue::default()).collect();
        Self {
            device,
            revision: None,
            status: 0,
            sense: 0,
            features: 0,
            queues,
            indicators: [0; 2],
            news: [0; 2],
        }
    }

    /// The next driver agrees on a revision anew.
    pub fn forget_revision(&mut self) {
        self.revision = None;
    }

    /// All that the driver has said is forgotten, and it is told nothing any more.
    pub fn reset(&mut self) {
        self.status = 0;
        self.features = 0;
        self.queues.fill_with(Queue::default);
        (self.indicators, self.news) = ([0; 2], [0; 2]);
        self.device.reset();
    }

    fn offered(&self) -> u64 {
        VERSION_1 | INDIRECT | self.device.features()
    }

    /// Whether a driver works with it.
    #[must_use]
    pub fn is_driven(&self) -> bool {
        self.status & (DRIVER_OK | NEEDS_RESET) == DRIVER_OK
    }

    /// The driver has done what makes no sense: it has to begin again.
    fn give_up(&mut self) {
        self.status |= NEEDS_RESET;
        self.news = [0, 1];
    }

    /// Sets how many pages the balloon should have; whoever drives it is told with the next news.
    pub fn set_target(&mut self, pages: u32) {
        if let Device::Balloon(balloon) = &mut self.device {
            balloon.set_target(pages);
            self.news[1] = self.is_driven().into();
        }
    }

    /// Asks for statistics again, by completing the request that has brought the last ones.
    ///
    /// # Errors
    /// A page has to be waited for.
    pub fn ask(&mut self, storage: &mut dyn Storage) -> Result<(), Broken> {
        if !self.is_driven() {
            return Ok(());
        }
        let Device::Balloon(balloon) = &mut self.device else {
            return Ok(());
        };
        let number = balloon::STATISTICS;
        let outcome = balloon.ask(&mut self.queues[number], storage);
        let is_told = self.outlive(outcome)?;
        self.news[0] |= u64::from(is_told) << number;
        Ok(())
    }

    /// A driver that does not keep to the protocol is told so, and nothing else comes of what it did.
    fn outlive<T: Default>(&mut self, outcome: Result<T, Broken>) -> Result<T, Broken> {
        if matches!(outcome, Err(Broken::Driver)) {
            self.give_up();
            return Ok(T::default());
        }
        outcome
    }

    /// Carries out a command on so many bytes of data; what it has for the guest is there instead then.
    /// A command that is carried out twice does what it does once.
    pub fn command(&mut self, code: u8, data: &mut [u8; LONGEST], count: usize) -> Outcome {
        let outcome = self.carry_out(code, data, count.min(LONGEST));
        if code != command::SENSE {
            let is_refused = outcome == Outcome::Refused;
            self.sense = if is_refused { COMMAND_REJECT } else { 0 };
        }
        outcome
    }

    fn carry_out(&mut self, code: u8, data: &mut [u8; LONGEST], count: usize) -> Outcome {
        let (least, is_for_all) = match code {
            command::NO_OPERATION | command::SENSE | command::SENSE_ID => (0, true),
            command::SET_REVISION => (4, true),
            command::READ_QUEUE => (4, false),
            command::READ_FEATURES | command::WRITE_FEATURES => (5, false),
            command::SET_QUEUE => (32, false),
            command::SET_QUEUE_INDICATORS | command::SET_DEVICE_INDICATORS => (8, false),
            command::WRITE_STATUS => (1, false),
            _ => (0, false),
        };
        if !is_for_all && self.revision.is_none() {
            return Outcome::Refused;
        }
        if count < least {
            return Outcome::TooShort;
        }
        match code {
            command::NO_OPERATION => return Outcome::Took(0),
            command::SENSE => {
                data.fill(0);
                data[0] = self.sense;
                return Outcome::Gave(count.min(32));
            }
            command::SENSE_ID => {
                data[..7].copy_from_slice(&[0xff, 0x38, 0x32, self.device.kind(), 0, 0, 0]);
                return Outcome::Gave(count.min(7));
            }
            command::SET_REVISION => {
                let revision = u16::from_be_bytes(bytes_at(data, 0));
                let is_new = self.revision.is_none_or(|known| known == revision);
                // None of them has data.
                let has_data = data[2..4] != [0; 2];
                if !is_new || has_data || !REVISIONS.contains(&revision) {
                    return Outcome::Refused;
                }
                self.revision = Some(revision);
            }
            command::RESET => self.reset(),
            command::READ_FEATURES => {
                let index = u32::from(data[4]);
                let word = self.offered().checked_shr(32 * index).unwrap_or(0) as u32;
                data[..4].copy_from_slice(&word.to_le_bytes());
                return Outcome::Gave(5);
            }
            command::WRITE_FEATURES => {
                let word = u64::from(u32::from_le_bytes(bytes_at(data, 0)));
                if data[4] < 2 {
                    let shift = 32 * u32::from(data[4]);
                    let rest = self.features & !(u64::from(u32::MAX) << shift);
                    self.features = rest | word << shift;
                }
            }
            command::READ_CONFIG => {
                let length = self.device.config(data);
                return Outcome::Gave(count.min(length));
            }
            command::WRITE_CONFIG => {
                // As much as there is of it.
                let length = count.min(self.device.config(&mut [0; LONGEST]));
                self.device.write_config(&data[..length]);
                return Outcome::Took(length);
            }
            command::WRITE_STATUS => self.set_status(data[0]),
            command::READ_STATUS => {
                data[0] = self.status;
                return Outcome::Gave(count.min(1));
            }
            command::READ_QUEUE => {
                let queue = usize::from(u16::from_be_bytes(bytes_at(data, 0)));
                let entries = if queue < self.queues.len() {
                    ENTRIES
                } else {
                    0
                };
                data[2..4].copy_from_slice(&entries.to_be_bytes());
                return Outcome::Gave(4);
            }
            command::SET_QUEUE => {
                let number = usize::from(u16::from_be_bytes(bytes_at(data, 12)));
                let entries = u16::from_be_bytes(bytes_at(data, 14));
                let parts = [0, 16, 24].map(|at| u64::from_be_bytes(bytes_at(data, at)));
                let queue = Queue::new(entries, parts).filter(|_| entries <= ENTRIES);
                match (self.queues.get_mut(number), queue) {
                    (Some(place), Some(queue)) => *place = queue,
                    _ => return Outcome::Refused,
                }
            }
            command::SET_QUEUE_INDICATORS => {
                self.indicators[0] = u64::from_be_bytes(bytes_at(data, 0));
            }
            command::SET_DEVICE_INDICATORS => {
                self.indicators[1] = u64::from_be_bytes(bytes_at(data, 0));
            }
            _ => return Outcome::Refused,
        }
        Outcome::Took(least)
    }

    /// The features are agreed on only if they are what is offered, and of version 1.
    fn set_status(&mut self, status: u8) {
        if status == 0 {
            return self.reset();
        }
        let is_agreed = self.features & VERSION_1 != 0 && self.features & !self.offered() == 0;
        let refused = if is_agreed { 0 } else { FEATURES_OK };
        self.status = self.status & NEEDS_RESET | status & !(NEEDS_RESET | refused);
    }

    /// Serves the next request of a queue, if there is one, or a part of it; returns whether there is more.
    ///
    /// # Errors
    /// A page has to be waited for: nothing was served.
    pub fn serve(&mut self, number: usize, storage: &mut dyn Storage) -> Result<bool, Broken> {
        if !self.is_driven() {
            return Ok(false);
        }
        let Some(queue) = self.queues.get_mut(number) else {
            return Ok(false);
        };
        queue.has_tables = self.features & INDIRECT != 0;
        let outcome = self.device.serve(number, queue, storage);
        let served = self.outlive(outcome)?;
        self.news[0] |= u64::from(served.is_told) << number;
        Ok(served.is_more)
    }

    /// How many queues it has.
    #[must_use]
    pub fn queues(&self) -> usize {
        self.queues.len()
    }

    /// Sets what the guest is to find out, where it looks for it; returns whether there was anything,
    /// and whether that was about the configuration.
    ///
    /// # Errors
    /// A page has to be waited for: it is to be done again.
    pub fn publish(&mut self, storage: &mut dyn Storage) -> Result<(bool, bool), Broken> {
        let is_configuration = self.news[1] != 0;
        let mut is_any = false;
        for index in 0..2 {
            let (at, bits) = (self.indicators[index], self.news[index]);
            if bits == 0 {
                continue;
            }
            let mut word = [0; 8];
            let outcome = match at {
                0 => Ok(()),
                _ => storage.load(at, &mut word).and_then(|()| {
                    let word = u64::from_be_bytes(word) | bits;
                    storage.store(at, &word.to_be_bytes())
                }),
            };
            match outcome {
                Ok(()) => is_any |= at != 0,
                Err(Broken::Driver) => self.indicators[index] = 0,
                Err(error) => return Err(error),
            }
            self.news[index] = 0;
        }
        Ok((is_any, is_configuration))
    }

    /// Whether there is something that the guest does not know.
    #[must_use]
    pub fn has_news(&self) -> bool {
        self.news != [0; 2]
    }

    /// The balloon, if it is one.
    pub fn balloon(&mut self) -> Option<&mut Balloon> {
        match &mut self.device {
            Device::Balloon(balloon) => Some(balloon),
            Device::Block(_) => None,
        }
    }
}

#[cfg(test)]
mod tests;
