//! Which pages go without I/O, in which order, and what is left of them.

use super::*;

/// Pages that nobody but these tests uses.
const FIRST: u32 = 0x300;

impl World {
    /// So many pages that nobody has referenced since they were stored into.
    fn stored(&mut self, count: u32) -> Vec<u32> {
        let pages: Vec<_> = (FIRST..FIRST + count).collect();
        for page in &pages {
            self.bring_in(*page, true);
        }
        pages
    }

    /// As many, of which the guest has said this, in their order.
    fn hinted(&mut self, count: u32, orc: Orc) -> Vec<u32> {
        let pages = self.stored(count);
        pages.iter().for_each(|page| self.essa(*page, orc));
        pages
    }

    /// Which of some pages are resident.
    fn resident(&self, pages: &[u32]) -> Vec<u32> {
        let entry = |page: &u32| &self.memory.pages[*page as usize];
        let resident = pages.iter().filter(|page| entry(page).resident().is_some());
        resident.copied().collect()
    }

    /// Takes all that can go.
    fn reclaim_all(&mut self) {
        while self.memory.reclaim(&mut self.pool, FRAMES as usize, 64) > 0 {}
    }
}

#[test]
fn the_pages_that_were_supplied_last_are_spared() {
    on_a_machine(|mut world| {
        world.memory.spared = 2;
        let spared = |world: &World| [0, 1, 2].map(|at| world.memory.is_spared(FIRST + at));
        world.bring_in(FIRST, false);
        assert_eq!(spared(&world), [true, false, false]);
        // It goes, and is supplied once more, which is one page still.
        world.memory.release(&mut world.pool, FIRST..FIRST + 1);
        world.bring_in(FIRST, false);
        world.bring_in(FIRST + 1, false);
        assert_eq!(spared(&world), [true, true, false]);
        world.essa(FIRST, Orc::SetVolatile);
        world.bring_in(FIRST + 2, false);
        assert_eq!(spared(&world), [false, true, true]);
        assert_eq!(world.memory.queued(), 1, "it can go now");
    });
}

#[test]
fn a_page_that_was_passed_over_and_is_spared_does_not_stand_in_the_queue() {
    on_a_machine(|mut world| {
        world.memory.spared = 1;
        world.bring_in(FIRST, false);
        world.essa(FIRST, Orc::SetUnused);
        while world.memory.next_discardable_of(u64::MAX).is_some() {}
        world.memory.requeue(FIRST);
        assert_eq!(world.memory.queued(), 0);
        world.bring_in(FIRST + 1, false);
        world.memory.requeue(FIRST);
        assert_eq!(world.memory.queued(), 1);
    });
}

#[test]
fn the_queue_gives_the_oldest_page_of_those_that_were_there() {
    on_a_machine(|mut world| {
        let pages = world.hinted(4, Orc::SetVolatile);
        assert_eq!(world.memory.arrived(), 4);
        assert_eq!(world.memory.next_discardable_of(1), Some(pages[0]));
        assert_eq!(world.memory.next_discardable_of(1), None);
        world.essa(pages[1], Orc::SetStable);
        assert_eq!(world.memory.next_discardable_of(3), Some(pages[2]));
        assert_eq!(world.memory.next_discardable_of(3), None);
        assert_eq!(world.memory.queued(), 1);
    });
}

#[test]
fn any_number_is_that_of_a_page_of_the_queue() {
    on_a_machine(|mut world| {
        assert_eq!(world.memory.discardable_at(5), None);
        let pages = world.hinted(3, Orc::SetVolatile);
        assert_eq!(world.memory.discardable_at(4), Some(pages[1]));
        world.essa(pages[0], Orc::SetStable);
        assert_eq!(world.memory.discardable_at(0), None, "it is stable again");
        assert_eq!(world.memory.discardable_at(7), Some(pages[2]));
        assert_eq!(world.memory.queued(), 0);
    });
}

