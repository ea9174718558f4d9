//! The index of the files: what is accepted divides the image up without rest, means to tar programs what it means to
//! us, and is refused with one bit changed.

use std::io::Read as _;

use boot::bundle::crc32;
use kernel::fs::digest::PIECE;
use kernel::fs::image::write::{IndexWriter, Plan, Summing};
use kernel::fs::image::{BLOCK, INDEX_NAME, Index, index_extent};

use super::assert_is_one_line;

/// Lengths of the index's header, of a record, and of a piece's checksum.
const HEADER: usize = 56;
const RECORD: u64 = 40;
const SUM: u64 = 4;

/// Tries the bytes as they are, and with lengths and checksums that fit: chance does not find those.
pub fn run(data: &[u8]) {
    check(data);
    let mut mended = data.to_vec();
    if mend(&mut mended).is_some() {
        check(&mended);
    }
}

fn number(bytes: &[u8], at: usize) -> u64 {
    let bytes = bytes[at..at + 4].first_chunk().expect("four bytes");
    u32::from_be_bytes(*bytes).into()
}

fn put(bytes: &mut [u8], at: usize, number: u32) {
    bytes[at..at + 4].copy_from_slice(&number.to_be_bytes());
}

fn mend(bytes: &mut [u8]) -> Option<()> {
    bytes.get(..BLOCK + HEADER)?;
    let (member, index) = bytes.split_at_mut(BLOCK);
    let parts = number(index, 12) * RECORD + number(index, 32) * SUM + number(index, 36);
    let length = parts + HEADER as u64;
    // As much as a tar header can say.
    if length >= 1 << 33 {
        return None;
    }
    mend_member(member, length);
    put(index, 40, crc32().checksum(member));
    index[16..24].copy_from_slice(&length.to_be_bytes());
    let body = index.get(HEADER..usize::try_from(length).ok()?)?;
    let sum = crc32().checksum(body);
    put(index, 48, sum);
    let sum = crc32().checksum(&index[..HEADER - 4]);
    put(index, HEADER - 4, sum);
    Some(())
}

/// Length and checksum of a tar header.
fn mend_member(member: &mut [u8], length: u64) {
    member[124..136].copy_from_slice(format!("{length:011o}\0").as_bytes());
    member[148..156].fill(b' ');
    let sum: u32 = member.iter().map(|byte| u32::from(*byte)).sum();
    member[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
}

fn check(bytes: &[u8]) {
    let extent = match index_extent(bytes) {
        Ok(extent) => extent,
        Err(error) => return assert_is_one_line(&error.to_string()),
    };
    assert!(extent.offset == 0 && extent.length.is_multiple_of(BLOCK as u64));
    let index = match Index::parse(bytes.to_vec()) {
        Ok(index) => index,
        Err(error) => return assert_is_one_line(&error.to_string()),
    };
    let length = index.gap(0).offset - BLOCK as u64;
    assert_eq!(
        extent.length,
        (BLOCK as u64 + length).next_multiple_of(BLOCK as u64)
    );
    check_division(&index);
    check_tar(&bytes[..extent.length as usize], length);
    check_damage(&bytes[..BLOCK + length as usize]);
}

/// Index, gaps and contents follow one another up to the end of the image.
fn check_division(index: &Index) {
    let mut at = index.gap(0).offset;
    let mut total = 0;
    for (number, file) in index.files().enumerate() {
        let gap = index.gap(number);
        assert_eq!((gap.offset, gap.offset + gap.length), (at, file.offset));
        assert!(!file.path.is_empty());
        assert_eq!(file.pieces() as u64, file.size.div_ceil(PIECE as u64));
        let lengths = (0..file.pieces()).map(|piece| {
            let _ = file.page_checksum(piece);
            file.page_length(piece) as u64
        });
        assert_eq!(lengths.sum::<u64>(), file.size);
        assert_eq!(file.page_length(file.pieces()), 0);
        at = file.offset + file.size;
        total += file.size;
    }
    let gap = index.gap(index.len());
    assert_eq!(
        (gap.offset, gap.offset + gap.length),
        (at, index.image_length())
    );
    assert_eq!(
        (index.total_size(), index.is_empty()),
        (total, index.files().next().is_none())
    );
}

/// What a tar program can read it takes for the index, too.
fn check_tar(member: &[u8], length: u64) {
    let mut archive = tar::Archive::new(member);
    let Ok(mut entries) = archive.entries() else {
        return;
    };
    let Some(Ok(mut entry)) = entries.next() else {
        return;
    };
    assert_eq!(&*entry.path_bytes(), INDEX_NAME.as_bytes());
    assert_eq!(entry.size(), length);
    let mut content = Vec::new();
    entry.read_to_end(&mut content).expect("all of it is there");
    assert!(content == member[BLOCK..BLOCK + length as usize]);
}

/// A changed bit is noticed; which one, the bytes choose.
fn check_damage(member: &[u8]) {
    let choice = crc32().checksum(member) as usize;
    let mut damaged = member.to_vec();
    let length = damaged.len();
    damaged[choice / 8 % length] ^= 1 << (choice % 8);
    damaged.resize(length.next_multiple_of(BLOCK), 0);
    let at = choice / 8 % length;
    assert!(Index::parse(damaged).is_err(), "byte {at} may be anything");
}

/// The member of an index of files of these sizes.
fn member(files: &[(&str, usize)]) -> Vec<u8> {
    let mut plan = Plan::default();
    for (path, size) in files {
        plan.add(path, *size as u64);
    }
    let length = plan.length().expect("it is small");
    let mut header = tar::Header::new_ustar();
    header.set_path(INDEX_NAME).expect("a short name");
    header.set_size(length);
    header.set_mode(0o444);
    header.set_entry_type(tar::EntryType::Regular);
    header.set_cksum();
    let mut writer = IndexWriter::new();
    let mut at = (BLOCK as u64 + length).next_multiple_of(BLOCK as u64);
    for (path, size) in files {
        let mut summing = Summing::default();
        summing.update(&vec![b'x'; *size]);
        writer.add(path, at + BLOCK as u64, summing);
        at += BLOCK as u64 + (*size as u64).next_multiple_of(BLOCK as u64);
    }
    let first = header.as_bytes().to_vec();
    let read = |start: u64, count: u64| {
        // Gaps are zeros here: nothing looks at them.
        let gap = if start == 0 {
            first.clone()
        } else {
            vec![0; count as usize]
        };
        Ok::<_, ()>(gap)
    };
    let image_length = at + 2 * BLOCK as u64;
    let index = writer.finish(image_length, read).expect("nothing fails");
    let mut bytes = [&first[..], &index].concat();
    bytes.resize(bytes.len().next_multiple_of(BLOCK), 0);
    bytes
}

/// Indexes of no file, of one, and of several.
#[must_use]
pub fn seeds() -> Vec<Vec<u8>> {
    vec![
        member(&[]),
        member(&[("a", 1)]),
        member(&[("a/empty", 0), ("b", 4096), ("c/d", 9000)]),
    ]
}
