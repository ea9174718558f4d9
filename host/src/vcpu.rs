//! A virtual CPU: the guest's registers as the guest sees them.

#[cfg(target_os = "none")]
pub mod backend;
pub mod exit;
pub mod external;
pub mod handshake;
#[cfg(target_os = "none")]
pub mod interpret;
#[cfg(target_os = "none")]
pub mod interruption;
pub mod orders;
#[cfg(target_os = "none")]
mod registers;
#[cfg(target_os = "none")]
pub mod run;
#[cfg(target_os = "none")]
pub mod signal;

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::ops::Range;

use arch::interruption::Context;
use arch::registers::{Extent, Registers};
use arch::state_descriptor::StateDescriptor;
use arch::{Psw, PswMask, cr0};

use crate::evict::{At, Spared};
use crate::mem::Want;
use crate::mem::walk::Space;
use handshake::{Handshake, PageFault};
use orders::Deed;

/// Bits of the PSW that the guest changes without the host's help: condition code, program mask,
/// addressing mode.
const LIVE: u64 = (3 << arch::psw::field::CC_SHIFT)
    | (15 << arch::psw::field::PROGRAM_MASK_SHIFT)
    | PswMask::AMODE64.bits();

/// Why a guest does not run any more.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum End {
    /// All CPUs are in a disabled wait or stopped; the last wait had this PSW address.
    DisabledWait(u64),
    /// An enabled wait that nothing can end.
    NothingToWaitFor,
    /// Its last CPU has stopped.
    AllStopped,
    /// It has used what it may use.
    UsedUp,
    /// It did what this host does not offer, or what would loop for ever.
    Misbehaved(&'static str),
    /// It wants a page and there is none.
    MemoryExhausted,
    /// It wants a page that the paging device has lost.
    PageLost,
    /// The operator wants it so.
    Stopped,
}

/// Interruptions that any CPU of the guest may take that is enabled for them.
#[derive(Clone, Default, Debug)]
pub struct Floating {
    /// Parameter of a service signal.
    pub service_signal: Option<u32>,
    /// Pages that CPUs were told of, until one is told that they are there.
    pub page_faults: Vec<PageFault>,
}

/// Signals of other CPUs that wait for this one to be enabled.
#[derive(Clone, Copy, Default, Debug)]
pub struct Signals {
    /// Who has sent an external call; there can be one.
    pub external_call: Option<u16>,
    /// Who has sent an emergency signal, a bit for each address.
    pub emergency: u64,
}

/// Where the scheduler has a virtual CPU.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum Place {
    /// Nowhere: it waits, for a page of its guest perhaps, is held, or has stopped.
    #[default]
    Off,
    /// In the run queue.
    Queued,
    /// On the physical CPU with this number.
    Running(usize),
}

/// To whom a virtual CPU gives the rest of its time slice.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Yield {
    /// To whoever is next.
    Anyone,
    /// To the CPU of its guest with this address.
    To(usize),
}

