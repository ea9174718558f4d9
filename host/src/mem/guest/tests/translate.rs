//! Accesses by tables of the guest's own, and what takes away what was made of them.

use arch::{Psw, PswMask};

use super::*;
use crate::mem::address_space_control;

/// Tables of the guest: two for segments, one for pages, which is not at the start of its page.
const SEGMENTS: u64 = 0x30_0000;
const OTHER_SEGMENTS: u64 = 0x30_1000;
const PAGE_TABLE: u64 = 0x30_2800;
/// The guest's pages in it, by virtual page: one to store into, one that may not be, and one that nobody has stored into.
const LEADS: [(u64, u64); 3] = [(1, 0x24_0000), (2, 0x24_1200), (3, 0x24_2000)];
const WRITABLE: u64 = 0x1000;
const PROTECTED: u64 = 0x2000;
const UNCHANGED: u64 = 0x3000;
/// No page, and an entry that no page table may have.
const MISSING: u64 = 0x4000;
const WRONG: u64 = 0x5000;
/// Segments that lead to the same pages.
const ALIASES: u64 = 200;

const fn by(asce: u64) -> Space {
    Space {
        asce,
        enhanced: true,
    }
}

const OWN: Space = by(SEGMENTS);

const fn access(space: Space, address: u64, store: bool) -> Virtual {
    Virtual {
        space,
        control: 0,
        address,
        store,
    }
}

impl World {
    fn set_entry(&mut self, at: u64, entry: u64) {
        let (memory, pool) = (&mut self.memory, &mut self.pool);
        memory.write(pool, 0, at, &entry.to_be_bytes()).unwrap();
    }

    fn resolve(&mut self, cpu: usize, access: &Virtual) -> Result<(), AccessError> {
        self.memory.resolve_virtual(&mut self.pool, cpu, access)
    }

    /// Whether CPUs get anywhere by an address.
    fn reaches<const N: usize>(&mut self, spaces: [Space; N], address: u64) -> [bool; N] {
        spaces.map(|space| self.reach(0, Some(space), address).is_some())
    }

    fn frame(&self, page: u32) -> Frame {
        self.memory.pages[page as usize].resident().unwrap()
    }
}

fn with_tables(test: impl Fn(World)) {
    on_a_machine(|mut world| {
        for segments in [SEGMENTS, OTHER_SEGMENTS] {
            (0..ALIASES).for_each(|number| world.set_entry(segments + 8 * number, PAGE_TABLE));
        }
        let rest = [(MISSING >> PAGE_SHIFT, 0x400), (WRONG >> PAGE_SHIFT, 0x800)];
        for (page, entry) in LEADS.into_iter().chain(rest) {
            world.set_entry(PAGE_TABLE + 8 * page, entry);
        }
        for page in [0x240, 0x241] {
            world.bring_in(page, true);
        }
        test(world);
    });
}

#[test]
fn an_exception_says_which_access_it_was() {
    with_tables(|mut world| {
        for (store, kind) in [(false, 0x800), (true, 0x400)] {
            for control in 0..4 {
                let access = Virtual {
                    control,
                    ..access(OWN, MISSING + 0x123, store)
                };
                let identification = MISSING | kind | u64::from(control);
                let expected = GuestFault {
                    code: program::PAGE_TRANSLATION,
                    identification: Some(identification),
                };
                let found = world.resolve(0, &access);
                assert_eq!(found, Err(AccessError::Fault(expected)));
                let expected = GuestFault {
                    code: program::PROTECTION,
                    identification: Some(identification | 0x80),
                };
                assert_eq!(access.low_address_protection(), expected);
            }
        }
        let expected = GuestFault {
            code: program::PROTECTION,
            identification: Some(PROTECTED | 0x404),
        };
        let found = world.resolve(0, &access(OWN, PROTECTED + 0x123, true));
        assert_eq!(found, Err(AccessError::Fault(expected)));
        let expected = GuestFault::plain(program::TRANSLATION_SPECIFICATION);
        let found = world.resolve(0, &access(OWN, WRONG, true));
        assert_eq!(found, Err(AccessError::Fault(expected)));
    });
}

