//! The short way back into a guest: most exits are for one instruction that changes nothing that the scheduler
//! looks at.

use arch::interruption::Context;

use super::super::queue::Id;
use super::Host;
use crate::vcpu::external;

impl Host {
    /// Whether a virtual CPU goes on behind a plain instruction without anything else being done: nothing is
    /// pending for it or its guest, and frames are plenty. Its context is up to date then.
    #[inline(always)]
    pub(super) fn goes_on(&mut self, id: Id, context: &mut Context, now: u64) -> bool {
        let has_work = self.is_over || self.has_work();
        let guest = &mut self.guests[id.guest];
        let vcpu = &mut guest.vcpus[id.cpu];
        let is_calm = guest.end.is_none()
            && guest.alerts == 0
            && vcpu.order.is_none()
            && !has_work
            && external::due(vcpu, &guest.floating, now).is_none();
        if is_calm {
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
