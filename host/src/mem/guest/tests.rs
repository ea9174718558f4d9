//! What is taken from a page is taken from all who use it.

mod access;
mod discard;
mod keys;
mod paging;
mod translate;

use arch::sim::{Hinting as Installed, Machine};
use arch::storage;

use super::*;
use crate::dev::buffers::Buffers;
use crate::mem::Virtual;
use crate::mem::walk::{self, Space};
use crate::paging::{Ledger, Slot};

const SIZE: u64 = 4 << 20;
const FRAMES: u32 = 64;
const CPUS: usize = 3;
/// The prefix of CPU 2: the second segment, so that it shares few tables with the others.
const PREFIX: u32 = 0x10_0000;
/// Pages that the test is about: an ordinary one, one of each prefixed segment, and one of a prefix area.
const PAGES: [u32; 4] = [0x240, 0x40, 0x140, 0x101];
/// Virtual is real.
const SPACE: Space = Space {
    asce: 0x20,
    enhanced: true,
};

struct World {
    memory: GuestMemory,
    pool: FramePool,
}

impl World {
    /// A guest whose CPUs have stored in all pages, with DAT off and on.
    fn new() -> Self {
        let mut pool = FramePool::new(Frame(1), FRAMES);
        pool.allow_paging(Ledger::new(None, 8, 1, (SIZE >> PAGE_SHIFT) as usize));
        let mut memory = GuestMemory::new(0, SIZE, Personality::MODEL, CPUS, 256 << 10);
        memory.set_prefix(2, PREFIX);
        // Spared pages are not what this is about.
        memory.spared = 0;
        let mut world = Self { memory, pool };
        PAGES.iter().for_each(|page| world.touch(*page));
        world
    }

    fn touch(&mut self, page: u32) {
        for cpu in 0..CPUS {
            let access = Virtual {
                space: SPACE,
                control: 0,
                address: self.memory.absolute(cpu, u64::from(page) << PAGE_SHIFT),
                store: true,
            };
            let (memory, pool) = (&mut self.memory, &mut self.pool);
            memory.resolve(pool, cpu, page, true).unwrap();
            memory.resolve_virtual(pool, cpu, &access).unwrap();
        }
    }

    /// How all CPUs get at a page, first with DAT off, then with DAT on: whether they may store there.
    fn access(&mut self, page: u32) -> [Option<bool>; 2 * CPUS] {
        core::array::from_fn(|at| {
            let cpu = at % CPUS;
            let real = self.memory.absolute(cpu, u64::from(page) << PAGE_SHIFT);
            let space = (at >= CPUS).then_some(SPACE);
            let (frame, may_store) = self.reach(cpu, space, real)?;
            assert_eq!(frame, self.memory.pages[page as usize].frame);
            Some(may_store)
        })
    }

    /// Where a CPU gets by an address of one of the guest's spaces, or with DAT off: the frame, and whether it may store there.
    fn reach(&mut self, cpu: usize, space: Option<Space>, address: u64) -> Option<(Frame, bool)> {
        let [asce, ..] = self.memory.enter(cpu, space.map(|space| [space; 3]));
        self.memory.leave(cpu);
        let read = &mut |at: u64| {
            let mut entry = [0; 8];
            // SAFETY: tables of the memory's.
            unsafe {
                let at = core::ptr::with_exposed_provenance::<u64>(at as usize);
                entry.copy_from_slice(&at.read().to_ne_bytes());
            }
            Ok::<_, AccessError>(u64::from_ne_bytes(entry))
        };
        let space = Space {
            asce,
            enhanced: false,
        };
        let to = walk::walk(space, address, read).ok()?;
        Some((Frame((to.real >> PAGE_SHIFT) as u32), !to.protected))
    }

    /// As an access does, by any translation.
    fn refer_to(&self, page: u32) {
        arch::key::set(self.memory.pages[page as usize].frame, arch::key::REFERENCE);
    }

    fn bring_in(&mut self, page: u32, store: bool) {
        let found = self.memory.bring_in(&mut self.pool, page, store);
        assert!(found.is_ok(), "{page:x}");
    }

    fn essa(&mut self, page: u32, orc: Orc) {
        self.memory.essa(&mut self.pool, page, orc);
    }
}

const NOBODY: [Option<bool>; 2 * CPUS] = [None; 2 * CPUS];
const ALL_READ: [Option<bool>; 2 * CPUS] = [Some(false); 2 * CPUS];
const ALL_STORE: [Option<bool>; 2 * CPUS] = [Some(true); 2 * CPUS];

fn on_a_machine(test: impl Fn(World)) {
    let machine = Machine::new(1 + FRAMES as usize, Installed::None);
    let _entered = machine.enter();
    test(World::new());
}

