//! Packs real files into the image that the kernel reads: a tar with an index in front.
//!
//! The format is `kernel::fs::image`. Nothing half-written is ever left where somebody looks: the
//! image grows under a temporary name in the same directory and is renamed when it is complete. A
//! stamp beside it says what it was made of, so that it is packed again only if that has changed.

mod archive;
mod directory;
mod stamp;
#[cfg(test)]
mod tests;
mod write;

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

use crate::failure::unusable;
use stamp::Stamp;

/// Where the files come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// All regular files below a directory, in the order of their paths; symbolic links are skipped.
    Directory(PathBuf),
    /// All regular members of an uncompressed tar archive, in the order of the archive.
    Tar(PathBuf),
}

impl Source {
    /// Tells by what is there whether a path is a directory or an archive.
    ///
    /// # Errors
    /// If there is nothing, or what is there cannot be looked at.
    pub fn at(path: &Path) -> Result<Self> {
        let metadata = fs::metadata(path).map_err(|error| cannot_read(path, &error))?;
        Ok(if metadata.is_dir() {
            Self::Directory(path.to_owned())
        } else {
            Self::Tar(path.to_owned())
        })
    }

    fn path(&self) -> &Path {
        match self {
            Self::Directory(path) | Self::Tar(path) => path,
        }
    }
}

/// What is in an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PackSummary {
    /// How many files there are.
    pub files: u64,
    /// Length of all files, in bytes.
    pub bytes: u64,
}

/// One file to pack.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Member {
    /// Path in the image: names joined by `/`.
    path: String,
    size: u64,
}

/// What [`Source`] stands for when it is opened: members that are listed once and read once.
trait Members {
    /// Returns the members in the order in which [`Self::read`] gives them.
    fn list(&self) -> &[Member];

    /// Calls `take` with each member and its content; a content of another length is `take`'s to
    /// notice.
    fn read(&self, take: &mut dyn FnMut(&Member, &mut dyn Read) -> Result<()>) -> Result<()>;

    /// Returns a hash of names, sizes and times, by which a change is noticed.
    fn fingerprint(&self) -> u64;
}

/// Packs all files of `source` into the image `out`, unless an image of the same files is there.
///
/// # Errors
/// One line that says what to do: a source that is missing, empty, unreadable, cut short or changing
/// while it is read (exit status 2); a disk that is full or cannot be written (exit status 1). What
/// was at `out` before is then still there.
pub fn pack(source: &Source, out: &Path) -> Result<PackSummary> {
    // A tar is known by its own time and size: it need not be read to see that nothing changed.
    if let Source::Tar(path) = source
        && let Some(summary) = Stamp::up_to_date(out, path, archive::fingerprint(path)?)
    {
        return Ok(summary);
    }
    let members: Box<dyn Members> = match source {
        Source::Directory(path) => Box::new(directory::Directory::open(path)?),
        Source::Tar(path) => Box::new(archive::Archive::open(path)?),
    };
    let fingerprint = members.fingerprint();
    if let Some(summary) = Stamp::up_to_date(out, source.path(), fingerprint) {
        return Ok(summary);
    }
    let list = members.list();
    if list.is_empty() {
        return Err(unusable(format!(
            "{} holds no regular files: name a directory or a tar that does",
            source.path().display()
        )));
    }
    let summary = PackSummary {
        files: list.len() as u64,
        bytes: list.iter().map(|member| member.size).sum(),
    };
    Stamp::remove(out)?;
    let length = write::image(members.as_ref(), out)?;
    Stamp::new(source.path(), fingerprint, length, summary)?.save(out)?;
    Ok(summary)
}

/// Makes the error of an input that cannot be read.
fn cannot_read(path: &Path, error: &io::Error) -> anyhow::Error {
    unusable(format!("cannot read {}: {error}", path.display()))
}

/// Makes the error of an output that cannot be written.
fn cannot_write(path: &Path, error: &io::Error) -> anyhow::Error {
    let advice = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            ": free some space or choose another place"
        }
        _ => "",
    };
    anyhow::anyhow!("cannot write {}: {error}{advice}", path.display())
}

/// Makes a temporary file for `out`, in its directory, which is made if it is missing.
fn temporary(out: &Path) -> Result<tempfile::NamedTempFile> {
    let directory = match out.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    fs::create_dir_all(directory).map_err(|error| cannot_write(directory, &error))?;
    tempfile::Builder::new()
        .prefix(".packing-")
        .tempfile_in(directory)
        .map_err(|error| cannot_write(directory, &error))
}

/// Gives a temporary file, which is complete, its name.
fn rename(temporary: tempfile::NamedTempFile, out: &Path) -> Result<()> {
    temporary
        .persist(out)
        .map(drop)
        .map_err(|error| cannot_write(out, &error.error))
}

/// Joins the names of a path by `/`; leading `/` and `./` go.
fn member_path(path: &Path) -> Result<String> {
    use std::path::Component;

    let mut names = Vec::new();
    for component in path.components() {
        match component {
            Component::Normal(name) => names.push(
                name.to_str()
                    .with_context(|| format!("the name {} is not UTF-8", path.display()))
                    .map_err(crate::failure::as_unusable)?,
            ),
            Component::RootDir | Component::CurDir => {}
            Component::ParentDir | Component::Prefix(_) => {
                return Err(unusable(format!(
                    "the path {} leads out of the archive",
                    path.display()
                )));
            }
        }
    }
    Ok(names.join("/"))
}
