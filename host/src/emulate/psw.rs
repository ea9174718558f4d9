//! Instructions that load or change the PSW.

use arch::{PswMask, cr0, program};

use super::decode::Instruction;
use super::machine::{Machine, Trap};
use crate::mem::address_space_control;
use crate::vcpu::interruption;

/// LOAD PSW EXTENDED.
pub(super) fn lpswe(machine: &mut Machine<'_>, instruction: &Instruction) -> Result<(), Trap> {
    let address = aligned(machine, instruction)?;
    let bytes = machine.read::<16>(address)?;
    interruption::load_psw(machine, interruption::psw_from(&bytes));
    Ok(())
}

/// LOAD PSW: the ESA/390 format, widened.
pub(super) fn lpsw(machine: &mut Machine<'_>, instruction: &Instruction) -> Result<(), Trap> {
    let address = aligned(machine, instruction)?;
    let short = u64::from_be_bytes(machine.read::<8>(address)?);
    if short & PswMask::ESA390_FORMAT.bits() == 0 {
        return Err(Trap::exception(program::SPECIFICATION));
    }
    let mask = (short & !0x7fff_ffff) & !PswMask::ESA390_FORMAT.bits();
    interruption::load_psw(
        machine,
        arch::Psw {
            mask,
            address: short & 0x7fff_ffff,
        },
    );
    Ok(())
}

/// The address of an operand of one or two doublewords.
pub(super) fn aligned(machine: &Machine<'_>, instruction: &Instruction) -> Result<u64, Trap> {
    let address = machine.address(instruction.base(2));
    if !address.is_multiple_of(8) {
        Err(Trap::exception(program::SPECIFICATION))
    } else {
        Ok(address)
    }
}

/// SET SYSTEM MASK.
pub(super) fn ssm(machine: &mut Machine<'_>, instruction: &Instruction) -> Result<(), Trap> {
    if machine.vcpu().control[0] & cr0::SSM_SUPPRESSION != 0 {
        return Err(Trap::exception(program::SPECIAL_OPERATION));
    }
    let address = machine.address(instruction.base(2));
    let [mask] = machine.read::<1>(address)?;
    set_system_mask(machine, mask);
    Ok(())
}

/// STORE THEN AND SYSTEM MASK.
pub(super) fn stnsm(machine: &mut Machine<'_>, instruction: &Instruction) -> Result<(), Trap> {
    let old = store_system_mask(machine, instruction)?;
    set_system_mask(machine, old & instruction.immediate());
    Ok(())
}

/// STORE THEN OR SYSTEM MASK.
pub(super) fn stosm(machine: &mut Machine<'_>, instruction: &Instruction) -> Result<(), Trap> {
    let old = store_system_mask(machine, instruction)?;
    set_system_mask(machine, old | instruction.immediate());
    Ok(())
}

fn store_system_mask(machine: &mut Machine<'_>, instruction: &Instruction) -> Result<u8, Trap> {
    let old = (machine.vcpu().psw.mask >> 56) as u8;
    let address = machine.address(instruction.base(2));
    machine.write(address, &[old])?;
    Ok(old)
}

fn set_system_mask(machine: &mut Machine<'_>, mask: u8) {
    let mut psw = machine.vcpu().psw;
    psw.mask = (psw.mask & !(0xff << 56)) | (u64::from(mask) << 56);
    interruption::load_psw(machine, psw);
}

/// SET PSW KEY FROM ADDRESS.
pub(super) fn spka(machine: &mut Machine<'_>, instruction: &Instruction) -> Result<(), Trap> {
    let key = (machine.address(instruction.base(2)) >> 4) & 15;
    check_key(machine, key)?;
    let shift = arch::psw::field::KEY_SHIFT;
    let psw = &mut machine.vcpu_mut().psw;
    psw.mask = (psw.mask & !(15 << shift)) | (key << shift);
    Ok(())
}

/// The problem state may use the access keys that control register 3 names.
pub(super) fn check_key(machine: &Machine<'_>, key: u64) -> Result<(), Trap> {
    let vcpu = machine.vcpu();
    if vcpu.is_problem_state() && (vcpu.control[3] as u32) << key >> 31 == 0 {
        Err(Trap::exception(program::PRIVILEGED_OPERATION))
    } else {
        Ok(())
    }
}

/// SET ADDRESS SPACE CONTROL, and its fast form.
pub(super) fn sac(machine: &mut Machine<'_>, instruction: &Instruction) -> Result<(), Trap> {
    let code = machine.address(instruction.base(2)) >> 8 & 15;
    let vcpu = machine.vcpu();
    // Primary, secondary, access registers, home.
    let control = match code {
        _ if !vcpu.has_dat() => return Err(Trap::exception(program::SPECIAL_OPERATION)),
        0 => PswMask::empty(),
        1 => PswMask::ASC_HIGH,
        3 if vcpu.is_problem_state() => {
            return Err(Trap::exception(program::PRIVILEGED_OPERATION));
        }
        3 => PswMask::ASC,
        _ => return Err(Trap::exception(program::SPECIFICATION)),
    };
    let psw = &mut machine.vcpu_mut().psw;
    psw.mask = psw.mask & !PswMask::ASC.bits() | control.bits();
    Ok(())
}

/// What tells about the PSW is for the problem state only if control register 0 says so.
fn check_extraction(machine: &Machine<'_>) -> Result<(), Trap> {
    let vcpu = machine.vcpu();
    if vcpu.is_problem_state() && vcpu.control[0] & cr0::EXTRACTION_AUTHORITY == 0 {
        Err(Trap::exception(program::PRIVILEGED_OPERATION))
    } else {
        Ok(())
    }
}

/// INSERT PSW KEY.
pub(super) fn ipk(machine: &mut Machine<'_>, _: &Instruction) -> Result<(), Trap> {
    check_extraction(machine)?;
    let key = machine.vcpu().psw.mask >> arch::psw::field::KEY_SHIFT & 15;
    let rest = machine.gpr(2) & !0xff;
    machine.set_gpr(2, rest | key << 4);
    Ok(())
}

/// INSERT ADDRESS SPACE CONTROL: as SET ADDRESS SPACE CONTROL takes it.
pub(super) fn iac(machine: &mut Machine<'_>, instruction: &Instruction) -> Result<(), Trap> {
    if !machine.vcpu().has_dat() {
        return Err(Trap::exception(program::SPECIAL_OPERATION));
    }
    check_extraction(machine)?;
    let control = address_space_control(&machine.vcpu().psw);
    // Its two bits the other way round.
    let code = control >> 1 | (control & 1) << 1;
    let register = instruction.rre().0;
    let rest = machine.gpr(register) & !0xff00;
    machine.set_gpr(register, rest | u64::from(code) << 8);
    machine.set_cc(code);
    Ok(())
}
