//! Pages of two guests on few frames against a plain model of what they hold: no content that must be
//! kept is ever lost, whatever the guests say of their pages and whatever the device fails to do.

use alloc::sync::Arc;

use arch::sim::{Hinting as Installed, Machine};
use arch::{Frame, storage};
use cmm::{Content, Orc, Usage};
use proptest::prelude::*;

use super::pager::Wanted;
use super::*;
use crate::dev::buffers::Buffers;
use crate::mem::notifier::Notifier;
use crate::mem::{AccessError, GuestMemory, Hinting, PageFlags, Standing, Want};
use crate::memory::FramePool;

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
/// Any CPU.
const CPU: usize = 0;

/// A device that fails when it is told to.
struct Faulty {
    model: Model,
    /// So many transfers from now on fail.
    failures: alloc::rc::Rc<core::cell::Cell<u32>>,
}

impl PagingDevice for Faulty {
    fn name(&self) -> &'static str {
        "faulty"
    }
    fn slots(&self) -> u32 {
        self.model.slots()
    }
    unsafe fn begin(&mut self, direction: Direction, slot: Slot, frame: Frame, now: u64) -> bool {
        // SAFETY: the caller's promise.
        unsafe { self.model.begin(direction, slot, frame, now) }
    }
    fn go(&mut self) {}
    fn next_complete(&mut self, now: u64) -> Option<(Slot, bool)> {
        let (slot, is_good) = self.model.next_complete(now)?;
        let left = self.failures.get();
        self.failures.set(left.saturating_sub(1));
        Some((slot, is_good && left == 0))
    }
    fn look_at(&self, now: u64) -> Option<u64> {
        self.model.look_at(now)
    }
}

impl Memories for Vec<GuestMemory> {
    fn memory(&mut self, guest: usize) -> &mut GuestMemory {
        &mut self[guest]
    }
}

/// What a page must hold if it can be read, and whether that may be refused.
#[derive(Clone, Copy, Debug)]
struct Expected {
    content: Option<u64>,
    may_be_gone: bool,
}

#[derive(Clone, Debug)]
enum Step {
    Read,
    Write(u64),
    /// As a running CPU does, by its translation if there is one.
    Store(u64),
    Overwrite(u64),
    /// As a device does, after some time.
    Transfer(u64, u64),
    Essa(Orc),
    Release,
    SetKey(u8),
    Forget,
    Tick(u64),
    Fail(u32),
}

struct World {
    hinting: Hinting,
    memories: Vec<GuestMemory>,
    /// By guest: those of a device.
    buffers: Vec<Arc<Buffers>>,
    pool: FramePool,
    pager: Pager,
    failures: alloc::rc::Rc<core::cell::Cell<u32>>,
    expected: Vec<[Expected; PAGES as usize]>,
    now: u64,
}

fn address(page: u32) -> u64 {
    u64::from(FIRST + page) << arch::PAGE_SHIFT
}

impl World {
    fn new(hinting: Hinting, expanded: u32, slots: u32) -> Self {
        let memory = |id| GuestMemory::new(id, 1 << 20, hinting, 1, 64 << 10);
        let mut pool = FramePool::new(Frame(1), FRAMES);
        let tier = (expanded > 0).then(|| Expanded::new(Frame(1 + FRAMES), expanded));
        pool.allow_paging(Ledger::new(tier, slots, 0));
        let failures = alloc::rc::Rc::default();
        let device = Faulty {
            // SAFETY: pool and expanded storage end there.
            model: unsafe { Model::new(Frame(1 + FRAMES + EXPANDED), slots, TIMING) },
            failures: alloc::rc::Rc::clone(&failures),
        };
        let memories: Vec<_> = (0..GUESTS).map(memory).collect();
        let register = |memory: &GuestMemory| {
            let buffers = Arc::<Buffers>::default();
            let user: Arc<dyn Notifier> = buffers.clone();
            memory.register(&user);
            buffers
        };
        let buffers = memories.iter().map(register).collect();
        let untouched = Expected {
            content: Some(0),
            may_be_gone: false,
        };
        Self {
            hinting,
            memories,
            buffers,
            pager: Pager::new(Box::new(device), &pool),
            pool,
            failures,
            expected: vec![[untouched; PAGES as usize]; GUESTS.into()],
            now: 0,
        }
    }

    fn tick(&mut self, time: u64) {
        self.now += time;
        self.pager
            .complete(&mut self.memories, &mut self.pool, self.now);
        self.pager
            .reclaim(&mut self.memories, &mut self.pool, self.now);
    }

    /// Whether the host may take content away for good.
    fn may_vanish(&self, usage: Usage, is_changed: bool) -> bool {
        match usage {
            Usage::Stable => false,
            Usage::Unused => true,
            _ if self.hinting == Hinting::Unused => false,
            Usage::Volatile => true,
            Usage::PotentiallyVolatile => !is_changed,
        }
    }

