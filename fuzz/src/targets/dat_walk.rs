//! The walker of DAT tables against the translation as the Principles of Operation draw it, level by level, in bits that
//! are counted from the left.

use std::collections::BTreeMap;

use arbitrary::{Result, Unstructured};
use arch::program;
use host::mem::walk::{Nowhere, Space, Translation, walk};
use host::mem::{AccessError, GuestFault};

/// Doublewords of storage; what is not there is not in the configuration.
type Storage = BTreeMap<u64, u64>;

/// Tries a walk.
pub fn run(data: &[u8]) {
    let _ = check(&mut Unstructured::new(data));
}

/// A field of a doubleword: its first bit from the left, and its last one.
fn bits(word: u64, first: u32, last: u32) -> u64 {
    word << first >> (63 - (last - first))
}

/// The index of an address by the type of a table: region first, second, third, segment.
fn index(kind: u64, address: u64) -> u64 {
    match kind {
        3 => bits(address, 0, 10),
        2 => bits(address, 11, 21),
        1 => bits(address, 22, 32),
        _ => bits(address, 33, 43),
    }
}

fn check(input: &mut Unstructured<'_>) -> Result<()> {
    let asce: u64 = input.arbitrary()?;
    let enhanced = input.arbitrary()?;
    let (mut address, reach): (u64, u8) = (input.arbitrary()?, input.arbitrary()?);
    // Else hardly any address is within reach of short tables.
    address >>= reach % 64;
    let mut storage = Storage::new();
    let is_guided: bool = input.arbitrary()?;
    if is_guided {
        put_tables(asce, address, &mut storage, input)?;
    }
    while input.len() >= 10 {
        let place: u16 = input.arbitrary()?;
        storage.insert(u64::from(place) * 8, input.arbitrary()?);
    }
    let space = Space { asce, enhanced };
    let read = |at: u64| {
        let outside = GuestFault::plain(program::ADDRESSING);
        storage.get(&at).copied().ok_or(AccessError::from(outside))
    };
    let outcome = walk(space, address, &mut |at| read(at));
    assert_eq!(outcome, by_the_book(space, address, &read));
    Ok(())
}

/// Puts an entry where the walk looks in each table that it reaches, with bits from the input.
fn put_tables(
    asce: u64,
    address: u64,
    storage: &mut Storage,
    input: &mut Unstructured<'_>,
) -> Result<()> {
    let mut origin = asce & !0xfff;
    for kind in (0..=bits(asce, 60, 61)).rev() {
        let entry: u64 = input.arbitrary()?;
        let place = origin.wrapping_add(8 * index(kind, address));
        // Of a good type, but for one in sixteen.
        let is_good = input.arbitrary::<u8>()? & 15 != 0;
        let entry = if is_good {
            entry & !0xc | kind << 2
        } else {
            entry
        };
        storage.insert(place, entry);
        origin = entry & if kind == 0 { !0x7ff } else { !0xfff };
    }
    let place = origin.wrapping_add(8 * bits(address, 44, 51));
    storage.insert(place, input.arbitrary()?);
    Ok(())
}

type Read<'a> = dyn Fn(u64) -> Result<u64, AccessError> + 'a;

fn exception<T>(code: u16, at: Option<u64>) -> Result<T, Nowhere> {
    Err(Nowhere::Exception(code, at))
}

