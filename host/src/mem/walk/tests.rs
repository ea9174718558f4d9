//! Tables by hand: what each level, bit and limit does.

use std::collections::BTreeMap;

use super::*;
use crate::mem::GuestFault;

/// Doublewords of storage; what is not there is not in the configuration.
#[derive(Default)]
struct Storage(BTreeMap<u64, u64>);

impl Storage {
    fn walk_in(&self, space: Space, address: u64) -> Result<Translation, Nowhere> {
        walk(space, address, &mut |at| {
            let outside = GuestFault::plain(program::ADDRESSING).into();
            self.0.get(&at).copied().ok_or(outside)
        })
    }

    fn walk(&self, asce: u64, address: u64) -> Result<Translation, Nowhere> {
        let enhanced = false;
        self.walk_in(Space { asce, enhanced }, address)
    }

    fn set(&mut self, at: u64, entry: u64) {
        self.0.insert(at, entry);
    }
}

/// Tables of all five levels for one address.
fn five_levels() -> (Storage, u64) {
    let mut storage = Storage::default();
    let address = 0x1234_5678_9abc_def0;
    storage.set(0x1_0000 + 8 * index(3, address) as u64, 0x2_000f);
    storage.set(0x2_0000 + 8 * index(2, address) as u64, 0x3_000b);
    storage.set(0x3_0000 + 8 * index(1, address) as u64, 0x4_0007);
    storage.set(0x4_0000 + 8 * index(0, address) as u64, 0x5_0800);
    storage.set(0x5_0800 + 8 * (address >> 12 & 0xff), 0x7777_7000);
    (storage, address)
}

const ASCE: u64 = 0x1_000f;

fn exception(code: u16) -> Result<Translation, Nowhere> {
    Err(Nowhere::Exception(code, None))
}

#[test]
fn an_address_goes_through_all_levels() {
    let (storage, address) = five_levels();
    let expected = Translation {
        real: 0x7777_7ef0,
        protected: false,
        page_table: Some(0x5_0800),
    };
    assert_eq!(storage.walk(ASCE, address), Ok(expected));
}

#[test]
fn a_shorter_tree_reaches_less_far() {
    let (storage, address) = five_levels();
    // By the region-second table, if nothing is in front of its index.
    let within = address & ((1 << 53) - 1);
    assert_eq!(storage.walk(0x2_000b, within).unwrap().real, 0x7777_7ef0);
    assert_eq!(
        storage.walk(0x2_000b, address),
        exception(program::ASCE_TYPE)
    );
    let within = address & 0x7fff_ffff;
    assert_eq!(storage.walk(0x4_0003, within).unwrap().real, 0x7777_7ef0);
    assert_eq!(
        storage.walk(0x4_0003, 1 << 31),
        exception(program::ASCE_TYPE)
    );
}

#[test]
fn each_level_has_its_exception() {
    let codes = [
        (3, 0x1_0000, program::REGION_FIRST_TRANSLATION),
        (2, 0x2_0000, program::REGION_SECOND_TRANSLATION),
        (1, 0x3_0000, program::REGION_THIRD_TRANSLATION),
        (0, 0x4_0000, program::SEGMENT_TRANSLATION),
    ];
    for (kind, origin, code) in codes {
        let (mut storage, address) = five_levels();
        let at = origin + 8 * index(kind, address) as u64;
        let entry = storage.0[&at];
        storage.set(at, entry | 0x20);
        let missing = Err(Nowhere::Exception(code, Some(at)));
        assert_eq!(storage.walk(ASCE, address), missing);
        // A table of another type.
        storage.set(at, entry ^ 0x4);
        let wrong = exception(program::TRANSLATION_SPECIFICATION);
        assert_eq!(storage.walk(ASCE, address), wrong);
        storage.0.remove(&at);
        let outside = Err(Nowhere::Table(
            GuestFault::plain(program::ADDRESSING).into(),
        ));
        assert_eq!(storage.walk(ASCE, address), outside);
    }
    let (mut storage, address) = five_levels();
    let at = 0x5_0800 + 8 * (address >> 12 & 0xff);
    storage.set(at, 0x400);
    let missing = Err(Nowhere::Exception(program::PAGE_TRANSLATION, Some(at)));
    assert_eq!(storage.walk(ASCE, address), missing);
    storage.set(at, 0x800);
    let wrong = exception(program::TRANSLATION_SPECIFICATION);
    assert_eq!(storage.walk(ASCE, address), wrong);
}