    /// Does an access until it needs not wait; nothing if the guest has lost the page.
    fn access<T>(
        &mut self,
        guest: usize,
        access: impl Fn(&mut GuestMemory, &mut FramePool) -> Result<T, AccessError>,
    ) -> Option<T> {
        for _ in 0..1000 {
            match access(&mut self.memories[guest], &mut self.pool) {
                Ok(done) => return Some(done),
                Err(AccessError::Wait(Want::Page(page))) => {
                    let id = PageId::new(guest as u16, page);
                    let (memories, pool) = (&mut self.memories, &mut self.pool);
                    match self.pager.bring(memories, pool, id, self.now) {
                        Wanted::LookAgain => {}
                        Wanted::Wait => self.tick(20),
                    }
                }
                Err(AccessError::Wait(Want::Frame)) => self.tick(20),
                Err(AccessError::Fault(_)) => return None,
                Err(error) => panic!("{error:?}"),
            }
        }
        panic!("no end of waiting: {:?}", self.pool);
    }

    /// The guest has lost a page; it makes it stable, and finds zeroes.
    fn lost(&mut self, guest: usize, page: u32) {
        let expected = &mut self.expected[guest][page as usize];
        assert!(expected.may_be_gone, "guest {guest} has lost page {page}");
        *expected = Expected {
            content: Some(0),
            may_be_gone: false,
        };
        self.memories[guest].essa(&mut self.pool, FIRST + page, Orc::SetStable);
    }

    fn read(&mut self, guest: usize, page: u32) {
        let found = self.access(guest, |memory, pool| {
            let mut bytes = [0; 8];
            memory.read(pool, CPU, address(page) + 8, &mut bytes)?;
            Ok(u64::from_be_bytes(bytes))
        });
        match (found, self.expected[guest][page as usize].content) {
            (None, _) => self.lost(guest, page),
            (Some(found), Some(content)) => {
                assert_eq!(found, content, "page {page} of guest {guest}");
            }
            (Some(_), None) => {}
        }
    }

    fn written(&mut self, guest: usize, page: u32, value: u64, is_done: bool) {
        if !is_done {
            self.lost(guest, page);
            return;
        }
        let state = self.memories[guest].page(FIRST + page).unwrap().state;
        let may_be_gone = self.may_vanish(state.usage(), true);
        self.expected[guest][page as usize] = Expected {
            content: (!may_be_gone).then_some(value),
            may_be_gone,
        };
    }

    fn store(&mut self, guest: usize, page: u32, value: u64, is_whole: bool) {
        let done = self.access(guest, |memory, pool| {
            let frame = match memory.mapped(CPU, FIRST + page) {
                Some((frame, true)) => frame,
                _ if is_whole => memory.resolve_to_overwrite(pool, CPU, FIRST + page)?,
                _ => memory.resolve(pool, CPU, FIRST + page, true)?,
            };
            // SAFETY: the frame is the page's.
            unsafe { storage::copy_in(frame.address() + 8, &value.to_be_bytes()) }
            Ok(())
        });
        self.written(guest, page, value, done.is_some());
    }

    fn transfer(&mut self, guest: usize, page: u32, value: u64, time: u64) {
        let frame = self.access(guest, |memory, pool| {
            memory.resolve(pool, CPU, FIRST + page, true)
        });
        if let Some(frame) = frame {
            let buffers = self.buffers[guest].clone();
            let pin = buffers.pin(FIRST + page);
            arch::key::reset_reference(frame);
            for _ in 0..2 {
                self.tick(time);
            }
            // SAFETY: the frame is the page's as long as it is pinned.
            unsafe { storage::copy_in(frame.address() + 8, &value.to_be_bytes()) }
            drop(pin);
            self.memories[guest].requeue(FIRST + page);
        }
        self.written(guest, page, value, frame.is_some());
    }

    fn essa(&mut self, guest: usize, page: u32, orc: Orc) {
        if orc == Orc::SetStableMakeResident {
            self.access(guest, |memory, pool| memory.expect(pool, FIRST + page));
        }
        let memory = &mut self.memories[guest];
        let was_discarded = memory.page(FIRST + page).unwrap().state.is_discarded();
        memory.essa(&mut self.pool, FIRST + page, orc);
        let state = memory.page(FIRST + page).unwrap().state;
        let is_changed = memory.is_changed(FIRST + page);
        let may_vanish = self.may_vanish(state.usage(), is_changed);
        let expected = &mut self.expected[guest][page as usize];
        // What the guest calls volatile while it is paged out is dropped, by hosts that discard nothing too.
        let is_zero = state.content() == Content::Zero;
        if was_discarded && state.usage() == Usage::Stable {
            assert!(expected.may_be_gone || self.hinting == Hinting::Unused);
            expected.content = Some(0);
        } else if is_zero && self.hinting == Hinting::Unused {
            expected.content = Some(0);
        }
        expected.may_be_gone = may_vanish;
        if state.usage() == Usage::Unused {
            expected.content = None;
        }
    }

