//! The members of a tar archive.

use std::cell::Cell;
use std::fs::{self, File};
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::UNIX_EPOCH;

use anyhow::Result;
use kernel::fs::digest::FileDigest;
use kernel::fs::image::BLOCK;

use super::{Member, Members, cannot_read, member_path};
use crate::failure::unusable;

/// An archive that has been read once from end to end.
pub(super) struct Archive {
    path: PathBuf,
    members: Vec<Member>,
    fingerprint: u64,
}

/// Returns a hash of an archive's size and time.
pub(super) fn fingerprint(path: &Path) -> Result<u64> {
    let metadata = fs::metadata(path).map_err(|error| cannot_read(path, &error))?;
    let modified = metadata
        .modified()
        .ok()
        .and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    let mut digest = FileDigest::new();
    digest.update(&metadata.len().to_be_bytes());
    digest.update(&modified.map_or(0, |time| time.as_nanos()).to_be_bytes());
    Ok(digest.finish())
}

impl Archive {
    /// Lists the regular members; reads all content too, since an archive cut short looks good until
    /// its last member.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let fingerprint = fingerprint(path)?;
        let metadata = fs::metadata(path).map_err(|error| cannot_read(path, &error))?;
        if !metadata.is_file() {
            // A pipe, which cannot be read twice.
            return Err(unusable(format!(
                "{} is neither a directory nor a file",
                path.display()
            )));
        }
        let mut members = Vec::new();
        walk(path, &mut |member, content| {
            io::copy(content, &mut io::sink()).map_err(|error| cannot_read(path, &error))?;
            members.push(member.clone());
            Ok(())
        })?;
        if !metadata.len().is_multiple_of(BLOCK as u64) {
            return Err(cut_short(path, members.last().map(|member| &*member.path)));
        }
        Ok(Self {
            path: path.to_owned(),
            members,
            fingerprint,
        })
    }
}

impl Members for Archive {
    fn list(&self) -> &[Member] {
        &self.members
    }

    fn read(&self, take: &mut dyn FnMut(&Member, &mut dyn Read) -> Result<()>) -> Result<()> {
        let mut expected = self.members.iter();
        walk(&self.path, &mut |member, content| {
            if expected.next() != Some(member) {
                return Err(unusable(format!(
                    "{} changed while it was packed",
                    self.path.display()
                )));
            }
            take(member, content)
        })
    }

    fn fingerprint(&self) -> u64 {
        self.fingerprint
    }
}

/// Makes the error of an archive that ends too early, behind the start of its member `last`.
fn cut_short(path: &Path, last: Option<&str>) -> anyhow::Error {
    let place = match last {
        None => "in front of its first member".to_owned(),
        Some(member) => format!("in or behind {member}"),
    };
    unusable(format!(
        "{} is cut short {place}: get or make it again",
        path.display()
    ))
}

/// A reader that remembers whether it came to the end.
struct Watched {
    inner: BufReader<File>,
    at_end: Rc<Cell<bool>>,
}

impl Read for Watched {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        if count == 0 && !buffer.is_empty() {
            self.at_end.set(true);
        }
        Ok(count)
    }
}

/// Calls `take` with each regular member and its content, which it must read to the end.
fn walk(path: &Path, take: &mut dyn FnMut(&Member, &mut dyn Read) -> Result<()>) -> Result<()> {
    let file = File::open(path).map_err(|error| cannot_read(path, &error))?;
    let at_end = Rc::new(Cell::new(false));
    let mut archive = tar::Archive::new(Watched {
        inner: BufReader::with_capacity(1 << 16, file),
        at_end: Rc::clone(&at_end),
    });
    let mut last = None;
    let failed = |error: io::Error, last: &Option<String>| {
        if at_end.get() {
            cut_short(path, last.as_deref())
        } else if error.kind() != io::ErrorKind::Other {
            cannot_read(path, &error)
        } else if let Some(member) = last {
            // What the reader of the format says quotes the damaged bytes: nothing for people.
            unusable(format!(
                "{} is damaged behind {member}: get or make it again",
                path.display()
            ))
        } else {
            unusable(format!(
                "{} is no tar archive; unpack it first if it is compressed",
                path.display()
            ))
        }
    };
    for entry in archive.entries().map_err(|error| failed(error, &last))? {
        let mut entry = entry.map_err(|error| failed(error, &last))?;
        let name = entry
            .path()
            .map_err(|error| failed(error, &last))?
            .into_owned();
        last = Some(name.display().to_string());
        let kind = entry.header().entry_type();
        if !(kind.is_file() || kind.is_contiguous() || kind.is_gnu_sparse()) {
            continue;
        }
        let member = Member {
            path: member_path(&name)?,
            size: entry.size(),
        };
        let mut content = Counted {
            inner: &mut entry,
            count: 0,
        };
        let taken = take(&member, &mut content);
        // Said first: whoever took the content can only know that some of it is missing.
        if content.count < member.size && at_end.get() {
            return Err(cut_short(path, last.as_deref()));
        }
        taken?;
    }
    // An archive ends with a block of zeros; where the file ends before, something is missing.
    if at_end.get() {
        return Err(cut_short(path, last.as_deref()));
    }
    Ok(())
}

/// A reader that counts.
struct Counted<R> {
    inner: R,
    count: u64,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.count += count as u64;
        Ok(count)
    }
}
