//! Pages of two guests on few frames against a plain model of what they hold: no content that must be
//! kept is ever lost, whatever the guests say of their pages and whatever the device fails to do.

mod desk;
mod pager;
mod traces;
mod world;

use arch::sim::{Hinting as Installed, Machine};
use cmm::{Orc, PageState, Usage, extended};
use proptest::prelude::*;

use super::pager::Wanted;
use super::*;
use crate::mem::{AccessError, GuestMemory, Standing};
use crate::memory::FramePool;
use crate::personality::{Hinting, Hypervisor, Personality};
use world::{Step, World};

const GUESTS: u16 = 2;
/// Pages of a guest that the test uses; the prefix area is in front of them.
const PAGES: u32 = 24;
const FIRST: u32 = 2;
const FRAMES: u32 = 32;
/// Room for all pages, and for slots that fail.
const SLOTS: u32 = 90;
/// Frames of expanded storage, where there is any.
const EXPANDED: u32 = 6;
/// Most transfers that are made to fail: a slot each.
const MOST_FAILURES: u32 = 20;
const TIMING: Timing = Timing { seek: 50, page: 10 };
/// Volatile pages go to expanded storage first.
const EXTENDED: Personality = Personality::new(Hypervisor::Model, Hinting::Extended);
/// Any CPU.
const CPU: usize = 0;

/// Pages out all pages of a guest that can be.
fn page_all_out(world: &mut World, guest: usize) {
    for _ in 0..100 {
        for page in 0..PAGES {
            let memory = &mut world.memories[guest];
            if memory.standing(FIRST + page) == Standing::Clean {
                memory.page_out(&mut world.pool, FIRST + page);
            }
            world.step(guest, page, &Step::Forget);
        }
        // The others want frames, so that pages are written.
        (0..PAGES).for_each(|page| world.step(1 - guest, page, &Step::Store(1)));
        world.tick(1000);
    }
}

#[test]
fn a_page_that_cannot_be_read_is_tried_alone_before_its_guest_is_told() {
    let machine = machine();
    let _entered = machine.enter();
    let mut world = World::new(Personality::NO_HINTS, 0, SLOTS);
    (0..PAGES).for_each(|page| world.step(0, page, &Step::Store(7)));
    page_all_out(&mut world, 0);
    let is_out = |page: &u32| world.memories[0].preserved(FIRST + page).is_some();
    let out: Vec<_> = (0..PAGES).filter(is_out).collect();
    assert!(out.len() > 8, "{out:?}");
    // No write is to be what fails.
    (0..20).for_each(|_| world.tick(1000));
    // Once is no harm.
    world.failures.set(1);
    world.read(0, out[0]);
    assert_eq!((world.pager.read_errors, world.failures.get()), (1, 0));
    // Always is.
    world.failures.set(u32::MAX);
    let id = PageId::new(0, FIRST + out[7]);
    for _ in 0..2 {
        let (memories, pool) = (&mut world.memories, &mut world.pool);
        assert_eq!(
            world.pager.bring(memories, pool, id, world.now),
            Wanted::Wait
        );
        world.now += 1000;
        world
            .pager
            .complete(&mut world.memories, &mut world.pool, world.now);
    }
    let (memories, pool) = (&mut world.memories, &mut world.pool);
    assert_eq!(
        world.pager.bring(memories, pool, id, world.now),
        Wanted::LookAgain
    );
    let outcome = world.memories[0].resolve(&mut world.pool, CPU, id.page(), false);
    assert_eq!(outcome, Err(AccessError::Unreadable));
    // Who overwrites it does not want to know.
    let outcome = world.memories[0].resolve_to_overwrite(&mut world.pool, CPU, id.page());
    assert!(outcome.is_ok());
    assert_eq!(world.pool.ledger.as_ref().unwrap().slots.retired(), 1);
    world.check();
}

