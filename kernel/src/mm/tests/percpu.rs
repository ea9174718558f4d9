use std::collections::BTreeSet;

use arch::{Frame, sim};
use cmm::{PageState, Usage};
use proptest::prelude::*;

use super::super::buddy::PageAllocation;
use super::super::{Hinting, MAX_ORDER, PAGE_BATCH, PageFlags, frames};
use super::buddy::check_zero;
use super::{Rig, key};
use crate::work::page_churn::{Churn, Turn};

const CPUS: usize = 3;

#[derive(Clone, Debug)]
enum Step {
    /// So many pages, by a CPU.
    Allocate(usize, usize),
    /// So many of the pages that are taken, from one of them on, by a CPU.
    Free(usize, usize, usize),
    AllocateBlock(u32),
    FreeBlock(usize),
    Idle(usize),
    /// The host takes a page, if it may.
    Evict(u32),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..CPUS, 1..80_usize).prop_map(|(cpu, count)| Step::Allocate(cpu, count)),
        4 => (0..CPUS, 1..80_usize, any::<usize>())
            .prop_map(|(cpu, count, from)| Step::Free(cpu, count, from)),
        1 => (1..6_u32).prop_map(Step::AllocateBlock),
        1 => any::<usize>().prop_map(Step::FreeBlock),
        1 => (0..CPUS).prop_map(Step::Idle),
        1 => any::<u32>().prop_map(Step::Evict),
    ]
}

/// The frames that are free, by plain means, and what is taken.
struct Model {
    free: BTreeSet<Frame>,
    pages: Vec<PageAllocation>,
    blocks: Vec<(Frame, u32)>,
}

impl Model {
    fn take(&mut self, first: Frame, order: u32) {
        assert_eq!(first.0 % (1 << order), 0, "blocks are aligned");
        for frame in frames(first, order) {
            assert!(self.free.remove(&frame), "{frame:?} was free");
        }
    }

    fn apply(&mut self, rig: &Rig, step: Step) {
        match step {
            Step::Allocate(cpu, count) => {
                sim::become_cpu(cpu);
                for _ in 0..count {
                    let Some(page) = rig.mm.allocate_page() else {
                        break;
                    };
                    self.take(page.frame, 0);
                    check_zero(rig, page.frame, 0, page.zero);
                    self.pages.push(page);
                }
            }
            Step::Free(cpu, count, from) => {
                sim::become_cpu(cpu);
                for _ in 0..count.min(self.pages.len()) {
                    let page = self.pages.swap_remove(from % self.pages.len());
                    rig.mm.free_allocated(page);
                    self.free.insert(page.frame);
                }
            }
            Step::AllocateBlock(order) => {
                if let Some(block) = rig.mm.allocate_pages(order) {
                    self.take(block.frame, order);
                    check_zero(rig, block.frame, order, block.zero);
                    self.blocks.push((block.frame, order));
                }
            }
            Step::FreeBlock(which) if !self.blocks.is_empty() => {
                let (first, order) = self.blocks.swap_remove(which % self.blocks.len());
                rig.mm.free_pages(first, order);
                self.free.extend(frames(first, order));
            }
            Step::FreeBlock(_) => {}
            Step::Idle(cpu) => {
                sim::become_cpu(cpu);
                rig.mm.drain_page_list();
            }
            Step::Evict(frame) => {
                rig.machine
                    .evict(Frame(frame % rig.mm.frame_count() as u32));
            }
        }
    }

