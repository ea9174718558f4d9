//! The short way back into a guest: most exits are for something that changes nothing that the scheduler looks at.

use arch::interruption::Context;
use arch::psw::field;
use arch::{Psw, PswMask};

use super::super::queue::Id;
use super::Host;
use crate::vcpu::backend::{Backend as _, Chosen};
use crate::vcpu::interpret::Interpret;
use crate::vcpu::{interruption, run};

/// Whether a CPU with one PSW mask is entered as it was with another one: by the same tables, not waiting, and enabled
/// for no timer that was not looked at.
fn is_as_before(psw: &Psw, old: u64) -> bool {
    /// Condition code, program mask and key mean nothing to whoever enters it.
    const NOTHING: u64 =
        15 << field::KEY_SHIFT | 3 << field::CC_SHIFT | 15 << field::PROGRAM_MASK_SHIFT;
    let new = psw.mask;
    if (new ^ old) & !NOTHING == 0 {
        return true;
    }
    let has_other_tables = (new ^ old) & PswMask::DAT.bits() != 0;
    let opens = new & !old & PswMask::EXTERNAL.bits() != 0;
    let waits = new & PswMask::WAIT.bits() != 0;
    !has_other_tables && !opens && !waits && !interruption::is_invalid(psw)
}

/// What a CPU must be open for to be interrupted.
const OPEN: u64 = PswMask::EXTERNAL.bits() | PswMask::IO.bits();

impl Host {
    /// Whether a virtual CPU goes on without anything else being done, where only registers and PSW have changed,
    /// which had the old mask: nothing is pending for it or its guest, and frames are plenty. Its context is up to
    /// date then.
    #[inline(always)]
    pub(super) fn goes_on(&mut self, id: Id, context: &mut Context, old: u64, now: u64) -> bool {
        // All is over when every guest has ended, this one, too.
        if self.has_work() {
            return false;
        }
        let guest = &mut self.guests[id.guest];
        let vcpu = &guest.vcpus[id.cpu];
        let is_calm = guest.end.is_none()
            && guest.alerts == 0
            && !guest.is_paused
            && vcpu.order.is_none()
            && vcpu.wants.is_none()
            && is_as_before(&vcpu.psw, old)
            && (vcpu.psw.mask & OPEN == 0 || !guest.is_due(id.cpu, now));
        if is_calm {
            match guest.backend {
                // It needs no more than the CPU: what most exits take is counted in instructions.
                Chosen::Trap => run::make_ready(&mut guest.vcpus[id.cpu], context),
                Chosen::Interpret => Interpret.prepare(&mut self.machine(id), context),
            }
        }
        is_calm
    }

    /// Whether evictor or pager have something to do after any exit.
    fn has_work(&self) -> bool {
        self.evictor.is_eager()
            || match &self.pager {
                None => self.evictor.is_short(&self.pool),
                Some(pager) => {
                    pager.is_short(&self.pool) || !self.waiting.is_empty() || self.is_transferring()
                }
            }
    }
}
