//! The index of an image: round trips, and damage of every kind.

mod support;

use kernel::fs::digest::{self, PIECE};
use kernel::fs::image::write::Plan;
use kernel::fs::image::{BLOCK, Error, Gap, INDEX_NAME, Index, MAGIC, VERSION, index_extent};
use proptest::prelude::*;
use support::{File, tar_header, write};

/// Reads the index as the kernel does.
fn open(image: &[u8]) -> Result<Index, Error> {
    let extent = index_extent(image)?;
    let end = (extent.offset + extent.length) as usize;
    Index::parse(image[extent.offset as usize..end.min(image.len())].to_vec())
}

fn range(image: &[u8], gap: Gap) -> &[u8] {
    &image[gap.offset as usize..][..gap.length as usize]
}

/// Reads and checks every byte of an image; says where it is wrong.
fn check(image: &[u8]) -> Result<Vec<File>, String> {
    let index = open(image).map_err(|error| error.to_string())?;
    if index.image_length() > image.len() as u64 {
        return Err("the image is cut short".to_owned());
    }
    for number in 0..=index.len() {
        let gap = index.gap(number);
        if digest::piece_checksum(range(image, gap)) != gap.checksum {
            return Err(format!("gap {number}"));
        }
    }
    let mut files = Vec::new();
    for file in index.files() {
        let content = &image[file.offset as usize..][..file.size as usize];
        assert_eq!(file.pieces(), content.chunks(PIECE).len());
        for (piece, bytes) in content.chunks(PIECE).enumerate() {
            assert_eq!(file.page_length(piece), bytes.len());
            if digest::piece_checksum(bytes) != file.page_checksum(piece) {
                return Err(format!("piece {piece} of {}", file.path));
            }
        }
        assert_eq!(file.page_length(file.pieces()), 0);
        if digest::file_digest(content) != file.digest {
            return Err(format!("digest of {}", file.path));
        }
        files.push((file.path.to_owned(), content.to_vec()));
    }
    Ok(files)
}

fn sample() -> Vec<File> {
    vec![
        ("a/empty".to_owned(), vec![]),
        ("a/short".to_owned(), b"some text".to_vec()),
        ("b".to_owned(), (0..=u8::MAX).cycle().take(PIECE).collect()),
        (
            "c/ü".to_owned(),
            (0..=u8::MAX).rev().cycle().take(2 * PIECE + 1).collect(),
        ),
    ]
}

fn files() -> impl Strategy<Value = Vec<File>> {
    let content = prop::collection::vec(any::<u8>(), 0..3 * PIECE);
    prop::collection::vec(("[a-zäß/]{1,40}", content), 0..5)
}

#[test]
fn what_is_written_is_read() {
    let image = write(&sample());
    assert_eq!(check(&image), Ok(sample()));
    let index = open(&image).unwrap();
    assert_eq!(index.total_size(), 9 + 3 * PIECE as u64 + 1);
    assert_eq!(index.image_length(), image.len() as u64);
    assert!(!index.is_empty());
}

#[test]
fn an_image_without_files_is_one() {
    let image = write(&[]);
    assert_eq!(check(&image), Ok(vec![]));
    assert!(open(&image).unwrap().is_empty());
}

#[test]
fn every_flipped_byte_is_detected() {
    let good = write(&sample());
    for position in 0..good.len() {
        let mut image = good.clone();
        image[position] ^= 1 << (position % 8);
        assert!(check(&image).is_err(), "byte {position}");
    }
}

#[test]
fn damage_of_the_index_is_seen_before_it_is_used() {
    let good = write(&sample());
    let index_end = index_extent(&good).unwrap().length as usize;
    let padded = good[..index_end].iter().rposition(|byte| *byte != 0);
    for position in 0..=padded.unwrap() {
        for flip in [1, 0x80, 0xff] {
            let mut image = good.clone();
            image[position] ^= flip;
            assert!(open(&image).is_err(), "byte {position} ^ {flip:#x}");
        }
    }
}

#[test]
fn every_truncation_of_the_index_is_detected() {
    let image = write(&sample());
    let length = index_extent(&image).unwrap().length as usize;
    for shorter in 0..length {
        assert!(open(&image[..shorter]).is_err(), "{shorter} bytes");
    }
}

#[test]
fn each_byte_of_the_image_belongs_to_index_gap_or_file() {
    let image = write(&sample());
    let index = open(&image).unwrap();
    let mut end = index.gap(0).offset;
    for number in 0..=index.len() {
        let gap = index.gap(number);
        assert_eq!(gap.offset, end);
        end += gap.length;
        if number < index.len() {
            assert_eq!(index.file(number).offset, end);
            assert_eq!(end % BLOCK as u64, 0);
            end += index.file(number).size;
        }
    }
    assert_eq!(end, image.len() as u64);
}

/// Makes the checksums of a forged index right again.
fn seal(image: &mut [u8]) {
    let length = u64::from_be_bytes(image[528..536].try_into().unwrap()) as usize;
    let member = digest::piece_checksum(&image[..BLOCK]);
    image[552..556].copy_from_slice(&member.to_be_bytes());
    let body = digest::piece_checksum(&image[BLOCK + 56..BLOCK + length]);
    image[560..564].copy_from_slice(&body.to_be_bytes());
    let header = digest::piece_checksum(&image[BLOCK..BLOCK + 52]);
    image[564..568].copy_from_slice(&header.to_be_bytes());
}

