//! Fetching an instruction that trapped, executing it, and what comes of it.

use arch::{program, storage};

use super::decode::{self, Instruction};
use super::table;
pub(super) use crate::guest::Machine;
use crate::mem::{AccessError, GuestFault, Want, address_space_control, is_in_one_page, pieces};
use crate::vcpu::{End, interruption};

/// EXECUTE.
const EX: u8 = 0x44;
/// EXECUTE RELATIVE LONG.
const EXRL: u16 = 0xc600;
/// The first byte of its operation code.
const EXRL_FIRST: u8 = 0xc6;

/// Address-space control: the primary space.
pub(super) const PRIMARY: u8 = 0;
/// Address-space control: the secondary space.
pub(super) const SECONDARY: u8 = 2;
/// Address-space control: the home space.
pub(super) const HOME: u8 = 3;

/// Why an instruction was not completed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Trap {
    /// The guest gets a program interruption.
    Fault(GuestFault),
    /// The instruction is executed again when there is what it wants; it has left no trace.
    Wait(Want),
    /// The instruction is complete; the CPU goes on behind it when there is what it wants.
    WaitBehind(Want),
    /// The guest ends.
    End(End),
}

impl Trap {
    /// An exception without an address.
    pub(super) const fn exception(code: u16) -> Self {
        Self::Fault(GuestFault::plain(code))
    }
}

impl From<AccessError> for Trap {
    fn from(error: AccessError) -> Self {
        match error {
            AccessError::Fault(fault) => Self::Fault(fault),
            AccessError::Wait(want) => Self::Wait(want),
            AccessError::Exhausted => Self::End(End::MemoryExhausted),
            AccessError::Unreadable => Self::End(End::PageLost),
        }
    }
}

impl From<Want> for Trap {
    fn from(want: Want) -> Self {
        Self::Wait(want)
    }
}

impl From<GuestFault> for Trap {
    fn from(fault: GuestFault) -> Self {
        Self::Fault(fault)
    }
}

impl Machine<'_> {
    pub(super) fn gpr(&self, number: usize) -> u64 {
        self.vcpu().context.gprs[number]
    }

    pub(super) fn set_gpr(&mut self, number: usize, value: u64) {
        self.vcpu_mut().context.gprs[number] = value;
    }

    /// Replaces the right half of a register.
    pub(super) fn set_gpr_low(&mut self, number: usize, value: u32) {
        let old = self.gpr(number) & !u64::from(u32::MAX);
        self.set_gpr(number, old | u64::from(value));
    }

    /// An address from base and displacement, as the addressing mode wraps it.
    #[inline(always)]
    pub(super) fn address(&self, (base, displacement): (usize, u64)) -> u64 {
        let start = if base == 0 { 0 } else { self.gpr(base) };
        self.vcpu().wrap(start.wrapping_add(displacement))
    }

    /// As [`Machine::address`], with an index register.
    pub(super) fn indexed(&self, index: usize, operand: (usize, u64)) -> u64 {
        let offset = if index == 0 { 0 } else { self.gpr(index) };
        self.vcpu().wrap(self.address(operand).wrapping_add(offset))
    }

    /// The address in a register.
    pub(super) fn register_address(&self, number: usize) -> u64 {
        self.vcpu().wrap(self.gpr(number))
    }

    /// Reads an operand at a logical address.
    pub(super) fn read<const N: usize>(&mut self, address: u64) -> Result<[u8; N], Trap> {
        let mut bytes = [0; N];
        let control = address_space_control(&self.vcpu().psw);
        self.load(control, address, &mut bytes)?;
        Ok(bytes)
    }

    /// Reads an operand at a real address.
    pub(super) fn read_real<const N: usize>(&mut self, address: u64) -> Result<[u8; N], Trap> {
        let mut bytes = [0; N];
        self.copy_out(address, &mut bytes)?;
        Ok(bytes)
    }

    /// Writes an operand at a logical address, all of it or nothing.
    pub(super) fn write(&mut self, address: u64, bytes: &[u8]) -> Result<(), Trap> {
        let control = address_space_control(&self.vcpu().psw);
        self.store(control, address, bytes)
    }

    /// Writes an operand at a real address, all of it or nothing.
    pub(super) fn write_real(&mut self, address: u64, bytes: &[u8]) -> Result<(), Trap> {
        self.copy_in(address, bytes)?;
        Ok(())
    }

    /// Copies out of one of the CPU's address spaces.
    pub(super) fn load(
        &mut self,
        control: u8,
        address: u64,
        buffer: &mut [u8],
    ) -> Result<(), Trap> {
        if is_in_one_page(address, buffer.len()) {
            if let Some(at) = self.mapped(control, address, false) {
                // SAFETY: the page belongs to this guest. Its CPUs may use it meanwhile, as those of any machine
                // may use storage while one of them executes an instruction.
                unsafe { storage::copy_out(at, buffer) }
                return Ok(());
            }
            let real = self.real_in(control, address, false)?;
            return Ok(self.copy_out(real, buffer)?);
        }
        for (at, range) in pieces(address, buffer.len()) {
            let real = self.real_in(control, self.vcpu().wrap(at), false)?;
            self.copy_out(real, &mut buffer[range])?;
        }
        Ok(())
    }

    /// Copies into one of the CPU's address spaces, all of it or nothing.
    pub(super) fn store(&mut self, control: u8, address: u64, bytes: &[u8]) -> Result<(), Trap> {
        if is_in_one_page(address, bytes.len()) {
            if let Some(at) = self.mapped(control, address, true) {
                // SAFETY: as in `load`.
                unsafe { storage::copy_in(at, bytes) }
                return Ok(());
            }
            let real = self.real_in(control, address, true)?;
            return Ok(self.copy_in(real, bytes)?);
        }
        for (at, _) in pieces(address, bytes.len()) {
            let real = self.real_in(control, self.vcpu().wrap(at), true)?;
            let page = self.page(real)?;
            self.guest.memory.resolve(self.pool, self.cpu, page, true)?;
        }
        for (at, range) in pieces(address, bytes.len()) {
            let real = self.real_in(control, self.vcpu().wrap(at), true)?;
            self.copy_in(real, &bytes[range])?;
        }
        Ok(())
    }

    pub(super) fn set_cc(&mut self, cc: u8) {
        self.vcpu_mut().psw.set_condition_code(cc);
    }

    /// The guest absolute page of a guest real address.
    pub(super) fn page(&self, real: u64) -> Result<u32, Trap> {
        Ok(self.guest.memory.page_of(self.cpu, real)?)
    }
}

