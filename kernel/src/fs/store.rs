//! Where the memory manager's pages come from and go to: the files and the swap disk.

use core::fmt;

use arch::{Frame, PAGE_SIZE};
use drivers::block::{BlockError, Disk};

use super::archive::Archive;
use super::writable::{BLOCKS, WritableFiles};
use crate::mm::{Key, Store, StoreError};
use crate::task::SleepLock;

/// Files that are read only, files that are not, and a disk for the swap area.
pub struct Devices {
    archive: &'static Archive<'static>,
    files: Option<WritableFiles>,
    swap: SleepLock<Disk>,
    slots: u32,
}

/// Says why a page of a file cannot be read or written.
fn failed(key: Key, name: &str, reason: &dyn fmt::Display) -> StoreError {
    log::error!("page {} of {name}: {reason}", key.index);
    StoreError
}

impl Devices {
    /// The files, and the disk for the swap area.
    #[must_use]
    pub fn new(
        archive: &'static Archive<'static>,
        files: Option<WritableFiles>,
        swap: Disk,
    ) -> Self {
        Self {
            archive,
            files,
            slots: u32::try_from(swap.blocks() / BLOCKS).unwrap_or(u32::MAX),
            swap: SleepLock::new(swap),
        }
    }

    /// Files that may be written, if there are any.
    #[must_use]
    pub fn files(&self) -> Option<&WritableFiles> {
        self.files.as_ref()
    }

    /// These files, if one of them has the page.
    fn writable(&self, key: Key) -> Option<&WritableFiles> {
        self.files.as_ref().filter(|files| files.has(key))
    }

    /// Pages that the swap area has room for.
    #[must_use]
    pub fn slots(&self) -> u32 {
        self.slots
    }

    /// Runs a request of the swap disk; says what went wrong.
    fn on_swap(
        &self,
        what: &str,
        slot: u32,
        request: impl FnOnce(&Disk, u64) -> Result<(), BlockError>,
    ) -> Result<(), StoreError> {
        let outcome = request(&self.swap.lock(), u64::from(slot) * BLOCKS);
        outcome.map_err(|error| {
            log::error!("swap slot {slot} cannot be {what}: {error}");
            StoreError
        })
    }
}

impl Store for Devices {
    fn read(&self, key: Key, to: Frame) -> Result<(), StoreError> {
        if key.file == Key::SWAP {
            // SAFETY: the page is new and locked.
            return self.on_swap("read", key.index, |disk, block| unsafe {
                disk.read(block, to.address(), PAGE_SIZE)
            });
        }
        if let Some(files) = self.writable(key) {
            return files
                .read_pages(key, &[to])
                .map_err(|error| failed(key, "a file that may be written", &error));
        }
        self.archive
            .read_pages(key, &[to])
            .map_err(|error| failed(key, self.archive.name(key), &error))
    }

    fn read_pages(&self, first: Key, to: &[Frame]) -> Result<(), StoreError> {
        let read = match self.writable(first) {
            Some(files) => files.read_pages(first, to).is_ok(),
            None => self.archive.read_pages(first, to).is_ok(),
        };
        read.then_some(()).ok_or(StoreError)
    }

    fn pages(&self, file: u32) -> u32 {
        match self.writable(Key { file, index: 0 }) {
            Some(files) => files.pages(),
            None => self.archive.pages(file),
        }
    }

    fn write(&self, key: Key, from: Frame) -> Result<(), StoreError> {
        if key.file == Key::SWAP {
            // SAFETY: the page is stable while it is written, and nobody changes it.
            return self.on_swap("written", key.index, |disk, block| unsafe {
                disk.write(block, from.address(), PAGE_SIZE)
            });
        }
        if let Some(files) = self.writable(key) {
            return files
                .write(key, from)
                .map_err(|error| failed(key, "a file that may be written", &error));
        }
        let reason = "these files are read-only";
        Err(failed(key, self.archive.name(key), &reason))
    }
}
