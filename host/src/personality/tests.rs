//! Each request on each state, and what follows from it, in memory of a guest: as the tables in `cmm` have it, and with
//! the content that the table's state says.

use arch::sim::{Hinting as Installed, Machine};
use arch::{Frame, program, storage};
use cmm::{Content, Orc, essa};

use super::*;
use crate::mem::{AccessError, GuestMemory, PageFlags, Standing};
use crate::memory::FramePool;
use crate::paging::Ledger;

/// Requests that need no facility.
const REQUESTS: usize = 7;
const PAGE: u32 = 2;
const CPU: usize = 0;
/// What the page holds as long as it has not lost it.
const CONTENT: u8 = 0x5a;

#[test]
fn each_has_its_word() {
    assert_eq!(
        Hypervisor::ALL.map(Hypervisor::name).join("|"),
        Hypervisor::NAMES
    );
}

fn personality(hypervisor: Hypervisor) -> Personality {
    Personality::new(hypervisor, Hinting::Full)
}

/// A page of a guest.
struct World {
    memory: GuestMemory,
    pool: FramePool,
}

impl World {
    fn new(personality: Personality) -> Self {
        let mut pool = FramePool::new(Frame(1), 8);
        pool.allow_paging(Ledger::new(None, 8, 1, 256));
        let memory = GuestMemory::new(0, 1 << 20, personality, 1, 64 << 10);
        Self { memory, pool }
    }

    fn state(&self) -> PageState {
        self.memory.page(PAGE).unwrap().state
    }

    fn essa(&mut self, orc: Orc) -> EssaResult {
        self.memory.essa(&mut self.pool, PAGE, orc)
    }

    fn read(&mut self) -> Result<u8, AccessError> {
        let mut byte = [0];
        let address = u64::from(PAGE) << arch::PAGE_SHIFT;
        let (memory, pool) = (&mut self.memory, &mut self.pool);
        memory.read(pool, CPU, address, &mut byte)?;
        Ok(byte[0])
    }

    /// The page is written, and goes.
    fn page_out(&mut self) {
        // It is not the latest that an instruction needed any more.
        for page in PAGE + 1..PAGE + 1 + 8 {
            let (memory, pool) = (&mut self.memory, &mut self.pool);
            let _ = memory.resolve(pool, CPU, page, false);
            memory.release(pool, page..page + 1);
        }
        assert_eq!(self.memory.standing(PAGE), Standing::Changed);
        self.memory.write_at_once(&mut self.pool, PAGE);
        assert!(self.memory.page_out(&mut self.pool, PAGE));
    }

    /// Brings the page into a state as a guest and its host can; returns false if they cannot.
    fn reach(&mut self, state: PageState, is_changed: bool) -> bool {
        let usage = match state.usage() {
            Usage::Stable => Orc::SetStable,
            Usage::Unused => Orc::SetUnused,
            Usage::PotentiallyVolatile => Orc::SetPotentiallyVolatile,
            Usage::Volatile => Orc::SetVolatile,
        };
        let frame = self
            .memory
            .resolve(&mut self.pool, CPU, PAGE, true)
            .unwrap();
        // SAFETY: the frame is the page's.
        unsafe { storage::copy_in(frame.address(), &[CONTENT]) }
        if !is_changed {
            self.memory.set_key(PAGE, 0);
        }
        let is_kvm = self.memory.personality().dialect != Dialect::Model;
        match state.content() {
            Content::Resident => {
                self.essa(usage);
            }
            Content::Preserved if state.usage() == Usage::Stable || is_kvm => {
                if state == extended::UP {
                    // It has never been anything but zero.
                    self.memory.release(&mut self.pool, PAGE..PAGE + 1);
                    self.essa(Orc::SetUnused);
                    self.essa(Orc::GetState);
                } else {
                    self.essa(usage);
                    self.page_out();
                }
            }
            Content::Preserved => return false,
            Content::Zero => {
                self.memory.release(&mut self.pool, PAGE..PAGE + 1);
                if state.usage() != Usage::Stable {
                    self.essa(usage);
                }
            }
        }
        self.state() == state
    }
}

fn on_a_machine(test: impl FnOnce()) {
    let machine = Machine::new(16, Installed::None);
    let _entered = machine.enter();
    test();
}