#[test]
fn what_takes_a_frame_takes_all_translations() {
    type Take = fn(&mut World, u32);
    let takes: [Take; 4] = [
        |world, page| {
            world.essa(page, Orc::SetUnused);
            assert!(world.memory.evict(&mut world.pool, page));
        },
        |world, page| {
            world.essa(page, Orc::SetUnused);
            assert_eq!(world.memory.evict_all(&mut world.pool), 1);
        },
        |world, page| {
            world.essa(page, Orc::SetUnused);
            let goal = world.pool.free() + 1;
            assert_eq!(world.memory.reclaim(&mut world.pool, goal, 64), 1);
        },
        |world, page| world.memory.release(&mut world.pool, page - 1..page + 1),
    ];
    for take in takes {
        on_a_machine(|mut world| {
            for page in PAGES {
                assert_eq!(world.access(page), ALL_STORE, "{page:x}");
                take(&mut world, page);
                assert_eq!(world.access(page), NOBODY, "{page:x}");
            }
            assert_eq!(world.pool.free(), FRAMES as usize);
        });
    }
}

#[test]
fn pages_are_released_a_part_at_a_time_but_for_the_prefix_area() {
    on_a_machine(|mut world| {
        let all = 0x40..PAGES[0] + 1;
        let mut left = all.clone();
        let mut parts = 0;
        while !left.is_empty() {
            let first = left.start;
            world.memory.release_some(&mut world.pool, 2, &mut left);
            assert!((1..=MOST_RELEASED).contains(&(left.start - first)));
            let is_there = |page| world.memory.pages[page as usize].resident().is_some();
            let expected = PAGES.map(|page| page >= left.start || page == 0x101);
            assert_eq!(PAGES.map(is_there), expected, "{left:?}");
            parts += 1;
        }
        assert_eq!((parts, left.end), (3, all.end));
    });
}

#[test]
fn a_page_that_was_released_was_neither_referenced_nor_changed() {
    on_a_machine(|mut world| {
        let page = PAGES[0];
        let key = 0x30 | arch::key::REFERENCE | arch::key::CHANGE;
        world.memory.set_key(page, key);
        world.memory.release(&mut world.pool, page..page + 1);
        assert_eq!(world.memory.key(page), 0x30);
    });
}

#[test]
fn a_page_that_is_written_is_read_only_for_all() {
    on_a_machine(|mut world| {
        for (number, page) in PAGES.into_iter().enumerate() {
            let slot = Slot::new(number as u32);
            assert!(world.memory.begin_page_out(page, slot).is_some());
            assert_eq!(world.access(page), ALL_READ, "{page:x}");
            world.memory.end_page_out(page, true);
            assert!(world.memory.page_out(&mut world.pool, page));
            assert_eq!(world.access(page), NOBODY, "{page:x}");
        }
    });
}

#[test]
fn a_page_whose_change_bit_is_reset_is_read_only_for_all() {
    on_a_machine(|mut world| {
        for page in PAGES {
            world.memory.set_key(page, 0);
            assert_eq!(world.access(page), ALL_READ, "{page:x}");
        }
    });
}

#[test]
fn the_pages_of_a_guest_that_has_ended_are_nobodys() {
    on_a_machine(|mut world| {
        world.memory.give_all(&mut world.pool);
        assert_eq!(world.pool.free(), FRAMES as usize);
        for page in PAGES {
            assert_eq!(world.access(page), NOBODY, "{page:x}");
        }
    });
}

/// Nothing takes a page that a transfer uses, not even what the guest itself says.
#[test]
fn a_page_of_a_transfer_stays() {
    on_a_machine(|mut world| {
        let [page, other, ..] = PAGES;
        let buffers = Arc::new(Buffers::default());
        let notifier: Arc<dyn Notifier> = buffers.clone();
        world.memory.register(&notifier);
        let pin = buffers.pin(page);
        let frame = world.memory.pages[page as usize].frame;
        // SAFETY: what a device does.
        unsafe { storage::clear_page(frame.address()) }
        assert!(world.memory.begin_page_out(page, Slot::new(0)).is_none());
        world.memory.set_key(page, 0);
        assert!(world.memory.is_changed(page), "the device may still store");
        world.memory.release(&mut world.pool, other..page + 1);
        assert_eq!(world.memory.pages[other as usize].resident(), None);
        world.essa(page, Orc::SetUnused);
        assert!(!world.memory.evict(&mut world.pool, page));
        assert_eq!(world.memory.pages[page as usize].resident(), Some(frame));
        drop(pin);
        assert!(world.memory.evict(&mut world.pool, page));
        assert_eq!(world.access(page), NOBODY);
        // Who has given up all pages keeps none any more.
        world.memory.unregister(&notifier);
        let _pin = buffers.pin(other);
        world.touch(other);
        world.essa(other, Orc::SetUnused);
        assert!(world.memory.evict(&mut world.pool, other));
    });
}

#[test]
fn a_guest_is_as_large_as_it_was_made() {
    on_a_machine(|world| {
        assert_eq!(world.memory.size(), SIZE);
        let last = (SIZE >> PAGE_SHIFT) as u32 - 1;
        assert!(world.memory.page(last).is_some() && world.memory.page(last + 1).is_none());
        assert!(world.memory.has_content(last) && !world.memory.has_content(last + 1));
    });
}

