//! Single decisions of the pager.

use alloc::sync::Arc;
use core::ops::Range;
use core::sync::atomic::{AtomicBool, Ordering::SeqCst};

use arch::Frame;

use super::desk::{ALL, GOAL, LOW, RESERVED, at, at_a_desk};
use super::*;
use crate::mem::notifier::{Notifier, Pinned, Right};

fn pages(pages: Range<u32>) -> Vec<u32> {
    pages.collect()
}

#[test]
fn what_the_pager_says_of_its_device_is_what_that_says() {
    at_a_desk(0, 1, |desk| {
        assert_eq!(desk.pager.name(), "scripted");
        assert_eq!(desk.pager.look_at(5), Some(12));
        for interrupts in [false, true] {
            desk.script.interrupts.set(interrupts);
            assert_eq!(desk.pager.will_interrupt(), interrupts);
        }
    });
}

#[test]
fn frames_are_freed_when_few_are_left_until_there_are_some_more() {
    at_a_desk(0, 64, |mut desk| {
        assert_eq!(desk.pager.goal(), GOAL);
        desk.store(0, 0..4);
        desk.leave(LOW);
        assert!(!desk.pager.is_short(&desk.pool));
        desk.leave(LOW - 1);
        assert!(desk.pager.is_short(&desk.pool));
        desk.leave(GOAL - 2);
        desk.reclaim();
        assert_eq!(desk.begun(Direction::Write), (pages(0..4), 1));
    });
}

#[test]
fn pages_are_written_in_their_order_and_so_many_at_a_time() {
    at_a_desk(0, 64, |mut desk| {
        desk.store(0, 0..40);
        desk.leave(9);
        // Twelve are under way at most, and in the end no more than are wanted.
        for expected in [0..12, 12..24, 24..30, 30..30] {
            desk.reclaim();
            let starts = usize::from(!expected.is_empty());
            assert_eq!(desk.begun(Direction::Write), (pages(expected), starts));
            // Those that are on their way count.
            let free = desk.pool.free();
            desk.reclaim();
            assert_eq!(desk.pool.free(), free);
            desk.complete(true);
        }
        assert_eq!(desk.pool.free(), GOAL);
        assert_eq!(desk.memories[0].counters.paged_out, 30);
    });
}

#[test]
fn a_page_with_a_good_copy_goes_at_once() {
    at_a_desk(0, 64, |mut desk| {
        desk.store(0, 0..2);
        desk.memories[0].write_at_once(&mut desk.pool, at(0));
        desk.leave(GOAL - 1);
        desk.reclaim();
        assert_eq!(desk.standings(), [Standing::Gone, Standing::Changed]);
        assert_eq!(desk.begun(Direction::Write), (Vec::new(), 0));
    });
}

#[test]
fn a_round_looks_at_so_many_pages_unless_there_is_no_frame() {
    at_a_desk(0, 64, |mut desk| {
        desk.store(0, 0..300);
        desk.refer_to(0, 0..300);
        desk.leave(RESERVED + 1);
        desk.reclaim();
        assert_eq!(desk.seen(0, 0..300), 128);
        assert_eq!(desk.begun(Direction::Write), (Vec::new(), 0));
        desk.leave(RESERVED);
        desk.reclaim();
        assert_eq!(desk.seen(0, 0..300), 300);
        assert_eq!(desk.begun(Direction::Write), (pages(0..12), 1));
    });
}

/// Pages of one guest are looked at together, and no other guest's with them.
#[test]
fn a_reference_is_that_of_the_guest_whose_page_it_is() {
    at_a_desk(0, 64, |mut desk| {
        desk.store(0, 0..3);
        desk.store(1, 0..3);
        desk.refer_to(0, 0..3);
        desk.refer_to(1, 1..2);
        desk.leave(GOAL - 19);
        desk.reclaim();
        assert_eq!((desk.seen(0, 0..3), desk.seen(1, 0..3)), (3, 3));
        assert_eq!(desk.begun(Direction::Write), (vec![0, 2], 1));
        assert_eq!(desk.memories[1].standing(at(1)), Standing::Changed);
    });
}

