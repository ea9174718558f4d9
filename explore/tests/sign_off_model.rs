//! The sign-off protocol as a model, checked in all its states: three CPUs that run, sleep and go off and
//! on as they like, and one page that is discarded under them.
//!
//! It has the steps of `kernel::mm::signoff` between which another CPU can act: the bit that a CPU sets
//! and the signing off that follows are two. Each rule of the protocol is taken out in turn, and the
//! model shows the damage.

use stateright::{Checker, Model, Property};

const CPUS: usize = 3;

/// What a CPU is doing.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Doing {
    Running,
    /// One of the two steps of going idle is done.
    GoingIdle,
    Idle,
    /// One of the two steps of going offline is done.
    GoingOffline,
    Offline,
}

/// Where the page is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Place {
    /// Mapped: any CPU may fault on it.
    Mapped,
    /// On the list of the CPU that has dropped the last reference.
    Listed(usize),
    Gathered,
    Signing,
    /// It may be anybody's by now.
    Free,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct State {
    doing: [Doing; CPUS],
    /// Whether a discard fault that names the page has not been handled.
    fault: [bool; CPUS],
    online: u8,
    idle: u8,
    waiting_for: u8,
    page: Place,
    /// CPUs that have signed off since the page was listed, or since the latest of `periods`.
    signed: u8,
    /// How often all CPUs that run have signed off since the page was listed: what takes a tick at most.
    periods: u8,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Action {
    /// Touches the page, which the host has discarded.
    Fault(usize),
    Handle(usize),
    /// Removes the page: its last reference goes.
    Remove(usize),
    Tick(usize),
    /// First or second step of going idle.
    GoIdle(usize),
    LeaveIdle(usize),
    /// First or second step of going offline.
    GoOffline(usize),
    GoOnline(usize),
}

/// What is wrong with the protocol.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Without {
    Nothing,
    /// Pages are freed at once.
    SignOff,
    /// A CPU signs off before it says that it is idle.
    IdleOrder,
    /// A CPU touches pages before it says that it is not idle any more.
    LeavingFirst,
    /// A CPU that goes offline does not sign off.
    LastSignOff,
    /// A round forgets one of the CPUs that run.
    AllCpus,
}

struct Protocol(Without);

impl State {
    fn others(&self, cpu: usize) -> u8 {
        self.online & !self.idle & !(1 << cpu)
    }

    /// Signing off: the rounds, and what is counted of it here.
    fn sign_off(&mut self, cpu: usize, without: Without) {
        self.advance(cpu, without);
        self.signed |= 1 << cpu;
        let rests = |doing| matches!(doing, Doing::Idle | Doing::Offline);
        if (0..CPUS).all(|cpu| rests(self.doing[cpu]) || self.signed >> cpu & 1 != 0) {
            self.periods = (self.periods + 1).min(3);
            self.signed = 0;
        }
        if !self.waits() {
            (self.signed, self.periods) = (0, 0);
        }
    }

    /// The part of signing off that is done under the lock.
    fn advance(&mut self, cpu: usize, without: Without) {
        self.waiting_for &= !(1 << cpu);
        if self.page == Place::Listed(cpu) {
            self.page = Place::Gathered;
        }
        if self.waiting_for != 0 {
            return;
        }
        match self.page {
            Place::Signing => self.page = Place::Free,
            Place::Gathered => {
                self.waiting_for = match without {
                    // The first one is forgotten.
                    Without::AllCpus => self.others(cpu) & self.others(cpu).wrapping_sub(1),
                    _ => self.others(cpu),
                };
                self.page = if self.waiting_for == 0 {
                    Place::Free
                } else {
                    Place::Signing
                };
            }
            _ => {}
        }
    }

    fn waits(&self) -> bool {
        matches!(
            self.page,
            Place::Listed(_) | Place::Gathered | Place::Signing
        )
    }
}

