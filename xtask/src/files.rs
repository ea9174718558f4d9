//! The files that guests read: packed once into a disk image, and spoilt on request.

use std::fs::{self, File, OpenOptions};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use crate::pack::{self, Source};
use crate::{failure, workspace};

/// Packs a directory or a tar, unless that was done before; returns the image.
///
/// # Errors
/// `path` is missing, empty, unreadable or cut short; or the image cannot be written.
pub fn packed(path: &Path) -> Result<PathBuf> {
    let full = path.canonicalize().map_err(|error| {
        failure::unusable(format!(
            "--files {}: {error}; give a directory or a tar",
            path.display()
        ))
    })?;
    let folder = workspace::target().join("files");
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let image = folder.join(image_name(&full));
    pack::pack(&Source::at(&full)?, &image)?;
    Ok(image)
}

/// A name for people that is different for every source.
fn image_name(path: &Path) -> String {
    let mut hasher = DefaultHasher::new();
    path.hash(&mut hasher);
    let stem = path
        .file_stem()
        .map(|stem| stem.to_string_lossy())
        .unwrap_or_default();
    format!("{stem}-{:016x}.img", hasher.finish())
}

/// Flips the lowest bit of the byte at `offset`.
///
/// # Errors
/// The file has no such byte, or cannot be changed.
pub fn flip_byte(path: &Path, offset: u64) -> Result<()> {
    let mut file = OpenOptions::new().read(true).write(true).open(path)?;
    let length = file.metadata()?.len();
    if offset >= length {
        let path = path.display();
        return Err(failure::unusable(format!(
            "{path} has {length} bytes, none at {offset}"
        )));
    }
    let mut byte = [0];
    file.seek(SeekFrom::Start(offset))?;
    file.read_exact(&mut byte)?;
    file.seek(SeekFrom::Start(offset))?;
    file.write_all(&[byte[0] ^ 1])?;
    Ok(())
}

/// Makes a disk of `size` bytes that takes no room until it is written to.
///
/// # Errors
/// The file cannot be made.
pub fn make_sparse(path: &Path, size: u64) -> std::io::Result<()> {
    File::create(path)?.set_len(size)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_bit_changes_and_nothing_else() {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), b"abc").unwrap();
        flip_byte(file.path(), 1).unwrap();
        assert_eq!(fs::read(file.path()).unwrap(), b"acc");
        let error = flip_byte(file.path(), 3).unwrap_err();
        assert_eq!(failure::status_of(&error), failure::UNUSABLE);
        assert_eq!(fs::read(file.path()).unwrap(), b"acc");
    }

    #[test]
    fn sources_of_the_same_name_get_different_images() {
        let (a, b) = (
            image_name(Path::new("/a/files.tar")),
            image_name(Path::new("/b/files.tar")),
        );
        assert!(a.starts_with("files-") && b.starts_with("files-") && a != b);
    }

    #[test]
    fn a_missing_source_is_named() {
        let error = packed(Path::new("/no/such/files")).unwrap_err();
        assert_eq!(failure::status_of(&error), failure::UNUSABLE);
        assert!(error.to_string().contains("/no/such/files"));
    }
}
