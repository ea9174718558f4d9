//! The shadows against a plain model: every translation that they have is one that was entered and not
//! taken away since, and the one that was entered last is there.

use std::collections::BTreeMap;

use arch::sim::{Hinting, Machine};
use proptest::prelude::*;

use super::*;
use crate::mem::AccessError;

const GUEST: u64 = 1 << 20;
const CPUS: usize = 3;

/// Spaces of all lengths, some with the same page tables, on two prefixes.
fn key(number: u8) -> Key {
    let asces = [0x1_0000, 0x2_0003, 0x3_0007, 0x4_000b, 0x5_000f, 0x20];
    let asce = asces[usize::from(number) % asces.len()];
    Key {
        prefix: u32::from(number) / asces.len() as u32 * 0x2000,
        space: Space {
            asce,
            enhanced: true,
        },
    }
}

const KEYS: u8 = 12;

/// An address that a space can have, from few bits so that tables are shared and extended.
fn address(key: &Key, bits: u16) -> u64 {
    let bits = u64::from(bits);
    let page = (bits & 7) << 12;
    let far = |shift: u32| (bits >> shift & 3) << 9;
    let kind = if key.space.is_real() {
        0
    } else {
        walk::table_type(key.space.asce)
    };
    let parts = [(0, 3), (1, 5), (2, 7), (3, 9)];
    let quarters = parts
        .into_iter()
        .filter(|(level, _)| *level <= kind)
        .map(|(level, shift)| far(shift) << walk::shift(level));
    let address = page | quarters.sum::<u64>() | (bits >> 11 & 1) << 20;
    // The shortest space has a quarter of a segment table.
    if key.space.asce == 0x1_0000 {
        address & 0x1fff_ffff
    } else {
        address
    }
}

/// The guest's page table that is said to map a segment: some spaces share them.
fn origin(address: u64) -> Option<u64> {
    (address & 1 << 20 == 0).then_some(address >> 20 << 11)
}

#[derive(Clone, Debug)]
enum Step {
    Map(u8, u16, u8, bool),
    Unmap(u8),
    Protect(u8),
    Invalidate(u8, u16),
    Purge(u8),
    PurgeAll,
    Enter(u8, [u8; 3]),
    Leave(u8),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        12 => (0..KEYS, any::<u16>(), any::<u8>(), any::<bool>())
            .prop_map(|(key, bits, page, protected)| Step::Map(key, bits, page, protected)),
        2 => any::<u8>().prop_map(Step::Unmap),
        2 => any::<u8>().prop_map(Step::Protect),
        2 => (0..KEYS, any::<u16>()).prop_map(|(key, bits)| Step::Invalidate(key, bits)),
        1 => (0..2_u8).prop_map(Step::Purge),
        1 => Just(Step::PurgeAll),
        2 => (0..CPUS as u8, [0..KEYS, 0..KEYS, 0..KEYS])
            .prop_map(|(cpu, keys)| Step::Enter(cpu, keys)),
        2 => (0..CPUS as u8).prop_map(Step::Leave),
    ];
    prop::collection::vec(step, 1..200)
}

/// What a virtual page leads to: guest page, frame, whether read-only.
type Target = (u32, Frame, bool);
type Model = BTreeMap<(u32, u64, u64), Target>;

fn place(key: &Key, address: u64) -> (u32, u64, u64) {
    (key.prefix, key.space.asce, address & !0xfff)
}

/// The machine's view: where an address leads by the tables as they are in storage.
fn look(asce: u64, address: u64) -> Option<(Frame, bool)> {
    let space = Space {
        asce,
        enhanced: false,
    };
    let read = &mut |at: u64| {
        // SAFETY: entries of tables that are alive.
        let entry = unsafe { core::ptr::with_exposed_provenance::<u64>(at as usize).read() };
        Ok::<_, AccessError>(entry)
    };
    let to = walk::walk(space, address, read).ok()?;
    Some((Frame((to.real >> 12) as u32), to.protected))
}