#[test]
fn the_sweep_resets_bits_of_the_guest_whose_pages_they_are() {
    at_a_desk(0, 64, |mut desk| {
        desk.store(1, 0..20);
        desk.store(0, 0..20);
        desk.refer_to(1, 5..20);
        desk.refer_to(0, 0..5);
        desk.leave(ALL as usize / 2);
        desk.sweep();
        assert_eq!((desk.seen(0, 0..20), desk.seen(1, 0..20)), (20, 20));
        // To each guest its own pages have been referenced.
        for (guest, pages) in [(0, 0..5), (1, 5..20)] {
            let memory = &desk.memories[guest];
            let referenced = (0..20).filter(|page| memory.is_referenced(at(*page)));
            assert!(referenced.eq(pages));
        }
    });
}

/// There is no slot, so nothing can go.
#[test]
fn the_pager_is_stuck_after_two_fruitless_looks_at_each_page() {
    at_a_desk(0, 0, |mut desk| {
        desk.store(0, 0..20);
        desk.leave(RESERVED + 1);
        // Those that have gone leave the list.
        desk.reclaim();
        assert_eq!(desk.ledger().resident.len(), 20);
        desk.hope();
        desk.reclaim();
        desk.reclaim();
        desk.leave(RESERVED);
        assert!(!desk.pager.is_stuck(&desk.pool), "one more is not known");
        desk.hope();
        desk.reclaim();
        assert!(desk.pager.is_stuck(&desk.pool), "one round finds out");
        // A transfer may free a frame, and so has one that is free already.
        let page = PageId::new(0, 0);
        let transfer = Transfer::new(Direction::Write, Slot::new(0), page, Frame(1));
        desk.ledger().slots.begin(transfer);
        assert!(!desk.pager.is_stuck(&desk.pool));
        desk.ledger().slots.end(Slot::new(0));
        assert!(desk.pager.is_stuck(&desk.pool));
        desk.memories[0].release(&mut desk.pool, at(0)..at(1));
        assert!(!desk.pager.is_stuck(&desk.pool));
    });
}

#[test]
fn a_page_that_was_written_goes_unless_it_was_used_meanwhile() {
    at_a_desk(0, 64, |mut desk| {
        desk.store(0, 0..3);
        desk.leave(GOAL - 3);
        desk.reclaim();
        assert_eq!(desk.begun(Direction::Write), (pages(0..3), 1));
        desk.memories[0]
            .resolve(&mut desk.pool, CPU, at(0), true)
            .unwrap();
        desk.refer_to(0, 1..2);
        desk.complete(true);
        let expected = [Standing::Changed, Standing::Clean, Standing::Gone];
        assert_eq!(desk.standings(), expected);
    });
}

#[test]
fn nobody_wants_to_know_how_the_write_of_an_old_content_ended() {
    for is_good in [false, true] {
        at_a_desk(0, 64, |mut desk| {
            desk.store(0, 0..1);
            desk.leave(GOAL - 1);
            desk.reclaim();
            let (memory, pool) = (&mut desk.memories[0], &mut desk.pool);
            memory.resolve(pool, CPU, at(0), true).unwrap();
            desk.complete(is_good);
            assert_eq!(desk.standings(), [Standing::Changed]);
            assert_eq!(desk.memories[0].counters.page_writes, 0);
            let slots = &desk.ledger().slots;
            assert_eq!((slots.free(), slots.retired()), (64, 0));
            assert_eq!(desk.pager.write_errors, 0);
        });
    }
}

#[test]
fn a_page_that_was_written_stays_if_enough_frames_are_free_by_then() {
    at_a_desk(0, 64, |mut desk| {
        desk.store(0, 0..3);
        let taken = desk.pool.take().unwrap();
        desk.leave(GOAL - 1);
        desk.reclaim();
        desk.pool.give(taken);
        desk.complete(true);
        assert_eq!(desk.standings(), [Standing::Clean]);
    });
}

#[test]
fn a_page_that_cannot_be_written_stays_and_its_slot_is_used_no_more() {
    at_a_desk(0, 64, |mut desk| {
        desk.store(0, 0..2);
        desk.leave(GOAL - 2);
        desk.reclaim();
        desk.complete(false);
        assert_eq!(desk.pager.write_errors, 2);
        assert_eq!(desk.ledger().slots.retired(), 2);
        assert_eq!(desk.standings(), [Standing::Changed; 2]);
    });
}