#[test]
fn pages_are_counted_by_what_they_were_when_they_went() {
    on_a_machine(|mut world| {
        let pages = world.stored(9);
        let orcs = [
            Orc::SetUnused,
            Orc::SetVolatile,
            Orc::SetPotentiallyVolatile,
        ];
        for (at, page) in pages.iter().enumerate() {
            world.memory.set_key(*page, 0);
            // One, two and six of them.
            world.essa(*page, orcs[(at > 0) as usize + (at > 2) as usize]);
        }
        assert_eq!(world.memory.evict_all(&mut world.pool), 9);
        let counters = &world.memory.counters;
        let evicted = [
            counters.evicted_unused,
            counters.evicted_volatile,
            counters.evicted_potentially_volatile,
        ];
        assert_eq!(evicted, [1, 2, 6]);
    });
}

#[test]
fn a_page_that_went_was_neither_referenced_nor_changed() {
    on_a_machine(|mut world| {
        let page = world.stored(1)[0];
        world
            .memory
            .set_key(page, arch::key::REFERENCE | arch::key::CHANGE);
        world.essa(page, Orc::SetUnused);
        assert!(world.memory.evict(&mut world.pool, page));
        assert!(!world.memory.is_referenced(page) && !world.memory.is_changed(page));
    });
}

#[test]
fn of_a_batch_the_pinned_pages_stay() {
    on_a_machine(|mut world| {
        let pages = world.hinted(6, Orc::SetUnused);
        let pins = [pages[1], pages[3]].map(|page| {
            let buffers = Arc::new(Buffers::default());
            let notifier: Arc<dyn Notifier> = buffers.clone();
            world.memory.register(&notifier);
            buffers.hold(page..page + 1);
            buffers
        });
        let looked = world.memory.reclaim(&mut world.pool, FRAMES as usize, 64);
        assert_eq!(looked, 6);
        assert_eq!(world.resident(&pages), [pages[1], pages[3]]);
        assert_eq!(world.memory.queued(), 2);
        pins.iter().for_each(|buffers| buffers.let_go());
        world.reclaim_all();
        assert_eq!(world.resident(&pages), []);
    });
}

#[test]
fn a_referenced_page_has_a_second_chance_and_is_one_of_those_looked_at() {
    on_a_machine(|mut world| {
        let pages = world.stored(4);
        for page in &pages {
            world.memory.set_key(*page, arch::key::CHANGE);
            world.essa(*page, Orc::SetVolatile);
        }
        world.refer_to(pages[0]);
        world.refer_to(pages[1]);
        let all = FRAMES as usize;
        assert_eq!(world.memory.reclaim(&mut world.pool, all, 3), 3);
        assert_eq!(world.resident(&pages), [pages[0], pages[1], pages[3]]);
        let referenced = |world: &World| [0, 1, 3].map(|at| world.memory.is_referenced(FIRST + at));
        assert_eq!(referenced(&world), [true, true, false], "to the guest");
        world.reclaim_all();
        assert_eq!(world.resident(&pages), []);
    });
}

#[test]
fn no_more_frames_are_made_free_than_are_wanted() {
    on_a_machine(|mut world| {
        let pages = world.hinted(5, Orc::SetUnused);
        let goal = world.pool.free() + 2;
        assert_eq!(world.memory.reclaim(&mut world.pool, goal, 64), 2);
        assert_eq!(world.resident(&pages), pages[2..]);
        assert_eq!(world.memory.reclaim(&mut world.pool, goal, 64), 0);
    });
}

/// One that has been stored into since it was put in the queue does not go with its neighbours.
#[test]
fn a_changed_page_stays_if_it_is_potentially_volatile() {
    on_a_machine(|mut world| {
        let pages = world.stored(3);
        for page in &pages {
            world.memory.set_key(*page, 0);
            world.essa(*page, Orc::SetPotentiallyVolatile);
        }
        assert_eq!(world.memory.queued(), 3);
        world.bring_in(pages[1], true);
        world.reclaim_all();
        assert_eq!(world.resident(&pages), [pages[1]]);
    });
}