#[test]
fn a_table_ends_where_its_length_says() {
    let (mut storage, address) = five_levels();
    // Indexes are 0x91, 0x515, 0x4f1, 0x1ab of 0x800: quarters 0, 2, 2, 0.
    assert_eq!(
        [3, 2, 1, 0].map(|kind| index(kind, address) >> 9),
        [0, 2, 2, 0]
    );
    let at = 0x1_0000 + 8 * index(3, address) as u64;
    for (bits, good) in [(0x0e, true), (0x0d, false), (0x8f, true), (0xcf, false)] {
        storage.set(at, 0x2_0000 | bits);
        let expected = exception(program::REGION_SECOND_TRANSLATION);
        let outcome = storage.walk(ASCE, address);
        assert_eq!(outcome.is_ok(), good, "{bits:x}");
        assert!(good || outcome == expected, "{outcome:?}");
    }
    assert_eq!(
        storage.walk(0x2_0008, address & ((1 << 53) - 1)),
        exception(program::REGION_SECOND_TRANSLATION),
        "the first table has no more than a quarter"
    );
}

#[test]
fn any_level_protects_but_regions_with_enhanced_dat_only() {
    for (kind, origin) in [(3, 0x1_0000), (2, 0x2_0000), (1, 0x3_0000), (0, 0x4_0000)] {
        let (mut storage, address) = five_levels();
        let at = origin + 8 * index(kind, address) as u64;
        let entry = storage.0[&at];
        storage.set(at, entry | 0x200);
        for enhanced in [false, true] {
            let space = Space {
                asce: ASCE,
                enhanced,
            };
            let to = storage.walk_in(space, address).unwrap();
            assert_eq!(to.protected, enhanced || kind == 0);
        }
    }
    let (mut storage, address) = five_levels();
    storage.set(0x5_0800 + 8 * (address >> 12 & 0xff), 0x7777_7200);
    let to = storage.walk(ASCE, address).unwrap();
    assert_eq!((to.protected, to.real), (true, 0x7777_7ef0));
}

#[test]
fn a_large_frame_needs_enhanced_dat() {
    let (mut storage, address) = five_levels();
    let at = 0x4_0000 + 8 * index(0, address) as u64;
    storage.set(at, 0x1234_5000 | 0x400);
    let enhanced = true;
    let to = storage.walk_in(
        Space {
            asce: ASCE,
            enhanced,
        },
        address,
    );
    let expected = Translation {
        real: 0x123c_def0,
        protected: false,
        page_table: None,
    };
    assert_eq!(to, Ok(expected));
    assert!(
        storage.walk(ASCE, address).is_err(),
        "a page table elsewhere"
    );
}

#[test]
fn a_private_space_has_no_common_segments() {
    let (mut storage, address) = five_levels();
    let at = 0x4_0000 + 8 * index(0, address) as u64;
    storage.set(at, 0x5_0810);
    assert!(storage.walk(ASCE, address).is_ok());
    let wrong = exception(program::TRANSLATION_SPECIFICATION);
    assert_eq!(storage.walk(ASCE | 0x100, address), wrong);
}

#[test]
fn real_space_needs_no_tables() {
    let to = Storage::default().walk(0x20, 0x1234_5678).unwrap();
    assert_eq!((to.real, to.page_table), (0x1234_5678, None));
}