/// The state after each request is the table's, and so is what the guest is told. What the host has stays in step with
/// it: a copy if the content is preserved and has been something, and none if it is zero.
#[test]
fn each_request_does_to_each_state_what_the_dialect_says() {
    let mut reached = [0; Hypervisor::ALL.len()];
    for (hypervisor, reached) in Hypervisor::ALL.into_iter().zip(&mut reached) {
        let dialect = personality(hypervisor).dialect;
        let states = extended::ALL.map(|state| [(state, false), (state, true)]);
        for (state, is_changed) in states.into_iter().flatten() {
            for orc in Orc::ALL.into_iter().take(REQUESTS) {
                on_a_machine(|| {
                    let mut world = World::new(personality(hypervisor));
                    if !world.reach(state, is_changed) {
                        return;
                    }
                    *reached += 1;
                    let had_copy = world.memory.page(PAGE).unwrap().slot.is_some();
                    let is_changed = world.memory.is_changed(PAGE);
                    let expected = essa(state, is_changed, orc, dialect);
                    let what = format!("{}: {orc}, {state}", hypervisor.name());
                    if orc == Orc::SetStableMakeResident {
                        let (memory, pool) = (&mut world.memory, &mut world.pool);
                        let done = memory.make_stable_and_resident(pool, PAGE);
                        let (told, want) = done.unwrap();
                        assert_eq!(told, expected.result(), "{what}");
                        let brings = expected.effect == cmm::Effect::PageIn;
                        assert_eq!(want.is_some(), brings, "{what}");
                        let now = if brings { PageState::SP } else { expected.new };
                        assert_eq!(world.state(), now, "{what}");
                        return;
                    }
                    assert_eq!(world.essa(orc), expected.result(), "{what}");
                    assert_eq!(world.state(), expected.new, "{what}");
                    let has_copy = world.memory.page(PAGE).unwrap().slot.is_some();
                    let is_zero = expected.new.content() == Content::Zero;
                    assert_eq!(has_copy, had_copy && !is_zero, "{what}");
                });
            }
        }
    }
    // The eight states, those in which volatile pages are kept, and the one that a query makes: each changed or not.
    assert_eq!(reached, [8, 10, 11, 8].map(|states| 2 * states * REQUESTS));
}

#[test]
fn accesses_find_what_the_dialect_says() {
    for hypervisor in Hypervisor::ALL {
        for state in extended::ALL {
            on_a_machine(|| {
                let mut world = World::new(personality(hypervisor));
                if !world.reach(state, true) {
                    return;
                }
                let is_kvm = personality(hypervisor).dialect != Dialect::Model;
                let what = format!("{}: {state}", hypervisor.name());
                let found = world.read();
                let fault = |code| move |found: &Result<u8, AccessError>| matches!(found, Err(AccessError::Fault(fault)) if fault.code == code);
                match state {
                    PageState::UZ if !is_kvm => {
                        assert!(fault(program::ADDRESSING)(&found), "{what}: {found:?}");
                    }
                    PageState::VZ if !is_kvm => {
                        assert!(
                            fault(program::BLOCK_VOLATILITY)(&found),
                            "{what}: {found:?}"
                        );
                    }
                    _ if state.content() == Content::Resident => assert_eq!(found, Ok(CONTENT)),
                    _ if state.content() == Content::Zero || state == extended::UP => {
                        assert_eq!(found, Ok(0), "{what}");
                        assert_eq!(world.state().content(), Content::Resident, "{what}");
                        assert_eq!(world.state().usage(), state.usage(), "{what}");
                    }
                    _ => assert!(
                        matches!(found, Err(AccessError::Wait(_))),
                        "{what}: {found:?}"
                    ),
                }
            });
        }
    }
}

/// KVM pages volatile pages out, and drops unused ones.
#[test]
fn what_goes_without_being_written() {
    let free = |hypervisor| {
        [PageState::UR, PageState::VR, PageState::PR, PageState::SR].map(|state| {
            let page = crate::mem::PageEntry {
                state,
                flags: PageFlags::empty(),
                ..crate::mem::PageEntry::UNTOUCHED
            };
            page.is_discardable(personality(hypervisor))
        })
    };
    assert_eq!(free(Hypervisor::Model), [true, true, true, false]);
    assert_eq!(free(Hypervisor::Zvm), [true, true, true, false]);
    assert_eq!(free(Hypervisor::Kvm), [true, false, false, false]);
    assert_eq!(free(Hypervisor::KvmNew), [true, false, false, false]);
}

/// Content that was paged out while volatile is gone as soon as the guest says again that it is.
#[test]
fn a_preserved_page_that_is_made_volatile_again_is_zero() {
    for hypervisor in [Hypervisor::Kvm, Hypervisor::KvmNew] {
        on_a_machine(|| {
            let mut world = World::new(personality(hypervisor));
            assert!(world.reach(extended::VP, true));
            // It is not stable, whatever was asked for.
            let told = world.essa(Orc::SetStableIfNotDiscarded);
            assert_eq!(told, EssaResult::new(extended::VP));
            assert_eq!(world.state(), extended::VP);
            world.essa(Orc::SetVolatile);
            assert_eq!(world.state(), PageState::VZ);
            assert!(world.memory.page(PAGE).unwrap().slot.is_none());
            assert_eq!(world.read(), Ok(0));
            assert_eq!(world.state(), PageState::VR);
        });
    }
}

#[test]
fn an_address_without_a_page_is_an_exception_but_for_one() {
    for hypervisor in Hypervisor::ALL {
        let found = personality(hypervisor).bad_address();
        match hypervisor {
            Hypervisor::KvmNew => assert_eq!(found.map(u64::from), Ok(0x10)),
            _ => assert_eq!(found, Err(GuestFault::plain(program::ADDRESSING))),
        }
    }
}

#[test]
fn without_hints_nothing_is_installed() {
    for hypervisor in Hypervisor::ALL {
        assert!(!Personality::new(hypervisor, Hinting::None).has_essa());
        for hinting in [Hinting::Unused, Hinting::Full, Hinting::Extended] {
            assert!(Personality::new(hypervisor, hinting).has_essa());
        }
    }
}