/// Registers, timers and pending interruptions of a virtual CPU.
pub struct Vcpu {
    /// What runs: general registers and the real PSW. While the CPU runs, the physical CPU has a
    /// copy that counts instead.
    pub context: Context,
    /// The registers that interruptions leave alone, but for those that the physical CPU has.
    pub registers: Registers,
    /// How many of these the physical CPU has.
    pub held: Option<Extent>,
    /// What the machine interprets it by, if it does. While the CPU runs, that is the physical CPU's alone.
    pub state: Option<Box<StateDescriptor>>,
    /// The PSW that the guest sees.
    pub psw: Psw,
    /// Control registers that the guest sees.
    pub control: [u64; 16],
    /// Its clock comparator.
    pub clock_comparator: u64,
    /// Its CPU timer, as of the latest exit.
    pub cpu_timer: i64,
    /// Since when it waits, for the CPU timer goes on meanwhile.
    pub waits_since: Option<u64>,
    /// Whether it is in the operating state, and not stopped.
    pub is_operating: bool,
    /// Signals that wait to interrupt it.
    pub signals: Signals,
    /// An order of another CPU that is accepted and not carried out yet, for this CPU runs.
    pub order: Option<Deed>,
    /// Code and PSW address of the latest program interruption, and how often it came in a row.
    pub repeated: (u16, u64, u32),
    /// Set by a guest that gives up the rest of its time slice.
    pub yields: Option<Yield>,
    /// Where the scheduler has it.
    pub place: Place,
    /// Whether it is told of pages that it must wait for.
    pub handshake: Option<Handshake>,
    /// What it waits for to execute its instruction again, and since when.
    pub wants: Option<(Want, u64)>,
    /// Outcomes of the entries of a list for a disk that are done, and where the list is: the instruction
    /// goes on behind them when it is executed again.
    pub transferred: (u64, Vec<u8>),
    /// Pages that are still to be released by the instruction in front of its PSW address. It is executed before
    /// anything else happens to the CPU.
    pub releases: Range<u32>,
    /// Not dispatched before this time, whatever happens.
    pub held_until: u64,
    /// The page of the discard fault that was delivered last, and where it was, for the policies that care.
    pub discarded: Option<(u32, At)>,
    /// Pages that it got discard faults for, for the policy that cares.
    pub spared: Spared,
    /// How often its real addresses have changed their meaning: each time the TLB is out of date.
    pub spaces: u32,
}

impl Vcpu {
    /// A CPU after an initial reset: stopped.
    #[must_use]
    pub fn new() -> Self {
        let mut control = [0; 16];
        control[0] = 0xe0;
        control[14] = 0xc200_0000;
        Self {
            context: Context {
                gprs: [0; 16],
                psw: Psw::default(),
            },
            registers: Registers::default(),
            held: None,
            state: None,
            psw: Psw::default(),
            control,
            clock_comparator: 0,
            cpu_timer: 0,
            waits_since: None,
            is_operating: false,
            signals: Signals::default(),
            order: None,
            repeated: (0, 0, 0),
            yields: None,
            place: Place::Off,
            handshake: None,
            wants: None,
            transferred: (0, Vec::new()),
            releases: 0..0,
            held_until: 0,
            discarded: None,
            spared: Spared::default(),
            spaces: 0,
        }
    }

    /// Makes it run at `address`, as after a load.
    pub fn start_at(&mut self, address: u64) {
        self.psw = Psw::new(PswMask::empty(), address);
        self.is_operating = true;
    }

    /// CPU reset: it stops and forgets what signals it got.
    pub fn reset(&mut self) {
        self.is_operating = false;
        self.signals = Signals::default();
        self.handshake = None;
    }

    /// Initial CPU reset: PSW, control registers, floating-point control and timers as at the start, too.
    /// The prefix, which is the memory's to keep, is the caller's to set; no physical CPU has registers.
    pub fn initial_reset(&mut self) {
        let mut registers = core::mem::take(&mut self.registers);
        registers.floating_control = 0;
        let state = self.state.take();
        *self = Self {
            context: self.context,
            registers,
            state,
            place: self.place,
            held_until: self.held_until,
            spaces: self.spaces,
            ..Self::new()
        };
    }

    /// Bits of the PSW that the guest changes without the host's help now.
    fn live(&self) -> u64 {
        if self.has_dat() {
            LIVE | PswMask::ASC.bits()
        } else {
            LIVE
        }
    }

    /// Brings the real PSW in line with the guest's, before the guest runs.
    #[inline]
    pub fn sync_to_real(&mut self) {
        // Disabled for I/O: the interruption belongs to the CPU that waits for its disk request.
        let enabled = PswMask::EXTERNAL.union(PswMask::MACHINE_CHECK);
        let real = PswMask::PROBLEM.union(PswMask::DAT).union(enabled);
        self.context.psw = Psw {
            mask: real.bits() | (self.psw.mask & self.live()),
            address: self.psw.address,
        };
    }