/// The instruction at `at`, if it is found where the CPU itself has just fetched it, and no EXECUTE.
#[inline(always)]
fn fetch_again(machine: &Machine<'_>, at: u64) -> Option<Instruction> {
    let mut bytes = [0; 8];
    if !is_in_one_page(at, bytes.len()) || address_space_control(&machine.vcpu().psw) == HOME {
        return None;
    }
    let from = machine.mapped(PRIMARY, at, false)?;
    // SAFETY: as in `load`.
    unsafe { storage::copy_out(from, &mut bytes) }
    let instruction = Instruction::new(u64::from_be_bytes(bytes), at);
    (![EX, EXRL_FIRST].contains(&instruction.first())).then_some(instruction)
}

/// Fetches the instruction at `at`, following an EXECUTE to its target.
fn fetch(machine: &mut Machine<'_>, at: u64) -> Result<Instruction, Trap> {
    let executed = Instruction::new(fetch_bytes(machine, at)?, at);
    let (register, target) = match executed.first() {
        EX => {
            let (register, index) = executed.rs();
            (register, machine.indexed(index, executed.base(2)))
        }
        EXRL_FIRST if executed.opcode() == EXRL => {
            let distance = 2 * i64::from(executed.relative());
            let target = at.wrapping_add_signed(distance);
            (executed.rs().0, machine.vcpu().wrap(target))
        }
        _ => return Ok(executed),
    };
    let instruction = Instruction::new(fetch_bytes(machine, target)?, at);
    Ok(match register {
        0 => instruction,
        _ => instruction.or_second(machine.gpr(register) as u8),
    })
}

