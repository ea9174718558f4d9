//! A guest's disks, by whichever way it uses them, and moving blocks between them and its memory.

use alloc::rc::Rc;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::cell::Cell;

use arch::{Absolute, PAGE_SIZE, clock};
use drivers::block::{BLOCK_SIZE, Disk};

use crate::dev::buffers::Buffers;
use crate::dev::x250::{Failed, Run};
use crate::guest::Machine;
use crate::mem::notifier::Notifier;
use crate::mem::{AccessError, GuestMemory};
use crate::paging::{Pace, Timing};

/// A disk of the host's.
pub struct Drive {
    disk: Disk,
    /// How fast it is, if it is made of storage and passes for a disk that takes time.
    pace: Option<Cell<Pace>>,
    /// When all that it was asked for is there, in TOD units.
    ready: Cell<u64>,
}

impl Drive {
    /// A disk that is as fast as it is, or takes its time.
    #[must_use]
    pub fn new(disk: Disk, timing: Option<Timing>) -> Self {
        Self {
            disk,
            pace: timing.map(|timing| Cell::new(Pace::new(timing))),
            ready: Cell::new(0),
        }
    }

    /// Whether it cannot be written.
    #[must_use]
    pub fn is_read_only(&self) -> bool {
        self.disk.is_read_only()
    }

    /// A transfer has been made: who asked for it is to find it complete only when it would be.
    fn take_time(&self, block: u64, bytes: usize) {
        if let Some(pace) = &self.pace {
            let mut now = pace.get();
            let behind = block + (bytes / BLOCK_SIZE) as u64;
            self.ready
                .set(now.begin(block, behind, bytes, clock::now()));
            pace.set(now);
        }
    }
}

/// A part of a disk of the host's.
#[derive(Clone)]
pub struct Slice {
    drive: Rc<Drive>,
    /// First block on the host's disk.
    first: u64,
    /// Number of blocks.
    blocks: u64,
}

impl Slice {
    /// The part number `part` of `parts` equal ones.
    #[must_use]
    pub fn new(drive: Rc<Drive>, part: u64, parts: u64) -> Self {
        let blocks = drive.disk.blocks() / parts;
        Self {
            first: part * blocks,
            blocks,
            drive,
        }
    }

    /// How many blocks it has.
    #[must_use]
    pub fn blocks(&self) -> u64 {
        self.blocks
    }

    /// Whether it cannot be written.
    #[must_use]
    pub fn is_read_only(&self) -> bool {
        self.drive.is_read_only()
    }

    /// Reads or writes blocks that are there; returns whether that succeeded.
    ///
    /// # Safety
    /// The storage is the caller's, to overwrite if it is read into.
    // Called from several places.
    #[inline(never)]
    unsafe fn transfer(&self, is_read: bool, block: u64, at: Absolute, bytes: usize) -> bool {
        let start = self.first + block;
        // SAFETY: the caller's promise.
        let outcome = unsafe {
            if is_read {
                self.drive.disk.read(start, at, bytes)
            } else {
                self.drive.disk.write(start, at, bytes)
            }
        };
        self.drive.take_time(start, bytes);
        outcome.is_ok()
    }

    /// Makes what was written last; returns whether that succeeded.
    #[must_use]
    pub fn flush(&self) -> bool {
        self.drive.disk.flush().is_ok()
    }

    /// Reads or writes blocks that are there, in the host's own storage; returns whether that succeeded.
    #[must_use]
    pub fn bounce(&self, is_read: bool, block: u64, bytes: &mut [u8]) -> bool {
        // SAFETY: the storage is borrowed, to be changed.
        unsafe { self.transfer(is_read, block, Absolute::of(bytes.as_ptr()), bytes.len()) }
    }
}

/// A disk of one guest.
pub(super) struct Device {
    number: u16,
    pub(super) slice: Slice,
    /// The buffers of X'250', once it is initialized.
    pub(super) buffers: Option<Arc<Buffers>>,
}

/// The disks of one guest.
pub struct Disks {
    devices: Vec<Device>,
}

impl Disks {
    /// Disks by number.
    #[must_use]
    pub fn new(devices: impl IntoIterator<Item = (u16, Slice)>) -> Self {
        let device = |(number, slice)| Device {
            number,
            slice,
            buffers: None,
        };
        Self {
            devices: devices.into_iter().map(device).collect(),
        }
    }

    /// Those with a number from one on.
    pub fn from(&self, least: u16) -> impl Iterator<Item = (u16, &Slice)> {
        let all = self.devices.iter();
        all.filter(move |device| device.number >= least)
            .map(|device| (device.number, &device.slice))
    }

    pub(super) fn find(&mut self, number: u16) -> Option<&mut Device> {
        self.devices
            .iter_mut()
            .find(|device| device.number == number)
    }
}

/// New buffers, which a guest's memory knows.
#[must_use]
pub fn registered(memory: &GuestMemory) -> Arc<Buffers> {
    let buffers = Arc::<Buffers>::default();
    let user: Arc<dyn Notifier> = buffers.clone();
    memory.register(&user);
    buffers
}

/// Moves blocks while the page stays where it is. A page that is overwritten as a whole is not brought in
/// first. The only outer errors are those of the host: there is no frame, or the page must be waited for.
pub(super) fn move_blocks(
    machine: &mut Machine<'_>,
    slice: &Slice,
    buffers: &Buffers,
    run: &Run,
) -> Result<Result<(), Failed>, AccessError> {
    let (pool, cpu) = (&mut *machine.pool, machine.cpu);
    let memory = &mut machine.guest.memory;
    let Ok(page) = memory.page_of(cpu, run.real) else {
        return Ok(Err(Failed::Buffer));
    };
    let frame = if run.to_guest && run.bytes == PAGE_SIZE {
        memory.resolve_to_overwrite(pool, cpu, page)
    } else {
        memory.resolve(pool, cpu, page, run.to_guest)
    };
    let frame = match frame {
        Ok(frame) => frame,
        Err(AccessError::Fault(_)) => return Ok(Err(Failed::Buffer)),
        Err(error) => return Err(error),
    };
    let at = frame.address() + run.real % PAGE_SIZE as u64;
    let pin = buffers.pin(page);
    // SAFETY: the frame is this guest's, and stays so while the page is pinned.
    let is_good = unsafe { slice.transfer(run.to_guest, run.block, at, run.bytes) };
    drop(pin);
    machine.guest.counters.disk_bytes[usize::from(run.to_guest)] += run.bytes as u64;
    let ready = slice.drive.ready.get();
    if ready > 0 {
        // The instruction is not over before: something else runs meanwhile.
        machine.vcpu_mut().held_until = ready;
        machine.guest.alerts |= 1 << machine.cpu;
    }
    Ok(is_good.then_some(()).ok_or(Failed::Disk))
}
