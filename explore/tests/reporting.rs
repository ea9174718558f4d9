//! Allocation against free page reporting: a block that the device is being told of is free, and nobody
//! may miss it or get it meanwhile.

use explore::{Rig, User, fails_without, holds, key, play};
use kernel::mm::{FreeBlock, Guard};

/// Pages that are used at the same time, which is nearly all there are.
const USED: u32 = 9;

/// Reports what is free, a few blocks at a time; the host takes the content while they are under way.
fn report(user: &User) {
    for _ in 0..2 {
        let blocks: Vec<FreeBlock> = std::iter::from_fn(|| user.mm.take_unreported(0))
            .take(3)
            .collect();
        user.discard();
        for block in blocks {
            user.mm.give_reported(block, true);
        }
    }
}

/// Uses pages that nobody else may have.
fn fill(user: &User, pages: std::ops::Range<u32>) {
    let held: Vec<_> = pages
        .clone()
        .map(|index| user.fill(key(index)).expect("there is memory"))
        .collect();
    drop(held);
    pages.for_each(|index| user.read(key(index)));
}

/// Takes blocks that no list of a CPU has: each may be under way.
fn take_blocks(user: &User) {
    for _ in 0..4 {
        let block = user.mm.allocate_reclaiming(1).expect("there is memory");
        user.mm.free_pages(block.frame, 1);
    }
}

fn one_allocates(rig: &Rig) {
    play([rig.cpu(report), rig.cpu(|cpu| fill(cpu, 0..USED))]);
}

fn one_takes_blocks(rig: &Rig) {
    play([rig.cpu(report), rig.cpu(take_blocks)]);
}

fn two_report(rig: &Rig) {
    play([
        rig.cpu(report),
        rig.cpu(report),
        rig.cpu(|cpu| fill(cpu, 0..USED)),
    ]);
}

#[test]
fn nothing_is_missed() {
    holds(one_allocates);
}

#[test]
fn no_block_is_missed() {
    holds(one_takes_blocks);
}

#[test]
fn nothing_is_missed_when_two_report() {
    holds(two_report);
}

#[test]
fn an_allocation_that_does_not_wait_fails() {
    fails_without(Guard::AwaitReport, &["there is memory"], one_allocates);
}

#[test]
fn an_allocation_that_does_not_try_again_fails() {
    fails_without(Guard::TryAgain, &["there is memory"], one_takes_blocks);
}