#[test]
fn pages_in_the_slots_behind_one_that_is_wanted_are_read_with_it() {
    at_a_desk(0, 64, |mut desk| {
        desk.page_out(0, 0..20);
        desk.bring(2);
        assert_eq!(desk.begun(Direction::Read), (pages(2..10), 1));
        desk.bring(4);
        assert_eq!(desk.begun(Direction::Read), (pages(2..10), 0));
        desk.complete(true);
        let counters = &desk.memories[0].counters;
        assert_eq!((counters.page_reads, counters.reads_ahead), (2, 6));
        // Who is there already is not read again, but those behind are.
        desk.bring(1);
        assert_eq!(desk.begun(Direction::Read), (pages(1..2), 1));
        desk.bring(0);
        assert_eq!(
            desk.begun(Direction::Read),
            (pages(1..2).into_iter().chain([0]).collect(), 1)
        );
        desk.complete(true);
        desk.memories[0].release(&mut desk.pool, at(12)..at(13));
        desk.bring(11);
        let expected = [11];
        assert_eq!(desk.begun(Direction::Read), (expected.to_vec(), 1));
    });
}

#[test]
fn no_page_of_another_guest_is_read_ahead() {
    at_a_desk(0, 64, |mut desk| {
        desk.page_out(0, 0..3);
        desk.page_out(1, 3..4);
        desk.page_out(0, 4..6);
        desk.bring(0);
        assert_eq!(desk.begun(Direction::Read), (pages(0..3), 1));
    });
}

#[test]
fn nothing_is_read_ahead_where_frames_are_few() {
    at_a_desk(0, 64, |mut desk| {
        desk.page_out(0, 0..8);
        desk.leave(LOW / 2 + 3);
        desk.bring(0);
        assert_eq!(desk.begun(Direction::Read), (pages(0..3), 1));
        desk.bring(3);
        assert_eq!(
            desk.begun(Direction::Read),
            (pages(0..4), 1),
            "but who is wanted is"
        );
    });
}

#[test]
fn a_page_that_could_not_be_read_is_read_alone() {
    at_a_desk(0, 64, |mut desk| {
        desk.page_out(0, 0..5);
        desk.memories[0].fail_page_in(at(1));
        desk.bring(0);
        assert_eq!(desk.begun(Direction::Read), (vec![0, 2, 3, 4], 1));
        desk.complete(false);
        assert_eq!(desk.pager.read_errors, 4);
        desk.bring(1);
        assert_eq!(desk.begun(Direction::Read), (vec![1], 1));
    });
}

#[test]
fn a_frame_that_the_device_has_no_room_for_comes_back() {
    at_a_desk(0, 64, |mut desk| {
        desk.page_out(0, 0..8);
        let free = desk.pool.free();
        desk.script.refused.set(1);
        desk.bring(0);
        assert_eq!(desk.begun(Direction::Read), (Vec::new(), 0));
        assert_eq!(desk.pool.free(), free);
        // What has found room is read.
        desk.script.accepted.set(3);
        desk.script.refused.set(1);
        desk.bring(0);
        assert_eq!(desk.begun(Direction::Read), (pages(0..3), 1));
        assert_eq!(desk.pool.free(), free - 3);
    });
}

#[test]
fn a_page_that_the_device_has_no_room_for_is_written_later() {
    at_a_desk(0, 64, |mut desk| {
        desk.store(0, 0..2);
        desk.leave(GOAL - 1);
        desk.script.refused.set(2);
        desk.reclaim();
        assert_eq!(desk.begun(Direction::Write), (Vec::new(), 0));
        assert_eq!(desk.ledger().slots.free(), 64);
        assert_eq!(desk.standings(), [Standing::Changed; 2]);
        desk.reclaim();
        assert_eq!(desk.begun(Direction::Write), (pages(0..1), 1));
    });
}

