//! Pages on their way to the paging device and back.

use arch::key::REFERENCE;

use super::*;
use crate::paging::Expanded;

/// Frames of expanded storage: the last ones of the machine.
const EXPANDED: u32 = 4;

impl World {
    /// The same as the others, with expanded storage.
    fn expanded(self) -> Self {
        let Self { memory, .. } = self;
        let mut pool = FramePool::new(Frame(1), FRAMES - EXPANDED);
        let expanded = Expanded::new(Frame(1 + FRAMES - EXPANDED), EXPANDED);
        let pages = (SIZE >> PAGE_SHIFT) as usize;
        pool.allow_paging(Ledger::new(Some(expanded), 8, 1, pages));
        drop(memory);
        let mut memory = GuestMemory::new(0, SIZE, Personality::MODEL, CPUS, 256 << 10);
        memory.spared = 0;
        Self { memory, pool }
    }
}

#[test]
fn pages_that_a_cpu_needs_at_an_interruption_stay() {
    on_a_machine(|world| {
        assert_eq!(world.memory.standing(PAGES[3]), Standing::Kept);
        assert_eq!(world.memory.standing(PAGES[0]), Standing::Changed);
    });
}

#[test]
fn a_page_that_the_monitor_has_seen_was_used_to_the_pager_too() {
    on_a_machine(|mut world| {
        world.memory.watch();
        for page in PAGES {
            world.memory.reset_reference(page);
        }
        assert_eq!(world.memory.age_batch(&PAGES), 0);
        arch::key::set(world.memory.pages[PAGES[1] as usize].frame, REFERENCE);
        assert_eq!(world.memory.count_used(), 1);
        assert_eq!(world.memory.age_batch(&PAGES), 0b10);
        // What the pager sees beside that counts as well.
        arch::key::set(world.memory.pages[PAGES[2] as usize].frame, REFERENCE);
        assert_eq!(world.memory.age_batch(&PAGES), 0b110);
        world.memory.reset_reference_of_host(PAGES[1]);
        assert_eq!(world.memory.age_batch(&PAGES), 0b100);
    });
}

#[test]
fn each_page_that_was_written_well_is_counted() {
    on_a_machine(|mut world| {
        for (number, page) in PAGES[..3].iter().enumerate() {
            let slot = Slot::new(number as u32);
            assert!(world.memory.begin_page_out(*page, slot).is_some());
            world.memory.end_page_out(*page, number > 0);
        }
        assert_eq!(world.memory.counters.page_writes, 2);
        assert_eq!(world.memory.standing(PAGES[0]), Standing::Changed);
        assert_eq!(world.memory.standing(PAGES[1]), Standing::Clean);
    });
}

/// Frames keep the key of their last owner.
#[test]
fn a_page_that_was_read_has_a_frame_that_nobody_has_referenced() {
    on_a_machine(|mut world| {
        let page = PAGES[0];
        assert!(world.memory.begin_page_out(page, Slot::new(0)).is_some());
        world.memory.end_page_out(page, true);
        assert!(world.memory.page_out(&mut world.pool, page));
        let frame = world.pool.take().unwrap();
        arch::key::set(frame, 0x50 | REFERENCE);
        world.memory.begin_page_in(page);
        world.memory.end_page_in(&mut world.pool, page, frame, true);
        assert_eq!(arch::key::get(frame), 0);
        assert_eq!(world.memory.pages[page as usize].resident(), Some(frame));
    });
}

#[test]
fn pages_go_to_expanded_storage_and_on_to_the_device() {
    on_a_machine(|world| {
        let mut world = world.expanded();
        let pages = [0x300, 0x301];
        for page in pages {
            world
                .memory
                .resolve(&mut world.pool, 0, page, true)
                .unwrap();
            let expanded = world.pool.ledger.as_mut().unwrap().expanded.as_mut();
            let expanded = expanded.unwrap();
            let slot = expanded.take(crate::paging::PageId::new(0, page)).unwrap();
            let to = expanded.frame(slot);
            let is_out = world
                .memory
                .page_out_to_expanded(&mut world.pool, page, slot, to);
            assert!(is_out);
        }
        assert_eq!(world.memory.counters.expanded_out, 2);
        for (number, page) in pages.into_iter().enumerate() {
            assert!(world.memory.begin_move(page) && !world.memory.begin_move(page));
            let slot = Slot::new(number as u32);
            let is_there = world.memory.end_move(&mut world.pool, page, Some(slot));
            assert!(is_there);
            assert_eq!(world.memory.preserved(page), Some((slot, false)));
        }
        assert_eq!(world.memory.counters.page_writes, 2);
    });
}
