//! Images of files, made in memory.

use kernel::fs::image::write::{IndexWriter, Plan, Summing};
use kernel::fs::image::{BLOCK, Error, INDEX_NAME};

/// Path and content.
pub(crate) type File = (String, Vec<u8>);

/// Writes a number into a field of a tar header.
fn octal(field: &mut [u8], number: u64) {
    let width = field.len() - 1;
    field[..width].copy_from_slice(format!("{number:0width$o}").as_bytes());
}

/// The header of a regular member, as short as tar programs take it.
pub(crate) fn tar_header(name: &str, size: u64) -> [u8; BLOCK] {
    let mut header = [0; BLOCK];
    header[..name.len()].copy_from_slice(name.as_bytes());
    octal(&mut header[100..108], 0o644);
    octal(&mut header[124..136], size);
    header[148..156].fill(b' ');
    header[156] = b'0';
    header[257..265].copy_from_slice(b"ustar\x0000");
    let sum: u64 = header.iter().map(|byte| u64::from(*byte)).sum();
    octal(&mut header[148..155], sum);
    header
}

fn pad(image: &mut Vec<u8>) {
    image.resize(image.len().next_multiple_of(BLOCK), 0);
}

/// Writes an image in memory; paths are at most 99 bytes long.
pub(crate) fn write(files: &[File]) -> Vec<u8> {
    let mut plan = Plan::default();
    for (path, content) in files {
        plan.add(path, content.len() as u64);
    }
    let length = plan.length().unwrap();
    let mut image = tar_header(INDEX_NAME, length).to_vec();
    image.resize(BLOCK + length as usize, 0);
    pad(&mut image);
    let mut writer = IndexWriter::new();
    for (path, content) in files {
        image.extend(tar_header(path, content.len() as u64));
        let mut summing = Summing::default();
        for part in content.chunks(1000) {
            summing.update(part);
        }
        writer.add(path, image.len() as u64, summing);
        image.extend(content);
        pad(&mut image);
    }
    image.extend([0; 2 * BLOCK]);
    let index = writer
        .finish(image.len() as u64, |offset, length| {
            let offset = offset as usize;
            Ok::<_, Error>(image[offset..offset + length as usize].to_vec())
        })
        .unwrap();
    assert_eq!(index.len() as u64, length);
    image[BLOCK..BLOCK + index.len()].copy_from_slice(&index);
    image
}
