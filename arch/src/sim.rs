//! A simulated machine: storage is a vector, the host is `cmm`.
//!
//! The current machine belongs to the thread. [`Machine::new`] makes one current; [`with`] gets at it,
//! to evict pages as a host would. A page that the host has discarded has lost its content for good:
//! a guarded copy from it reports the discard fault, any other access is a panic, as on the machine.

use core::cell::RefCell;

use cmm::{Access, Content, Dialect, EssaResult, HostEvent, Orc, PageState, Usage};

use crate::addr::{Absolute, Frame, PAGE_SIZE};
use crate::fault::Fault;
use crate::program;

/// What reads from storage whose content the host has thrown away; it must never be seen.
const POISON: u8 = 0xdb;

/// When the simulated host evicts by itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Policy {
    /// Never.
    Never,
    /// Whatever it may, at every operation: the worst host that is allowed.
    Always,
    /// At one operation in so many, one page, by a seed.
    OneIn(u64),
}

/// A simulated machine.
pub struct Machine {
    storage: Vec<u8>,
    states: Vec<PageState>,
    policy: Policy,
    essa: bool,
    random: u64,
    /// Pages evicted.
    pub evicted: u64,
}

thread_local! {
    static CURRENT: RefCell<Option<Machine>> = const { RefCell::new(None) };
}

/// Runs `function` on this thread's machine.
///
/// # Panics
/// If the thread has none.
pub fn with<T>(function: impl FnOnce(&mut Machine) -> T) -> T {
    CURRENT.with_borrow_mut(|current| function(current.as_mut().expect("a machine was installed")))
}

impl Machine {
    /// Makes a machine with so many frames this thread's own.
    pub fn install(frames: usize, essa: bool, policy: Policy, seed: u64) {
        let machine = Self {
            storage: vec![POISON; frames * PAGE_SIZE],
            states: vec![PageState::SR; frames],
            policy,
            essa,
            random: seed | 1,
            evicted: 0,
        };
        CURRENT.with_borrow_mut(|current| *current = Some(machine));
    }

    /// The state of a frame's page.
    #[must_use]
    pub fn state(&self, frame: Frame) -> PageState {
        self.states[frame.index()]
    }

    /// Evicts a page if that costs no I/O; returns whether it did.
    pub fn evict(&mut self, frame: Frame) -> bool {
        let state = self.states[frame.index()];
        let discardable = state.content() == Content::Resident && state.usage() != Usage::Stable;
        if discardable {
            // Nothing in the simulation sets change bits: potentially volatile pages are clean.
            let evicted = cmm::apply(state, HostEvent::Evict { changed: false });
            self.states[frame.index()] = evicted.expect("a discardable page can be evicted");
            self.page_mut(frame).fill(POISON);
            self.evicted += 1;
        }
        discardable
    }

    /// Evicts every page that may be.
    pub fn evict_all(&mut self) {
        for frame in 0..self.states.len() as u32 {
            self.evict(Frame(frame));
        }
    }

    fn page_mut(&mut self, frame: Frame) -> &mut [u8] {
        &mut self.storage[frame.index() * PAGE_SIZE..][..PAGE_SIZE]
    }

    /// What the host does whenever it gets control.
    fn host(&mut self) {
        match self.policy {
            Policy::Never => {}
            Policy::Always => self.evict_all(),
            Policy::OneIn(rate) => {
                self.random ^= self.random << 13;
                self.random ^= self.random >> 7;
                self.random ^= self.random << 17;
                if self.random % rate == 0 {
                    let frame = (self.random >> 20) as usize % self.states.len();
                    self.evict(Frame(frame as u32));
                }
            }
        }
    }