impl Model for Protocol {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State {
            doing: [Doing::Running; CPUS],
            fault: [false; CPUS],
            online: 0b111,
            idle: 0,
            waiting_for: 0,
            page: Place::Mapped,
            signed: 0,
            periods: 0,
        }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        for cpu in 0..CPUS {
            match state.doing[cpu] {
                _ if state.fault[cpu] => actions.push(Action::Handle(cpu)),
                Doing::Running => {
                    if state.page == Place::Mapped {
                        actions.extend([Action::Fault(cpu), Action::Remove(cpu)]);
                    }
                    actions.extend([
                        Action::Tick(cpu),
                        Action::GoIdle(cpu),
                        Action::GoOffline(cpu),
                    ]);
                }
                Doing::GoingIdle => actions.push(Action::GoIdle(cpu)),
                Doing::Idle => {
                    actions.push(Action::LeaveIdle(cpu));
                    if self.0 == Without::LeavingFirst && state.page == Place::Mapped {
                        actions.push(Action::Fault(cpu));
                    }
                }
                Doing::GoingOffline => actions.push(Action::GoOffline(cpu)),
                Doing::Offline => actions.push(Action::GoOnline(cpu)),
            }
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = last.clone();
        match action {
            Action::Fault(cpu) => state.fault[cpu] = true,
            Action::Handle(cpu) => state.fault[cpu] = false,
            Action::Remove(cpu) => {
                let at_once = self.0 == Without::SignOff || state.others(cpu) == 0;
                state.page = if at_once {
                    Place::Free
                } else {
                    Place::Listed(cpu)
                };
                (state.signed, state.periods) = (0, 0);
            }
            Action::Tick(cpu) => state.sign_off(cpu, self.0),
            Action::GoIdle(cpu) => {
                let first = state.doing[cpu] == Doing::Running;
                // The bit comes first, unless that is the rule that is missing.
                if first == (self.0 != Without::IdleOrder) {
                    state.idle |= 1 << cpu;
                } else {
                    state.sign_off(cpu, self.0);
                }
                state.doing[cpu] = if first { Doing::GoingIdle } else { Doing::Idle };
            }
            Action::LeaveIdle(cpu) => {
                state.idle &= !(1 << cpu);
                state.doing[cpu] = Doing::Running;
            }
            Action::GoOffline(cpu) => {
                if state.doing[cpu] == Doing::Running {
                    state.online &= !(1 << cpu);
                    state.doing[cpu] = Doing::GoingOffline;
                } else {
                    if self.0 != Without::LastSignOff {
                        state.sign_off(cpu, self.0);
                    }
                    state.doing[cpu] = Doing::Offline;
                }
            }
            Action::GoOnline(cpu) => {
                state.online |= 1 << cpu;
                state.doing[cpu] = Doing::Running;
            }
        }
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(
                "a page is free only if no fault names it",
                |_, state: &State| state.page != Place::Free || !state.fault.contains(&true),
            ),
            Property::always(
                "no page waits for CPUs that sleep or are gone",
                |_, state: &State| {
                    let rests = |doing| matches!(doing, Doing::Idle | Doing::Offline);
                    !(state.waits() && state.doing.into_iter().all(rests))
                },
            ),
            // The list goes to the next round within one, that begins within another, and lasts a third.
            Property::always("a page is free within three ticks", |_, state: &State| {
                !(state.waits() && state.periods >= 3)
            }),
            Property::sometimes("a page waits for a round", |_, state: &State| {
                state.page == Place::Signing
            }),
        ]
    }
}

/// The property that does not hold, if there is one; the number of states.
fn check(without: Without) -> (Vec<&'static str>, usize) {
    let checker = Protocol(without).checker().spawn_bfs().join();
    let broken = checker.discoveries().into_keys();
    let broken = broken
        .filter(|name| !name.starts_with("a page waits"))
        .collect();
    (broken, checker.unique_state_count())
}

#[test]
fn the_protocol_holds_in_all_its_states() {
    let (broken, states) = check(Without::Nothing);
    assert!(broken.is_empty(), "{broken:?}");
    assert!(
        states > 1000,
        "{states} states are too few to mean anything"
    );
    println!("{states} states");
}

#[test]
fn without_sign_off_a_fault_names_a_free_page() {
    assert!(
        check(Without::SignOff)
            .0
            .contains(&"a page is free only if no fault names it")
    );
}

#[test]
fn a_round_that_forgets_a_cpu_frees_too_early() {
    assert!(
        check(Without::AllCpus)
            .0
            .contains(&"a page is free only if no fault names it")
    );
}

#[test]
fn a_cpu_that_touches_pages_while_it_counts_as_idle_is_forgotten() {
    assert!(
        check(Without::LeavingFirst)
            .0
            .contains(&"a page is free only if no fault names it")
    );
}

#[test]
fn a_cpu_that_signs_off_before_it_says_that_it_is_idle_is_waited_for() {
    assert!(
        check(Without::IdleOrder)
            .0
            .contains(&"no page waits for CPUs that sleep or are gone")
    );
}

#[test]
fn a_cpu_that_stops_without_signing_off_is_waited_for() {
    assert!(
        check(Without::LastSignOff)
            .0
            .contains(&"no page waits for CPUs that sleep or are gone")
    );
}
