use std::collections::BTreeSet;

use arch::Frame;
use proptest::prelude::*;

use super::super::{FreeBlock, Hinting, MAX_ORDER, PageAllocation, frames};
use super::{Rig, key};

/// Takes all blocks that can be reported, and gives them back as reported.
fn report_all(rig: &Rig, least: u32) -> Vec<FreeBlock> {
    let all: Vec<_> = core::iter::from_fn(|| rig.mm.take_unreported(least)).collect();
    for block in &all {
        rig.mm.give_reported(*block, true);
    }
    all
}

/// Blocks whose reports are not complete yet.
type UnderWay = Vec<FreeBlock>;

/// What the device has, by plain means: the frames whose content it took since they were last used.
struct Model {
    reported: BTreeSet<u32>,
    allocated: Vec<(Frame, u32)>,
    under_way: UnderWay,
}

impl Model {
    fn check(&self, rig: &Rig, size: u32) {
        let used = |blocks: &mut dyn Iterator<Item = (Frame, u32)>| -> BTreeSet<u32> {
            blocks
                .flat_map(|(first, order)| frames(first, order))
                .map(|frame| frame.0)
                .collect()
        };
        let allocated = used(&mut self.allocated.iter().copied());
        let under_way = used(
            &mut self
                .under_way
                .iter()
                .map(|block| (block.frame, block.order)),
        );
        assert!(
            allocated.is_disjoint(&under_way),
            "nobody gets what is under way"
        );
        assert_eq!(
            rig.mm.free_page_count(),
            size as usize - 1 - allocated.len()
        );
        for frame in 1..size {
            if rig.mm.is_reported(Frame(frame)) {
                assert!(self.reported.contains(&frame), "frame {frame} was used");
            }
        }
    }
}

proptest! {
    /// Nothing counts as reported that was used since, whatever is split and merged; blocks that are
    /// under way are free and nobody's; when all has been reported once, nothing is left to report.
    #[test]
    fn what_was_used_is_reported_again(
        size in 20_u32..300,
        least in 0_u32..4,
        steps in prop::collection::vec((0_u32..8, any::<usize>(), 0_u32..5), 1..150),
    ) {
        let rig = Rig::new(size as usize, Hinting::Off);
        let mut model = Model {
            reported: BTreeSet::new(),
            allocated: Vec::new(),
            under_way: Vec::new(),
        };
        for (what, which, order) in steps {
            match what {
                0 => if let Some(block) = rig.mm.allocate_pages(order) {
                    frames(block.frame, order).for_each(|frame| { model.reported.remove(&frame.0); });
                    model.allocated.push((block.frame, order));
                },
                1 if !model.allocated.is_empty() => {
                    let (first, order) = model.allocated.swap_remove(which % model.allocated.len());
                    rig.mm.free_pages(first, order);
                }
                // By way of the CPU's list.
                5 | 6 => if let Some(page) = rig.mm.allocate_page() {
                    model.reported.remove(&page.frame.0);
                    model.allocated.push((page.frame, 0));
                },
                7 if !model.allocated.is_empty() => {
                    let which = which % model.allocated.len();
                    if let (frame, 0) = model.allocated[which] {
                        model.allocated.swap_remove(which);
                        rig.mm.free_allocated(PageAllocation { frame, zero: false });
                    }
                }
                2 => if let Some(block) = rig.mm.take_unreported(least) {
                    prop_assert!(block.order >= least);
                    model.under_way.push(block);
                },
                3 | 4 if !model.under_way.is_empty() => {
                    let block = model.under_way.swap_remove(which % model.under_way.len());
                    if what == 3 {
                        model.reported.extend(frames(block.frame, block.order).map(|frame| frame.0));
                    }
                    rig.mm.give_reported(block, what == 3);
                }
                _ => {}
            }
            model.check(&rig, size);
        }
        model.under_way.drain(..).for_each(|block| rig.mm.give_reported(block, true));
        model.allocated.drain(..).for_each(|(first, order)| rig.mm.free_pages(first, order));
        rig.mm.drain_page_list();
        report_all(&rig, 0);
        prop_assert!((1..size).all(|frame| rig.mm.is_reported(Frame(frame))));
        prop_assert_eq!(rig.mm.take_unreported(0), None);
        prop_assert_eq!(rig.mm.free_page_count(), size as usize - 1);
    }
}

#[test]
fn all_free_memory_is_reported_once_and_the_largest_blocks_first() {
    let rig = Rig::new(2 << MAX_ORDER, Hinting::Off);
    let orders: Vec<u32> = report_all(&rig, 5)
        .iter()
        .map(|block| block.order)
        .collect();
    assert_eq!(orders, [12, 11, 10, 9, 8, 7, 6, 5]);
    assert_eq!(rig.mm.stats.reported_blocks.get(), 8);
    assert_eq!(rig.mm.stats.reported_pages.get(), (2 << MAX_ORDER) - 32);
    assert!(report_all(&rig, 5).is_empty());
    assert!(rig.mm.is_all_reported(Frame(1 << MAX_ORDER), MAX_ORDER));
    assert!(!rig.mm.is_reported(Frame(1)), "it is in a smaller block");
}

