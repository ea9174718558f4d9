//! Pages of the task's file in no order. The table says which page each of them shows: one more than its
//! number, or 0 for the one whose turn it is.

use arch::call::supervisor_call;

use super::super::plan::Part;
use super::{Churn, MOST, RENEW, range};

/// Call: a range of pages shows other pages of its file from now on, those from the second word on.
pub(in super::super) const REMAP: u16 = 15;
/// One time in so many, the pages are mapped anew, in their order.
const IN_ORDER_ONE_IN: u64 = 8;

impl Churn {
    /// The page of the file that a page shows.
    fn shuffled(&self, page: u64) -> u64 {
        self.state(Part::Shuffled, page)
            .checked_sub(1)
            .unwrap_or(page)
    }

    /// Checks a page, which must be what it is elsewhere.
    pub(super) fn check_shuffled(&mut self, at: *mut u64, page: u64) {
        if page >= self.plan.shuffled() {
            return;
        }
        let shown = self.shuffled(page);
        if self.is_parent() {
            self.check_own(at, Part::Shuffled, Part::File, shown);
        } else {
            self.check_others(at, Part::Shuffled, Part::File, shown);
        }
    }

    /// Lets some pages show others, and uses them.
    pub(super) fn shuffle(&mut self) {
        let first = self.random(self.plan.shuffled());
        let count = 1 + self.random(MOST.min(self.plan.shuffled() - first));
        let pages = range(self.plan.start(Part::Shuffled) + first, count);
        if self.random(IN_ORDER_ONE_IN) == 0 {
            supervisor_call::<RENEW>(pages, 0);
            (first..first + count).for_each(|page| self.set_state(Part::Shuffled, page, 0));
        } else {
            let shown = self.random(self.plan.pages - count + 1);
            supervisor_call::<REMAP>(pages, shown);
            for (page, shown) in (first..first + count).zip(shown..) {
                self.set_state(Part::Shuffled, page, shown + 1);
            }
        }
        for page in first..first + count {
            if self.is_parent() {
                let at = self.at(self.plan.start(Part::Shuffled) + page, 0);
                self.write_at(at, Part::File, self.shuffled(page));
                self.check(Part::File, self.shuffled(page));
            }
            self.check(Part::Shuffled, page);
        }
    }
}
