//! How guests end, and with the last of them everything.

use super::Host;
use crate::report;
use crate::vcpu::End;

impl Host {
    /// Ends a guest none of whose CPUs will run again.
    pub(super) fn conclude(&mut self, number: usize, now: u64) {
        let guest = &self.guests[number];
        if guest.end.is_none()
            && let Some(end) = guest.conclusion(now)
            && !(end == End::NothingToWaitFor && self.expects_news(number, now))
        {
            self.guests[number].finish(end);
        }
    }

    /// A guest has ended: its CPUs come out, and if nobody else is left or would get on, that is all.
    pub(super) fn end(&mut self, me: usize, number: usize) {
        self.guests[number].is_end_known = true;
        let lines = self.guests[number].console.all();
        let guest = &self.guests[number];
        let is_exhausted = guest.end == Some(End::MemoryExhausted);
        if is_exhausted {
            self.explain_exhaustion(number);
        }
        report::console(guest.id, &lines);
        report::guest_end(guest);
        self.fetch(me, number);
        self.guests[number].memory.give_all(&mut self.pool);
        self.look_after_those_who_expect_news(me);
        if self.guests.iter().all(|guest| guest.is_end_known) {
            self.is_over = true;
            self.wake_all(me);
        }
    }

    /// Says who holds what when a guest wants a frame that is not there.
    fn explain_exhaustion(&self, number: usize) {
        log::error!(
            "guest {number} wants a page, and none of {} frames is free or can be taken",
            self.pool.total()
        );
        if let Some(ledger) = &self.pool.ledger {
            let (free, all) = (ledger.slots.free(), ledger.slots.total());
            log::info!("{free} of {all} slots for paging are free");
        }
        for guest in &self.guests {
            log::info!("guest {}: {}", guest.id, report::histogram(guest));
        }
    }
}