#[test]
fn what_was_not_referenced_goes_and_only_bits_that_are_on_are_reset() {
    let machine = machine();
    let _entered = machine.enter();
    let mut world = World::new(Personality::NO_HINTS, 0, SLOTS);
    (0..20).for_each(|page| world.step(0, page, &Step::Store(7)));
    // All but the first ones, which are spared no more, are used all the time.
    let is_idle = |page: u32| page < 6;
    for _ in 0..20 {
        for page in (0..20).filter(|page| is_idle(*page)) {
            world.step(0, page, &Step::Forget);
        }
        for page in (0..20).filter(|page| !is_idle(*page)) {
            world.step(0, page, &Step::Read);
        }
        // The other guest wants a page more each time, as long as idle ones are left.
        if world.memories[0].counters.paged_out < 6 {
            let next = world.memories[1].counters.zero_fills as u32;
            world.step(1, next, &Step::Store(1));
        }
        world.tick(1000);
    }
    let is_out = |page: &u32| world.memories[0].preserved(FIRST + page).is_some();
    let out: Vec<_> = (0..20).filter(is_out).collect();
    assert_eq!(out, (0..6).collect::<Vec<_>>());
    // A round that finds nothing to do looks at nothing.
    let before = machine.key_count();
    world.tick(0);
    assert_eq!(machine.key_count(), before);
}

/// In the extended mode a volatile page is kept first: it comes back as it was, volatile or made stable, and
/// is discarded when others want the room.
#[test]
fn a_volatile_page_goes_to_expanded_storage_before_it_is_discarded() {
    let machine = machine();
    let _entered = machine.enter();
    let mut world = World::new(EXTENDED, EXPANDED, SLOTS);
    let state = |world: &World, page| world.memories[0].page(FIRST + page).unwrap().state;
    // More than are spared behind those that the test is about.
    for page in 0..PAGES / 2 {
        world.step(0, page, &Step::Store(7));
        world.step(0, page, &Step::Essa(Orc::SetVolatile));
    }
    for page in 0..3 {
        assert!(world.memories[0].evict(&mut world.pool, FIRST + page));
        assert_eq!(state(&world, page), extended::VP);
    }
    world.check();
    // A touch brings it back, and is no discard fault.
    world.read(0, 0);
    assert_eq!(state(&world, 0), PageState::VR);
    // ESSA tells what it was, and keeps what it had.
    let old = world.memories[0].essa(&mut world.pool, FIRST + 1, Orc::SetStableIfNotDiscarded);
    assert_eq!(
        (old.state(), state(&world, 1)),
        (Ok(extended::VP), PageState::SP)
    );
    world.read(0, 1);
    let old = world.memories[0].essa(&mut world.pool, FIRST + 2, Orc::SetVolatile);
    assert_eq!(
        (old.state(), state(&world, 2)),
        (Ok(extended::VP), PageState::VZ)
    );
    world.check();
    assert_eq!(world.memories[0].counters.expanded_volatile, 3);
    assert_eq!(world.memories[0].counters.expanded_in, 2);
    // Frames run short: those that are kept are discarded in the end, and nothing of them is written.
    for page in 0..PAGES {
        world.step(1, page, &Step::Store(1));
        world.tick(1000);
    }
    let counters = world.memories[0].counters;
    assert!(counters.discarded_expanded > 0, "{counters:?}");
    assert!(world.memories[0].pages().all(|page| {
        page.state.usage() != Usage::Volatile || page.slot.is_none_or(Slot::is_expanded)
    }));
    world.read_all();
    world.check();
}

