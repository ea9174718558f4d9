use arch::{Frame, PAGE_SIZE, storage};
use cmm::{PageState, Usage};
use proptest::prelude::*;

use super::super::{Hinting, MAX_ORDER, frames};
use super::Rig;

#[derive(Clone, Debug)]
enum Step {
    Allocate(u32),
    Free(usize),
    Evict(u32),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..5_u32).prop_map(Step::Allocate),
        3 => any::<usize>().prop_map(Step::Free),
        2 => any::<u32>().prop_map(Step::Evict),
    ]
}

/// What is allocated, by plain means: for each frame, whether it is.
struct Model {
    blocks: Vec<(Frame, u32)>,
    taken: Vec<bool>,
}

impl Model {
    fn take(&mut self, first: Frame, order: u32) {
        assert_eq!(first.0 % (1 << order), 0, "blocks are aligned");
        for frame in frames(first, order) {
            assert!(frame.0 > 0, "frame 0 was never free");
            assert!(!self.taken[frame.index()], "blocks do not overlap");
            self.taken[frame.index()] = true;
        }
        self.blocks.push((first, order));
    }

    /// Whether an aligned block of free frames exists.
    fn has(&self, order: u32) -> bool {
        let free = |first: usize| self.taken[first..first + (1 << order)].iter().all(|t| !t);
        (0..=self.taken.len() - (1 << order))
            .step_by(1 << order)
            .any(|first| first > 0 && free(first))
    }

    fn free_pages(&self) -> usize {
        self.taken.iter().skip(1).filter(|taken| !**taken).count()
    }
}

fn check(rig: &Rig, model: &Model) {
    assert_eq!(rig.mm.free_page_count(), model.free_pages());
    for (frame, taken) in model.taken.iter().enumerate().skip(1) {
        let usage = rig.machine.state(Frame(frame as u32)).usage();
        let wanted = if *taken { Usage::Stable } else { Usage::Unused };
        assert_eq!(usage, wanted, "frame {frame}");
    }
}

proptest! {
    /// Against the model: no overlap, a block whenever one exists (so free buddies are merged), every
    /// free page unused and every other stable after each step, one ESSA for each change of a page,
    /// and in the end all pages back.
    #[test]
    fn the_allocator_is_the_model(size in 20_usize..150, steps in prop::collection::vec(step(), 1..120)) {
        let rig = Rig::new(size, Hinting::Full);
        let mut model = Model { blocks: Vec::new(), taken: vec![false; size] };
        model.taken[0] = true;
        check(&rig, &model);
        for step in steps {
            let before = rig.essa_count();
            let mut changed = 0;
            match step {
                Step::Allocate(order) => {
                    let possible = model.has(order);
                    let block = rig.mm.allocate_pages(order);
                    prop_assert_eq!(block.is_some(), possible);
                    if let Some(block) = block {
                        model.take(block.frame, order);
                        changed = 1 << order;
                        check_zero(&rig, block.frame, order, block.zero);
                    }
                }
                Step::Free(which) if !model.blocks.is_empty() => {
                    let (first, order) = model.blocks.swap_remove(which % model.blocks.len());
                    rig.mm.free_pages(first, order);
                    for frame in frames(first, order) {
                        model.taken[frame.index()] = false;
                    }
                    changed = 1 << order;
                }
                Step::Free(_) => {}
                Step::Evict(frame) => {
                    rig.machine.evict(Frame(frame % size as u32));
                }
            }
            prop_assert_eq!(rig.essa_count() - before, changed);
            check(&rig, &model);
        }
        for (first, order) in model.blocks.drain(..) {
            rig.mm.free_pages(first, order);
        }
        prop_assert_eq!(rig.mm.free_page_count(), size - 1);
    }
}

/// What is said to read as zero does; then something is written, so that the next one has to be told.
pub(super) fn check_zero(rig: &Rig, first: Frame, order: u32, zero: bool) {
    for frame in frames(first, order) {
        let mut page = [1; PAGE_SIZE];
        if zero {
            assert_eq!(rig.machine.state(frame), PageState::SZ);
            // SAFETY: the block has been handed out to us.
            unsafe { storage::copy_out(frame.address(), &mut page) }
            assert_eq!(page, [0; PAGE_SIZE]);
        }
        // SAFETY: as above.
        unsafe { storage::copy_in(frame.address(), &[0xee; PAGE_SIZE]) }
    }
}

#[test]
fn a_block_of_the_largest_order_comes_together_again() {
    let rig = Rig::new(2 << MAX_ORDER, Hinting::Off);
    let pages: Vec<Frame> = core::iter::from_fn(|| rig.mm.allocate_pages(0))
        .map(|block| block.frame)
        .collect();
    assert_eq!(pages.len(), (2 << MAX_ORDER) - 1);
    assert!(rig.mm.allocate_pages(0).is_none());
    for frame in pages
        .iter()
        .step_by(2)
        .chain(pages.iter().skip(1).step_by(2))
    {
        rig.mm.free_pages(*frame, 0);
    }
    let block = rig
        .mm
        .allocate_pages(MAX_ORDER)
        .expect("one aligned block is whole");
    assert_eq!(block.frame, Frame(1 << MAX_ORDER));
}

/// The page hinted last is the least likely to have been taken by the host.
#[test]
fn the_page_freed_last_is_reused_first() {
    let rig = Rig::new(64, Hinting::Full);
    let pages: Vec<Frame> = (0..16)
        .map(|_| rig.mm.allocate_pages(0).expect("there is memory").frame)
        .collect();
    // Every second one, so that no two merge.
    let freed: Vec<Frame> = pages.iter().copied().step_by(2).collect();
    for frame in &freed {
        rig.mm.free_pages(*frame, 0);
    }
    for frame in freed.iter().rev() {
        let block = rig.mm.allocate_pages(0).expect("there is memory");
        assert_eq!(block.frame, *frame);
        assert!(!block.zero, "the host has not taken it");
    }
}

#[test]
fn a_page_that_the_host_took_comes_back_as_zeroes() {
    let rig = Rig::new(64, Hinting::Unused);
    assert_eq!(rig.machine.evict_all(), 63);
    assert_eq!(rig.machine.state(Frame(1)), PageState::UZ);
    assert!(rig.mm.allocate_pages(3).expect("there is memory").zero);
}

#[test]
fn nothing_is_hinted_when_hinting_is_off() {
    let rig = Rig::new(64, Hinting::Off);
    let block = rig.mm.allocate_pages(2).expect("there is memory");
    assert!(!block.zero);
    rig.mm.free_pages(block.frame, 2);
    assert_eq!(rig.essa_count(), 0);
}

#[test]
#[should_panic(expected = "cannot be freed")]
fn a_page_is_not_freed_twice() {
    let rig = Rig::new(64, Hinting::Full);
    let block = rig.mm.allocate_pages(0).expect("there is memory");
    rig.mm.free_pages(block.frame, 0);
    rig.mm.free_pages(block.frame, 0);
}

#[test]
#[should_panic(expected = "cannot be freed")]
fn a_page_in_use_is_not_freed() {
    let rig = Rig::new(64, Hinting::Full);
    let page = rig.fill(super::key(0), 1);
    rig.mm.free_pages(page.frame(), 0);
}