    fn release(&mut self, guest: usize, page: u32) {
        let memory = &mut self.memories[guest];
        memory.release(&mut self.pool, FIRST + page..FIRST + page + 1);
        let usage = memory.page(FIRST + page).unwrap().state.usage();
        let may_be_gone = self.may_vanish(usage, false);
        self.expected[guest][page as usize] = Expected {
            content: (!may_be_gone).then_some(0),
            may_be_gone,
        };
    }

    fn set_key(&mut self, guest: usize, page: u32, key: u8) {
        let memory = &mut self.memories[guest];
        memory.set_key(FIRST + page, key);
        let state = memory.page(FIRST + page).unwrap().state;
        let is_changed = memory.is_changed(FIRST + page);
        let may_be_gone = self.may_vanish(state.usage(), is_changed);
        self.expected[guest][page as usize].may_be_gone = may_be_gone;
    }

    fn step(&mut self, guest: usize, page: u32, step: &Step) {
        match *step {
            Step::Read => self.read(guest, page),
            Step::Write(value) => {
                let done = self.access(guest, |memory, pool| {
                    memory.write(pool, CPU, address(page) + 8, &value.to_be_bytes())
                });
                self.written(guest, page, value, done.is_some());
            }
            Step::Store(value) => self.store(guest, page, value, false),
            Step::Overwrite(value) => self.store(guest, page, value, true),
            Step::Transfer(value, time) => self.transfer(guest, page, value, time),
            Step::Essa(orc) => self.essa(guest, page, orc),
            Step::Release => self.release(guest, page),
            Step::SetKey(key) => self.set_key(guest, page, key),
            Step::Forget => {
                let frame = self.memories[guest].page(FIRST + page).unwrap().resident();
                if let Some(frame) = frame {
                    arch::key::reset_reference(frame);
                }
            }
            Step::Tick(time) => self.tick(time),
            Step::Fail(count) => self.failures.set(count),
        }
        self.check();
    }

    /// Every frame and every slot is somewhere, once.
    fn check(&self) {
        let pages = || self.memories.iter().flat_map(GuestMemory::pages);
        let resident = pages().filter(|page| page.resident().is_some()).count();
        let slots = &self.pool.ledger.as_ref().unwrap().slots;
        let read_into = slots.under_way(Direction::Read);
        assert_eq!(self.pool.free() + resident + read_into, self.pool.total());
        let has_slot = |is_expanded| {
            let slots = pages().filter_map(|page| page.slot);
            slots
                .filter(|slot| slot.is_expanded() == is_expanded)
                .count() as u32
        };
        let expanded = self.pool.ledger.as_ref().unwrap().expanded.as_ref();
        let taken = expanded.map_or(0, |expanded| expanded.total() - expanded.free());
        assert_eq!(has_slot(true), taken);
        let copied = has_slot(false);
        let stale = slots.stale() as u32;
        let is_moving = |page: &&crate::mem::PageEntry| {
            let is_expanded = page.slot.is_some_and(Slot::is_expanded);
            is_expanded && page.flags.contains(PageFlags::IN_TRANSIT)
        };
        let moving = pages().filter(is_moving).count() as u32;
        let accounted = slots.free() + slots.retired() + copied + stale + moving;
        assert_eq!(accounted, slots.total());
        let in_transit = pages()
            .filter(|page| page.flags.contains(PageFlags::IN_TRANSIT))
            .count();
        let under_way = read_into + slots.under_way(Direction::Write);
        assert_eq!(in_transit + slots.stale(), under_way);
    }

    /// All transfers end well, and every page of every guest is what it must be.
    fn read_all(&mut self) {
        self.failures.set(0);
        for guest in 0..GUESTS.into() {
            (0..PAGES).for_each(|page| self.read(guest, page));
        }
    }
}

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
    let mut world = World::new(Hinting::None, 0, SLOTS);
    (0..PAGES).for_each(|page| world.step(0, page, &Step::Store(7)));
    page_all_out(&mut world, 0);
    let is_out = |page: &u32| world.memories[0].preserved(FIRST + page).is_some();
    let out: Vec<_> = (0..PAGES).filter(is_out).collect();
    assert!(out.len() > 8, "{out:?}");
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
    let mut world = World::new(Hinting::None, 0, SLOTS);
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

#[test]
fn the_pager_is_stuck_when_nothing_can_go() {
    let machine = machine();
    let _entered = machine.enter();
    let mut world = World::new(Hinting::None, 0, 1);
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
        hinting in prop::sample::select(vec![Hinting::Full, Hinting::Unused, Hinting::None]),
        expanded in prop::sample::select(vec![0, 1, EXPANDED]),
        steps in prop::collection::vec((0..GUESTS, 0..PAGES, any_step()), 1..400),
    ) {
        let machine = machine();
        let _entered = machine.enter();
        let mut world = World::new(hinting, expanded, SLOTS);
        let mut failures = 0;
        for (guest, page, step) in steps {
            // A page that cannot be read ends its guest: here only writes fail.
            match step {
                Step::Essa(_) if hinting == Hinting::None => {}
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
