//! What happens to the pages, beside what must be in them.

use alloc::sync::Arc;

use arch::{Frame, storage};
use cmm::{Content, Dialect, EssaResult, Orc, Usage};

use super::*;
use crate::dev::buffers::Buffers;
use crate::mem::notifier::Notifier;
use crate::mem::{PageFlags, Want};

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
pub(super) enum Step {
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

/// Guests, frames, a pager, and what each page must hold.
pub(super) struct World {
    personality: Personality,
    pub(super) memories: Vec<GuestMemory>,
    /// By guest: those of a device.
    pub(super) buffers: Vec<Arc<Buffers>>,
    pub(super) pool: FramePool,
    pub(super) pager: Pager,
    pub(super) failures: alloc::rc::Rc<core::cell::Cell<u32>>,
    expected: Vec<[Expected; PAGES as usize]>,
    pub(super) now: u64,
}

fn address(page: u32) -> u64 {
    u64::from(FIRST + page) << arch::PAGE_SHIFT
}

impl World {
    pub(super) fn new(personality: Personality, expanded: u32, slots: u32) -> Self {
        let memory = |id| GuestMemory::new(id, 1 << 20, personality, 1, 64 << 10);
        let mut pool = FramePool::new(Frame(1), FRAMES);
        let tier = (expanded > 0).then(|| Expanded::new(Frame(1 + FRAMES), expanded));
        pool.allow_paging(Ledger::new(tier, slots, GUESTS.into(), 256));
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
            personality,
            memories,
            buffers,
            pager: Pager::new(Box::new(device), &pool),
            pool,
            failures,
            expected: vec![[untouched; PAGES as usize]; GUESTS.into()],
            now: 0,
        }
    }

    pub(super) fn tick(&mut self, time: u64) {
        self.now += time;
        self.pager
            .complete(&mut self.memories, &mut self.pool, self.now);
        self.pager.sweep(&mut self.memories, &mut self.pool);
        self.pager
            .reclaim(&mut self.memories, &mut self.pool, self.now);
    }

    /// Whether volatile pages are paged out as others are, and a page that has gone reads as zeroes.
    fn is_kvm(&self) -> bool {
        self.personality.dialect != Dialect::Model
    }

    /// Whether the host may take content away for good.
    fn may_vanish(&self, usage: Usage, is_changed: bool) -> bool {
        match usage {
            Usage::Stable => false,
            Usage::Unused => true,
            _ if self.is_kvm() => false,
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

    pub(super) fn read(&mut self, guest: usize, page: u32) {
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
        }
        self.written(guest, page, value, frame.is_some());
    }

    fn essa(&mut self, guest: usize, page: u32, orc: Orc) {
        let old = self.memories[guest].page(FIRST + page).unwrap().state;
        let was_discarded = old.is_discarded();
        let told = if orc == Orc::SetStableMakeResident {
            self.make_stable_and_resident(guest, FIRST + page)
        } else {
            self.memories[guest].essa(&mut self.pool, FIRST + page, orc)
        };
        assert_eq!(told, EssaResult::new(old), "page {page} of guest {guest}");
        let memory = &mut self.memories[guest];
        let state = memory.page(FIRST + page).unwrap().state;
        let is_changed = memory.is_changed(FIRST + page);
        let may_vanish = self.may_vanish(state.usage(), is_changed);
        let is_kvm = self.is_kvm();
        let expected = &mut self.expected[guest][page as usize];
        // What the guest calls volatile while it is paged out is dropped, by hosts that discard nothing too.
        let is_zero = state.content() == Content::Zero;
        if was_discarded && state.usage() == Usage::Stable {
            assert!(expected.may_be_gone || is_kvm);
            expected.content = Some(0);
        } else if is_zero && is_kvm {
            expected.content = Some(0);
        }
        expected.may_be_gone = may_vanish;
        if state.usage() == Usage::Unused {
            expected.content = None;
        }
    }

    /// Returns what the guest is told; the CPU has waited for the page then.
    fn make_stable_and_resident(&mut self, guest: usize, page: u32) -> EssaResult {
        let done = self.access(guest, |memory, pool| {
            memory.make_stable_and_resident(pool, page)
        });
        let (told, want) = done.expect("no exception is possible");
        if want.is_some() {
            self.access(guest, |memory, pool| memory.expect(pool, page));
        }
        let state = self.memories[guest].page(page).unwrap().state;
        let is_there = state.content() != Content::Preserved || self.is_kvm();
        assert!(state.usage() == Usage::Stable && is_there, "{state}");
        told
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

    pub(super) fn step(&mut self, guest: usize, page: u32, step: &Step) {
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
    pub(super) fn check(&self) {
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
    pub(super) fn read_all(&mut self) {
        self.failures.set(0);
        for guest in 0..GUESTS.into() {
            (0..PAGES).for_each(|page| self.read(guest, page));
        }
    }
}