#[test]
fn the_space_of_an_access_is_that_of_two_bits() {
    let bits = [
        PswMask::empty(),
        PswMask::ASC_LOW,
        PswMask::ASC_HIGH,
        PswMask::ASC,
    ];
    let controls = bits.map(|bits| address_space_control(&Psw::new(bits | PswMask::DAT, 0)));
    assert_eq!(controls, [0, 1, 2, 3]);
}

#[test]
fn stores_are_allowed_where_the_guest_and_the_host_allow_them() {
    with_tables(|mut world| {
        for (address, page, may_store) in [
            (WRITABLE, 0x240, true),
            (PROTECTED, 0x241, false),
            (UNCHANGED, 0x242, false),
        ] {
            world.resolve(0, &access(OWN, address, false)).unwrap();
            let expected = Some((world.frame(page), may_store));
            assert_eq!(world.reach(0, Some(OWN), address), expected);
            assert_eq!(world.reach(0, Some(by(OTHER_SEGMENTS)), address), None);
        }
        world.resolve(0, &access(OWN, UNCHANGED, true)).unwrap();
        let expected = Some((world.frame(0x242), true));
        assert_eq!(world.reach(0, Some(OWN), UNCHANGED), expected);
    });
}

#[test]
fn what_an_entry_said_is_forgotten_by_all_spaces_that_have_it() {
    with_tables(|mut world| {
        let spaces = [OWN, by(OTHER_SEGMENTS)];
        for space in spaces {
            for address in [WRITABLE, PROTECTED] {
                world.resolve(0, &access(space, address, false)).unwrap();
            }
        }
        world.memory.invalidate(PAGE_TABLE - 0x800, WRITABLE);
        assert_eq!(world.reaches(spaces, WRITABLE), [true; 2], "another table");
        world.memory.invalidate(PAGE_TABLE, WRITABLE);
        assert_eq!(world.reaches(spaces, WRITABLE), [false; 2]);
        assert_eq!(world.reaches(spaces, PROTECTED), [true; 2]);
    });
}

#[test]
fn who_purges_a_tlb_forgets_the_translations_of_that_prefix() {
    with_tables(|mut world| {
        let there = |world: &mut World| {
            [0, 1, 2].map(|cpu| world.reach(cpu, Some(OWN), WRITABLE).is_some())
        };
        for cpu in [0, 2] {
            world.resolve(cpu, &access(OWN, WRITABLE, true)).unwrap();
        }
        assert_eq!(there(&mut world), [true; 3]);
        world.memory.purge(1);
        assert_eq!(there(&mut world), [false, false, true]);
        world.resolve(1, &access(OWN, WRITABLE, true)).unwrap();
        world.memory.purge_all();
        assert_eq!(there(&mut world), [false; 3]);
    });
}

#[test]
fn a_space_is_forgotten_by_the_origin_and_the_type_of_its_first_table() {
    with_tables(|mut world| {
        // A table for regions, of which that for segments is the first part.
        world.set_entry(OTHER_SEGMENTS + 0x800, SEGMENTS | 3);
        let regions = by(OTHER_SEGMENTS | 4);
        world.set_entry(OTHER_SEGMENTS, SEGMENTS | 4 | 3);
        let spaces = [OWN, by(SEGMENTS | 0x103), regions, SPACE];
        let purged: [(u64, [bool; 4]); 5] = [
            (SEGMENTS | 0x342, [false, false, true, true]),
            (OTHER_SEGMENTS | 7, [true, true, false, true]),
            (OTHER_SEGMENTS | 3, [true; 4]),
            (SPACE.asce | 3, [true, true, true, false]),
            (SEGMENTS + 0x1_0000, [true; 4]),
        ];
        for (asce, expected) in purged {
            for space in spaces {
                // In the space whose addresses are real there is no table.
                let _ = world.resolve(0, &access(space, WRITABLE, false));
            }
            assert_eq!(world.reaches(spaces, WRITABLE), [true; 4]);
            world.memory.purge_space(asce);
            assert_eq!(world.reaches(spaces, WRITABLE), expected, "{asce:x}");
        }
    });
}

