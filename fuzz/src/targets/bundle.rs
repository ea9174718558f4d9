//! The bundle: what is accepted is, byte for byte, what the writer makes of the same entries.

use boot::bundle::write::Writer;
use boot::bundle::{Bundle, Entry, Kind, Owner, crc32};

use super::assert_is_one_line;

/// Where things are in header and records.
const HEADER: usize = 32;
const RECORD: usize = 64;

/// Tries the bytes as they are, and with checksums that fit: chance does not find those.
pub fn run(data: &[u8]) {
    check(data);
    let mut mended = data.to_vec();
    if mend(&mut mended).is_some() {
        check(&mended);
    }
}

fn word(bytes: &[u8], at: usize) -> Option<u64> {
    let bytes = bytes.get(at..)?.first_chunk()?;
    Some(u64::from_be_bytes(*bytes))
}

fn mend(bytes: &mut [u8]) -> Option<()> {
    let entries = (word(bytes, 8)? & u64::from(u32::MAX)) as usize;
    let end = entries.checked_mul(RECORD)?.checked_add(HEADER)?;
    bytes.get(..end)?;
    for at in (HEADER..end).step_by(RECORD) {
        let (start, length) = (word(bytes, at + 32)?, word(bytes, at + 40)?);
        let data = start.checked_add(length);
        let data = data.and_then(|end| bytes.get(start as usize..end as usize));
        if let Some(data) = data {
            let sum = crc32().checksum(data);
            bytes[at + 56..at + 60].copy_from_slice(&sum.to_be_bytes());
        }
    }
    let mut sum = crc32().digest();
    sum.update(&bytes[..HEADER - 4]);
    sum.update(&bytes[HEADER..end]);
    bytes[HEADER - 4..HEADER].copy_from_slice(&sum.finalize().to_be_bytes());
    Some(())
}

fn check(bytes: &[u8]) {
    let bundle = match Bundle::parse(bytes) {
        Ok(bundle) => bundle,
        Err(error) => return assert_is_one_line(&error.to_string()),
    };
    let entries: Vec<Entry<'_>> = bundle.entries().collect();
    let mut writer = Writer::new();
    let mut is_whole = true;
    for entry in &entries {
        let start = entry.offset() as usize;
        assert!(start.is_multiple_of(4096));
        assert_eq!(entry.data(), &bytes[start..start + entry.data().len()]);
        match entry.verify() {
            Ok(data) => {
                let added = writer.add(entry.kind(), entry.owner(), entry.name(), data);
                added.expect("what can be read can be written");
                assert_eq!(entry.text().is_ok(), str::from_utf8(data).is_ok());
            }
            Err(error) => {
                assert_is_one_line(&error.to_string());
                is_whole = false;
            }
        }
    }
    for entry in &entries {
        check_find(&bundle, &entries, entry.kind(), entry.owner());
    }
    if is_whole {
        let mut again = Vec::new();
        writer.write(&mut again).expect("a vector takes all");
        assert!(again == bytes[..again.len()], "it is written otherwise");
    }
}

/// The first of the guest's own comes before the first of those for all.
fn check_find(bundle: &Bundle<'_>, entries: &[Entry<'_>], kind: Kind, owner: Owner) {
    let Owner::Guest(guest) = owner else { return };
    let of = |owner| {
        let is_it = |entry: &&Entry<'_>| (entry.kind(), entry.owner()) == (kind, owner);
        entries.iter().find(is_it).map(Entry::index)
    };
    let found = bundle.find(kind, guest).map(|entry| entry.index());
    assert_eq!(found, of(owner).or_else(|| of(Owner::All)));
}

/// Bundles of no entry, of one of each kind, and of several guests.
#[must_use]
pub fn seeds() -> Vec<Vec<u8>> {
    let all = [
        (Kind::Elf, Owner::All, "kernel", &b"\x7fELF"[..]),
        (Kind::GuestParameters, Owner::All, "all", b"cmma=full"),
        (Kind::GuestParameters, Owner::Guest(1), "one", b"seed=1"),
        (Kind::HostParameters, Owner::All, "host", b"guests=2"),
        (Kind::Disk, Owner::Guest(0), "disk", &[7; 5000]),
        (Kind::Script, Owner::All, "script", b"op=list"),
        (Kind::Flat, Owner::Guest(1), "flat", b""),
    ];
    let bundle = |entries: &[(Kind, Owner, &str, &[u8])]| {
        let mut writer = Writer::new();
        for (kind, owner, name, data) in entries {
            writer.add(*kind, *owner, name, *data).expect("a good name");
        }
        let mut bytes = Vec::new();
        writer.write(&mut bytes).expect("a vector takes all");
        bytes
    };
    vec![
        bundle(&[]),
        bundle(&all[..1]),
        bundle(&all[1..3]),
        bundle(&all),
    ]
}
