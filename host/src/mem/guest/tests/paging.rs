//! Pages on their way to the paging device and back.

use arch::key::REFERENCE;

use super::*;
use crate::paging::{Expanded, PageId};
use crate::personality::{Hinting, Hypervisor};

/// Frames of expanded storage: the last ones of the machine.
const EXPANDED: u32 = 4;

impl World {
    /// A guest that has touched nothing, with expanded storage.
    fn expanded(self, personality: Personality) -> Self {
        let Self { memory, .. } = self;
        let mut pool = FramePool::new(Frame(1), FRAMES - EXPANDED);
        let expanded = Expanded::new(Frame(1 + FRAMES - EXPANDED), EXPANDED);
        let pages = (SIZE >> PAGE_SHIFT) as usize;
        pool.allow_paging(Ledger::new(Some(expanded), 8, 1, pages));
        drop(memory);
        let mut memory = GuestMemory::new(0, SIZE, personality, CPUS, 256 << 10);
        memory.spared = 0;
        Self { memory, pool }
    }

    /// A page goes to the device.
    fn page_out(&mut self, page: u32) {
        self.memory.write_at_once(&mut self.pool, page);
        assert!(self.memory.page_out(&mut self.pool, page));
    }

    /// It comes back.
    fn page_in(&mut self, page: u32, is_wanted: bool) -> Frame {
        let frame = self.pool.take().unwrap();
        self.memory.begin_page_in(page);
        self.memory
            .end_page_in(&mut self.pool, page, frame, is_wanted);
        frame
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
        let [_, page, other, last] = PAGES;
        world.memory.watch();
        PAGES
            .iter()
            .for_each(|page| world.memory.reset_reference(*page));
        assert_eq!(world.memory.age_batch(&PAGES), 0);
        world.refer_to(page);
        world.refer_to(last);
        assert_eq!(world.memory.count_used(), 2);
        assert!(world.memory.is_referenced(last), "to the guest, too");
        assert_eq!(world.memory.age_batch(&PAGES), 0b1010);
        // What the pager sees beside that counts as well.
        world.refer_to(other);
        assert_eq!(world.memory.age_batch(&PAGES), 0b1110);
        world.memory.reset_reference_of_host(page);
        assert_eq!(world.memory.age_batch(&PAGES), 0b1100);
    });
}

#[test]
fn a_page_that_the_pager_has_seen_was_used_to_the_monitor_too_but_once() {
    on_a_machine(|mut world| {
        world.memory.watch();
        PAGES
            .iter()
            .for_each(|page| world.memory.reset_reference(*page));
        assert_eq!(world.memory.count_used(), 0);
        for page in [PAGES[1], PAGES[3]] {
            world.refer_to(page);
            world.memory.reset_reference_of_host(page);
        }
        assert_eq!([0; 2].map(|_| world.memory.count_used()), [2, 0]);
    });
}

#[test]
fn nobody_counts_the_pages_of_a_guest_without_a_monitor() {
    on_a_machine(|mut world| {
        PAGES.iter().for_each(|page| world.refer_to(*page));
        assert_eq!(world.memory.count_used(), 0);
        assert_eq!(
            world.memory.age_batch(&PAGES),
            0b1111,
            "the pager still does"
        );
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
        world.page_out(page);
        let next = world.pool.take().unwrap();
        arch::key::set(next, 0x50 | REFERENCE);
        world.pool.give(next);
        let frame = world.page_in(page, true);
        assert_eq!((frame, arch::key::get(frame)), (next, 0));
        assert_eq!(world.memory.pages[page as usize].resident(), Some(frame));
    });
}

#[test]
fn pages_that_were_read_are_counted_by_whether_somebody_wanted_them() {
    on_a_machine(|mut world| {
        for (page, is_wanted) in PAGES.into_iter().zip([true, false, true]) {
            world.page_out(page);
            world.page_in(page, is_wanted);
        }
        let counters = &world.memory.counters;
        assert_eq!((counters.page_reads, counters.reads_ahead), (2, 1));
        assert_eq!(counters.paged_out, 3);
    });
}

