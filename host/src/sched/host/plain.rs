//! The short way back into a guest: most exits are for something that changes nothing that the scheduler looks at.

use arch::PswMask;
use arch::interruption::Context;

use super::super::queue::Id;
use super::Host;
use crate::vcpu::interruption;

/// Whether a CPU with one PSW mask is entered as it was with another one: by the same tables, not waiting, and enabled
/// for no timer that was not looked at.
const fn is_as_before(new: u64, old: u64) -> bool {
    let has_other_tables = (new ^ old) & PswMask::DAT.bits() != 0;
    let opens = new & !old & PswMask::EXTERNAL.bits() != 0;
    !has_other_tables && !opens && new & PswMask::WAIT.bits() == 0
}

impl Host {
    /// Whether a virtual CPU goes on without anything else being done, where only registers and PSW have changed,
    /// which had the old mask: nothing is pending for it or its guest, and frames are plenty. Its context is up to
    /// date then.
    #[inline(always)]
    pub(super) fn goes_on(&mut self, id: Id, context: &mut Context, old: u64, now: u64) -> bool {
        let has_work = self.is_over || self.has_work();
        let guest = &mut self.guests[id.guest];
        let vcpu = &guest.vcpus[id.cpu];
        let is_calm = guest.end.is_none()
            && guest.alerts == 0
            && !guest.is_paused
            && vcpu.order.is_none()
            && vcpu.wants.is_none()
            && is_as_before(vcpu.psw.mask, old)
            && !interruption::is_invalid(&vcpu.psw)
            && !has_work
            && !guest.is_due(id.cpu, now);
        if is_calm {
            let vcpu = &mut guest.vcpus[id.cpu];
            vcpu.sync_to_real();
            *context = vcpu.context;
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
