//! The instruction: parameter blocks and lists out of the guest's storage, and answers into it.

use alloc::sync::Arc;
use alloc::vec;

use arch::program;
use drivers::block::BLOCK_SIZE;
use drivers::x250::layout::{self, Entry, Initialize, Request};
use zerocopy::{FromZeros, IntoBytes};

use super::list::{Shape, carry_out};
use crate::dev::disks::{move_blocks, registered};
use crate::guest::Machine;
use crate::mem::notifier::Notifier;
use crate::mem::{AccessError, GuestFault};

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
    let from = resume(machine, request.list.get(), &mut list);
    let disk = Shape {
        blocks: slice.blocks(),
        is_read_only: slice.is_read_only(),
    };
    let outcome = carry_out(&disk, &mut list, from, &mut |run| {
        move_blocks(machine, &slice, &buffers, run)
    });
    if let Err((at, error)) = outcome {
        if let AccessError::Wait(_) = error {
            let done = list[..at].iter().map(|entry| entry.status).collect();
            machine.vcpu_mut().transferred = (request.list.get(), done);
        }
        return Err(error);
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