/// All translations of the shadows are the model's; returns how many there are.
fn check(shadow: &mut Shadow, model: &Model) -> usize {
    let mut found = 0;
    for ((prefix, asce, address), (_, frame, protected)) in model {
        let space = Space {
            asce: *asce,
            enhanced: true,
        };
        let key = Key {
            prefix: *prefix,
            space,
        };
        if let Some(number) = shadow.find(&key) {
            let root = shadow.spaces[usize::from(number)].unwrap().root;
            if let Some(seen) = look(shadow.tables.asce(root), *address) {
                assert_eq!(seen, (*frame, *protected), "{address:x} in {key:?}");
                found += 1;
            }
        }
    }
    let used = |kind: fn(&table::Table) -> bool| {
        let all = shadow.tables.all.iter().filter(|table| kind(table));
        all.map(|table| usize::from(table.used)).sum::<usize>()
    };
    assert_eq!(
        used(|table| table.kind == Use::Pages),
        found,
        "nothing else is mapped"
    );
    let tables = shadow.tables.all.iter().filter(|table| match table.kind {
        Use::Pages => true,
        Use::Upper(_) => !shadow.is_root(table),
        Use::Free | Use::Rest => false,
    });
    let named = used(|table| matches!(table.kind, Use::Upper(_)));
    assert_eq!(named, tables.count(), "every table is named once");
    found
}

impl Shadow {
    fn is_root(&self, table: &table::Table) -> bool {
        let at = (table as *const table::Table).addr() - self.tables.all.as_ptr().addr();
        let at = (at / size_of::<table::Table>()) as u32;
        at == NOTHING || self.spaces.iter().flatten().any(|known| known.root == at)
    }
}

fn run(steps: &[Step], bytes: u64) {
    let machine = Machine::new(1, Hinting::None);
    let _entered = machine.enter();
    let mut shadow = Shadow::new(GUEST, CPUS, bytes);
    let mut model = Model::new();
    for step in steps {
        match *step {
            Step::Map(number, bits, page, protected) => {
                let (key, page) = (key(number), u32::from(page));
                let address = address(&key, bits);
                let frame = Frame(page + 0x100);
                let to = Translation {
                    real: 0,
                    protected,
                    page_table: origin(address),
                };
                let mut again = 0..16;
                if again.any(|_| shadow.map(&key, address, &to, page, frame, protected)) {
                    model.insert(place(&key, address), (page, frame, protected));
                    let number = shadow.find(&key).expect("it was made");
                    let root = shadow.spaces[usize::from(number)].unwrap().root;
                    let seen = look(shadow.tables.asce(root), address);
                    assert_eq!(seen, Some((frame, protected)));
                } else {
                    let mut all = shadow.loaded.iter().flatten();
                    assert!(all.any(|loaded| loaded.is_running));
                }
            }
            Step::Unmap(page) => {
                shadow.unmap(page.into());
                model.retain(|_, target| target.0 != u32::from(page));
            }
            Step::Protect(page) => {
                shadow.protect(page.into());
                let all = model
                    .values_mut()
                    .filter(|target| target.0 == u32::from(page));
                all.for_each(|target| target.2 = true);
            }
            Step::Invalidate(number, bits) => {
                let meant = address(&key(number), bits);
                if let Some(table) = origin(meant) {
                    shadow.invalidate(table, meant);
                    let index = |address: u64| address >> 12 & 0xff;
                    model.retain(|(_, _, address), _| {
                        origin(*address) != Some(table) || index(*address) != index(meant)
                    });
                }
            }
            Step::Purge(prefix) => {
                let prefix = u32::from(prefix) * 0x2000;
                shadow.purge(&|key| key.prefix == prefix);
                model.retain(|(of, _, _), _| *of != prefix);
            }
            Step::PurgeAll => {
                shadow.purge(&|_| true);
                model.clear();
            }
            Step::Enter(cpu, numbers) => {
                let asces = shadow.enter(cpu.into(), numbers.map(key));
                for (number, asce) in numbers.into_iter().zip(asces) {
                    let known = shadow.find(&key(number)).is_some();
                    assert_eq!(known, asce != shadow.nothing()[0]);
                }
            }
            Step::Leave(cpu) => shadow.leave(cpu.into()),
        }
        // What has gone for want of room is not an error.
        let before = model.len();
        let found = check(&mut shadow, &model);
        assert!(
            found == before || shadow.recycled > 0,
            "{found} of {before}"
        );
    }
}

