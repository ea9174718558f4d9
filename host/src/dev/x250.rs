//! DIAGNOSE X'250': the host's disks as guests see them.
//!
//! Requests are synchronous. List and parameter block are copied once before anything is believed.

use alloc::sync::Arc;
use alloc::vec;

use arch::{PAGE_SIZE, program};
use drivers::block::BLOCK_SIZE;
use drivers::x250::layout::{self, Entry, Initialize, Request};
use zerocopy::{FromZeros, IntoBytes};

use crate::dev::buffers::Buffers;
use crate::dev::disks::{Failed, Run, Slice, move_blocks, registered};
use crate::guest::Machine;
use crate::mem::notifier::Notifier;
use crate::mem::{AccessError, GuestFault, is_in_one_page};

/// Most entries of a list.
const MOST_ENTRIES: u32 = 256;

/// X'250': register `first` and the next are address of the parameter block and return code, register
/// `second` is the function.
///
/// # Errors
/// What the guest gets instead: exceptions of the parameter block or list.
pub fn diagnose(machine: &mut Machine<'_>, first: usize, second: usize) -> Result<(), AccessError> {
    let gprs = &machine.vcpu().context.gprs;
    let (address, function) = (gprs[first], gprs[second]);
    if !first.is_multiple_of(2) || !address.is_multiple_of(8) {
        return Err(GuestFault::plain(program::SPECIFICATION).into());
    }
    let code = match function {
        layout::INITIALIZE => initialize(machine, address)?,
        layout::TRANSFER => transfer(machine, address)?,
        layout::REMOVE => remove(machine, address)?,
        _ => return Err(GuestFault::plain(program::SPECIFICATION).into()),
    };
    machine.vcpu_mut().context.gprs[first + 1] = u64::from(code);
    machine.vcpu_mut().psw.set_condition_code(match code {
        0 | layout::READ_ONLY => 0,
        layout::ENTRY_FAILED => 1,
        _ => 2,
    });
    Ok(())
}

fn initialize(machine: &mut Machine<'_>, address: u64) -> Result<u8, AccessError> {
    let mut block = Initialize::new_zeroed();
    machine.copy_out(address, block.as_mut_bytes())?;
    let Some(device) = machine.guest.disks.find(block.device.get()) else {
        return Ok(layout::NO_DEVICE);
    };
    if block.block_size.get() as usize != BLOCK_SIZE || block.flags & layout::FORM_64 == 0 {
        return Ok(layout::BAD_BLOCK_SIZE);
    }
    if device.buffers.is_none() {
        device.buffers = Some(registered(&machine.guest.memory));
    }
    block.first = 1.into();
    block.last = device.slice.blocks().into();
    let read_only = device.slice.is_read_only();
    machine.copy_in(address, block.as_bytes())?;
    Ok(if read_only { layout::READ_ONLY } else { 0 })
}

fn remove(machine: &mut Machine<'_>, address: u64) -> Result<u8, AccessError> {
    let mut block = Initialize::new_zeroed();
    machine.copy_out(address, block.as_mut_bytes())?;
    match machine.guest.disks.find(block.device.get()) {
        Some(device) => {
            let Some(buffers) = device.buffers.take() else {
                return Ok(layout::NOT_INITIALIZED);
            };
            let user: Arc<dyn Notifier> = buffers;
            machine.guest.memory.unregister(&user);
            Ok(0)
        }
        None => Ok(layout::NO_DEVICE),
    }
}

fn transfer(machine: &mut Machine<'_>, address: u64) -> Result<u8, AccessError> {
    let mut request = Request::new_zeroed();
    machine.copy_out(address, request.as_mut_bytes())?;
    let count = request.count.get();
    let Some(device) = machine.guest.disks.find(request.device.get()) else {
        return Ok(layout::NO_DEVICE);
    };
    let Some(buffers) = device.buffers.clone() else {
        return Ok(layout::NOT_INITIALIZED);
    };
    if count == 0 || count > MOST_ENTRIES {
        return Ok(layout::BAD_COUNT);
    }
    let slice = device.slice.clone();
    let mut list = vec![Entry::default(); count as usize];
    machine.copy_out(request.list.get(), list.as_mut_bytes())?;
    let mut at = resume(machine, request.list.get(), &mut list);
    let mut most = list.len();
    while at < list.len() {
        let run = run_length(&list[at..]).min(most);
        let status = run_entries(machine, &slice, &buffers, &list[at..at + run]);
        if run > 1 && status == Ok(layout::STATUS_IO_ERROR) {
            // One of them, and each has a status of its own.
            most = 1;
            continue;
        }
        if let Err(AccessError::Wait(_)) = status {
            let done = list[..at].iter().map(|entry| entry.status).collect();
            machine.vcpu_mut().transferred = (request.list.get(), done);
        }
        let status = status?;
        for entry in &mut list[at..at + run] {
            entry.status = status;
        }
        at += run;
    }
    let failed = list.iter().any(|entry| entry.status != 0);
    machine.copy_in(request.list.get(), list.as_bytes())?;
    Ok(if failed { layout::ENTRY_FAILED } else { 0 })
}

