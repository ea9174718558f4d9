//! Decides which pages go, and brings back those that are wanted.
//!
//! Resident pages of all guests stand in one list, in the order of the last look at them. A look at a
//! page that was referenced since the last one resets that and puts it at the end; one that was not
//! goes: without I/O if its content is useless or its copy is good, else it is written first. A
//! reference bit is reset only where it is on, for reading one is cheap and resetting one is not. Pages of one
//! guest that follow one another are looked at together.

use alloc::boxed::Box;

use super::{Direction, Ledger, PageId, PagingDevice, Resident, Slot, Transfer};
use crate::mem::notifier::BATCH;
use crate::mem::{GuestMemory, Standing};
use crate::memory::FramePool;

/// Most pages that one round looks at, unless there is no frame at all.
const LOOKS: usize = 128;
/// Most writes under way; the device has room for reads beside them.
const MOST_WRITES: usize = 12;
/// Most pages that are read together: those that went together may be wanted together.
const CLUSTER: u32 = 8;
/// The pager begins to work when so many frames are free; with few frames in all, a part of them, but some.
const LOW: usize = 128;
const LEAST: usize = 2;
const LOW_PART: usize = 32;
/// So many pages the sweep passes for each one that comes: it passes all of them so many times while memory is
/// replaced once. Each bit that it resets flushes every TLB, and more of them tell little more.
const SWEEP: usize = 2;

/// The guests' memories by the numbers of the guests.
pub trait Memories {
    /// The memory of a guest.
    fn memory(&mut self, guest: usize) -> &mut GuestMemory;
}

/// What came of a wanted page.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Wanted {
    /// Whoever wants it looks again.
    LookAgain,
    /// It is on its way, or will be when there is room for it.
    Wait,
}

/// The pager.
pub struct Pager {
    device: Box<dyn PagingDevice>,
    /// So few free frames make it work, until there are `high`.
    low: usize,
    high: usize,
    /// Looks since the last one that brought a frame nearer.
    fruitless: usize,
    /// Pages that could not be read.
    pub read_errors: u64,
    /// Pages that could not be written.
    pub write_errors: u64,
}

/// A look at pages of the list: which of them were referenced.
struct Look {
    /// A bit for each, the next one's on the right.
    used: u64,
    left: usize,
}

impl Look {
    const NOTHING: Self = Self { used: 0, left: 0 };

    /// Looks at pages of one guest, as many as there are in front of others, at most a batch; returns them, too.
    fn at(
        memories: &mut impl Memories,
        list: impl Iterator<Item = PageId>,
    ) -> (Self, [PageId; BATCH]) {
        let mut ids = [PageId::new(0, 0); BATCH];
        let mut pages = [0; BATCH];
        let mut left = 0;
        for id in list.take(BATCH) {
            if left > 0 && id.guest() != ids[0].guest() {
                break;
            }
            (ids[left], pages[left]) = (id, id.page());
            left += 1;
        }
        let memory = memories.memory(ids[0].guest());
        let used = memory.age_batch(&pages[..left]);
        (Self { used, left }, ids)
    }

    /// Whether the page in front of the list was referenced. If that is not known yet, looks at those behind it, too, as
    /// long as they are the same guest's, at most at so many.
    fn is_next_used(
        &mut self,
        memories: &mut impl Memories,
        list: &mut Resident,
        most: usize,
    ) -> bool {
        if self.left == 0 {
            *self = Self::at(memories, list.oldest().take(most)).0;
        }
        let is_used = self.used & 1 != 0;
        self.used >>= 1;
        self.left = self.left.saturating_sub(1);
        is_used
    }
}

fn ledger(pool: &mut FramePool) -> &mut Ledger {
    pool.ledger.as_mut().expect("who pages has a ledger")
}

impl Pager {
    /// A pager that keeps some frames of a pool free, beyond what is reserved there.
    #[must_use]
    pub fn new(device: Box<dyn PagingDevice>, pool: &FramePool) -> Self {
        let more = (pool.total() / LOW_PART).clamp(LEAST, LOW);
        let low = pool.reserve() + more;
        Self {
            device,
            low,
            high: low + more / 2 + 1,
            fruitless: 0,
            read_errors: 0,
            write_errors: 0,
        }
    }

