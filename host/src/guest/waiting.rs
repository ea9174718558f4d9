//! A CPU whose page is not there: it waits, or is told so and does something else meanwhile.

use arch::clock;

use super::{Guest, Machine};
use crate::mem::Want;
use crate::trace::{self, Kind};
use crate::vcpu::handshake::{self, PageFault};
use crate::vcpu::interruption;

/// What was found missing for a CPU, for the scheduler to wait for.
#[derive(Clone, Copy, Debug)]
pub struct Missing {
    /// What it is.
    pub want: Want,
    /// Since when it is wanted.
    pub since: u64,
    /// What the page is called, if the CPU was told and does not wait.
    pub token: Option<u64>,
}

impl Machine<'_> {
    /// The CPU waits, and then goes on at its PSW address: what it could not do left no trace. It may be
    /// interrupted there instead, if it has asked for that.
    pub fn wait_for(&mut self, want: Want) {
        let since = clock::now();
        self.guest.counters.page_waits += 1;
        trace::note(Kind::Wait, self.guest.id.into(), self.cpu, want.page());
        let token = match want {
            Want::Page(page) => self.tell_of(page),
            Want::Frame => None,
        };
        if token.is_none() {
            self.vcpu_mut().wants = Some((want, since));
        }
        self.guest.missing = Some(Missing { want, since, token });
    }

    /// Tells the CPU that a page is being brought in, now or never: the next interruption would find
    /// another program. Returns what the page is called.
    fn tell_of(&mut self, page: u32) -> Option<u64> {
        let at = self.vcpu().page_fault_token()?;
        let outstanding = self.guest.floating.page_faults.len();
        if outstanding >= handshake::MOST * self.guest.vcpus.len() {
            return None;
        }
        let mut token = [0; 8];
        self.copy_out(at, &mut token).ok()?;
        let token = u64::from_be_bytes(token);
        interruption::page_fault(self, handshake::INITIAL, token);
        self.guest.floating.page_faults.push(PageFault {
            token,
            page,
            is_complete: false,
        });
        self.guest.counters.page_faults_told += 1;
        Some(token)
    }
}

impl Guest {
    /// A page is there that CPUs were told of: one of them is told that, too, unless there was a reset.
    pub fn complete_page_fault(&mut self, page: u32, token: u64, now: u64) {
        let mut faults = self.floating.page_faults.iter_mut();
        let is_it = |fault: &&mut PageFault| {
            (fault.page, fault.token, fault.is_complete) == (page, token, false)
        };
        if let Some(fault) = faults.find(is_it) {
            fault.is_complete = true;
            self.alert_for_floating(0, now);
        }
    }

    /// Calls pages that are there something else: the negative control.
    #[cfg(feature = "controls")]
    pub fn misname_pages(&mut self) {
        let faults = self.floating.page_faults.iter_mut();
        faults
            .filter(|fault| fault.is_complete)
            .for_each(|fault| fault.token |= 1 << 63);
    }

    /// Whether a CPU will be told that a page is there.
    pub(super) fn expects_page(&self, cpu: usize) -> bool {
        let vcpu = &self.vcpus[cpu];
        let mut faults = self.floating.page_faults.iter();
        vcpu.is_operating
            && vcpu.is_enabled_for_page_faults()
            && faults.any(|fault| !fault.is_complete)
    }
}
