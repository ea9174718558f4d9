//! A device that remembers what was written.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use arch::{Frame, PAGE_SIZE, storage};
use kernel::mm::{Key, Store, StoreError};

use crate::model::{Content, OFFSETS, original};

/// The device.
#[derive(Default)]
pub(crate) struct Device {
    pub(crate) pages: Mutex<HashMap<Key, Vec<u8>>>,
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
        self.pages.lock().unwrap().insert(key, page);
        Ok(())
    }
}