    /// Takes over what the guest changed in the real PSW while it ran.
    #[inline]
    pub fn sync_from_real(&mut self) {
        let live = self.live();
        self.psw.mask = (self.psw.mask & !live) | (self.context.psw.mask & live);
        self.psw.address = self.context.psw.address;
    }

    /// Whether the guest has DAT on.
    #[must_use]
    pub fn has_dat(&self) -> bool {
        self.psw.contains(PswMask::DAT)
    }

    /// The address space that an address-space control names: 0 primary, 2 secondary, 3 home.
    #[must_use]
    #[inline]
    pub fn space(&self, control: u8) -> Space {
        let register = match control {
            2 => 7,
            3 => 13,
            _ => 1,
        };
        Space {
            asce: self.control[register],
            enhanced: self.control[0] & cr0::ENHANCED_DAT != 0,
        }
    }

    /// The spaces that control registers 1, 7 and 13 are for, if the guest has DAT on.
    #[must_use]
    pub fn spaces(&self) -> Option<[Space; 3]> {
        self.has_dat()
            .then(|| [0, 2, 3].map(|control| self.space(control)))
    }

    /// What counts of control register 0 while the guest runs: of `usable` bits, those that it has on.
    /// Vector registers need both their bits.
    #[must_use]
    pub fn live_control(&self, usable: u64) -> u64 {
        let bits = self.control[0] & usable;
        let has_floating = bits & cr0::AFP != 0;
        bits & !if has_floating { 0 } else { cr0::VECTOR }
    }

    /// Whether stores into the first 512 bytes of the first two pages of a space are forbidden.
    #[must_use]
    #[inline]
    pub fn is_low_protected(&self, control: u8) -> bool {
        self.has_low_protection() && !(self.has_dat() && self.space(control).is_private())
    }

    /// Whether low-address protection is on, for the spaces that it applies to.
    #[must_use]
    pub fn has_low_protection(&self) -> bool {
        self.control[0] & cr0::LOW_ADDRESS_PROTECTION != 0
    }

    /// Where it is.
    #[must_use]
    pub fn at(&self) -> At {
        (self.psw.address, self.is_problem_state())
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

    /// Whether the CPU may execute instructions now.
    ///
    /// Not while it waits, even if an interruption has just become due: that must end the wait first,
    /// or instructions behind the wait would be executed with the wait still on.
    #[must_use]
    pub fn can_execute(&self, now: u64) -> bool {
        self.is_operating && self.wants.is_none() && !self.is_waiting() && now >= self.held_until
    }

    /// Whether the guest waits for what no interruption can end.
    #[must_use]
    pub fn is_in_disabled_wait(&self) -> bool {
        let enabled = PswMask::IO | PswMask::EXTERNAL | PswMask::MACHINE_CHECK;
        self.is_waiting() && !self.psw.flags().intersects(enabled)
    }

    /// The CPU timer at a time when the CPU does not run.
    #[must_use]
    pub fn cpu_timer_at(&self, now: u64) -> i64 {
        let waited = self.waits_since.map_or(0, |since| now.wrapping_sub(since));
        self.cpu_timer.wrapping_sub_unsigned(waited)
    }

    /// An address computed by the guest, wrapped to its addressing mode.
    #[must_use]
    #[inline]
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
}

impl Default for Vcpu {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_guest_never_runs_in_the_supervisor_state() {
        let mut vcpu = Vcpu::new();
        vcpu.start_at(0x1_0000);
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
    fn the_address_space_control_is_the_guests_with_dat_on_only() {
        let mut vcpu = Vcpu::new();
        vcpu.psw.set(PswMask::ASC_HIGH, true);
        vcpu.sync_to_real();
        assert!(!vcpu.context.psw.contains(PswMask::ASC_HIGH));
        assert_eq!(vcpu.spaces(), None);
        vcpu.psw.set(PswMask::DAT, true);
        vcpu.sync_to_real();
        assert!(vcpu.context.psw.contains(PswMask::ASC_HIGH));
        vcpu.context.psw.set(PswMask::ASC_HIGH, false);
        vcpu.sync_from_real();
        assert!(vcpu.has_dat() && !vcpu.psw.contains(PswMask::ASC_HIGH));
        (vcpu.control[1], vcpu.control[7], vcpu.control[13]) = (1, 2, 3);
        let asces = vcpu.spaces().map(|all| all.map(|space| space.asce));
        assert_eq!(asces, Some([1, 2, 3]));
    }