proptest! {
    #[test]
    fn translations_are_those_of_the_model(steps in steps()) {
        run(&steps, 4 << 20);
    }

    #[test]
    fn little_room_is_no_failure(steps in steps()) {
        run(&steps, LEAST);
    }
}

#[test]
fn the_quota_is_a_part_of_memory_but_not_too_little() {
    assert_eq!(quota(1 << 20), 256 << 10);
    assert_eq!(quota(64 << 20), 1 << 20);
}

/// A CPU whose instruction needs pages all over its space gets them all, though other CPUs keep theirs.
#[test]
fn the_least_room_is_enough_for_an_instruction() {
    let machine = Machine::new(1, Hinting::None);
    let _entered = machine.enter();
    let mut shadow = Shadow::new(GUEST, CPUS, LEAST);
    let to = Translation {
        real: 0,
        protected: false,
        page_table: None,
    };
    let own = key(4);
    for (cpu, number) in [(1, 1), (2, 2)] {
        for page in 0..200 {
            let at = u64::from(page) << 20;
            shadow.map(&key(number), at, &to, page, Frame(page), false);
        }
        shadow.enter(cpu, [key(number); 3]);
    }
    let places: Vec<_> = (0..8)
        .map(|n: u64| n << 61 | n << 50 | n << 39 | n << 28)
        .collect();
    for (page, place) in places.iter().enumerate() {
        assert!(shadow.map(&own, *place, &to, page as u32, Frame(page as u32), false));
    }
    let [asce, ..] = shadow.enter(0, [own; 3]);
    for (page, place) in places.iter().enumerate() {
        assert_eq!(
            look(asce, *place),
            Some((Frame(page as u32), false)),
            "{place:x}"
        );
    }
}

/// A page that a guest maps very often costs the host no more than all translations of the guest.
#[test]
fn many_aliases_go_at_once() {
    let machine = Machine::new(1, Hinting::None);
    let _entered = machine.enter();
    let to = Translation {
        real: 0,
        protected: false,
        page_table: None,
    };
    for take in [Shadow::unmap, Shadow::protect] {
        let mut shadow = Shadow::new(GUEST, CPUS, LEAST);
        let asces = shadow.enter(0, [key(1); 3]);
        assert_eq!(asces, shadow.nothing());
        for page in 0..2 * u64::from(MOST_ALIASES) {
            assert!(shadow.map(&key(1), page << 12, &to, 7, Frame(7), false));
        }
        let [asce, ..] = shadow.enter(0, [key(1); 3]);
        assert_eq!(look(asce, 0), Some((Frame(7), false)));
        take(&mut shadow, 7);
        assert_eq!(look(asce, 0), None);
        check(&mut shadow, &Model::new());
    }
}

/// No table of the guest's is followed.
const NOWHERE_ELSE: Translation = Translation {
    real: 0,
    protected: false,
    page_table: None,
};

/// Maps the start of each segment to the page of its number until a page table has gone for another.
fn fill(shadow: &mut Shadow, number: u8) -> u32 {
    let segments = 0..;
    let mut is_there = |segment: &u32| {
        let at = u64::from(*segment) << 20;
        let (page, frame) = (*segment, Frame(*segment));
        shadow.map(&key(number), at, &NOWHERE_ELSE, page, frame, false) && shadow.recycled == 0
    };
    segments.take_while(|segment| is_there(segment)).count() as u32
}

fn segment(asce: u64, number: u32) -> Option<(Frame, bool)> {
    look(asce, u64::from(number) << 20)
}

#[test]
fn tables_take_what_they_may_and_no_more() {
    for bytes in [LEAST, 1 << 20] {
        let machine = Machine::new(1, Hinting::None);
        let _entered = machine.enter();
        let shadow = Shadow::new(GUEST, CPUS, bytes);
        let of_each = PAGE_SIZE + size_of::<table::Table>() + 2 * size_of::<u32>();
        let pages = shadow.tables.all.len();
        assert!(pages * of_each <= bytes as usize && (pages + 1) * of_each > bytes as usize);
    }
}

