//! The files of the farm: as many bytes as an experiment asks for, the same everywhere.

use std::fs::{self, File};
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use crate::workspace;

/// Sizes of files, in bytes: few are large, as on a web server. They come in turn.
const SIZES: [u64; 16] = [
    900, 1_400, 2_100, 2_900, 3_800, 4_700, 5_900, 7_300, 8_900, 11_000, 13_800, 17_500, 22_500,
    30_000, 44_000, 80_000,
];

/// The archive with so many KiB of files, which is made if it is not there.
///
/// # Errors
/// It cannot be written.
pub fn archive(kib: u64) -> Result<PathBuf> {
    let folder = workspace::target().join("farm-files");
    let path = folder.join(format!("{kib}k.tar"));
    if !path.exists() {
        fs::create_dir_all(&folder)?;
        write(&path, kib << 10).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(path)
}

/// Writes the archive under another name first.
fn write(path: &Path, total: u64) -> Result<()> {
    let unfinished = path.with_extension("tmp");
    let file = BufWriter::new(File::create(&unfinished)?);
    let mut archive = tar::Builder::new(file);
    for (number, size) in sizes(total).enumerate() {
        let content = content(number as u64, size);
        let mut header = tar::Header::new_ustar();
        header.set_size(size);
        header.set_mode(0o644);
        header.set_mtime(0);
        let name = format!("{:03}/{number:05}", number / 100);
        archive.append_data(&mut header, name, content.as_slice())?;
    }
    archive.into_inner()?.flush()?;
    Ok(fs::rename(unfinished, path)?)
}

/// Sizes of files that are so many bytes together.
fn sizes(total: u64) -> impl Iterator<Item = u64> {
    let mut left = total;
    SIZES.into_iter().cycle().map_while(move |size| {
        let size = size.min(left);
        left -= size;
        (size > 0).then_some(size)
    })
}

/// Bytes of a file: no two pages are the same.
fn content(number: u64, size: u64) -> Vec<u8> {
    let mut state = (number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_be_bytes()
    };
    let words = std::iter::repeat_with(&mut next).flatten();
    words.take(size as usize).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_have_so_many_bytes_together_and_differ() {
        let total = 3 << 20;
        assert_eq!(sizes(total).sum::<u64>(), total);
        assert!(sizes(total).all(|size| size > 0));
        assert_eq!(content(1, 100).len(), 100);
        assert_ne!(content(1, 100), content(2, 100));
        assert_ne!(content(1, 8192)[..4096], content(1, 8192)[4096..]);
    }
}