#[test]
fn a_space_by_which_a_cpu_runs_keeps_its_first_table() {
    with_tables(|mut world| {
        let [_, nothing, _] = world.memory.enter(0, None);
        world.resolve(0, &access(OWN, WRITABLE, true)).unwrap();
        let unused = by(OTHER_SEGMENTS);
        let [asce, others @ ..] = world.memory.enter(0, Some([OWN, unused, unused]));
        assert!(asce != nothing && others == [nothing; 2]);
        world.memory.purge_all();
        let spaces = Some([OWN; 3]);
        assert_eq!(world.memory.enter(1, spaces), [asce; 3]);
        world.memory.leave(0);
        world.memory.purge_all();
        assert_eq!(world.memory.enter(0, spaces), [asce; 3]);
        world.memory.leave(0);
        world.memory.leave(1);
        world.memory.purge_all();
        assert_eq!(world.memory.enter(0, spaces), [nothing; 3]);
    });
}

#[test]
fn page_tables_that_go_for_others_are_counted() {
    with_tables(|mut world| {
        assert_eq!(world.memory.recycled(), 0);
        for segment in 0..ALIASES {
            let address = WRITABLE | segment << 20;
            world.resolve(0, &access(OWN, address, true)).unwrap();
            assert!(world.reach(0, Some(OWN), address).is_some());
        }
        assert!(world.memory.recycled() > ALIASES / 2);
    });
}

#[test]
fn a_cpu_with_another_prefix_gets_where_that_says() {
    on_a_machine(|mut world| {
        let other = 0x24_0000;
        world.memory.set_prefix(2, other);
        let mut pages = PAGES.to_vec();
        pages.extend([0, 1, PAGES[0] + 1]);
        for page in pages {
            // By no translation of before.
            world.access(page);
            world.touch(page);
            assert_eq!(world.access(page), ALL_STORE, "{page:x}");
        }
        let there = world.frame(PAGES[0]);
        assert_eq!(world.reach(2, None, 0), Some((there, true)));
        assert_eq!(world.reach(2, Some(SPACE), 0), Some((there, true)));
    });
}

#[test]
fn what_takes_a_frame_takes_the_translations_of_an_only_cpu_with_a_prefix() {
    on_a_machine(|_| {
        let mut world = World {
            memory: GuestMemory::new(0, SIZE, Personality::MODEL, 1, 256 << 10),
            pool: FramePool::new(Frame(1), FRAMES),
        };
        world.memory.set_prefix(0, PREFIX);
        for page in PAGES {
            let frame = world.memory.resolve(&mut world.pool, 0, page, true);
            let real = world.memory.absolute(0, u64::from(page) << PAGE_SHIFT);
            assert_eq!(world.reach(0, None, real), Some((frame.unwrap(), true)));
            world.essa(page, Orc::SetUnused);
            assert!(world.memory.evict(&mut world.pool, page));
            assert_eq!(world.reach(0, None, real), None, "{page:x}");
        }
    });
}

#[test]
fn the_largest_guest_is_reached_to_its_end() {
    on_a_machine(|_| {
        let size: u64 = 2 << 30;
        let mut world = World {
            memory: GuestMemory::new(0, size, Personality::MODEL, 1, 256 << 10),
            pool: FramePool::new(Frame(1), FRAMES),
        };
        for page in [0, 0x2_0000, 0x5_1234, (size >> PAGE_SHIFT) as u32 - 1] {
            let found = world.memory.resolve(&mut world.pool, 0, page, true);
            let expected = Some((found.unwrap(), true));
            let address = u64::from(page) << PAGE_SHIFT;
            assert_eq!(world.reach(0, None, address), expected, "{page:x}");
        }
    });
}