    /// Every free page is with the buddy allocator, unused or released, or on a list, stable; all others are stable.
    fn check(&self, rig: &Rig) {
        assert_eq!(rig.mm.free_page_count(), self.free.len());
        let mut listed = self.free.clone();
        for (first, order) in rig.mm.free_blocks() {
            for frame in frames(first, order) {
                assert!(listed.remove(&frame), "{frame:?} is free");
                assert!(rig.is_given_up(frame), "{frame:?}");
            }
        }
        assert_eq!(rig.mm.listed_page_count(), listed.len());
        assert!(listed.len() <= 64 * CPUS);
        for frame in (1..rig.mm.frame_count() as u32).map(Frame) {
            let (flags, state) = (rig.flags(frame), rig.machine.state(frame));
            let is_free = self.free.contains(&frame);
            assert_eq!(flags.contains(PageFlags::FREE), is_free, "{frame:?}");
            let is_in_block = is_free && !listed.contains(&frame);
            assert!(
                is_in_block || state.usage() == Usage::Stable,
                "{frame:?}: {state:?}"
            );
            let is_zero = flags.contains(PageFlags::ZERO);
            assert!(
                !is_zero || is_free && state == PageState::SZ,
                "{frame:?}: {state:?}"
            );
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Several CPUs against the model: no page is handed out twice or lost, blocks are aligned, states
    /// are those of rule 10; and when all is freed and all CPUs are idle, blocks are as at the start.
    #[test]
    fn lists_and_buddies_are_the_model(size in 100_usize..600, is_released in any::<bool>(), steps in prop::collection::vec(step(), 1..60)) {
        let rig = match is_released {
            false => Rig::new(size, Hinting::Full),
            true => Rig::released(size, Hinting::Full),
        };
        let before = rig.mm.free_blocks();
        let mut model = Model {
            free: (1..size as u32).map(Frame).collect(),
            pages: Vec::new(),
            blocks: Vec::new(),
        };
        for step in steps {
            model.apply(&rig, step);
            model.check(&rig);
        }
        while !model.blocks.is_empty() {
            model.apply(&rig, Step::FreeBlock(0));
        }
        model.apply(&rig, Step::Free(0, usize::MAX, 7));
        (0..CPUS).for_each(|cpu| model.apply(&rig, Step::Idle(cpu)));
        model.check(&rig);
        prop_assert_eq!(rig.mm.listed_page_count(), 0);
        prop_assert_eq!(rig.mm.free_blocks(), before);
    }
}

/// State changes a pair of an allocation and a free, of random churn.
fn changes(
    rig: &Rig,
    live: usize,
    seed: u128,
    allocate: impl Fn() -> PageAllocation,
    free: impl Fn(PageAllocation),
) -> f64 {
    const TURNS: usize = 20_000;
    let mut churn = Churn::new(live, seed);
    for _ in 0..live {
        churn.add(allocate());
    }
    let before = rig.essa_count();
    for _ in 0..TURNS {
        match churn.turn() {
            Turn::Allocate => churn.add(allocate()),
            Turn::Free(page) => free(page),
        }
    }
    (rig.essa_count() - before) as f64 / (TURNS / 2) as f64
}

/// Whatever the level, memory that comes and goes at random is hardly ever hinted; without lists in
/// front of the buddy allocator it is hinted each time.
#[test]
fn random_churn_seldom_changes_a_state() {
    const BOUND: f64 = 0.125;
    for (live, seed) in [(100, 1), (1000, 2), (1000, 3), (1300, 4)] {
        let rig = Rig::new(2048, Hinting::Full);
        let page = || rig.mm.allocate_page().expect("there is memory");
        let listed = changes(&rig, live, seed, page, |page| rig.mm.free_allocated(page));
        assert!(listed <= BOUND, "{listed} state changes a pair");
        assert!(listed > 0.0, "the churn leaves the lists now and then");

        let rig = Rig::new(2048, Hinting::Full);
        let page = || rig.mm.allocate_pages(0).expect("there is memory");
        let free = |page: PageAllocation| rig.mm.free_pages(page.frame, 0);
        let direct = changes(&rig, live, seed, page, free);
        assert!(direct > 10.0 * BOUND, "{direct} state changes a pair");
    }
}

/// As many pages as a list holds, less a batch, come and go without a state change, from wherever a
/// refill or a drain has left the list.
#[test]
fn what_fits_on_a_list_is_never_hinted() {
    let rig = Rig::new(1024, Hinting::Full);
    let mut pages: Vec<_> = (0..300).map_while(|_| rig.mm.allocate_page()).collect();
    // This one has just been drained.
    for page in pages.drain(..64 + PAGE_BATCH + 1) {
        rig.mm.free_allocated(page);
    }
    let room = 64 - PAGE_BATCH;
    let before = rig.essa_count();
    for _ in 0..10 {
        let taken: Vec<_> = (0..room).map_while(|_| rig.mm.allocate_page()).collect();
        assert_eq!(taken.len(), room);
        for page in taken {
            rig.mm.free_allocated(page);
        }
    }
    assert_eq!(rig.essa_count(), before);
}

/// A page that may be volatile has to be set to some state when it is freed: to stable if it is going to be used soon.
#[test]
fn a_volatile_page_is_freed_stable_while_the_list_is_at_most_half_full() {
    for (listed, usage) in [(0, Usage::Stable), (32, Usage::Stable), (33, Usage::Unused)] {
        let rig = Rig::new(256, Hinting::Full);
        let pages: Vec<_> = (0..listed).map_while(|_| rig.mm.allocate_page()).collect();
        let frame = rig.fill_and_leave(key(0));
        rig.mm.drain_page_list();
        pages
            .into_iter()
            .for_each(|page| rig.mm.free_allocated(page));
        assert_eq!(rig.mm.listed_page_count(), listed);
        rig.mm.truncate(key(0).file, 0..1);
        assert_eq!(rig.machine.state(frame).usage(), usage, "{listed} pages");
    }
}

/// The lock of the buddy allocator is taken once for a batch, either way.
#[test]
fn pages_go_to_and_fro_in_batches() {
    let rig = Rig::new(1024, Hinting::Full);
    let pages: Vec<_> = core::iter::from_fn(|| rig.mm.allocate_page()).collect();
    let stats = &rig.mm.stats;
    let refilled = stats.list_refills.get() * PAGE_BATCH as u64 - stats.list_refills_short.get();
    assert_eq!(refilled, 1023);
    // The memory starts with one block of each order: the smallest ones fill no batch.
    let fewest = 1023_u64.div_ceil(PAGE_BATCH as u64);
    assert!(stats.list_refills.get() <= fewest + 2);
    for page in pages {
        rig.mm.free_allocated(page);
    }
    let drained = stats.list_drains.get() * PAGE_BATCH as u64;
    assert_eq!(rig.mm.listed_page_count() as u64 + drained, 1023);
    rig.mm.drain_page_list();
    assert_eq!(stats.list_flushed.get() + drained, 1023);
}

/// Frees the first pages of all blocks of an order, when all else of them is free, so that each free
/// could merge as often as is possible; returns how many blocks are unmerged afterwards.
fn free_last_holes(rig: &Rig, order: u32) -> usize {
    let pages: Vec<_> = core::iter::from_fn(|| rig.mm.allocate_page()).collect();
    let (holes, others): (Vec<_>, Vec<_>) = pages
        .into_iter()
        .partition(|page| page.frame.0 % (1 << order) == 0);
    others
        .into_iter()
        .for_each(|page| rig.mm.free_allocated(page));
    rig.mm.drain_page_list();
    assert_eq!(rig.mm.unmerged_block_count(), 0, "an idle CPU finishes");
    holes
        .into_iter()
        .for_each(|page| rig.mm.free_allocated(page));
    rig.mm.unmerged_block_count()
}

/// Nobody waits for more merging than the pages are worth that he brings, and nothing of it is lost.
#[test]
fn merging_that_was_put_off_is_done_by_who_needs_it() {
    let rig = Rig::new(2 << MAX_ORDER, Hinting::Off);
    assert!(
        free_last_holes(&rig, 6) > 0,
        "this is more than is done at once"
    );
    // Whatever is on the list of this CPU is in no block.
    rig.mm.drain_all_page_lists();
    let block = rig.mm.allocate_pages(MAX_ORDER).expect("one is whole");
    assert_eq!(block.frame, Frame(1 << MAX_ORDER));
    assert_eq!(rig.mm.unmerged_block_count(), 0);
}

#[test]
fn an_idle_cpu_finishes_merging() {
    let rig = Rig::new(2 << MAX_ORDER, Hinting::Off);
    let before = rig.mm.free_blocks();
    assert!(
        free_last_holes(&rig, 6) > 0,
        "this is more than is done at once"
    );
    rig.mm.drain_page_list();
    assert_eq!(rig.mm.free_blocks(), before);
}

/// What is unmerged can be had, also if there is nothing else.
#[test]
fn unmerged_pages_can_be_allocated() {
    let rig = Rig::new(1 << MAX_ORDER, Hinting::Off);
    assert!(
        free_last_holes(&rig, 5) > 0,
        "this is more than is done at once"
    );
    let pages = core::iter::from_fn(|| rig.mm.allocate_page()).count();
    assert_eq!(pages, (1 << MAX_ORDER) - 1);
}

#[test]
#[should_panic(expected = "cannot be freed")]
fn a_page_on_a_list_is_not_freed_again() {
    let rig = Rig::new(64, Hinting::Full);
    let page = rig.mm.allocate_page().expect("there is memory");
    rig.mm.free_allocated(page);
    rig.mm.free_allocated(page);
}