#[test]
fn a_block_that_was_used_is_reported_again() {
    let rig = Rig::new(1 << 9, Hinting::Off);
    report_all(&rig, 3);
    let block = rig.mm.allocate_pages(8).expect("there is memory");
    rig.mm.free_pages(block.frame, 8);
    let again = report_all(&rig, 3);
    assert_eq!(
        again,
        [FreeBlock {
            frame: block.frame,
            order: 8
        }]
    );
}

/// Blocks of one order none of which can merge: what the device has is at the end of their list.
#[test]
fn what_the_device_has_is_used_last() {
    let rig = Rig::new(1 << 9, Hinting::Off);
    let all: Vec<Frame> = core::iter::from_fn(|| rig.mm.allocate_pages(4))
        .map(|block| block.frame)
        .collect();
    let every_fourth = |rest| {
        all.iter()
            .copied()
            .filter(move |frame| frame.0 / 16 % 4 == rest)
    };
    every_fourth(0).for_each(|frame| rig.mm.free_pages(frame, 4));
    let under_way: Vec<_> = core::iter::from_fn(|| rig.mm.take_unreported(4)).collect();
    assert!(under_way.len() > 4);
    every_fourth(2).for_each(|frame| rig.mm.free_pages(frame, 4));
    under_way
        .iter()
        .for_each(|block| rig.mm.give_reported(*block, true));
    let fresh = every_fourth(2).count();
    for number in 0..fresh + under_way.len() {
        let block = rig.mm.allocate_pages(4).expect("one is left");
        let is_fresh = block.frame.0 / 16 % 4 == 2;
        assert_eq!(is_fresh, number < fresh, "allocation {number}");
    }
}

#[test]
fn a_report_that_failed_leaves_the_block_to_be_reported() {
    let rig = Rig::new(64, Hinting::Off);
    let block = rig.mm.take_unreported(4).expect("there is a block");
    rig.mm.give_reported(block, false);
    assert_eq!(rig.mm.stats.reported_blocks.get(), 0);
    assert_eq!(rig.mm.take_unreported(4), Some(block));
    rig.mm.give_reported(block, true);
}

#[test]
fn a_block_that_was_given_up_is_nobodys() {
    let rig = Rig::new(64, Hinting::Off);
    let block = rig.mm.take_unreported(4).expect("there is a block");
    assert_eq!((block.order, rig.mm.free_page_count()), (5, 63));
    rig.mm.abandon_reported(block);
    assert_eq!(rig.mm.free_page_count(), 31);
    let left: Vec<_> = core::iter::from_fn(|| rig.mm.allocate_reclaiming(0)).collect();
    let lost: BTreeSet<Frame> = frames(block.frame, block.order).collect();
    assert_eq!(left.len(), 31, "nobody waits for it");
    assert!(left.iter().all(|page| !lost.contains(&page.frame)));
}

#[test]
#[should_panic(expected = "cannot be freed")]
fn a_block_that_was_given_up_is_not_freed() {
    let rig = Rig::new(64, Hinting::Off);
    let block = rig.mm.take_unreported(4).expect("there is a block");
    rig.mm.abandon_reported(block);
    rig.mm.free_pages(Frame(block.frame.0 + 1), 0);
}

/// Memory is out because of what is under way; another CPU gives it back after a while.
#[test]
fn an_allocation_waits_for_blocks_that_are_under_way() {
    let rig = Rig::new(64, Hinting::Off);
    let (mm, machine) = (rig.mm, rig.machine.clone());
    let all: Vec<_> = core::iter::from_fn(|| mm.take_unreported(0)).collect();
    assert!(mm.allocate_pages(0).is_none());
    let giver = std::thread::spawn(move || {
        let _entered = machine.enter();
        std::thread::sleep(std::time::Duration::from_millis(50));
        all.into_iter()
            .for_each(|block| mm.give_reported(block, true));
    });
    assert!(mm.allocate_reclaiming(3).is_some());
    giver.join().expect("it gives everything back");
}

#[test]
#[should_panic(expected = "cannot be freed")]
fn what_is_under_way_is_not_freed() {
    let rig = Rig::new(64, Hinting::Off);
    let block = rig.mm.take_unreported(4).expect("there is a block");
    rig.mm.free_pages(block.frame, block.order);
}

#[test]
fn the_cache_goes_on_while_everything_free_is_under_way() {
    let rig = Rig::new(64, Hinting::Off);
    for index in 0..40 {
        rig.fill_and_leave(key(index));
    }
    let all: Vec<_> = core::iter::from_fn(|| rig.mm.take_unreported(0)).collect();
    for index in 40..80 {
        rig.fill_and_leave(key(index));
    }
    assert!(rig.mm.stats.reclaimed.get() > 0);
    all.into_iter()
        .for_each(|block| rig.mm.give_reported(block, true));
}
