//! Virtual CPUs that wait for pages, and work for the pager between exits.

use alloc::vec::Vec;

use arch::clock;

use super::super::queue::Id;
use super::Host;
use crate::guest::{Guest, Missing};
use crate::mem::Want;
use crate::memory::FramePool;
use crate::paging::{PageId, Pager, Wanted};
use crate::trace::{self, Kind};
use crate::vcpu::End;

/// How often to look for a page or frame that is waited for if nothing says when it will be there, in TOD
/// units: 100 us.
const LOOK_AGAIN: u64 = 100 * clock::UNITS_PER_MICROSECOND;

/// Most pages looked at for those that can be discarded before others are paged out.
const DISCARD_LOOKS: usize = 128;

impl Host {
    /// Whether the paging device still works.
    #[must_use]
    pub fn is_transferring(&self) -> bool {
        let ledger = self.pool.ledger.as_ref();
        ledger.is_some_and(|ledger| ledger.slots.is_busy())
    }

    /// Whether an idle CPU will be interrupted when the paging device has done something. Then it looks by the
    /// clock only in case that fails.
    #[must_use]
    pub fn will_interrupt(&self) -> bool {
        self.pager.as_ref().is_some_and(Pager::will_interrupt)
    }

    /// When to look for pages that are transferred, or waited for.
    pub(super) fn look_at(&self, now: u64) -> Option<u64> {
        let pager = self.pager.as_ref()?;
        let soon = (!self.waiting.is_empty()).then_some(now + LOOK_AGAIN);
        pager.look_at(now).or(soon)
    }

    /// Takes notice of what the paging device has done, frees frames if they run short, and lets those
    /// go on that have what they waited for.
    pub(super) fn tend_paging(&mut self, me: usize, now: u64) {
        let Self {
            guests,
            pool,
            evictor,
            pager: Some(pager),
            waiting,
            ..
        } = self
        else {
            return;
        };
        pager.complete(guests, pool, now);
        pager.sweep(guests, pool);
        if pager.is_short(pool) {
            evictor.reclaim(guests, pool, pager.goal(), DISCARD_LOOKS);
            pager.reclaim(guests, pool, now);
        }
        let mut ready = Vec::new();
        waiting.retain(|(id, missing)| {
            let is_there = is_there(guests, pool, pager, *id, missing, now);
            if is_there {
                ready.push(*id);
                #[cfg(feature = "controls")]
                if evictor.misnames_pages() {
                    guests[id.guest].misname_pages();
                }
            }
            !is_there
        });
        // Whoever asked is stopped if nothing will ever be free; the others go on.
        let asked = waiting.first().map(|(id, _)| id.guest);
        let stopped = asked.filter(|_| pager.is_stuck(pool));
        for id in ready {
            self.queue_if_it_can_run(id, now);
            self.attend(me, id.guest);
        }
        if let Some(number) = stopped {
            self.guests[number].finish(End::MemoryExhausted);
            self.attend(me, number);
        }
        self.wake_if_needed();
    }
}

/// Whether what a virtual CPU wants is there; what can be done for it is done.
fn is_there(
    guests: &mut Vec<Guest>,
    pool: &mut FramePool,
    pager: &mut Pager,
    id: Id,
    missing: &Missing,
    now: u64,
) -> bool {
    let guest = &guests[id.guest];
    let is_there = guest.end.is_some()
        || match missing.want {
            Want::Frame => !pool.is_exhausted(),
            Want::Page(page) => {
                let page = PageId::new(guest.id, page);
                pager.bring(guests, pool, page, now) == Wanted::LookAgain
            }
        };
    if is_there {
        let guest = &mut guests[id.guest];
        guest.counters.page_wait_time += now - missing.since;
        trace::note(Kind::WaitOver, id.guest, id.cpu, missing.want.page());
        match (missing.want, missing.token) {
            (Want::Page(page), Some(token)) => guest.complete_page_fault(page, token, now),
            _ => guest.vcpus[id.cpu].wants = None,
        }
    }
    is_there
}
