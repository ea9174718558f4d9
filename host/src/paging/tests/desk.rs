//! A pager with a device that does what the test says.

use alloc::collections::VecDeque;
use alloc::rc::Rc;
use core::cell::{Cell, RefCell};
use core::ops::Range;

use arch::{Frame, key};

use super::*;

/// Frames in all, and how many are to be free then: the pager works when there are fewer than `LOW`, until there are `GOAL`.
pub(super) const ALL: u32 = 640;
pub(super) const LOW: usize = 28;
pub(super) const GOAL: usize = 39;
/// So few are left for what is urgent only.
pub(super) const RESERVED: usize = 8;
/// Pages of a guest.
const MEMORY: u32 = 512;
/// Those that were supplied last, and stay therefore: nobody looks at these.
const LAST: Range<u32> = MEMORY - 8..MEMORY;

/// The page with a number: the prefix area, which stays, is in front of them.
pub(super) fn at(number: u32) -> u32 {
    FIRST + number
}

/// What the device was told, and what it is to say.
#[derive(Default)]
pub(super) struct Script {
    under_way: RefCell<Vec<(Direction, Slot)>>,
    complete: RefCell<VecDeque<(Slot, bool)>>,
    /// So many transfers find no room.
    pub(super) refused: Cell<usize>,
    /// As many find it before.
    pub(super) accepted: Cell<usize>,
    /// How often it was told to go.
    starts: Cell<usize>,
    pub(super) interrupts: Cell<bool>,
}

struct Scripted(Rc<Script>);

impl PagingDevice for Scripted {
    fn name(&self) -> &'static str {
        "scripted"
    }
    fn slots(&self) -> u32 {
        MEMORY
    }
    unsafe fn begin(&mut self, direction: Direction, slot: Slot, _: Frame, _: u64) -> bool {
        let script = &self.0;
        if script.accepted.get() == 0 && script.refused.get() > 0 {
            script.refused.set(script.refused.get() - 1);
            return false;
        }
        script.accepted.set(script.accepted.get().saturating_sub(1));
        script.under_way.borrow_mut().push((direction, slot));
        true
    }
    fn go(&mut self) {
        self.0.starts.set(self.0.starts.get() + 1);
    }
    fn next_complete(&mut self, _: u64) -> Option<(Slot, bool)> {
        self.0.complete.borrow_mut().pop_front()
    }
    fn will_interrupt(&self) -> bool {
        self.0.interrupts.get()
    }
    fn look_at(&self, now: u64) -> Option<u64> {
        Some(now + 7)
    }
}

/// Two guests, and a pager whose device is scripted.
pub(super) struct Desk {
    pub(super) memories: Vec<GuestMemory>,
    pub(super) pool: FramePool,
    pub(super) pager: Pager,
    pub(super) script: Rc<Script>,
}

impl Desk {
    fn new(expanded: u32, slots: u32) -> Self {
        let mut pool = FramePool::new(Frame(1), ALL);
        let expanded = (expanded > 0).then(|| Expanded::new(Frame(1 + ALL), expanded));
        pool.allow_paging(Ledger::new(expanded, slots, GUESTS.into(), MEMORY as usize));
        let memory = |id| {
            let bytes = u64::from(MEMORY) << arch::PAGE_SHIFT;
            GuestMemory::new(id, bytes, Personality::MODEL, 1, 64 << 10)
        };
        let script = Rc::<Script>::default();
        Self {
            memories: (0..GUESTS).map(memory).collect(),
            pager: Pager::new(Box::new(Scripted(script.clone())), &pool),
            pool,
            script,
        }
    }

    pub(super) fn ledger(&mut self) -> &mut Ledger {
        self.pool.ledger.as_mut().unwrap()
    }

    /// A guest stores into pages; nobody refers to them afterwards.
    pub(super) fn store(&mut self, guest: usize, pages: Range<u32>) {
        let memory = &mut self.memories[guest];
        for page in pages.map(at) {
            let frame = memory.resolve(&mut self.pool, CPU, page, true).unwrap();
            key::reset_reference(frame);
        }
        for page in LAST {
            memory.resolve(&mut self.pool, CPU, page, false).unwrap();
            memory.release(&mut self.pool, page..page + 1);
        }
    }

    /// A guest has stored into pages, and all of them have gone to the device.
    pub(super) fn page_out(&mut self, guest: usize, pages: Range<u32>) {
        self.store(guest, pages.clone());
        for page in pages.map(at) {
            let memory = &mut self.memories[guest];
            memory.write_at_once(&mut self.pool, page);
            assert!(memory.page_out(&mut self.pool, page));
        }
    }

    /// Others take frames until so many are free.
    pub(super) fn leave(&mut self, free: usize) {
        while self.pool.free() > free {
            self.pool.take().unwrap();
        }
    }

    pub(super) fn refer_to(&self, guest: usize, pages: Range<u32>) {
        for page in pages.map(at) {
            let entry = self.memories[guest].page(page).unwrap();
            key::set(entry.resident().unwrap(), key::REFERENCE);
        }
    }

    /// Which pages the host has not seen referenced since.
    pub(super) fn seen(&self, guest: usize, pages: Range<u32>) -> usize {
        let frame = |page: &u32| self.memories[guest].page(*page).unwrap().frame;
        let is_off = |page: &u32| key::get(frame(page)) & key::REFERENCE == 0;
        pages.map(at).filter(is_off).count()
    }

    pub(super) fn reclaim(&mut self) {
        self.pager.reclaim(&mut self.memories, &mut self.pool, 0);
    }

    pub(super) fn sweep(&mut self) {
        self.pager.sweep(&mut self.memories, &mut self.pool);
    }

    pub(super) fn bring(&mut self, page: u32) {
        let id = PageId::new(0, at(page));
        let found = self.pager.bring(&mut self.memories, &mut self.pool, id, 0);
        assert_eq!(found, Wanted::Wait);
    }

    /// Whose slots are in transfers, in the order in which these began; and how often the device was told to go.
    pub(super) fn begun(&mut self, direction: Direction) -> (Vec<u32>, usize) {
        let under_way = self.script.under_way.borrow().clone();
        let slots = &self.ledger().slots;
        let same = under_way.iter().filter(|(way, _)| *way == direction);
        let pages = same.map(|(_, slot)| slots.owner(*slot).unwrap().page() - FIRST);
        (pages.collect(), self.script.starts.take())
    }

    /// All transfers end, well or not.
    pub(super) fn complete(&mut self, are_good: bool) {
        let done = self.script.under_way.take();
        let done = done.into_iter().map(|(_, slot)| (slot, are_good));
        self.script.complete.borrow_mut().extend(done);
        self.pager.complete(&mut self.memories, &mut self.pool, 0);
    }

    /// A transfer of nobody's has ended: the pager has hope again.
    pub(super) fn hope(&mut self) {
        self.script
            .complete
            .borrow_mut()
            .push_back((Slot::new(0), true));
        self.complete(true);
    }

    pub(super) fn standings<const N: usize>(&self) -> [Standing; N] {
        core::array::from_fn(|page| self.memories[0].standing(at(page as u32)))
    }
}

pub(super) fn at_a_desk(expanded: u32, slots: u32, test: impl FnOnce(Desk)) {
    let machine = Machine::new((1 + ALL + expanded) as usize, Installed::None);
    let _entered = machine.enter();
    test(Desk::new(expanded, slots));
}
