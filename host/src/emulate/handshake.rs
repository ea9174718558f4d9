//! DIAGNOSE X'258': page-fault handshaking, as KVM offers it (CP Programming Services, "Page Reference
//! Services", version 2).

use arch::program;

use super::machine::{Machine, Trap};
use crate::vcpu::handshake::Handshake;

/// Functions: the CPU is told of pages from now on, or no more.
const TOKEN: u16 = 0;
const CANCEL: u16 = 1;
/// Its first word but for the function; a longer block, in doublewords, is as good.
const CODE: u16 = 0x258;
const LENGTH: u16 = 5;
const VERSION: u16 = 2;
/// What the last doubleword must be: z/Architecture.
const Z_ARCHITECTURE: u64 = 1 << 63;

/// Return codes: the CPU is not told now, or is already.
const NOT_ACTIVE: u64 = 4;
const ACTIVE: u64 = 8;

/// Register `first` has the real address of the parameter block, `second` gets the return code.
pub(super) fn diagnose(machine: &mut Machine<'_>, first: usize, second: usize) -> Result<(), Trap> {
    const SPECIFICATION: Trap = Trap::exception(program::SPECIFICATION);
    let address = machine.gpr(first);
    if !address.is_multiple_of(8) {
        return Err(SPECIFICATION);
    }
    let block = machine.read_real::<40>(address)?;
    let (words, _) = block.as_chunks::<8>();
    let [head, token, select, compare, last] =
        [0, 1, 2, 3, 4].map(|at| u64::from_be_bytes(words[at]));
    let [code, function, length, version] = [48, 32, 16, 0].map(|shift| (head >> shift) as u16);
    if (code, version) != (CODE, VERSION) || length < LENGTH {
        return Err(SPECIFICATION);
    }
    let is_active = machine.vcpu().handshake.is_some();
    let result = match function {
        TOKEN if is_active => ACTIVE,
        TOKEN => {
            if compare & !select != 0 || !token.is_multiple_of(8) || last != Z_ARCHITECTURE {
                return Err(SPECIFICATION);
            }
            machine.page(token)?;
            machine.vcpu_mut().handshake = Some(Handshake {
                token,
                select,
                compare,
            });
            0
        }
        CANCEL if token | select | compare | last != 0 => return Err(SPECIFICATION),
        CANCEL if is_active => {
            // Of pages that were under way before, the guest is still told.
            machine.vcpu_mut().handshake = None;
            0
        }
        CANCEL => NOT_ACTIVE,
        _ => return Err(SPECIFICATION),
    };
    machine.set_gpr(second, result);
    Ok(())
}