#[test]
fn a_volatile_page_of_a_request_is_not_discarded_from_expanded_storage() {
    let machine = machine();
    let _entered = machine.enter();
    let mut world = World::new(EXTENDED, EXPANDED, SLOTS);
    for page in 0..PAGES / 2 {
        world.step(0, page, &Step::Store(7));
        world.step(0, page, &Step::Essa(Orc::SetVolatile));
    }
    assert!(world.memories[0].evict(&mut world.pool, FIRST));
    world.buffers[0].hold(FIRST..FIRST + 1);
    // Frames run short: it goes to the device like any other.
    for page in 0..PAGES {
        world.step(1, page, &Step::Store(1));
        world.tick(1000);
    }
    let entry = world.memories[0].page(FIRST).unwrap();
    assert_eq!(entry.state, extended::VP);
    assert!(entry.slot.is_some_and(|slot| !slot.is_expanded()));
    world.buffers[0].let_go();
    world.read(0, 0);
    let entry = world.memories[0].page(FIRST).unwrap();
    assert_eq!(entry.state, PageState::VR, "it was not lost");
    world.read_all();
    world.check();
}

#[test]
fn the_pager_is_stuck_when_nothing_can_go() {
    let machine = machine();
    let _entered = machine.enter();
    let mut world = World::new(Personality::NO_HINTS, 0, 1);
    let room = FRAMES - world.pool.reserve() as u32;
    for page in 0..room {
        assert!(!world.pager.is_stuck(&world.pool));
        world.step((page / PAGES) as usize, page % PAGES, &Step::Store(7));
        world.tick(100);
    }
    // One page more finds its place in the slot, and then there is none.
    for more in 0..2 {
        let page = room + more;
        let memory = &mut world.memories[(page / PAGES) as usize];
        let _ = memory.resolve(&mut world.pool, CPU, FIRST + page % PAGES, true);
        (0..8).for_each(|_| world.tick(1000));
    }
    assert!(world.pager.is_stuck(&world.pool));
    world.memories[0].give_all(&mut world.pool);
    assert!(!world.pager.is_stuck(&world.pool));
    world.check();
}

fn machine() -> Machine {
    Machine::new((1 + FRAMES + EXPANDED + SLOTS) as usize, Installed::None)
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => Just(Step::Read),
        4 => any::<u64>().prop_map(Step::Write),
        6 => any::<u64>().prop_map(Step::Store),
        1 => any::<u64>().prop_map(Step::Overwrite),
        2 => (any::<u64>(), 0..100_u64).prop_map(|(value, time)| Step::Transfer(value, time)),
        4 => (0..7_u8).prop_map(|orc| Step::Essa(Orc::try_from(orc).unwrap())),
        1 => Just(Step::Release),
        1 => any::<u8>().prop_map(Step::SetKey),
        4 => Just(Step::Forget),
        4 => (0..100_u64).prop_map(Step::Tick),
        1 => (1..3_u32).prop_map(Step::Fail),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn no_page_is_lost(
        personality in prop::sample::select(vec![
            Personality::MODEL,
            EXTENDED,
            Personality::new(Hypervisor::Kvm, Hinting::Full),
            Personality::new(Hypervisor::KvmNew, Hinting::Full),
            Personality::NO_HINTS,
        ]),
        expanded in prop::sample::select(vec![0, 1, EXPANDED]),
        steps in prop::collection::vec((0..GUESTS, 0..PAGES, any_step()), 1..400),
    ) {
        let machine = machine();
        let _entered = machine.enter();
        let mut world = World::new(personality, expanded, SLOTS);
        let mut failures = 0;
        for (guest, page, step) in steps {
            // A page that cannot be read ends its guest: here only writes fail.
            match step {
                Step::Essa(_) if !personality.has_essa() => {}
                Step::Fail(count) => {
                    let slots = &world.pool.ledger.as_ref().unwrap().slots;
                    let is_read = slots.under_way(Direction::Read) > 0;
                    failures += count;
                    if !is_read && failures <= MOST_FAILURES {
                        world.step(guest.into(), page, &step);
                        world.tick(10 * (TIMING.seek + TIMING.page));
                        world.failures.set(0);
                    }
                }
                _ => world.step(guest.into(), page, &step),
            }
        }
        world.read_all();
        world.check();
    }
}