/// How many entries of a list are done already, if the instruction was interrupted by nothing but a wait
/// for a page since it began.
fn resume(machine: &mut Machine<'_>, address: u64, list: &mut [Entry]) -> usize {
    let (of, done) = core::mem::take(&mut machine.vcpu_mut().transferred);
    if of != address || done.len() > list.len() {
        return 0;
    }
    for (entry, status) in list.iter_mut().zip(&done) {
        entry.status = *status;
    }
    done.len()
}

/// How many entries from the first on are one run: consecutive blocks in one page of storage.
fn run_length(list: &[Entry]) -> usize {
    let page = |address: u64| address / PAGE_SIZE as u64;
    let first = list[0];
    let follows = |(at, entry): &(usize, &Entry)| {
        let step = *at as u64;
        entry.kind == first.kind
            && entry.block.get() == first.block.get().wrapping_add(step)
            && entry.buffer.get() == first.buffer.get().wrapping_add(step * BLOCK_SIZE as u64)
            && page(entry.buffer.get() + BLOCK_SIZE as u64 - 1) == page(first.buffer.get())
    };
    list.iter().enumerate().take_while(follows).count().max(1)
}

/// Runs entries that are one run; returns their status. The only errors are those of the host: there is no
/// frame, or the page must be waited for.
fn run_entries(
    machine: &mut Machine<'_>,
    slice: &Slice,
    buffers: &Arc<Buffers>,
    run: &[Entry],
) -> Result<u8, AccessError> {
    let (first, bytes) = (run[0], run.len() * BLOCK_SIZE);
    // Blocks are counted from 1.
    let Some(block) = first.block.get().checked_sub(1) else {
        return Ok(layout::STATUS_OUT_OF_RANGE);
    };
    if !slice.has(block, run.len() as u64) {
        return Ok(layout::STATUS_OUT_OF_RANGE);
    }
    let to_guest = match first.kind {
        layout::READ => true,
        layout::WRITE if slice.is_read_only() => return Ok(layout::STATUS_READ_ONLY),
        layout::WRITE => false,
        _ => return Ok(layout::STATUS_BAD_TYPE),
    };
    let real = first.buffer.get();
    if !is_in_one_page(real, bytes) {
        // A block across two pages: rare, and not offered.
        return Ok(layout::STATUS_BAD_BUFFER);
    }
    let run = Run {
        block,
        real,
        bytes,
        to_guest,
    };
    Ok(match move_blocks(machine, slice, buffers, &run)? {
        Ok(()) => 0,
        Err(Failed::Buffer) => layout::STATUS_BAD_BUFFER,
        Err(Failed::Disk) => layout::STATUS_IO_ERROR,
    })
}

/// X'210': the class of a device, for programs that ask first: fixed-block architecture.
///
/// # Errors
/// What the guest gets instead.
pub fn device_class(machine: &mut Machine<'_>, register: usize) -> Result<(), AccessError> {
    const CLASS_FIXED_BLOCK: u8 = 0x01;
    let address = machine.vcpu().context.gprs[register];
    let mut head = [0; 4];
    machine.copy_out(address, &mut head)?;
    let known = machine
        .guest
        .disks
        .find(u16::from_be_bytes([head[0], head[1]]))
        .is_some();
    if known {
        // Virtual device class and type, status and flags, then the real device's.
        machine.copy_in(
            address + 4,
            &[CLASS_FIXED_BLOCK, 0x01, 0, 0, CLASS_FIXED_BLOCK, 0x01, 0, 0],
        )?;
    }
    machine
        .vcpu_mut()
        .psw
        .set_condition_code(if known { 0 } else { 3 });
    Ok(())
}
