//! The files below a directory.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use anyhow::Result;
use kernel::fs::digest::FileDigest;

use super::{Member, Members, cannot_read, member_path};

/// A directory whose files have been listed.
pub(super) struct Directory {
    path: PathBuf,
    members: Vec<Member>,
    fingerprint: u64,
}

impl Directory {
    /// Lists the regular files, sorted by path.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let mut found = Vec::new();
        list(path, Path::new(""), &mut found)?;
        found.sort_by(|(one, _), (other, _)| one.path.cmp(&other.path));
        let mut digest = FileDigest::new();
        for (member, modified) in &found {
            digest.update(member.path.as_bytes());
            // No name holds a NUL, so no two lists run together to the same bytes.
            digest.update(&[0]);
            digest.update(&member.size.to_be_bytes());
            digest.update(&modified.to_be_bytes());
        }
        Ok(Self {
            path: path.to_owned(),
            members: found.into_iter().map(|(member, _)| member).collect(),
            fingerprint: digest.finish(),
        })
    }
}

impl Members for Directory {
    fn list(&self) -> &[Member] {
        &self.members
    }

    fn read(&self, take: &mut dyn FnMut(&Member, &mut dyn Read) -> Result<()>) -> Result<()> {
        for member in &self.members {
            let path = self.path.join(&member.path);
            let mut file = File::open(&path).map_err(|error| cannot_read(&path, &error))?;
            take(member, &mut file)?;
        }
        Ok(())
    }

    fn fingerprint(&self) -> u64 {
        self.fingerprint
    }
}

/// Adds what is below `root`/`below`, each with its time of modification in nanoseconds.
fn list(root: &Path, below: &Path, found: &mut Vec<(Member, u128)>) -> Result<()> {
    // The components anew: joining an empty path would add a slash for people to read.
    let directory: PathBuf = root.components().chain(below.components()).collect();
    let failed = |error| cannot_read(&directory, &error);
    for entry in fs::read_dir(&directory).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let path = below.join(entry.file_name());
        let file_type = entry
            .file_type()
            .map_err(|e| cannot_read(&entry.path(), &e))?;
        if file_type.is_dir() {
            list(root, &path, found)?;
        } else if file_type.is_file() {
            let metadata = entry
                .metadata()
                .map_err(|e| cannot_read(&entry.path(), &e))?;
            let modified = metadata
                .modified()
                .ok()
                .and_then(|time| time.duration_since(UNIX_EPOCH).ok());
            let member = Member {
                path: member_path(&path)?,
                size: metadata.len(),
            };
            found.push((member, modified.map_or(0, |time| time.as_nanos())));
        }
    }
    Ok(())
}