fn by_the_book(space: Space, address: u64, read: &Read<'_>) -> Result<Translation, Nowhere> {
    let asce = space.asce;
    if bits(asce, 58, 58) == 1 {
        let real = address;
        return Ok(Translation {
            real,
            protected: false,
            page_table: None,
        });
    }
    // The indexes in front of the first table's must be zero.
    let kind = bits(asce, 60, 61);
    if (kind + 1..=3).any(|above| index(above, address) != 0) {
        return exception(program::ASCE_TYPE, None);
    }
    let length = bits(asce, 62, 63);
    let table = Table {
        origin: bits(asce, 0, 51) << 12,
        offset: 0,
        length,
    };
    let segment = regions(space, table, kind, address, read)?;
    if bits(segment.entry, 59, 59) == 1 && bits(asce, 55, 55) == 1 {
        return exception(program::TRANSLATION_SPECIFICATION, None);
    }
    let protected = segment.protected || bits(segment.entry, 54, 54) == 1;
    if space.enhanced && bits(segment.entry, 53, 53) == 1 {
        let real = bits(segment.entry, 0, 43) << 20 | bits(address, 44, 63);
        return Ok(Translation {
            real,
            protected,
            page_table: None,
        });
    }
    let origin = bits(segment.entry, 0, 52) << 11;
    let at = origin + 8 * bits(address, 44, 51);
    let page = read(at)?;
    if bits(page, 53, 53) == 1 {
        return exception(program::PAGE_TRANSLATION, Some(at));
    }
    if bits(page, 52, 52) == 1 {
        return exception(program::TRANSLATION_SPECIFICATION, None);
    }
    Ok(Translation {
        real: bits(page, 0, 51) << 12 | bits(address, 52, 63),
        protected: protected || bits(page, 54, 54) == 1,
        page_table: Some(origin),
    })
}

/// A table of a region or of segments: where, and which quarters of it are there.
struct Table {
    origin: u64,
    offset: u64,
    length: u64,
}

/// The entry of a segment table, and whether a region forbids stores.
struct Segment {
    entry: u64,
    protected: bool,
}

fn regions(
    space: Space,
    table: Table,
    kind: u64,
    address: u64,
    read: &Read<'_>,
) -> Result<Segment, Nowhere> {
    let code = match kind {
        3 => program::REGION_FIRST_TRANSLATION,
        2 => program::REGION_SECOND_TRANSLATION,
        1 => program::REGION_THIRD_TRANSLATION,
        _ => program::SEGMENT_TRANSLATION,
    };
    let index = index(kind, address);
    if !(table.offset..=table.length).contains(&(index / 512)) {
        return exception(code, None);
    }
    let at = table.origin.wrapping_add(8 * index);
    let entry = read(at)?;
    if bits(entry, 58, 58) == 1 {
        return exception(code, Some(at));
    }
    if bits(entry, 60, 61) != kind {
        return exception(program::TRANSLATION_SPECIFICATION, None);
    }
    if kind == 0 {
        return Ok(Segment {
            entry,
            protected: false,
        });
    }
    let next = Table {
        origin: bits(entry, 0, 51) << 12,
        offset: bits(entry, 56, 57),
        length: bits(entry, 62, 63),
    };
    let mut segment = regions(space, next, kind - 1, address, read)?;
    segment.protected |= space.enhanced && bits(entry, 54, 54) == 1;
    Ok(segment)
}

/// Walks through tables of each depth.
#[must_use]
pub fn seeds() -> Vec<Vec<u8>> {
    let walk = |asce: u64, enhanced: u8, address: u64, reach: u8| {
        let mut bytes = asce.to_le_bytes().to_vec();
        bytes.push(enhanced);
        bytes.extend(address.to_le_bytes());
        bytes.extend([reach, 1]);
        for kind in (0..=(asce >> 2 & 3)).rev() {
            let length = if kind == 0 { 0 } else { 3 };
            let entry = (0x10_0000 * (kind + 1)) | length;
            bytes.extend(entry.to_le_bytes());
            bytes.push(1);
        }
        bytes.extend(0x7777_7000_u64.to_le_bytes());
        bytes
    };
    vec![
        walk(0x1_000f, 1, 0x1234_5678_9abc_def0, 0),
        walk(0x1_000b, 0, 0x1234_5678_9abc_def0, 11),
        walk(0x1_0007, 1, 0x1234_5678_9abc_def0, 22),
        walk(0x1_0003, 0, 0x1234_5678_9abc_def0, 33),
        walk(0x1_0120, 0, 0x1234, 0),
    ]
}