#[test]
fn the_page_table_goes_that_was_used_longest_ago() {
    let machine = Machine::new(1, Hinting::None);
    let _entered = machine.enter();
    let mut shadow = Shadow::new(GUEST, CPUS, LEAST);
    let last = fill(&mut shadow, 1);
    assert!(last > 32);
    // The first one went for the last one. The next one is used now, so it stays, and so on.
    let [asce, ..] = shadow.enter(0, [key(1); 3]);
    assert_eq!(segment(asce, 0), None);
    let to = NOWHERE_ELSE;
    for old in [1, 3] {
        let at = u64::from(old) << 20;
        assert!(shadow.map(&key(1), at, &to, old, Frame(old), false));
        let next = last + old;
        let at = u64::from(next) << 20;
        assert!(shadow.map(&key(1), at, &to, 0, Frame(0), false));
        assert_eq!(segment(asce, old), Some((Frame(old), false)));
        assert_eq!(segment(asce, old + 1), None);
        assert_eq!(segment(asce, next), Some((Frame(0), false)));
    }
    assert_eq!(shadow.recycled, 3);
}

#[test]
fn the_tables_go_first_of_the_space_that_was_entered_longest_ago() {
    let machine = Machine::new(1, Hinting::None);
    let _entered = machine.enter();
    let mut shadow = Shadow::new(GUEST, CPUS, LEAST);
    let last = fill(&mut shadow, 1);
    let map = |shadow: &mut Shadow, number, segment: u32| {
        let at = u64::from(segment) << 20;
        assert!(shadow.map(&key(number), at, &NOWHERE_ELSE, 0, Frame(0), false));
    };
    map(&mut shadow, 7, 0);
    let [other, ..] = shadow.enter(1, [key(7); 3]);
    let [first, ..] = shadow.enter(0, [key(1); 3]);
    // Though the page table was used last.
    map(&mut shadow, 7, 0);
    assert_eq!(segment(other, 0), Some((Frame(0), false)));
    map(&mut shadow, 1, last + 1);
    assert_eq!(segment(other, 0), None);
    assert_eq!(segment(first, last + 1), Some((Frame(0), false)));
}

#[test]
fn a_space_is_private_if_the_guest_s_is() {
    let machine = Machine::new(1, Hinting::None);
    let _entered = machine.enter();
    let mut shadow = Shadow::new(GUEST, CPUS, LEAST);
    for private in [0, walk::PRIVATE_SPACE] {
        let mut key = key(1);
        key.space.asce |= private;
        assert!(shadow.map(&key, 0x7000, &NOWHERE_ELSE, 7, Frame(7), false));
        let asces = shadow.enter(0, [key; 3]);
        assert_eq!(asces.map(|asce| asce & walk::PRIVATE_SPACE), [private; 3]);
        assert_eq!(look(asces[0], 0x7000), Some((Frame(7), false)));
    }
}

#[test]
fn a_space_goes_with_its_last_page_table_unless_a_cpu_runs_by_it() {
    let machine = Machine::new(1, Hinting::None);
    let _entered = machine.enter();
    for is_running in [false, true] {
        let mut shadow = Shadow::new(GUEST, CPUS, LEAST);
        assert!(shadow.map(&key(7), 0, &NOWHERE_ELSE, 0, Frame(0), false));
        if is_running {
            shadow.enter(1, [key(7); 3]);
        }
        fill(&mut shadow, 1);
        assert_eq!(shadow.recycled, 1);
        assert_eq!(shadow.find(&key(7)).is_some(), is_running);
        assert!(shadow.find(&key(1)).is_some());
    }
}

#[test]
fn a_cpu_does_not_get_what_has_come_in_the_place_of_its_space() {
    let machine = Machine::new(1, Hinting::None);
    let _entered = machine.enter();
    let mut shadow = Shadow::new(GUEST, CPUS, LEAST);
    let own = [key(1); 3];
    assert!(shadow.map(&key(1), 0, &NOWHERE_ELSE, 1, Frame(1), false));
    shadow.enter(0, own);
    shadow.leave(0);
    shadow.purge(&|_| true);
    assert!(shadow.map(&key(2), 0, &NOWHERE_ELSE, 2, Frame(2), false));
    assert_eq!(shadow.enter(0, own), shadow.nothing());
}
