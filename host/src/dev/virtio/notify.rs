//! DIAGNOSE X'500', by which a driver tells of requests, and what the driver is told in return.

use core::mem;
use core::ops::Range;

use arch::{PAGE_SHIFT, clock, program};

use super::Storage;
use crate::guest::Machine;
use crate::mem::{AccessError, GuestFault, pieces};

/// The only subcode: a virtio device at a subchannel has requests.
const NOTIFY: u64 = 3;
/// What a driver gets whose device or queue is not there.
const INVALID: i64 = -22;

impl Storage for Machine<'_> {
    fn load(&mut self, at: u64, buffer: &mut [u8]) -> Result<(), AccessError> {
        for (at, range) in pieces(at, buffer.len()) {
            // The same way back: two areas change places.
            let real = self.guest.memory.absolute(self.cpu, at);
            self.copy_out(real, &mut buffer[range])?;
        }
        Ok(())
    }

    fn store(&mut self, at: u64, bytes: &[u8]) -> Result<(), AccessError> {
        for (at, range) in pieces(at, bytes.len()) {
            let real = self.guest.memory.absolute(self.cpu, at);
            self.copy_in(real, &bytes[range])?;
        }
        Ok(())
    }

    fn release(&mut self, pages: Range<u64>) -> u64 {
        let all = self.pages();
        let (first, end) = (pages.start.min(all) as u32, pages.end.min(all) as u32);
        if first < end {
            self.guest.memory.release(self.pool, first..end);
        }
        end.saturating_sub(first).into()
    }

    fn pages(&self) -> u64 {
        self.guest.memory.size() >> PAGE_SHIFT
    }
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
            let more = with_channel(machine, |machine, channel| {
                channel.0[at].virtio.serve(queue, machine)
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

/// Does something to a guest's devices that uses its memory.
fn with_channel<T>(
    machine: &mut Machine<'_>,
    action: impl FnOnce(&mut Machine<'_>, &mut crate::dev::channel::Channel) -> T,
) -> T {
    let mut channel = mem::take(&mut machine.guest.channel);
    let result = action(machine, &mut channel);
    machine.guest.channel = channel;
    result
}

/// Tells a guest that its balloon should have so many pages, and asks how it uses its memory.
///
/// # Errors
/// As for [`tell`].
pub fn set_target(machine: &mut Machine<'_>, at: usize, pages: u32) -> Result<(), AccessError> {
    let virtio = &mut machine.guest.channel.0[at].virtio;
    if virtio.balloon().target() != pages {
        virtio.set_target(pages);
        with_channel(machine, |machine, channel| {
            channel.0[at].virtio.ask(machine)
        })?;
    }
    tell(machine, at)
}

/// Tells the guest what it does not know of a device: sets its indicators, and interrupts it.
///
/// # Errors
/// A page of the guest has to be waited for: it is to be done again.
fn tell(machine: &mut Machine<'_>, at: usize) -> Result<(), AccessError> {
    if !machine.guest.channel.0[at].virtio.has_news() {
        return Ok(());
    }
    let (is_any, is_configuration) = with_channel(machine, |machine, channel| {
        channel.0[at].virtio.publish(machine)
    })?;
    if is_any {
        let one = &mut machine.guest.channel.0[at];
        one.alert();
        if is_configuration {
            one.virtio.balloon().counters.wake_ups += 1;
        }
        machine.guest.alert_for_floating(machine.cpu, clock::now());
    }
    Ok(())
}