/// A discard fault names the page, and nothing is to be found there until it is stable again.
#[test]
fn a_page_that_was_discarded_is_named_and_has_no_content() {
    on_a_machine(|mut world| {
        let page = PAGES[0];
        world.essa(page, Orc::SetVolatile);
        assert!(world.memory.has_content(page));
        assert!(world.memory.evict(&mut world.pool, page));
        assert!(!world.memory.has_content(page));
        let found = world.memory.bring_in(&mut world.pool, page, false);
        let address = u64::from(page) << PAGE_SHIFT;
        assert_eq!(
            found.map(drop),
            Err(AccessError::Fault(GuestFault::discarded(address)))
        );
        world.essa(page, Orc::SetStable);
        assert!(world.memory.has_content(page));
    });
}

#[test]
fn a_page_that_was_passed_over_stands_in_the_queue_again_when_it_is_used() {
    on_a_machine(|mut world| {
        let page = PAGES[0];
        world.essa(page, Orc::SetVolatile);
        let all = world.memory.arrived();
        assert_eq!(world.memory.next_discardable_of(all), Some(page));
        assert_eq!(world.memory.queued(), 0);
        assert!(world.memory.bring_in(&mut world.pool, page, false).is_ok());
        assert_eq!(world.memory.queued(), 1);
    });
}

#[test]
fn a_host_that_keeps_pages_stable_says_so_and_keeps_none_that_was_volatile() {
    on_a_machine(|mut world| {
        let [page, other, ..] = PAGES;
        world.essa(page, Orc::SetVolatile);
        world.memory.keep_stable(true);
        world.essa(other, Orc::SetVolatile);
        let state = |world: &World, page| world.memory.page(page).map(|entry| entry.state);
        assert_eq!(state(&world, page), Some(PageState::VR));
        assert_eq!(state(&world, other), Some(PageState::SR));
        world.memory.keep_stable(false);
        world.essa(other, Orc::SetVolatile);
        assert_eq!(state(&world, other), Some(PageState::VR));
    });
}

/// What a request needs is not discarded, whatever the guest itself says, but paged out.
#[test]
fn a_page_of_a_request_keeps_its_content() {
    on_a_machine(|mut world| {
        let [page, other, ..] = PAGES;
        let buffers = Arc::new(Buffers::default());
        let notifier: Arc<dyn Notifier> = buffers.clone();
        world.memory.register(&notifier);
        buffers.hold(page..page + 1);
        world.memory.release(&mut world.pool, other..page + 1);
        assert_eq!(world.memory.pages[other as usize].resident(), None);
        world.essa(page, Orc::SetUnused);
        // It stands in the queue again, and that has an end nevertheless.
        for _ in 0..2 {
            assert_eq!(world.memory.evict_all(&mut world.pool), 0);
        }
        world.memory.reclaim(&mut world.pool, FRAMES as usize, 64);
        assert!(world.memory.pages[page as usize].resident().is_some());
        world.essa(page, Orc::SetStable);
        let slot = Slot::new(0);
        assert!(world.memory.begin_page_out(page, slot).is_some());
        world.memory.end_page_out(page, true);
        assert!(world.memory.page_out(&mut world.pool, page));
    });
}

/// When a request is over, its pages go as all others.
#[test]
fn a_page_of_a_request_goes_when_that_is_over() {
    on_a_machine(|mut world| {
        let page = PAGES[0];
        let buffers = Arc::new(Buffers::default());
        let notifier: Arc<dyn Notifier> = buffers.clone();
        world.memory.register(&notifier);
        buffers.hold(page..page + 1);
        world.essa(page, Orc::SetUnused);
        assert_eq!(world.memory.evict_all(&mut world.pool), 0);
        buffers.let_go();
        assert_eq!(world.memory.evict_all(&mut world.pool), 1);
        assert_eq!(world.access(page), NOBODY);
    });
}

/// An access by one turns the reference bit of the frame on.
#[test]
fn translations_know_of_no_reference_beside_that_of_the_frame() {
    on_a_machine(|world| {
        for user in world.memory.translations.notifiers() {
            assert!(!user.age_page(PAGES[0]));
            assert_eq!(user.age_batch(&PAGES), 0);
        }
    });
}

#[test]
fn references_of_all_users_count() {
    on_a_machine(|mut world| {
        let page = PAGES[0];
        let buffers = Arc::new(Buffers::default());
        let notifier: Arc<dyn Notifier> = buffers.clone();
        world.memory.register(&notifier);
        let frame = world.memory.pages[page as usize].frame;
        arch::key::reset_reference(frame);
        assert!(!world.memory.age_page(page));
        world.refer_to(page);
        assert!(world.memory.age_page(page));
        world.memory.reset_reference_of_host(page);
        assert!(!world.memory.age_page(page));
        // By a device, which leaves the key alone.
        let pin = buffers.pin(page);
        assert!(world.memory.age_page(page));
        drop(pin);
        assert!(!world.memory.age_page(page));
        PAGES
            .iter()
            .for_each(|page| world.memory.reset_reference(*page));
        let _pin = buffers.pin(PAGES[2]);
        assert_eq!(world.memory.age_batch(&PAGES), 0b100);
    });
}
