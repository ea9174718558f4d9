//! The two ways to let a guest run, behind one interface: what differs between them is here and in the two that
//! implement it. All else is the same for both: emulation, interruptions, page states, scheduling.
//!
//! | | trap and emulate | interpretive execution |
//! | --- | --- | --- |
//! | the guest runs | in the real problem state | by START INTERPRETIVE EXECUTION |
//! | its real PSW | made from the one it sees | the one it sees |
//! | its tables map | its real or virtual addresses | its absolute addresses |
//! | storage keys | are kept beside its pages | and are those of the frames, too |
//! | it opens its PSW for interruptions | and comes out, for that is privileged | and comes out if one was requested |

use arch::interruption::{Class, Context};
use arch::state_descriptor::StateDescriptor;

use super::Vcpu;
use super::interpret::Interpret;
use super::run::TrapAndEmulate;
use crate::guest::Machine;

/// A way to let a guest run.
///
/// Each physical CPU calls `begin`. The scheduler then calls, in this order: `prepare`, under the host's lock; `enter`, without it; `take_over` and `handle`,
/// under it again.
pub trait Backend {
    /// The word for it.
    fn name(&self) -> &'static str;

    /// Makes this physical CPU able to let guests run.
    fn begin(&self);

    /// Whether the host sees every change of a PSW of the guest when it happens. If not, what becomes pending for
    /// a CPU that runs always makes it come out.
    fn sees_masks(&self) -> bool;

    /// What counts of the real control register 0 while a virtual CPU runs, of `usable` bits.
    fn live_control(&self, vcpu: &Vcpu, usable: u64) -> u64;

    /// When a timer may interrupt a virtual CPU while it runs, if any may.
    fn timer(&self, vcpu: &Vcpu, now: u64) -> Option<u64>;

    /// Makes the context what is to be entered, and all beside it that the guest runs by what the guest sees. If that
    /// cannot be, the guest ends.
    fn prepare(&self, machine: &mut Machine<'_>, context: &mut Context);

    /// Lets the guest run until it must come out. Returns the class of the interruption that made it, if one did; details
    /// of that stand in this CPU's lowcore.
    ///
    /// # Safety
    /// The address space in control register 1 must be that of the guest's CPU that context and state descriptor, if
    /// it has one, are of. They are this physical CPU's alone.
    unsafe fn enter(&self, context: &mut Context, state: *mut StateDescriptor) -> Option<Class>;

    /// Takes over what the guest has changed while it ran, with the context as it came out. Returns the mask of the PSW that
    /// the guest sees now.
    fn take_over(&self, machine: &mut Machine<'_>, context: &Context) -> u64;

    /// Handles what made it come out. Returns true if nothing of the CPU has changed but its registers and its PSW: it runs
    /// by the same tables, and its timers are what they were.
    fn handle(&self, machine: &mut Machine<'_>, class: Option<Class>) -> bool;
}

/// One of the two. No table of functions: the short way back into a guest has what it calls in line.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Chosen {
    /// Trap and emulate.
    Trap,
    /// Interpretive execution.
    Interpret,
}

/// Hands a call on to the one that is chosen.
macro_rules! chosen {
    ($self:ident.$method:ident($($argument:expr),*)) => {
        match $self {
            Self::Trap => TrapAndEmulate.$method($($argument),*),
            Self::Interpret => Interpret.$method($($argument),*),
        }
    };
}

impl Backend for Chosen {
    fn name(&self) -> &'static str {
        chosen!(self.name())
    }

    fn begin(&self) {
        chosen!(self.begin());
    }

    #[inline]
    fn sees_masks(&self) -> bool {
        chosen!(self.sees_masks())
    }

    #[inline]
    fn live_control(&self, vcpu: &Vcpu, usable: u64) -> u64 {
        chosen!(self.live_control(vcpu, usable))
    }

    #[inline]
    fn timer(&self, vcpu: &Vcpu, now: u64) -> Option<u64> {
        chosen!(self.timer(vcpu, now))
    }

    #[inline(always)]
    fn prepare(&self, machine: &mut Machine<'_>, context: &mut Context) {
        chosen!(self.prepare(machine, context));
    }

    #[inline(always)]
    unsafe fn enter(&self, context: &mut Context, state: *mut StateDescriptor) -> Option<Class> {
        // SAFETY: the caller's promise.
        unsafe { chosen!(self.enter(context, state)) }
    }

    #[inline(always)]
    fn take_over(&self, machine: &mut Machine<'_>, context: &Context) -> u64 {
        chosen!(self.take_over(machine, context))
    }

    #[inline(always)]
    fn handle(&self, machine: &mut Machine<'_>, class: Option<Class>) -> bool {
        chosen!(self.handle(machine, class))
    }
}
