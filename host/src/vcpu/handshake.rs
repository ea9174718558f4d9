//! Page-fault handshaking (DIAGNOSE X'258'): a CPU that need not stand still for a page that is brought in.

use arch::PswMask;
use arch::cr0;

use super::Vcpu;

/// Subcode of the interruption that says that a page is being brought in.
pub const INITIAL: u16 = 0x0600;
/// Subcode of the one that says that it is there.
pub const COMPLETION: u16 = 0x0680;

/// Most pages that a guest can be told of at a time, for each CPU: fewer than are spared, so that an
/// instruction finds its page when it is executed again.
pub const MOST: usize = 4;

/// What a CPU has asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Handshake {
    /// Real address of the doubleword that a page is called by.
    pub token: u64,
    /// Bits of the PSW mask that are looked at.
    pub select: u64,
    /// What they must be.
    pub compare: u64,
}

/// A page that a guest was told of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PageFault {
    /// What it is called.
    pub token: u64,
    /// The page.
    pub page: u32,
    /// Whether it is there, and a CPU is to be told so.
    pub is_complete: bool,
}

impl Vcpu {
    /// Where the name stands of a page that the CPU can be told of now.
    #[must_use]
    pub fn page_fault_token(&self) -> Option<u64> {
        let Handshake {
            token,
            select,
            compare,
        } = self.handshake?;
        let is_meant = self.psw.mask & select == compare;
        (is_meant && self.is_enabled_for_page_faults()).then_some(token)
    }

    /// Whether the CPU takes interruptions of this kind.
    #[must_use]
    pub fn is_enabled_for_page_faults(&self) -> bool {
        self.psw.contains(PswMask::EXTERNAL) && self.control[0] & cr0::SERVICE_SIGNAL != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cpu_is_told_where_it_said_so() {
        let problem = PswMask::PROBLEM;
        let mut vcpu = Vcpu::new();
        vcpu.psw.set(problem | PswMask::EXTERNAL, true);
        vcpu.control[0] = cr0::SERVICE_SIGNAL;
        assert_eq!(vcpu.page_fault_token(), None, "it has not asked");
        vcpu.handshake = Some(Handshake {
            token: 0x2c8,
            select: problem.bits(),
            compare: problem.bits(),
        });
        assert_eq!(vcpu.page_fault_token(), Some(0x2c8));
        vcpu.control[0] = !cr0::SERVICE_SIGNAL;
        assert_eq!(vcpu.page_fault_token(), None, "its submask");
        vcpu.control[0] = cr0::SERVICE_SIGNAL;
        vcpu.psw.set(PswMask::EXTERNAL, false);
        assert_eq!(vcpu.page_fault_token(), None, "its mask");
        vcpu.psw.set(PswMask::EXTERNAL, true);
        vcpu.psw.set(problem, false);
        assert_eq!(vcpu.page_fault_token(), None, "its state");
        vcpu.psw.set(problem, true);
        vcpu.reset();
        assert_eq!(vcpu.page_fault_token(), None, "it was reset");
    }
}
