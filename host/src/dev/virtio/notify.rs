//! DIAGNOSE X'500', by which a driver tells of requests, and what the driver is told in return.

use core::mem;
use core::ops::Range;

use arch::{PAGE_SHIFT, PAGE_SIZE, clock, program};
use drivers::block::BLOCK_SIZE;

use super::{Balloon, Broken, Storage, Transfer};
use crate::dev::channel::Channel;
use crate::dev::disks::move_blocks;
use crate::dev::x250::Run;
use crate::guest::Machine;
use crate::mem::{AccessError, GuestFault, is_in_one_page, pieces};

/// The only subcode: a virtio device at a subchannel has requests.
const NOTIFY: u64 = 3;
/// What a driver gets whose device or queue is not there.
const INVALID: i64 = -22;

/// A guest's memory as a device uses it.
struct Memory<'a, 'b> {
    machine: &'a mut Machine<'b>,
    /// What the host, not the driver, has to do about the last access.
    error: AccessError,
}

impl Memory<'_, '_> {
    /// Remembers what only the host needs to know.
    fn outcome(&mut self, outcome: Result<(), AccessError>) -> Result<(), Broken> {
        match outcome {
            Ok(()) => Ok(()),
            Err(AccessError::Fault(_)) => Err(Broken::Driver),
            Err(error) => {
                self.error = error;
                Err(Broken::Storage)
            }
        }
    }
}

impl Storage for Memory<'_, '_> {
    fn load(&mut self, at: u64, buffer: &mut [u8]) -> Result<(), Broken> {
        let outcome = self.machine.load_absolute(at, buffer);
        self.outcome(outcome)
    }

    fn store(&mut self, at: u64, bytes: &[u8]) -> Result<(), Broken> {
        let outcome = self.machine.store_absolute(at, bytes);
        self.outcome(outcome)
    }

    fn release(&mut self, pages: Range<u64>) -> u64 {
        let all = self.pages();
        let (first, end) = (pages.start.min(all) as u32, pages.end.min(all) as u32);
        if first < end {
            let machine = &mut self.machine;
            machine.guest.memory.release(machine.pool, first..end);
        }
        end.saturating_sub(first).into()
    }

    fn pages(&self) -> u64 {
        self.machine.guest.memory.size() >> PAGE_SHIFT
    }

    fn pages_at(&self, at: u64, length: u64) -> Option<Range<u32>> {
        let memory = &self.machine.guest.memory;
        let end = at.checked_add(length);
        let end = end.filter(|end| *end <= memory.size())?;
        let pages = (at >> PAGE_SHIFT) as u32..end.div_ceil(PAGE_SIZE as u64) as u32;
        let have_all = pages.clone().all(|page| memory.has_content(page));
        have_all.then_some(pages)
    }

    fn transfer(&mut self, transfer: &Transfer<'_>) -> Result<(), Broken> {
        let (at, sector, bytes) = (transfer.at, transfer.sector, transfer.bytes);
        let guest = &mut self.machine.guest;
        let device = guest.disks.find(transfer.disk).ok_or(Broken::Driver)?;
        let slice = device.slice.clone();
        if !is_in_one_page(at, bytes) {
            let mut bounce = [0; BLOCK_SIZE];
            if !transfer.is_read {
                self.load(at, &mut bounce)?;
            }
            if !slice.bounce(transfer.is_read, sector, &mut bounce) {
                return Err(Broken::Driver);
            }
            return if transfer.is_read {
                self.store(at, &bounce)
            } else {
                Ok(())
            };
        }
        let run = Run {
            block: sector,
            real: guest.memory.absolute(self.machine.cpu, at),
            bytes,
            to_guest: transfer.is_read,
        };
        let outcome = match move_blocks(self.machine, &slice, transfer.buffers, &run) {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => return Err(Broken::Driver),
            Err(error) => Err(error),
        };
        self.outcome(outcome)
    }

    fn flush(&mut self, disk: u16) -> Result<(), Broken> {
        let device = self.machine.guest.disks.find(disk);
        let is_good = device.is_some_and(|device| device.slice.flush());
        is_good.then_some(()).ok_or(Broken::Driver)
    }
}

