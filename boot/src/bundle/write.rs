//! Writing bundles, on the build machine.

use std::borrow::Cow;
use std::io::{self, Write};

use zerocopy::IntoBytes;

use super::{
    ALIGNMENT, ALL_GUESTS, HEADER_CHECKED, Header, Kind, MAGIC, NAME_LENGTH, Owner, Record,
    VERSION, crc32, name,
};

/// A bundle in the making: entries are added in order, then all is written at once.
#[derive(Default)]
pub struct Writer<'a> {
    entries: Vec<(Record, Cow<'a, [u8]>)>,
}

impl<'a> Writer<'a> {
    /// Makes an empty bundle.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an entry.
    ///
    /// # Errors
    /// [`io::ErrorKind::InvalidInput`] if the name is not 1 to 32 printable ASCII characters, or the
    /// guest's number is the one that stands for all.
    pub fn add(
        &mut self,
        kind: Kind,
        owner: Owner,
        entry_name: &str,
        data: impl Into<Cow<'a, [u8]>>,
    ) -> io::Result<()> {
        let invalid = |message: String| io::Error::new(io::ErrorKind::InvalidInput, message);
        let mut field = [0; NAME_LENGTH];
        field
            .get_mut(..entry_name.len())
            .ok_or_else(|| {
                invalid(format!(
                    "the name {entry_name:?} of a bundle entry is longer than {NAME_LENGTH} bytes"
                ))
            })?
            .copy_from_slice(entry_name.as_bytes());
        if name(&field).is_none() {
            return Err(invalid(format!(
                "the name {entry_name:?} of a bundle entry is not printable ASCII"
            )));
        }
        let guest = match owner {
            Owner::All => ALL_GUESTS,
            Owner::Guest(ALL_GUESTS) => {
                return Err(invalid(format!("there is no guest {ALL_GUESTS}")));
            }
            Owner::Guest(guest) => guest,
        };
        let data = data.into();
        let record = Record {
            name: field,
            // Known when all entries are.
            offset: 0.into(),
            length: (data.len() as u64).into(),
            kind: (kind as u32).into(),
            guest: guest.into(),
            checksum: crc32().checksum(&data).into(),
            reserved: 0.into(),
        };
        self.entries.push((record, data));
        Ok(())
    }

    /// Writes the bundle and returns its length, in bytes.
    ///
    /// # Errors
    /// Whatever `out` reports.
    pub fn write(&self, mut out: impl Write) -> io::Result<u64> {
        let directory_end = (size_of::<Header>() + self.entries.len() * size_of::<Record>()) as u64;
        let mut end = directory_end;
        let directory: Vec<Record> = self
            .entries
            .iter()
            .map(|(record, _)| {
                let offset = end.next_multiple_of(ALIGNMENT);
                end = offset + record.length.get();
                Record {
                    offset: offset.into(),
                    ..*record
                }
            })
            .collect();
        let length = end.next_multiple_of(ALIGNMENT);
        let count = u32::try_from(directory.len())
            .map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, "too many bundle entries"))?;
        let mut header = Header {
            magic: MAGIC,
            version: VERSION.into(),
            entries: count.into(),
            length: length.into(),
            reserved: 0.into(),
            checksum: 0.into(),
        };
        let mut checksum = crc32().digest();
        checksum.update(&header.as_bytes()[..HEADER_CHECKED]);
        checksum.update(directory.as_bytes());
        header.checksum = checksum.finalize().into();

        out.write_all(header.as_bytes())?;
        out.write_all(directory.as_bytes())?;
        pad(&mut out, directory_end)?;
        for (_, data) in &self.entries {
            out.write_all(data)?;
            // Data starts on a page, so its length alone says what is missing to the next.
            pad(&mut out, data.len() as u64)?;
        }
        out.flush()?;
        Ok(length)
    }
}

/// Writes zeros from `position` to the next page boundary.
fn pad(out: &mut impl Write, position: u64) -> io::Result<()> {
    let missing = position.next_multiple_of(ALIGNMENT) - position;
    out.write_all(&[0; ALIGNMENT as usize][..missing as usize])
}
