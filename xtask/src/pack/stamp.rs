//! What an image was made of, kept beside it.

use std::ffi::OsString;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use anyhow::Result;
use kernel::fs::image::VERSION;
use serde::{Deserialize, Serialize};

use super::{PackSummary, cannot_read, cannot_write, rename, temporary};

/// The stamp of an image. Its content is not looked at: damage is the kernel's to find.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Stamp {
    /// Version of the image's format.
    version: u32,
    source: PathBuf,
    /// Hash of names, sizes and times in the source.
    fingerprint: u64,
    /// Length of the image, in bytes.
    image_length: u64,
    summary: PackSummary,
}

fn path(image: &Path) -> PathBuf {
    let mut name = OsString::from(image);
    name.push(".stamp");
    name.into()
}

impl Stamp {
    pub(super) fn new(
        source: &Path,
        fingerprint: u64,
        image_length: u64,
        summary: PackSummary,
    ) -> Result<Self> {
        Ok(Self {
            version: VERSION,
            source: source
                .canonicalize()
                .map_err(|error| cannot_read(source, &error))?,
            fingerprint,
            image_length,
            summary,
        })
    }

    /// Returns what is in `image` if it was made of just that source and is still whole.
    pub(super) fn up_to_date(image: &Path, source: &Path, fingerprint: u64) -> Option<PackSummary> {
        let text = fs::read(path(image)).ok()?;
        let stamp: Self = serde_json::from_slice(&text).ok()?;
        let length = fs::metadata(image).ok()?.len();
        let expected = Self::new(source, fingerprint, length, stamp.summary).ok()?;
        (stamp == expected).then_some(stamp.summary)
    }

    /// Removes the stamp of an image that is about to be replaced, so that it never stands beside
    /// another one.
    pub(super) fn remove(image: &Path) -> Result<()> {
        let path = path(image);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(cannot_write(&path, &error))
            }
            _ => Ok(()),
        }
    }

    pub(super) fn save(&self, image: &Path) -> Result<()> {
        let path = path(image);
        let mut file = temporary(&path)?;
        serde_json::to_writer(&mut file, self)
            .map_err(io::Error::from)
            .and_then(|()| file.flush())
            .map_err(|error| cannot_write(&path, &error))?;
        rename(file, &path)
    }
}