/// Fetches an instruction, and what may stand behind it, from where the CPU itself does.
fn fetch_bytes(machine: &mut Machine<'_>, at: u64) -> Result<u64, Trap> {
    // From the primary space, but in the home-space mode from that.
    let control = match address_space_control(&machine.vcpu().psw) {
        HOME => HOME,
        _ => PRIMARY,
    };
    let mut bytes = [0; 8];
    if is_in_one_page(at, bytes.len()) {
        machine.load(control, at, &mut bytes)?;
        return Ok(u64::from_be_bytes(bytes));
    }
    machine.load(control, at, &mut bytes[..2])?;
    let length = decode::length(bytes[0]);
    machine.load(
        control,
        machine.vcpu().wrap(at.wrapping_add(2)),
        &mut bytes[2..length],
    )?;
    Ok(u64::from_be_bytes(bytes))
}

/// The length of the instruction at the PSW address; the least there is if it cannot be fetched.
#[cold]
#[inline(never)]
pub fn length_at(machine: &mut Machine<'_>) -> u8 {
    let at = machine.vcpu().psw.address;
    fetch_bytes(machine, at).map_or(2, |bytes| decode::length((bytes >> 56) as u8) as u8)
}

/// Executes the instruction that ended just before the guest's PSW address, or gives the guest the
/// exception that is architected for it.
///
/// `length` is its length in bytes, that of the EXECUTE if it is the target of one; `told` is the instruction itself, where
/// the machine tells it. Returns whether it was executed and is a plain one, so that the CPU goes on as it was.
pub fn instruction(machine: &mut Machine<'_>, length: u8, told: Option<u64>) -> bool {
    let at = behind(machine, length);
    let told = told.map(|bytes| Instruction::new(bytes, at));
    let known = told.or_else(|| fetch_again(machine, at));
    let fetched = known.map_or_else(|| fetch(machine, at), Ok);
    let outcome = fetched.and_then(|instruction| execute(machine, &instruction));
    match outcome {
        Ok(is_plain) => {
            machine.vcpu_mut().repeated.2 = 0;
            return is_plain;
        }
        Err(Trap::End(end)) => machine.guest.finish(end),
        Err(Trap::Wait(want)) => {
            machine.vcpu_mut().psw.address = at;
            machine.wait_for(want);
        }
        Err(Trap::WaitBehind(want)) => machine.wait_for(want),
        Err(Trap::Fault(fault)) => {
            if program::is_nullifying(fault.code) {
                machine.vcpu_mut().psw.address = at;
            }
            interruption::program(machine, fault, length);
        }
    }
    false
}

/// The length of the EXECUTE that ended just before the PSW address. Its relative form has two bytes of a distance where the
/// other one would begin, which no guest is large enough for to look like that.
pub fn execute_length(machine: &mut Machine<'_>) -> u8 {
    const LENGTH: u8 = 4;
    let at = behind(machine, LENGTH);
    match fetch_bytes(machine, at) {
        Ok(bytes) if (bytes >> 56) as u8 != EX => LENGTH + 2,
        _ => LENGTH,
    }
}

/// Where the instruction of this length began that the PSW address is behind.
#[inline(always)]
fn behind(machine: &Machine<'_>, length: u8) -> u64 {
    let vcpu = machine.vcpu();
    vcpu.wrap(vcpu.psw.address.wrapping_sub(u64::from(length)))
}

/// Executes an instruction; returns whether it is a plain one.
fn execute(machine: &mut Machine<'_>, instruction: &Instruction) -> Result<bool, Trap> {
    // Of what is not installed, that is known first, whatever state the machine wants for it.
    let Some(entry) = table::find(instruction.opcode()) else {
        return Err(Trap::exception(program::OPERATION));
    };
    if entry.privileged && machine.vcpu().is_problem_state() {
        return Err(Trap::exception(program::PRIVILEGED_OPERATION));
    }
    (entry.execute)(machine, instruction)?;
    Ok(entry.plain)
}

/// The operation code of the instruction that ended just before the guest's PSW address, and whether this host emulates
/// it; nothing if it is not to be had.
///
/// # Errors
/// What is wanted to find out.
pub fn opcode_at(machine: &mut Machine<'_>, length: u8) -> Result<Option<(u16, bool)>, Want> {
    let at = behind(machine, length);
    match fetch(machine, at) {
        Ok(instruction) => {
            let opcode = instruction.opcode();
            Ok(Some((opcode, table::find(opcode).is_some())))
        }
        Err(Trap::Wait(want) | Trap::WaitBehind(want)) => Err(want),
        Err(Trap::Fault(_) | Trap::End(_)) => Ok(None),
    }
}
