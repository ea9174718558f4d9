//! A device that remembers what was written.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::{Mutex, OnceLock};

use arch::{Frame, PAGE_SIZE, storage};
use kernel::mm::{Key, Mm, Store, StoreError};

use crate::model::{Content, OFFSETS, original};
use crate::pair::FILE_PAGES;

/// The device.
#[derive(Default)]
pub(crate) struct Device {
    pub(crate) pages: Mutex<HashMap<Key, Vec<u8>>>,
    /// Who gets records of what is written, and how often one has saved a write.
    pub(crate) mm: OnceLock<&'static Mm<'static>>,
    pub(crate) saved: AtomicU32,
    /// One write in so many fails, if not 0; and the writes so far.
    pub(crate) fails: AtomicU32,
    writes: AtomicU32,
}

impl Device {
    /// What it has of a page.
    pub(crate) fn content(&self, key: Key) -> Content {
        match self.pages.lock().unwrap().get(&key) {
            Some(page) => OFFSETS.map(|offset| page[offset]),
            None => original(key),
        }
    }
}

impl Store for Device {
    fn read(&self, key: Key, to: Frame) -> Result<(), StoreError> {
        let mut page = self.pages.lock().unwrap().get(&key).cloned();
        let page = page.get_or_insert_with(|| {
            assert!(
                key.file != Key::SWAP,
                "a slot is read that was never written"
            );
            let mut page = vec![0; PAGE_SIZE];
            for (offset, byte) in OFFSETS.iter().zip(original(key)) {
                page[*offset] = byte;
            }
            page
        });
        // SAFETY: the page is new and locked.
        unsafe { storage::copy_in(to.address(), page) }
        Ok(())
    }

    fn write(&self, key: Key, from: Frame) -> Result<(), StoreError> {
        let number = self.writes.fetch_add(1, Relaxed);
        let fails = self.fails.load(Relaxed);
        if fails > 0 && number.is_multiple_of(fails) {
            return Err(StoreError);
        }
        let mut page = vec![0; PAGE_SIZE];
        // SAFETY: the page is stable while it is written.
        unsafe { storage::copy_out(from.address(), &mut page) }
        if key.file != Key::SWAP {
            let mm = self.mm.get().expect("it is there from the beginning");
            let mut hasher = DefaultHasher::new();
            (key, &page).hash(&mut hasher);
            let record = hasher.finish();
            let saved = mm.take_record(from) == Some(record);
            mm.attach_record(from, record);
            if saved {
                self.saved.fetch_add(1, Relaxed);
                return Ok(());
            }
        }
        self.pages.lock().unwrap().insert(key, page);
        Ok(())
    }

    fn pages(&self, _: u32) -> u32 {
        FILE_PAGES
    }
}
