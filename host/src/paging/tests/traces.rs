//! How good the pager's choices are: recorded page references (`host/traces/`) on few frames, and those of them that
//! find a page gone that was there, to those of exact LRU on as many frames.

use alloc::collections::VecDeque;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use arch::{Frame, PAGE_SIZE, storage};

use super::*;
use crate::mem::Want;

/// What a machine of 32 MiB has referred to.
const TRACES: [(&str, &[u8]); 2] = [
    ("swap", include_bytes!("../../../traces/swap.trace")),
    ("churn", include_bytes!("../../../traces/churn.trace")),
];
/// Frames to pages that are referred to, in percent.
const PERCENT: [usize; 3] = [25, 40, 50];
/// Most refaults, to those of exact LRU, in percent.
const BOUND: u64 = 110;
const MEMORY: u64 = 32 << 20;
const MEMORY_PAGES: u32 = (MEMORY / PAGE_SIZE as u64) as u32;

/// The pages of a trace: in each two bytes the number of one, and in the last three bits how many behind it follow.
fn references(trace: &[u8]) -> impl Iterator<Item = u32> {
    trace.chunks_exact(2).flat_map(|word| {
        let word = u32::from(u16::from_be_bytes([word[0], word[1]]));
        (word >> 3)..=(word >> 3) + (word & 7)
    })
}

/// A device that keeps nothing, and does at once what it is told: one read at a time, so that no page is read ahead, whose
/// gain is another.
#[derive(Default)]
struct Immediate {
    done: VecDeque<Slot>,
    is_reading: bool,
}

impl PagingDevice for Immediate {
    fn name(&self) -> &'static str {
        "immediate"
    }
    fn slots(&self) -> u32 {
        MEMORY_PAGES
    }
    unsafe fn begin(&mut self, direction: Direction, slot: Slot, _: Frame, _: u64) -> bool {
        let is_read = direction == Direction::Read;
        if is_read && self.is_reading {
            return false;
        }
        self.is_reading |= is_read;
        self.done.push_back(slot);
        true
    }
    fn go(&mut self) {}
    fn next_complete(&mut self, _: u64) -> Option<(Slot, bool)> {
        self.is_reading = false;
        Some((self.done.pop_front()?, true))
    }
    fn look_at(&self, _: u64) -> Option<u64> {
        None
    }
}

/// A guest whose pages are paged as the host does it.
struct Paged {
    memories: Vec<GuestMemory>,
    pool: FramePool,
    pager: Pager,
}

impl Paged {
    fn new(frames: u32) -> Self {
        let mut pool = FramePool::new(Frame(1), frames);
        pool.allow_paging(Ledger::new(None, MEMORY_PAGES, 1, MEMORY_PAGES as usize));
        let memory = GuestMemory::new(0, MEMORY, Personality::NO_HINTS, 1, 64 << 10);
        Self {
            memories: vec![memory],
            pager: Pager::new(Box::<Immediate>::default(), &pool),
            pool,
        }
    }

    /// What the host does at each exit.
    fn tend(&mut self) {
        let (memories, pool) = (&mut self.memories, &mut self.pool);
        self.pager.complete(memories, pool, 0);
        self.pager.sweep(memories, pool);
        if self.pager.is_short(pool) {
            self.pager.reclaim(memories, pool, 0);
        }
    }

    /// The guest refers to a page: an exit only if it is not mapped.
    fn refer(&mut self, page: u32, store: bool) {
        for _ in 0..1000 {
            let memory = &mut self.memories[0];
            let there = match memory.mapped(CPU, page) {
                Some((frame, is_writable)) if is_writable || !store => Ok(frame),
                _ => {
                    let there = memory.resolve(&mut self.pool, CPU, page, store);
                    self.tend();
                    there
                }
            };
            match there {
                Ok(frame) if self.memories[0].page(page).unwrap().resident() == Some(frame) => {
                    // SAFETY: the frame is the page's.
                    unsafe { storage::copy_out(frame.address(), &mut [0]) };
                    return;
                }
                Ok(_) | Err(AccessError::Wait(Want::Frame)) => {}
                Err(AccessError::Wait(Want::Page(page))) => {
                    let (memories, pool) = (&mut self.memories, &mut self.pool);
                    self.pager.bring(memories, pool, PageId::new(0, page), 0);
                    self.tend();
                }
                Err(error) => panic!("{error:?}"),
            }
        }
        panic!("no end of waiting: {:?}", self.pool);
    }
}

/// Refaults of the pager; those that refer to a page store into it, or none does after the first.
fn of_pager(trace: &[u8], frames: u32, store: bool) -> u64 {
    let machine = Machine::new(1 + frames as usize, Installed::None);
    let _entered = machine.enter();
    let mut paged = Paged::new(frames);
    references(trace).for_each(|page| paged.refer(page, store));
    paged.memories[0].counters.page_reads
}

/// Refaults if the page goes that was not used for the longest time, whenever a frame is wanted.
fn of_exact_lru(trace: &[u8], frames: usize) -> u64 {
    let mut times: HashMap<u32, usize> = HashMap::new();
    let mut resident = BTreeMap::new();
    let mut refaults = 0;
    for (now, page) in references(trace).enumerate() {
        let last = times.insert(page, now);
        let was_there = last.is_some_and(|last| resident.remove(&last).is_some());
        refaults += u64::from(last.is_some() && !was_there);
        resident.insert(now, page);
        if resident.len() > frames {
            resident.pop_first();
        }
    }
    refaults
}

/// Refaults if the page goes that came first.
fn of_first_in_first_out(trace: &[u8], frames: usize) -> u64 {
    let (mut resident, mut order, mut seen) = (BTreeSet::new(), VecDeque::new(), BTreeSet::new());
    let mut refaults = 0;
    for page in references(trace) {
        if !resident.insert(page) {
            continue;
        }
        refaults += u64::from(!seen.insert(page));
        order.push_back(page);
        if order.len() > frames {
            resident.remove(&order.pop_front().unwrap());
        }
    }
    refaults
}

#[test]
fn refaults_are_hardly_more_than_those_of_exact_lru() {
    for (name, trace) in TRACES {
        let pages: BTreeSet<_> = references(trace).collect();
        for percent in PERCENT {
            let frames = pages.len() * percent / 100;
            let exact = of_exact_lru(trace, frames);
            for store in [false, true] {
                let found = of_pager(trace, frames as u32, store);
                assert!(
                    100 * found <= BOUND * exact,
                    "{name} on {frames} frames, {store}: {found} refaults, exact LRU has {exact}"
                );
            }
        }
    }
}

#[test]
fn the_traces_tell_good_orders_from_bad_ones() {
    let (_, churn) = TRACES[1];
    for frames in [974, 1558] {
        let exact = of_exact_lru(churn, frames);
        assert!(100 * of_first_in_first_out(churn, frames) > BOUND * exact && exact > 1000);
    }
}
