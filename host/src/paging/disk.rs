//! A paging device that is a virtio disk.
//!
//! It interrupts CPUs that are idle. Others, which run guests, look at it at exits, and by the clock as long as
//! anything is under way: interruptions of disks otherwise belong to CPUs that wait for a request of a guest.

use alloc::format;
use alloc::string::{String, ToString};

use arch::clock::UNITS_PER_MICROSECOND;
use arch::{Frame, PAGE_SIZE};
use drivers::block::{BLOCK_SIZE, BlockError};
use drivers::virtio::blk::VirtioBlk;

use super::{Direction, PagingDevice, Slot};

/// The subclass of the disk's interruptions, which idle CPUs wait for.
pub const SUBCLASS: u32 = 1;

/// How often the disk is looked at, in TOD units: 100 us.
const LOOK_AGAIN: u64 = 100 * UNITS_PER_MICROSECOND;
/// How long a request may take, in TOD units: half a minute.
const PATIENCE: u64 = 30_000_000 * UNITS_PER_MICROSECOND;

const BLOCKS: u64 = (PAGE_SIZE / BLOCK_SIZE) as u64;

/// A request, and when it began.
#[derive(Clone, Copy)]
struct Request {
    slot: Slot,
    began: u64,
}

/// The device.
pub struct PagingDisk {
    disk: VirtioBlk,
    /// By the disk's number for it.
    requests: [Option<Request>; VirtioBlk::MOST_REQUESTS],
    /// When it was looked at last.
    looked: u64,
    /// Set when it does not work any more: all requests fail.
    is_lost: bool,
}

impl PagingDisk {
    /// The disk with a number.
    ///
    /// # Errors
    /// One line that says why it will not do.
    pub fn find(number: u16) -> Result<Self, String> {
        let found = VirtioBlk::find(number).map_err(|error| error.to_string())?;
        let disk = found.ok_or_else(|| format!("there is no disk {number:04x} for paging"))?;
        if disk.is_read_only() {
            return Err(format!("disk {number:04x}, for paging, is read-only"));
        }
        if disk.blocks() < BLOCKS {
            return Err(format!(
                "disk {number:04x}, for paging, has no room for a page"
            ));
        }
        let subclass = disk.set_interruption_subclass(SUBCLASS);
        subclass.map_err(|error| error.to_string())?;
        Ok(Self {
            disk,
            requests: [None; VirtioBlk::MOST_REQUESTS],
            looked: 0,
            is_lost: false,
        })
    }

    /// The device failed: all that is under way ends.
    fn lose(&mut self, error: &BlockError) {
        log::error!("paging: {error}");
        self.is_lost = true;
    }

    fn is_busy(&self) -> bool {
        self.requests.iter().any(Option::is_some)
    }

    /// Whether a request is under way that should have been complete long since.
    fn is_overdue(&self, now: u64) -> bool {
        let mut all = self.requests.iter().flatten();
        all.any(|request| now.saturating_sub(request.began) > PATIENCE)
    }
}

impl PagingDevice for PagingDisk {
    fn name(&self) -> &'static str {
        "disk"
    }

    fn slots(&self) -> u32 {
        u32::try_from(self.disk.blocks() / BLOCKS).unwrap_or(u32::MAX - 1)
    }

    unsafe fn begin(&mut self, direction: Direction, slot: Slot, frame: Frame, now: u64) -> bool {
        if self.is_lost {
            // It is found to have failed.
            let free = self.requests.iter_mut().find(|request| request.is_none());
            return free.is_some_and(|free| {
                *free = Some(Request { slot, began: now });
                true
            });
        }
        let (first, is_write) = (
            u64::from(slot.number()) * BLOCKS,
            direction == Direction::Write,
        );
        // SAFETY: the caller's promise.
        let number = unsafe { self.disk.begin(is_write, first, frame.address(), PAGE_SIZE) };
        if let Some(number) = number {
            if !self.is_busy() {
                self.looked = now;
            }
            self.requests[number] = Some(Request { slot, began: now });
        }
        number.is_some()
    }

    fn go(&mut self) {
        if !self.is_lost
            && let Err(error) = self.disk.notify()
        {
            self.lose(&error);
        }
    }

    fn next_complete(&mut self, now: u64) -> Option<(Slot, bool)> {
        self.looked = now;
        if !self.is_lost {
            match self.disk.take_complete() {
                Ok(Some((number, is_good))) => {
                    return Some((self.requests[number].take()?.slot, is_good));
                }
                Ok(None) if self.is_overdue(now) => {
                    let error = self.disk.give_up();
                    self.lose(&error);
                }
                Ok(None) => return None,
                Err(error) => self.lose(&error),
            }
        }
        let mut requests = self.requests.iter_mut();
        let request = requests.find_map(Option::take)?;
        Some((request.slot, false))
    }

    fn will_interrupt(&self) -> bool {
        self.is_busy() && !self.is_lost && self.disk.will_interrupt()
    }

    fn look_at(&self, _: u64) -> Option<u64> {
        // Not a bit later after every exit: setting a clock comparator costs emulators a lot.
        let next = (self.looked / LOOK_AGAIN + 1) * LOOK_AGAIN;
        self.is_busy().then_some(next)
    }
}