#[test]
fn pages_move_on_from_expanded_storage_when_that_is_short() {
    at_a_desk(16, 64, |mut desk| {
        desk.store(0, 0..16);
        desk.leave(GOAL - 14);
        // One of eight frames is to be free.
        desk.reclaim();
        assert_eq!(desk.ledger().expanded.as_ref().unwrap().free(), 2);
        assert_eq!(desk.begun(Direction::Write), (Vec::new(), 0));
        desk.leave(GOAL - 1);
        desk.reclaim();
        assert_eq!(desk.begun(Direction::Write), (pages(0..12), 1));
        desk.complete(true);
        assert_eq!(desk.ledger().expanded.as_ref().unwrap().free(), 13);
        assert!(desk.memories[0].preserved(at(11)).is_some());
        assert!(desk.memories[0].preserved(at(12)).is_none());
        desk.reclaim();
        assert_eq!(desk.begun(Direction::Write), (Vec::new(), 0));
    });
}

#[test]
fn what_moves_on_already_is_not_moved_twice() {
    at_a_desk(8, 64, |mut desk| {
        desk.store(0, 0..8);
        desk.leave(GOAL - 8);
        for starts in [1, 0] {
            desk.reclaim();
            assert_eq!(desk.begun(Direction::Write), (pages(0..8), starts));
        }
    });
}

#[test]
fn what_cannot_move_on_does_so_later() {
    at_a_desk(8, 64, |mut desk| {
        desk.store(0, 0..8);
        desk.leave(GOAL - 8);
        desk.script.refused.set(1);
        desk.reclaim();
        assert_eq!(desk.begun(Direction::Write), (Vec::new(), 0));
        assert_eq!(desk.ledger().slots.free(), 64);
        desk.reclaim();
        let (mut moved, starts) = desk.begun(Direction::Write);
        moved.sort_unstable();
        assert_eq!((moved, starts), (pages(0..8), 1));
    });
}

/// The more pages come the farther it goes, but it begins with enough to be worth it, and only where frames are not plenty.
#[test]
fn the_sweep_passes_two_pages_for_each_that_has_come() {
    at_a_desk(0, 64, |mut desk| {
        desk.store(0, 0..300);
        desk.refer_to(0, 0..300);
        desk.leave(ALL as usize / 2 + 1);
        desk.sweep();
        assert_eq!(desk.seen(0, 0..300), 0, "frames are plenty");
        desk.leave(ALL as usize / 2);
        desk.sweep();
        assert_eq!(desk.seen(0, 0..300), 300);
        desk.refer_to(0, 0..300);
        desk.store(0, 300..331);
        desk.sweep();
        assert_eq!(desk.seen(0, 0..300), 0, "few have come");
        desk.store(0, 331..332);
        desk.sweep();
        assert_eq!(desk.seen(0, 0..300), 64);
        desk.store(0, 332..412);
        desk.refer_to(0, 0..412);
        desk.sweep();
        assert_eq!(desk.seen(0, 0..412), 192, "three batches");
    });
}

/// Who gives no page up, though he does not use it.
#[derive(Default)]
struct Stubborn(AtomicBool);

impl Notifier for Stubborn {
    fn age_page(&self, _: u32) -> bool {
        false
    }
    fn invalidate_range(&self, _: Range<u32>, _: Right) -> Result<(), Pinned> {
        if self.0.load(SeqCst) {
            return Err(Pinned);
        }
        Ok(())
    }
    fn release(&self) {}
}

#[test]
fn what_somebody_does_not_give_up_stays_in_the_list() {
    for expanded in [0, 8] {
        at_a_desk(expanded, 64, |mut desk| {
            desk.store(0, 0..3);
            desk.memories[0].essa(&mut desk.pool, at(0), Orc::SetUnused);
            desk.memories[0].write_at_once(&mut desk.pool, at(1));
            let stubborn = Arc::new(Stubborn::default());
            let user: Arc<dyn Notifier> = stubborn.clone();
            desk.memories[0].register(&user);
            stubborn.0.store(true, SeqCst);
            desk.leave(RESERVED + 1);
            let free = desk.pool.free();
            desk.reclaim();
            let expected = [Standing::Useless, Standing::Clean, Standing::Changed];
            assert_eq!(desk.standings(), expected);
            assert_eq!(desk.begun(Direction::Write), (Vec::new(), 0));
            assert_eq!((desk.pool.free(), desk.ledger().slots.free()), (free, 63));
            stubborn.0.store(false, SeqCst);
            desk.reclaim();
            assert_eq!(desk.standings::<2>(), [Standing::Gone; 2]);
            let is_written = usize::from(expanded == 0);
            assert_eq!(desk.begun(Direction::Write).0.len(), is_written);
        });
    }
}
