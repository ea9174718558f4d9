//! Writing the image: the tar, then the index into the place left for it.

use std::cell::RefCell;
use std::fs::File;
use std::io::{self, BufWriter, Read, Seek as _, SeekFrom, Write};
use std::os::unix::fs::{FileExt as _, PermissionsExt as _};
use std::path::Path;

use anyhow::Result;
use kernel::fs::image::write::{IndexWriter, Plan, Summing};
use kernel::fs::image::{BLOCK, INDEX_NAME};
use tar::{Builder, Header};

use super::{Member, Members, cannot_read, cannot_write, rename, temporary};
use crate::failure::unusable;

/// Writes the image of all members to `out` and returns its length, in bytes.
pub(super) fn image(members: &dyn Members, out: &Path) -> Result<u64> {
    let mut plan = Plan::default();
    for member in members.list() {
        plan.add(&member.path, member.size);
    }
    let index_length = plan
        .length()
        .ok_or_else(|| unusable("these are more files than an image can hold".to_owned()))?;

    let failed = |error: io::Error| cannot_write(out, &error);
    let mut file = temporary(out)?;
    let mut builder = Builder::new(Positioned {
        inner: BufWriter::with_capacity(1 << 16, file.as_file_mut()),
        position: 0,
    });
    let zeros = io::repeat(0).take(index_length);
    builder
        .append_data(&mut header(index_length), INDEX_NAME, zeros)
        .map_err(failed)?;
    let mut index = IndexWriter::new();
    members.read(&mut |member, content| {
        let summing = append(&mut builder, member, content, out)?;
        let padded = member.size.next_multiple_of(BLOCK as u64);
        let offset = builder.get_ref().position - padded;
        index.add(&member.path, offset, summing);
        Ok(())
    })?;
    let mut end = builder.into_inner().map_err(failed)?;
    end.flush().map_err(failed)?;
    let length = end.position;
    drop(end);

    let index = index
        .finish(length, |offset, length| {
            read(file.as_file(), offset, length)
        })
        .map_err(failed)?;
    file.seek(SeekFrom::Start(BLOCK as u64))
        .and_then(|_| file.write_all(&index))
        .map_err(failed)?;
    // As any file made by a build is, not private as temporary ones are.
    let permissions = std::fs::Permissions::from_mode(0o644);
    file.as_file()
        .set_permissions(permissions)
        .map_err(failed)?;
    rename(file, out)?;
    Ok(length)
}

/// Appends a file and returns the checksums of its content.
fn append(
    builder: &mut Builder<impl Write>,
    member: &Member,
    content: &mut dyn Read,
    out: &Path,
) -> Result<Summing> {
    let changed = || unusable(format!("{} changed while it was packed", member.path));
    let failure = RefCell::new(None);
    let mut reader = Reader {
        inner: content.take(member.size),
        summing: Summing::default(),
        failure: &failure,
    };
    let appended = builder.append_data(&mut header(member.size), &member.path, &mut reader);
    let Reader { inner, summing, .. } = reader;
    if let Some(error) = failure.take() {
        return Err(cannot_read(Path::new(&member.path), &error));
    }
    appended.map_err(|error| cannot_write(out, &error))?;
    let mut rest = [0];
    let more = inner
        .into_inner()
        .read(&mut rest)
        .map_err(|error| cannot_read(Path::new(&member.path), &error))?;
    if summing.size() != member.size || more != 0 {
        return Err(changed());
    }
    Ok(summing)
}

/// Makes a tar header in which nothing depends on who packs, or when.
fn header(size: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_size(size);
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header
}

fn read(file: &File, offset: u64, length: u64) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; length as usize];
    file.read_exact_at(&mut bytes, offset)?;
    Ok(bytes)
}

/// A reader that computes the checksums of what passes, and tells its own failures from those of the
/// writer at the other end of the copy.
struct Reader<'a, R> {
    inner: R,
    summing: Summing,
    failure: &'a RefCell<Option<io::Error>>,
}

impl<R: Read> Read for Reader<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.inner.read(buffer) {
            Ok(count) => {
                self.summing.update(&buffer[..count]);
                Ok(count)
            }
            // The copy tries again by itself.
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Err(error),
            Err(error) => {
                let kind = error.kind();
                self.failure.replace(Some(error));
                Err(kind.into())
            }
        }
    }
}

/// A writer that knows how much went through it.
struct Positioned<W> {
    inner: W,
    position: u64,
}

impl<W: Write> Write for Positioned<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.inner.write(bytes)?;
        self.position += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}