impl Machine<'_> {
    /// Copies out of absolute storage.
    ///
    /// # Errors
    /// As for real storage.
    // Called from many places, as the next one.
    #[inline(never)]
    pub fn load_absolute(&mut self, at: u64, buffer: &mut [u8]) -> Result<(), AccessError> {
        for (at, range) in pieces(at, buffer.len()) {
            // The same way back: two areas change places.
            let real = self.guest.memory.absolute(self.cpu, at);
            self.copy_out(real, &mut buffer[range])?;
        }
        Ok(())
    }

    /// Copies into absolute storage.
    ///
    /// # Errors
    /// As for real storage; part of it may be stored then.
    #[inline(never)]
    pub fn store_absolute(&mut self, at: u64, bytes: &[u8]) -> Result<(), AccessError> {
        for (at, range) in pieces(at, bytes.len()) {
            let real = self.guest.memory.absolute(self.cpu, at);
            self.copy_in(real, &bytes[range])?;
        }
        Ok(())
    }
}

/// Does something to a guest's devices that uses its memory.
fn with_channel<T>(
    machine: &mut Machine<'_>,
    action: impl FnOnce(&mut Channel, &mut dyn Storage) -> Result<T, Broken>,
) -> Result<T, AccessError> {
    let mut channel = mem::take(&mut machine.guest.channel);
    let error = AccessError::Exhausted;
    let mut memory = Memory { machine, error };
    let outcome = action(&mut channel, &mut memory);
    let Memory { machine, error } = memory;
    machine.guest.channel = channel;
    outcome.map_err(|_| error)
}

/// X'500': registers 2 and 3 are subchannel and queue, register 2 is the result. Serves one request; returns
/// whether there are more, for which the instruction is to be executed again: so a guest that makes many
/// does not keep the others from running.
///
/// # Errors
/// What the guest gets instead, or has to wait for.
pub fn diagnose(machine: &mut Machine<'_>) -> Result<bool, AccessError> {
    let gprs = machine.vcpu().context.gprs;
    if gprs[1] != NOTIFY {
        return Err(GuestFault::plain(program::SPECIFICATION).into());
    }
    let at = gprs[2].wrapping_sub(0x0001_0000) as usize;
    let is_there = machine.guest.channel.0.get(at);
    let is_there = is_there.filter(|one| one.is_enabled() && gprs[3] < one.virtio.queues() as u64);
    let result = match is_there {
        Some(_) => {
            // What an earlier time could not tell comes first.
            tell(machine, at)?;
            let queue = gprs[3] as usize;
            let more = with_channel(machine, |channel, memory| {
                channel.0[at].virtio.serve(queue, memory)
            })?;
            tell(machine, at)?;
            if more {
                return Ok(true);
            }
            0
        }
        None => INVALID,
    };
    machine.vcpu_mut().context.gprs[2] = result as u64;
    Ok(false)
}

/// Tells a guest that its balloon should have so many pages, and asks how it uses its memory.
///
/// # Errors
/// As for [`tell`].
pub fn set_target(machine: &mut Machine<'_>, at: usize, pages: u32) -> Result<(), AccessError> {
    let virtio = &mut machine.guest.channel.0[at].virtio;
    let is_new = |balloon: &mut Balloon| balloon.target() != pages;
    if virtio.balloon().is_some_and(is_new) {
        virtio.set_target(pages);
        with_channel(machine, |channel, memory| channel.0[at].virtio.ask(memory))?;
    }
    tell(machine, at)
}

/// Tells the guest what it does not know of a device: sets its indicators, and interrupts it.
///
/// # Errors
/// A page of the guest has to be waited for: it is to be done again.
// Called from several places.
#[inline(never)]
fn tell(machine: &mut Machine<'_>, at: usize) -> Result<(), AccessError> {
    if !machine.guest.channel.0[at].virtio.has_news() {
        return Ok(());
    }
    let (is_any, is_configuration) = with_channel(machine, |channel, memory| {
        channel.0[at].virtio.publish(memory)
    })?;
    if is_any {
        let one = &mut machine.guest.channel.0[at];
        one.alert();
        if is_configuration && let Some(balloon) = one.virtio.balloon() {
            balloon.counters.wake_ups += 1;
        }
        machine.guest.alert_for_floating(machine.cpu, clock::now());
    }
    Ok(())
}