    /// The device's name.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.device.name()
    }

    /// So many frames are to be free.
    #[must_use]
    pub fn goal(&self) -> usize {
        self.high
    }

    /// Whether it is time to free frames.
    #[must_use]
    pub fn is_short(&self, pool: &FramePool) -> bool {
        !pool.has_free(self.low)
    }

    /// When to look for what has been transferred, if anything is under way.
    #[must_use]
    pub fn look_at(&self, now: u64) -> Option<u64> {
        self.device.look_at(now)
    }

    /// Whether the device will interrupt a CPU when something has been transferred.
    #[must_use]
    pub fn will_interrupt(&self) -> bool {
        self.device.will_interrupt()
    }

    /// Whether there is no frame, and never will be one unless a guest gives one up.
    #[must_use]
    pub fn is_stuck(&self, pool: &FramePool) -> bool {
        let is_idle =
            |ledger: &Ledger| !ledger.slots.is_busy() && self.fruitless > 2 * ledger.resident.len();
        pool.is_exhausted() && pool.ledger.as_ref().is_some_and(is_idle)
    }

    /// Takes notice of what has been transferred.
    pub fn complete(&mut self, memories: &mut impl Memories, pool: &mut FramePool, now: u64) {
        while let Some((slot, is_good)) = self.device.next_complete(now) {
            self.fruitless = 0;
            let Some(transfer) = ledger(pool).slots.end(slot) else {
                continue;
            };
            let memory = memories.memory(transfer.page.guest());
            match transfer.direction {
                Direction::Read => self.is_read(memory, pool, transfer, is_good),
                Direction::Write if !transfer.is_stale => {
                    let to = is_good.then_some(slot);
                    if !memory.end_move(pool, transfer.page.page(), to) {
                        self.is_written(memory, pool, transfer, is_good);
                    }
                    if !is_good {
                        self.write_errors += 1;
                        ledger(pool).slots.retire();
                    }
                }
                Direction::Write => {}
            }
        }
    }

    fn is_read(
        &mut self,
        memory: &mut GuestMemory,
        pool: &mut FramePool,
        transfer: Transfer,
        is_good: bool,
    ) {
        let page = transfer.page.page();
        if transfer.is_stale || !is_good {
            pool.give(transfer.frame);
        }
        if transfer.is_stale {
            return;
        }
        if is_good {
            memory.end_page_in(pool, page, transfer.frame, transfer.is_wanted);
        } else {
            self.read_errors += 1;
            memory.fail_page_in(page);
        }
    }

    fn is_written(
        &mut self,
        memory: &mut GuestMemory,
        pool: &mut FramePool,
        transfer: Transfer,
        is_good: bool,
    ) {
        let page = transfer.page.page();
        memory.end_page_out(page, is_good);
        if pool.free() < self.high
            && memory.standing(page) == Standing::Clean
            && !memory.age_page(page)
        {
            memory.page_out(pool, page);
        }
    }

    /// Brings a page in that a guest wants, and those that went with it.
    pub fn bring(
        &mut self,
        memories: &mut impl Memories,
        pool: &mut FramePool,
        id: PageId,
        now: u64,
    ) -> Wanted {
        let memory = memories.memory(id.guest());
        let Some((slot, is_in_transit)) = memory.preserved(id.page()) else {
            return Wanted::LookAgain;
        };
        if is_in_transit {
            ledger(pool).slots.want(slot);
        } else if self.read(memory, pool, id, slot, true, now) {
            if !memory.is_doubtful(id.page()) {
                self.read_neighbours(memory, pool, id, slot, now);
            }
            self.device.go();
        }
        Wanted::Wait
    }

    /// Reads pages of the same guest from the slots behind one, as long as frames are plenty.
    fn read_neighbours(
        &mut self,
        memory: &mut GuestMemory,
        pool: &mut FramePool,
        id: PageId,
        slot: Slot,
        now: u64,
    ) {
        for next in (slot.number() + 1..)
            .take(CLUSTER as usize - 1)
            .map(Slot::new)
        {
            let owner = ledger(pool).slots.owner(next);
            let Some(owner) = owner.filter(|owner| owner.guest() == id.guest()) else {
                return;
            };
            let is_there = memory.preserved(owner.page()) == Some((next, false))
                && !memory.is_doubtful(owner.page());
            if pool.free() <= self.low / 2
                || is_there && !self.read(memory, pool, owner, next, false, now)
            {
                return;
            }
        }
    }

    /// Begins to read a page; returns false if there is no room for it now.
    fn read(
        &mut self,
        memory: &mut GuestMemory,
        pool: &mut FramePool,
        page: PageId,
        slot: Slot,
        is_wanted: bool,
        now: u64,
    ) -> bool {
        let Some(frame) = pool.take() else {
            return false;
        };
        let transfer = Transfer {
            is_wanted,
            ..Transfer::new(Direction::Read, slot, page, frame)
        };
        let has_begun = self.begin(pool, transfer, now);
        if has_begun {
            memory.begin_page_in(page.page());
        } else {
            pool.give(frame);
        }
        has_begun
    }

    /// Frees frames, or begins to, until enough are free or will be soon.
    pub fn reclaim(&mut self, memories: &mut impl Memories, pool: &mut FramePool, now: u64) {
        let all = ledger(pool).resident.len();
        let mut looks = if pool.is_exhausted() {
            2 * all + 1
        } else {
            LOOKS.min(all)
        };
        let mut has_begun = false;
        let mut look = Look::NOTHING;
        while looks > 0 {
            let free = pool.free();
            let Ledger {
                slots, resident, ..
            } = ledger(pool);
            let writes = slots.under_way(Direction::Write);
            let missing = self.high.saturating_sub(free + writes);
            if missing == 0 {
                break;
            }
            let is_used = look.is_next_used(memories, resident, missing.min(looks));
            let Some(id) = resident.pop() else {
                break;
            };
            looks -= 1;
            self.fruitless += 1;
            let memory = memories.memory(id.guest());
            let page = id.page();
            let standing = memory.standing(page);
            if is_used && !matches!(standing, Standing::Gone | Standing::Kept) {
                memory.reset_reference_of_host(page);
                ledger(pool).resident.push(id);
                continue;
            }
            match standing {
                Standing::Gone => {
                    memory.unlist(page);
                    continue;
                }
                Standing::Useless if memory.evict(pool, page) => {}
                Standing::Clean if memory.page_out(pool, page) => {}
                Standing::Useless | Standing::Clean | Standing::Kept => {
                    ledger(pool).resident.push(id);
                    continue;
                }
                Standing::Changed if self.expand(memory, pool, id) => {}
                Standing::Changed if writes >= MOST_WRITES => {
                    ledger(pool).resident.put_back(id);
                    break;
                }
                Standing::Changed => {
                    let has_room = self.write(memory, pool, id, now);
                    ledger(pool).resident.push(id);
                    has_begun |= has_room;
                    if has_room {
                        self.fruitless = 0;
                    }
                    continue;
                }
            }
            memory.unlist(page);
            self.fruitless = 0;
        }
        if has_begun | self.move_on(memories, pool, now) {
            self.device.go();
        }
    }

    /// Goes on with the sweep that resets reference bits, as far as pages have come since, and frames are not plenty.
    pub fn sweep(&mut self, memories: &mut impl Memories, pool: &mut FramePool) {
        let is_plenty = pool.free() > pool.total() / 2;
        let list = &mut ledger(pool).resident;
        if is_plenty || list.added < BATCH / SWEEP {
            return;
        }
        let mut left = (SWEEP * list.added).min(list.len());
        list.added = 0;
        while left > 0 {
            let (mut look, ids) = Look::at(memories, list.next_swept());
            for id in &ids[..look.left] {
                let is_used = look.used & 1 != 0;
                look.used >>= 1;
                if is_used {
                    let memory = memories.memory(id.guest());
                    memory.reset_reference_of_host(id.page());
                }
                list.sweep(is_used);
            }
            left = left.saturating_sub(look.left.max(1));
        }
    }

    /// Copies a page to expanded storage; returns false if there is no room.
    fn expand(&mut self, memory: &mut GuestMemory, pool: &mut FramePool, id: PageId) -> bool {
        let Some(expanded) = &mut ledger(pool).expanded else {
            return false;
        };
        let Some(slot) = expanded.take(id) else {
            return false;
        };
        let frame = expanded.frame(slot);
        memory.page_out_to_expanded(pool, id.page(), slot, frame)
    }

    /// Begins to move old pages on from expanded storage to the device; returns whether it did.
    fn move_on(&mut self, memories: &mut impl Memories, pool: &mut FramePool, now: u64) -> bool {
        let mut has_begun = false;
        loop {
            let Ledger {
                slots,
                expanded: Some(expanded),
                ..
            } = ledger(pool)
            else {
                return has_begun;
            };
            if !expanded.is_short() || slots.under_way(Direction::Write) >= MOST_WRITES {
                return has_begun;
            }
            let Some((from, page)) = expanded.oldest() else {
                return has_begun;
            };
            let frame = expanded.frame(from);
            let memory = memories.memory(page.guest());
            if memory.discard_expanded(pool, page.page()) {
                continue;
            }
            // If it is under way, all that there are are.
            if !memory.begin_move(page.page()) {
                return has_begun;
            }
            let slot = ledger(pool).slots.take(page);
            let transfer = |slot| Transfer::new(Direction::Write, slot, page, frame);
            if let Some(slot) = slot {
                if self.begin(pool, transfer(slot), now) {
                    has_begun = true;
                    continue;
                }
                pool.give_slot(slot, true);
            }
            memory.end_move(pool, page.page(), None);
            return has_begun;
        }
    }

    /// Begins to write a page; returns false if there is no room for it now.
    fn write(
        &mut self,
        memory: &mut GuestMemory,
        pool: &mut FramePool,
        page: PageId,
        now: u64,
    ) -> bool {
        let Some(slot) = ledger(pool).slots.take(page) else {
            return false;
        };
        // First, so that a store is noticed that comes while the device reads.
        let Some(frame) = memory.begin_page_out(page.page(), slot) else {
            pool.give_slot(slot, true);
            return false;
        };
        let transfer = Transfer::new(Direction::Write, slot, page, frame);
        let has_begun = self.begin(pool, transfer, now);
        if !has_begun {
            memory.end_page_out(page.page(), false);
            pool.give_slot(slot, true);
        }
        has_begun
    }

    /// Begins a transfer; returns false if the device has no room for it now.
    fn begin(&mut self, pool: &mut FramePool, transfer: Transfer, now: u64) -> bool {
        let Transfer {
            direction,
            slot,
            frame,
            ..
        } = transfer;
        // SAFETY: a frame that is read into comes from the pool and is nobody's until it was read. One that
        // is written may become another page's: then the transfer is stale, and nobody reads the slot.
        let has_begun = unsafe { self.device.begin(direction, slot, frame, now) };
        if has_begun {
            ledger(pool).slots.begin(transfer);
        }
        has_begun
    }
}