#[test]
fn a_page_that_cannot_be_read_is_doubtful_at_first_and_lost_the_second_time() {
    on_a_machine(|mut world| {
        let page = PAGES[0];
        world.page_out(page);
        let found = [false, true, true].map(|is_doubtful| {
            assert_eq!(world.memory.is_doubtful(page), is_doubtful);
            let is_there = world.memory.preserved(page).is_some();
            world.memory.begin_page_in(page);
            world.memory.fail_page_in(page);
            is_there
        });
        assert_eq!(found, [true, true, false]);
    });
}

/// Newer KVM calls an unused page preserved when a query has found it: it has no copy.
#[test]
fn a_page_that_only_looks_preserved_is_filled_with_zeroes() {
    on_a_machine(|world| {
        let mut world = world.expanded(Personality::new(Hypervisor::KvmNew, Hinting::Full));
        for (page, fills) in [(0x300, 2), (0x301, 4)] {
            let store = [0x5a; 8];
            let at = u64::from(page) << PAGE_SHIFT;
            let (memory, pool) = (&mut world.memory, &mut world.pool);
            memory.write(pool, 0, at, &store).unwrap();
            memory.release(pool, page..page + 1);
            memory.essa(pool, page, Orc::SetUnused);
            memory.essa(pool, page, Orc::GetState);
            assert_eq!(memory.pages[page as usize].state, cmm::extended::UP);
            let mut found = store;
            memory.read(pool, 0, at, &mut found).unwrap();
            assert_eq!(found, [0; 8]);
            assert_eq!(memory.counters.zero_fills, fills);
        }
    });
}

#[test]
fn a_page_that_is_discarded_in_expanded_storage_was_neither_referenced_nor_changed() {
    on_a_machine(|world| {
        let mut world = world.expanded(Personality::new(Hypervisor::Model, Hinting::Extended));
        for page in [0x300, 0x301] {
            let (memory, pool) = (&mut world.memory, &mut world.pool);
            memory.resolve(pool, 0, page, true).unwrap();
            memory.set_key(page, REFERENCE | arch::key::CHANGE);
            memory.essa(pool, page, Orc::SetVolatile);
            assert!(memory.evict(pool, page));
            assert!(memory.is_referenced(page) && memory.is_changed(page));
            assert!(memory.discard_expanded(pool, page));
            assert!(!memory.is_referenced(page) && !memory.is_changed(page));
            assert!(!memory.discard_expanded(pool, page), "it has gone");
        }
        assert_eq!(world.memory.counters.discarded_expanded, 2);
    });
}

#[test]
fn pages_go_to_expanded_storage_and_on_to_the_device() {
    on_a_machine(|world| {
        let mut world = world.expanded(Personality::MODEL);
        let pages = [0x300, 0x301];
        for page in pages {
            world
                .memory
                .resolve(&mut world.pool, 0, page, true)
                .unwrap();
            let expanded = world.pool.ledger.as_mut().unwrap().expanded.as_mut();
            let expanded = expanded.unwrap();
            let slot = expanded.take(PageId::new(0, page)).unwrap();
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

#[test]
fn a_volatile_page_is_kept_in_expanded_storage_in_the_extended_mode_only() {
    for (hinting, orc, is_kept) in [
        (Hinting::Extended, Orc::SetVolatile, true),
        (Hinting::Extended, Orc::SetUnused, false),
        (Hinting::Full, Orc::SetVolatile, false),
    ] {
        on_a_machine(|world| {
            let mut world = world.expanded(Personality::new(Hypervisor::Model, hinting));
            let page = 0x300;
            let (memory, pool) = (&mut world.memory, &mut world.pool);
            memory.resolve(pool, 0, page, true).unwrap();
            memory.essa(pool, page, orc);
            assert!(memory.evict(pool, page));
            assert_eq!(memory.counters.expanded_volatile, u64::from(is_kept));
        });
    }
}
