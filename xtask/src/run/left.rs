//! What guests say they have left on their disks, and what is there.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};

use anyhow::{Context as _, Result};
use kernel::fs::digest::FileDigest;

use crate::collect::Collector;
use crate::events::FileLeft;
use crate::machine::Disk;

/// Size of a block, in bytes.
const BLOCK: u64 = 512;

/// The first file that is not on its disk as the guest has said, if there is one.
///
/// Each of the `guests` has an equal part of each disk.
///
/// # Errors
/// An image cannot be read.
pub(super) fn complaint(
    collector: &Collector,
    disks: &[Disk],
    guests: u16,
) -> Result<Option<String>> {
    for (id, guest) in collector.guests() {
        for left in &guest.files {
            let Some(disk) = disks
                .iter()
                .find(|disk| u64::from(disk.number) == left.disk)
            else {
                return Ok(Some(format!("guest {id} speaks of disk {:04x}", left.disk)));
            };
            let found = digest(disk, left, *id, guests)
                .with_context(|| format!("disk {:04x} of guest {id}", left.disk))?;
            if found != left.crc64 {
                return Ok(Some(format!(
                    "guest {id} has left its file at block {} of disk {:04x} with the digest {}, and there it has {found}",
                    left.first, left.disk, left.crc64
                )));
            }
        }
    }
    Ok(None)
}

/// The digest of what is there.
fn digest(disk: &Disk, left: &FileLeft, guest: u64, guests: u16) -> Result<String> {
    let mut image = File::open(&disk.path)?;
    let blocks_each = image.metadata()?.len() / BLOCK / u64::from(guests);
    image.seek(SeekFrom::Start((guest * blocks_each + left.first) * BLOCK))?;
    let mut digest = FileDigest::new();
    let mut block = [0; BLOCK as usize];
    for _ in 0..left.blocks {
        image.read_exact(&mut block)?;
        digest.update(&block);
    }
    Ok(format!("{:016x}", digest.finish()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collect::Expected;
    use crate::machine::Source;

    /// A disk of eight blocks for two guests, of whom the first says what its second block holds.
    fn complaint_about(
        said: &[u8; BLOCK as usize],
        there: &[u8; BLOCK as usize],
    ) -> Option<String> {
        let mut digest = FileDigest::new();
        digest.update(said);
        let crc64 = digest.finish();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("guest.img");
        let mut image = vec![0; 8 * BLOCK as usize];
        // Of the second guest: its part begins with block 4.
        image[5 * BLOCK as usize..6 * BLOCK as usize].copy_from_slice(there);
        std::fs::write(&path, image).unwrap();
        let mut collector = Collector::new(Expected {
            host: true,
            guests: 2,
            our_kernel: true,
        });
        let line = format!(
            r#"{{"kind":"file","seq":0,"disk":257,"first":1,"blocks":1,"crc64":"{crc64:016x}"}}"#
        );
        let console = serde_json::json!({"kind": "console", "seq": 0, "guest": 1, "line": line});
        collector.line(Source::Console, &console.to_string());
        let disk = Disk {
            number: 0x0101,
            path,
            read_only: false,
            bad_blocks: [None; 2],
        };
        complaint(&collector, &[disk], 2).unwrap()
    }

    #[test]
    fn what_is_there_as_it_was_left_is_no_complaint() {
        assert_eq!(complaint_about(&[7; 512], &[7; 512]), None);
    }

    #[test]
    fn one_wrong_bit_is() {
        let mut there = [7; 512];
        there[511] ^= 1;
        let complaint = complaint_about(&[7; 512], &there).unwrap();
        assert!(
            complaint.contains("guest 1") && complaint.contains("disk 0101"),
            "{complaint}"
        );
    }
}
