//! The bundle format: a fixed vector, round trips, and damage of every kind.

use boot::bundle::write::Writer;
use boot::bundle::{Bundle, Error, Kind, NAME_LENGTH, Owner};
use proptest::prelude::*;

/// Header and directory of the bundle that `vector` returns, made by another implementation.
const VECTOR: &str = "\
    434d4d42554e444c00000001000000020000000000003000000000004b9399b5\
    6b65726e656c0000000000000000000000000000000000000000000000000000\
    0000000000001000000000000000000600000001ffffffffe3f665f700000000\
    6c696e65206f6620677565737420310000000000000000000000000000000000\
    0000000000002000000000000000000900000003000000012783259400000000";
const IMAGE: &[u8] = b"\x7fELF\x02\x02";
const LINE: &[u8] = b"cmma=full";

fn vector() -> Vec<u8> {
    let mut bytes: Vec<u8> = (0..VECTOR.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&VECTOR[at..at + 2], 16).unwrap())
        .collect();
    bytes.resize(4096, 0);
    bytes.extend(IMAGE);
    bytes.resize(8192, 0);
    bytes.extend(LINE);
    bytes.resize(12288, 0);
    bytes
}

fn vector_writer() -> Writer<'static> {
    let mut writer = Writer::new();
    writer.add(Kind::Elf, Owner::All, "kernel", IMAGE).unwrap();
    let owner = Owner::Guest(1);
    writer
        .add(Kind::GuestParameters, owner, "line of guest 1", LINE)
        .unwrap();
    writer
}

/// Reads all there is; `Err` as soon as anything is wrong.
fn read(bytes: &[u8]) -> Result<Vec<Member>, Error> {
    Bundle::parse(bytes)?
        .entries()
        .map(|entry| {
            Ok(Member {
                kind: entry.kind(),
                owner: entry.owner(),
                name: entry.name().to_owned(),
                data: entry.verify()?.to_vec(),
            })
        })
        .collect()
}

#[derive(Clone, Debug, PartialEq)]
struct Member {
    kind: Kind,
    owner: Owner,
    name: String,
    data: Vec<u8>,
}

fn write(members: &[Member]) -> Vec<u8> {
    let mut writer = Writer::new();
    for member in members {
        writer
            .add(member.kind, member.owner, &member.name, &member.data[..])
            .unwrap();
    }
    let mut bytes = Vec::new();
    let length = writer.write(&mut bytes).unwrap();
    assert_eq!(length, bytes.len() as u64);
    bytes
}

fn members() -> impl Strategy<Value = Vec<Member>> {
    let kind = prop::sample::select(vec![
        Kind::Elf,
        Kind::Flat,
        Kind::GuestParameters,
        Kind::HostParameters,
        Kind::Disk,
        Kind::Script,
    ]);
    let owner = prop_oneof![Just(Owner::All), (0..u32::MAX).prop_map(Owner::Guest)];
    let data = prop::collection::vec(any::<u8>(), 0..9000);
    let member = (kind, owner, "[ -~]{1,32}", data).prop_map(|(kind, owner, name, data)| Member {
        kind,
        owner,
        name,
        data,
    });
    prop::collection::vec(member, 0..6)
}

#[test]
fn the_vector_is_written_byte_for_byte() {
    let mut bytes = Vec::new();
    vector_writer().write(&mut bytes).unwrap();
    assert_eq!(bytes, vector());
}

#[test]
fn the_vector_is_read() {
    let bytes = vector();
    let bundle = Bundle::parse(&bytes).unwrap();
    let image = bundle.find(Kind::Elf, 1).unwrap();
    assert_eq!(image.name(), "kernel");
    assert_eq!(image.owner(), Owner::All);
    assert_eq!(image.offset(), 4096);
    assert_eq!(image.verify(), Ok(IMAGE));
    let line = bundle.find(Kind::GuestParameters, 1).unwrap();
    assert_eq!(line.text(), Ok("cmma=full"));
    assert!(bundle.find(Kind::GuestParameters, 0).is_none());
    assert_eq!(bundle.entries().len(), 2);
}

#[test]
fn every_flipped_byte_of_the_vector_is_detected() {
    let good = vector();
    for position in 0..good.len() {
        for flip in [1, 0x80, 0xff] {
            let mut bytes = good.clone();
            bytes[position] ^= flip;
            assert!(read(&bytes).is_err(), "byte {position} ^ {flip:#x}");
        }
    }
}

#[test]
fn every_truncation_of_the_vector_is_detected() {
    let good = vector();
    for length in 0..good.len() {
        assert!(
            matches!(read(&good[..length]), Err(Error::Truncated { found, .. }) if found == length as u64),
            "{length} bytes"
        );
    }
}

#[test]
fn what_a_loader_adds_behind_the_bundle_is_ignored() {
    let mut bytes = vector();
    bytes.extend([0xff; 80]);
    assert_eq!(read(&bytes), read(&vector()));
}

#[test]
fn a_guest_of_its_own_entry_does_not_get_the_one_for_all() {
    let mut writer = Writer::new();
    let kind = Kind::GuestParameters;
    writer.add(kind, Owner::All, "all", &b"a=1"[..]).unwrap();
    writer
        .add(kind, Owner::Guest(7), "own", &b"a=2"[..])
        .unwrap();
    let mut bytes = Vec::new();
    writer.write(&mut bytes).unwrap();
    let bundle = Bundle::parse(&bytes).unwrap();
    assert_eq!(bundle.find(kind, 7).unwrap().name(), "own");
    assert_eq!(bundle.find(kind, 8).unwrap().name(), "all");
}