/// Changes a field, makes the checksums right again, and returns what the reader says.
fn forge(position: usize, value: &[u8]) -> Error {
    let mut image = write(&sample());
    image[position..position + value.len()].copy_from_slice(value);
    seal(&mut image);
    match open(&image) {
        Err(error) => error,
        Ok(_) => panic!("byte {position} is not checked"),
    }
}

#[test]
fn fields_are_checked_even_if_the_checksums_are_right() {
    let record = |index, what| Error::Record { index, what };
    // The record of file 1 starts behind the header and that of file 0.
    let first = BLOCK + 56;
    let second = first + 40;
    assert_eq!(forge(BLOCK, b"X"), Error::NoIndex);
    assert_eq!(forge(BLOCK + 11, &[2]), Error::Version(2));
    assert_eq!(forge(BLOCK + 15, &[5]), Error::Header);
    assert_eq!(forge(BLOCK + 24, &[0; 8]), Error::Header);
    assert_eq!(forge(BLOCK + 35, &[9]), Error::Header);
    assert_eq!(forge(BLOCK + 39, &[9]), Error::Header);
    assert_eq!(forge(0, b"x"), Error::Member);
    assert_eq!(forge(156, b"5"), Error::Member);
    // A folder in front of the name.
    assert_eq!(forge(345, b"x"), Error::Member);
    // The last octal digit of the size.
    assert_eq!(forge(134, b"x"), Error::Member);
    assert_eq!(forge(first, &[0; 8]), record(0, "offset"));
    assert_eq!(forge(second + 7, &[1]), record(1, "offset"));
    assert_eq!(forge(second, &[0xff; 8]), record(1, "offset"));
    assert_eq!(forge(second + 8, &[0xff; 8]), record(1, "size"));
    assert_eq!(forge(second + 24, &[0, 0, 0, 1]), record(1, "path"));
    assert_eq!(forge(second + 28, &[0; 4]), record(1, "path"));
    assert_eq!(forge(second + 28, &[0xff; 4]), record(1, "path"));
    assert_eq!(forge(second + 32, &[0, 0, 0, 9]), record(1, "first piece"));
    // A size that is right in itself, but asks for one piece more than there is.
    assert_eq!(
        forge(second + 8, &5000u64.to_be_bytes()),
        record(2, "offset")
    );
    let paths = first + 4 * 40 + 5 * 4;
    assert_eq!(forge(paths, &[0xff]), record(0, "path"));
}

#[test]
fn a_length_that_no_memory_holds_is_refused_before_it_is_allocated() {
    let mut image = write(&sample());
    image[528..536].copy_from_slice(&(1u64 << 50).to_be_bytes());
    let header = digest::piece_checksum(&image[BLOCK..BLOCK + 52]);
    image[564..568].copy_from_slice(&header.to_be_bytes());
    assert_eq!(index_extent(&image), Err(Error::Header));
}

#[test]
fn another_disk_is_told_from_a_damaged_one() {
    let zeros = [0; 4096];
    assert_eq!(index_extent(&zeros), Err(Error::NoIndex));
    let tar = [&tar_header("file", 0)[..], &zeros].concat();
    assert_eq!(index_extent(&tar), Err(Error::NoIndex));
}

#[test]
fn a_plan_of_more_than_the_format_counts_has_no_length() {
    let mut plan = Plan::default();
    plan.add("huge", u64::from(u32::MAX) * PIECE as u64);
    assert!(plan.length().is_some());
    plan.add("one byte more", 1);
    assert_eq!(plan.length(), None);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_files_are_read_as_they_were_written(files in files()) {
        prop_assert_eq!(check(&write(&files)), Ok(files));
    }

    #[test]
    fn a_flipped_byte_anywhere_is_detected(
        files in files(),
        at in any::<prop::sample::Index>(),
        flip in 1..=u8::MAX,
    ) {
        let mut image = write(&files);
        let position = at.index(image.len());
        image[position] ^= flip;
        prop_assert!(check(&image).is_err(), "byte {}", position);
    }

    #[test]
    fn no_bytes_make_the_reader_panic(
        header in prop::collection::vec(any::<u8>(), 2048),
        small in prop::collection::vec(0u32..64, 3),
    ) {
        let mut image = header;
        image[..BLOCK].copy_from_slice(&tar_header(INDEX_NAME, 1000));
        image[512..520].copy_from_slice(&MAGIC);
        image[520..524].copy_from_slice(&VERSION.to_be_bytes());
        image[524..528].copy_from_slice(&small[0].to_be_bytes());
        image[544..548].copy_from_slice(&small[1].to_be_bytes());
        image[548..552].copy_from_slice(&small[2].to_be_bytes());
        let length = 56 + 40 * u64::from(small[0]) + 4 * u64::from(small[1]) + u64::from(small[2]);
        if length <= 1536 {
            image[..BLOCK].copy_from_slice(&tar_header(INDEX_NAME, length));
            image[528..536].copy_from_slice(&length.to_be_bytes());
            seal(&mut image);
        }
        if let Ok(index) = open(&image) {
            let _ = index.files().map(|file| file.size).sum::<u64>();
        }
    }
}