    #[test]
    fn low_addresses_of_a_private_space_are_not_protected() {
        let mut vcpu = Vcpu::new();
        assert!(!vcpu.is_low_protected(0));
        vcpu.control[0] |= cr0::LOW_ADDRESS_PROTECTION;
        vcpu.control[1] = crate::mem::walk::PRIVATE_SPACE;
        assert!(vcpu.is_low_protected(0), "DAT is off");
        vcpu.psw.set(PswMask::DAT, true);
        assert!(!vcpu.is_low_protected(0) && vcpu.is_low_protected(2));
    }

    #[test]
    fn a_wait_is_ended_by_an_interruption_only() {
        let mut vcpu = Vcpu::new();
        vcpu.start_at(0x1_0000);
        assert!(vcpu.can_execute(0));
        vcpu.psw.set(PswMask::WAIT | PswMask::EXTERNAL, true);
        vcpu.control[0] = cr0::CLOCK_COMPARATOR;
        vcpu.clock_comparator = 5;
        let due = external::due(&vcpu, &Floating::default(), 6);
        assert!(
            due.is_some() && !vcpu.can_execute(6),
            "it is interrupted first"
        );
        external::take(&mut vcpu, &mut Floating::default(), due.unwrap());
        assert!(
            !vcpu.can_execute(6),
            "and its new PSW says whether it goes on"
        );
    }

    #[test]
    fn the_cpu_timer_goes_on_in_a_wait() {
        let mut vcpu = Vcpu::new();
        vcpu.cpu_timer = 100;
        assert_eq!(vcpu.cpu_timer_at(1000), 100);
        vcpu.waits_since = Some(890);
        assert_eq!(vcpu.cpu_timer_at(1000), -10);
    }

    #[test]
    fn an_initial_reset_stops_and_forgets() {
        let mut vcpu = Vcpu::new();
        vcpu.start_at(0x1_0000);
        (vcpu.control[0], vcpu.clock_comparator) = (u64::MAX, 5);
        vcpu.signals.external_call = Some(1);
        vcpu.context.gprs[3] = 7;
        vcpu.registers.access[3] = 7;
        vcpu.registers.floating_control = 7;
        vcpu.initial_reset();
        assert_eq!(vcpu.registers.access[3], 7);
        assert_eq!(vcpu.registers.floating_control, 0);
        assert!(!vcpu.is_operating && vcpu.signals.external_call.is_none());
        assert_eq!((vcpu.control[0], vcpu.clock_comparator), (0xe0, 0));
        assert_eq!((vcpu.psw, vcpu.context.gprs[3]), (Psw::default(), 7));
    }

    #[test]
    fn vector_registers_need_both_bits_and_the_machine() {
        let mut vcpu = Vcpu::new();
        let all = cr0::AFP | cr0::VECTOR;
        assert_eq!(vcpu.live_control(all), 0);
        vcpu.control[0] |= cr0::VECTOR;
        assert_eq!(vcpu.live_control(all), 0);
        vcpu.control[0] |= cr0::AFP;
        assert_eq!(vcpu.live_control(all), all);
        assert_eq!(vcpu.live_control(cr0::AFP), cr0::AFP);
    }

    #[test]
    fn addresses_wrap_as_the_mode_says() {
        let mut vcpu = Vcpu::new();
        vcpu.start_at(0);
        assert_eq!(vcpu.wrap(u64::MAX), u64::MAX);
        vcpu.psw.set(PswMask::EXTENDED, false);
        assert_eq!(vcpu.wrap(u64::MAX), 0x7fff_ffff);
        vcpu.psw.set(PswMask::BASIC, false);
        assert_eq!(vcpu.wrap(u64::MAX), 0x00ff_ffff);
    }
}