/// Changes a field, makes the checksum right again, and returns what the reader says.
fn forge(position: usize, value: &[u8]) -> Error {
    let mut bytes = vector();
    bytes[position..position + value.len()].copy_from_slice(value);
    let mut checksum = boot::bundle::crc32().digest();
    checksum.update(&bytes[..28]);
    checksum.update(&bytes[32..160]);
    bytes[28..32].copy_from_slice(&checksum.finalize().to_be_bytes());
    read(&bytes).unwrap_err()
}

#[test]
fn fields_are_checked_even_if_the_checksum_is_right() {
    let what = |error| match error {
        Error::Entry { index: 0, what, .. } => what,
        other => panic!("{other:?}"),
    };
    assert_eq!(forge(0, b"X"), Error::Magic);
    assert_eq!(forge(11, &[2]), Error::Version(2));
    assert!(matches!(forge(12, &[0xff; 4]), Error::Truncated { .. }));
    assert!(matches!(forge(16, &[0xff; 8]), Error::Truncated { .. }));
    assert_eq!(
        forge(16, &8192u64.to_be_bytes()),
        Error::Entry {
            index: 1,
            offset: 8192,
            what: "longer than the bundle"
        }
    );
    assert_eq!(forge(27, &[1]), Error::Directory { end: 160 });
    let misplaced = "not on the page behind what precedes it";
    assert_eq!(what(forge(64, &0u64.to_be_bytes())), misplaced);
    assert_eq!(what(forge(64, &8192u64.to_be_bytes())), misplaced);
    assert_eq!(what(forge(64, &[0xff; 8])), misplaced);
    assert_eq!(what(forge(72, &[0xff; 8])), "longer than the bundle");
    assert_eq!(what(forge(80, &[0, 0, 0, 0])), "of an unknown kind");
    assert_eq!(what(forge(80, &[0, 0, 0, 7])), "of an unknown kind");
    assert_eq!(what(forge(32, &[0])), "badly named");
    assert_eq!(what(forge(33, &[0])), "badly named");
    assert_eq!(what(forge(63, b"x")), "badly named");
    // The second entry's data would lie inside the first's.
    assert!(matches!(
        forge(72, &5000u64.to_be_bytes()),
        Error::Entry { index: 1, .. }
    ));
    assert_eq!(
        forge(136, &1u64.to_be_bytes()),
        Error::Entry {
            index: 1,
            offset: 8192,
            what: "damaged: its checksum is wrong"
        }
    );
    // A last entry of no bytes ends the bundle a page earlier.
    assert_eq!(
        forge(136, &0u64.to_be_bytes()),
        Error::Length { length: 12288 }
    );
}

#[test]
fn an_error_is_one_line_that_names_entry_and_offset() {
    let mut bytes = vector();
    bytes[8192] ^= 1;
    let text = read(&bytes).unwrap_err().to_string();
    assert_eq!(
        text,
        "bundle entry 1 (data at byte 8192) is damaged: its checksum is wrong"
    );
    bytes = vector();
    bytes[4100 + IMAGE.len()] = 1;
    assert_eq!(
        read(&bytes).unwrap_err(),
        Error::Padding {
            offset: 4100 + IMAGE.len() as u64
        }
    );
}

#[test]
fn a_name_that_does_not_fit_is_refused() {
    let mut writer = Writer::new();
    for name in ["", "ä", "a\n", &"x".repeat(NAME_LENGTH + 1)] {
        let result = writer.add(Kind::Disk, Owner::All, name, &[][..]);
        assert!(result.is_err(), "{name:?}");
    }
    let full = "x".repeat(NAME_LENGTH);
    writer.add(Kind::Disk, Owner::All, &full, &[][..]).unwrap();
    assert!(
        writer
            .add(Kind::Disk, Owner::Guest(u32::MAX), "x", &[][..])
            .is_err()
    );
    let mut bytes = Vec::new();
    writer.write(&mut bytes).unwrap();
    assert_eq!(read(&bytes).unwrap()[0].name, full);
}

proptest! {
    #[test]
    fn what_is_written_is_read(members in members()) {
        let bytes = write(&members);
        prop_assert_eq!(read(&bytes), Ok(members));
        let bundle = Bundle::parse(&bytes).unwrap();
        prop_assert!(bundle.entries().all(|entry| entry.offset() % 4096 == 0));
    }

    #[test]
    fn a_flipped_byte_anywhere_is_detected(
        members in members(),
        at in any::<prop::sample::Index>(),
        flip in 1..=u8::MAX,
    ) {
        let mut bytes = write(&members);
        let position = at.index(bytes.len());
        bytes[position] ^= flip;
        prop_assert!(read(&bytes).is_err(), "byte {}", position);
    }

    #[test]
    fn a_truncation_anywhere_is_detected(
        members in members(),
        at in any::<prop::sample::Index>(),
    ) {
        let bytes = write(&members);
        prop_assert!(read(&bytes[..at.index(bytes.len())]).is_err());
    }

    #[test]
    fn no_bytes_make_the_reader_panic(
        bytes in prop::collection::vec(any::<u8>(), 0..300),
        count in 0u32..5,
    ) {
        let mut start = boot::bundle::MAGIC.to_vec();
        start.extend(boot::bundle::VERSION.to_be_bytes());
        start.extend(count.to_be_bytes());
        start.extend(bytes);
        prop_assert!(read(&start).is_err());
    }
}
