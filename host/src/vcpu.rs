//! A virtual CPU: the guest's registers as the guest sees them.

#[cfg(target_os = "none")]
pub mod interruption;
#[cfg(target_os = "none")]
pub mod run;

use arch::interruption::Context;
use arch::{Psw, PswMask};

/// Bits of the PSW that the guest changes without the host's help: condition code, program mask,
/// addressing mode.
const LIVE: u64 = (3 << arch::psw::field::CC_SHIFT)
    | (15 << arch::psw::field::PROGRAM_MASK_SHIFT)
    | PswMask::AMODE64.bits();

/// Why a virtual CPU does not run any more.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum End {
    /// A disabled wait with this PSW address.
    DisabledWait(u64),
    /// An enabled wait that nothing can end.
    NothingToWaitFor,
    /// It did what this host does not offer, or what would loop for ever.
    Misbehaved(&'static str),
    /// It wants a page and there is none.
    MemoryExhausted,
}

/// What a virtual CPU is doing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Activity {
    /// Nothing: it is in the stopped state, or has ended.
    Stopped,
    /// It can run, and stands in the queue.
    Ready,
    /// It runs on the CPU of the machine with this address.
    Running(u16),
    /// It waits to be interrupted.
    Waiting,
    /// It could run and is not let run until this time of day.
    Held(u64),
}

/// An order that a running virtual CPU carries out when it has left the guest.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StopOrder {
    /// Stops.
    Stop,
    /// Stops, with timers and pending interruptions cleared.
    Reset,
    /// Stops, with registers and prefix cleared, too.
    InitialReset,
}

/// Interruptions that wait for the virtual CPU to be enabled, and orders that it has not carried out.
#[derive(Clone, Copy, Default, Debug)]
pub struct Pending {
    /// The CPU that has sent an external call.
    pub external_call: Option<u16>,
    /// The CPUs that have sent an emergency signal, a bit for each address.
    pub emergency_signals: u64,
    /// A restart interruption, for which a CPU is always enabled.
    pub restart: bool,
    /// To stop.
    pub stop: Option<StopOrder>,
    /// 64-bit parameter of a completed asynchronous block I/O request, with its subcode.
    pub block_io: Option<(u16, u64)>,
}

/// Registers, timers and pending interruptions of a virtual CPU.
pub struct Vcpu {
    /// Its address in the guest.
    pub address: u16,
    /// What it is doing.
    pub activity: Activity,
    /// What runs: general registers and the real PSW.
    pub context: Context,
    /// The PSW that the guest sees.
    pub psw: Psw,
    /// Control registers that the guest sees.
    pub control: [u64; 16],
    /// Its clock comparator.
    pub clock_comparator: u64,
    /// Its CPU timer, as of the latest exit.
    pub cpu_timer: i64,
    /// What waits to interrupt it.
    pub pending: Pending,
    /// Code and PSW address of the latest program interruption, and how often it came in a row.
    pub repeated: (u16, u64, u32),
    /// Set by a guest that gives up the rest of its time slice.
    pub yields: bool,
    /// Set when it has ended.
    pub end: Option<End>,
}

impl Vcpu {
    /// A CPU after an initial reset, about to run at `address`.
    #[must_use]
    pub fn new(address: u16, start: u64) -> Self {
        let mut control = [0; 16];
        control[0] = 0xe0;
        control[14] = 0xc200_0000;
        Self {
            address,
            activity: Activity::Stopped,
            context: Context {
                gprs: [0; 16],
                psw: Psw::default(),
            },
            psw: Psw::new(PswMask::empty(), start),
            control,
            clock_comparator: u64::MAX,
            cpu_timer: 0,
            pending: Pending::default(),
            repeated: (0, 0, 0),
            yields: false,
            end: None,
        }
    }

    /// Subsystem reset: control registers, timers and pending interruptions as at the start.
    pub fn reset(&mut self) {
        *self = Self {
            activity: self.activity,
            context: self.context,
            ..Self::new(self.address, 0)
        };
    }

    /// Initial CPU reset: registers, too, and the CPU is in the stopped state.
    pub fn initial_reset(&mut self) {
        *self = Self::new(self.address, 0);
        self.psw = Psw::default();
    }

    /// Brings the real PSW in line with the guest's, before the guest runs.
    pub fn sync_to_real(&mut self) {
        // I/O interruptions are for the CPU that waits for the host's disks.
        let enabled = PswMask::EXTERNAL.union(PswMask::MACHINE_CHECK);
        let real = PswMask::PROBLEM.union(PswMask::DAT).union(enabled);
        self.context.psw = Psw {
            mask: real.bits() | (self.psw.mask & LIVE),
            address: self.psw.address,
        };
    }

    /// Takes over what the guest changed in the real PSW while it ran.
    pub fn sync_from_real(&mut self) {
        self.psw.mask = (self.psw.mask & !LIVE) | (self.context.psw.mask & LIVE);
        self.psw.address = self.context.psw.address;
    }

    /// Whether the guest is in its problem state.
    #[must_use]
    pub fn is_problem_state(&self) -> bool {
        self.psw.contains(PswMask::PROBLEM)
    }

    /// Whether the guest waits.
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        self.psw.contains(PswMask::WAIT)
    }

    /// An address computed by the guest, wrapped to its addressing mode.
    #[must_use]
    pub fn wrap(&self, address: u64) -> u64 {
        let amode = self.psw.flags() & PswMask::AMODE64;
        if amode == PswMask::AMODE64 {
            address
        } else if amode == PswMask::BASIC {
            address & 0x7fff_ffff
        } else {
            address & 0x00ff_ffff
        }
    }

    /// Ends this virtual CPU, unless it has ended already.
    pub fn stop(&mut self, end: End) {
        self.end.get_or_insert(end);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_guest_never_runs_in_the_supervisor_state() {
        let mut vcpu = Vcpu::new(0, 0x1_0000);
        vcpu.psw.set_condition_code(2);
        vcpu.sync_to_real();
        assert!(
            vcpu.context
                .psw
                .contains(PswMask::PROBLEM | PswMask::DAT | PswMask::EXTERNAL)
        );
        assert_eq!(vcpu.context.psw.condition_code(), 2);
        vcpu.context.psw.set_condition_code(1);
        vcpu.context.psw.address = 0x1_0004;
        vcpu.sync_from_real();
        assert_eq!((vcpu.psw.condition_code(), vcpu.psw.address), (1, 0x1_0004));
        assert!(!vcpu.is_problem_state() && !vcpu.psw.contains(PswMask::EXTERNAL));
    }

    #[test]
    fn addresses_wrap_as_the_mode_says() {
        let mut vcpu = Vcpu::new(0, 0);
        assert_eq!(vcpu.wrap(u64::MAX), u64::MAX);
        vcpu.psw.set(PswMask::EXTENDED, false);
        assert_eq!(vcpu.wrap(u64::MAX), 0x7fff_ffff);
        vcpu.psw.set(PswMask::BASIC, false);
        assert_eq!(vcpu.wrap(u64::MAX), 0x00ff_ffff);
    }
}