    /// Makes the pages of a range available to an access.
    fn touch(&mut self, start: Absolute, length: usize) -> Result<(), Fault> {
        self.host();
        let end = start.0 + length.max(1) as u64;
        for frame in (start.frame().0..Absolute(end - 1).frame().0 + 1).map(Frame) {
            let state = self.states[frame.index()];
            match cmm::access(state, Dialect::Model) {
                Access::Ok => {}
                Access::ZeroFill => {
                    self.page_mut(frame).fill(0);
                    let touched = cmm::apply(state, HostEvent::FirstTouch);
                    self.states[frame.index()] = touched.expect("a zero page can be touched");
                }
                Access::DiscardFault => {
                    let code = program::BLOCK_VOLATILITY;
                    return Err(Fault { code, identification: frame.address().0 });
                }
                Access::AddressingException => {
                    return Err(Fault { code: program::ADDRESSING, identification: 0 });
                }
                Access::PageIn => unreachable!("the simulated host has no paging device"),
            }
        }
        Ok(())
    }
}

/// ESSA.
pub mod essa {
    use super::{Absolute, Dialect, EssaResult, Fault, Orc, program, with};

    /// As on the machine.
    ///
    /// # Errors
    /// An operation exception if the machine has no ESSA.
    pub fn try_essa(orc: Orc, page: Absolute) -> Result<EssaResult, Fault> {
        with(|machine| {
            if !machine.essa {
                return Err(Fault { code: program::OPERATION, identification: 0 });
            }
            machine.host();
            let state = &mut machine.states[page.frame().index()];
            let transition = cmm::essa(*state, false, orc, Dialect::Model);
            *state = transition.new;
            // The host may act before the guest executes another instruction.
            machine.host();
            Ok(transition.result())
        })
    }

    /// As on the machine.
    ///
    /// # Panics
    /// If the machine has no ESSA.
    #[must_use]
    pub fn essa(orc: Orc, page: Absolute) -> EssaResult {
        try_essa(orc, page).expect("the machine has ESSA")
    }
}

/// Copying and clearing storage.
pub mod storage {
    use super::{Absolute, Fault, PAGE_SIZE, with};

    /// As on the machine.
    ///
    /// # Panics
    /// On a discard fault: outside a guarded copy it is the kernel's bug.
    ///
    /// # Safety
    /// None is needed here; the signature is the machine's.
    pub unsafe fn copy_out(source: Absolute, destination: &mut [u8]) {
        // SAFETY: nothing here is unsafe.
        let copied = unsafe { try_copy_out(source, destination) };
        copied.expect("a discard fault in the supervisor state");
    }

    /// As on the machine.
    ///
    /// # Panics
    /// As [`copy_out`].
    ///
    /// # Safety
    /// As [`copy_out`].
    pub unsafe fn copy_in(destination: Absolute, source: &[u8]) {
        with(|machine| {
            machine.touch(destination, source.len()).expect("a discard fault in the supervisor state");
            machine.storage[destination.0 as usize..][..source.len()].copy_from_slice(source);
        });
    }

    /// As on the machine.
    ///
    /// # Errors
    /// The fault of a page that is discarded or unused.
    ///
    /// # Safety
    /// As [`copy_out`].
    pub unsafe fn try_copy_out(source: Absolute, destination: &mut [u8]) -> Result<(), Fault> {
        with(|machine| {
            machine.touch(source, destination.len())?;
            destination.copy_from_slice(&machine.storage[source.0 as usize..][..destination.len()]);
            Ok(())
        })
    }

    /// As on the machine.
    ///
    /// # Safety
    /// As [`copy_out`].
    pub unsafe fn clear_page(page: Absolute) {
        // SAFETY: nothing here is unsafe.
        unsafe { copy_in(page, &[0; PAGE_SIZE]) }
    }
}

/// DIAGNOSE.
pub mod diagnose {
    use super::{Absolute, Fault, HostEvent, POISON, with};

    /// As on the machine.
    ///
    /// # Errors
    /// None here.
    ///
    /// # Safety
    /// The content of the pages is lost.
    pub unsafe fn release_pages(first: Absolute, last: Absolute) -> Result<(), Fault> {
        with(|machine| {
            for frame in (first.frame().0..=last.frame().0).map(crate::Frame) {
                let state = machine.states[frame.index()];
                let released = cmm::apply(state, HostEvent::Release);
                machine.states[frame.index()] = released.expect("any page can be released");
                machine.page_mut(frame).fill(POISON);
            }
            Ok(())
        })
    }
}
