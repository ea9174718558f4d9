//! Where pages come from and go to: the files and the swap area, as the memory manager sees them.

use arch::Frame;

use super::Mm;
use super::hash::Key;

/// A page could not be read or written; whoever knows the device has said why.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct StoreError;

/// Files, and the swap area as the file [`Key::SWAP`]. Implemented by who knows devices.
///
/// Reading and writing may sleep, and is done without any lock held.
pub trait Store: Sync {
    /// Reads a page, all of it: what lies behind the end of a file is zero.
    ///
    /// # Errors
    /// The device has failed; what is in the frame is void.
    fn read(&self, key: Key, to: Frame) -> Result<(), StoreError>;

    /// Reads pages of a file that are neighbours there, by one request if the device can. It says
    /// nothing about what went wrong: the pages that are wanted are read once more, each for itself.
    ///
    /// # Errors
    /// The device has failed; what is in the frames is void.
    fn read_pages(&self, first: Key, to: &[Frame]) -> Result<(), StoreError> {
        let keys = (first.index..).map(|index| Key { index, ..first });
        keys.zip(to).try_for_each(|(key, to)| self.read(key, *to))
    }

    /// Pages of a file: nothing behind them is read ahead.
    fn pages(&self, file: u32) -> u32 {
        let _ = file;
        0
    }

    /// Writes a page.
    ///
    /// # Errors
    /// The device has failed; what is on it now is unknown.
    fn write(&self, key: Key, from: Frame) -> Result<(), StoreError>;
}

impl Mm<'_> {
    /// From now on pages come from there and go to there.
    ///
    /// # Panics
    /// If there is a store already.
    pub fn set_store(&self, store: &'static dyn Store) {
        let mut fresh = false;
        self.store.call_once(|| {
            fresh = true;
            store
        });
        assert!(fresh, "there is one store");
    }

    /// # Panics
    /// If there is none: whoever maps files or adds a swap area sets it first.
    pub(super) fn store(&self) -> &'static dyn Store {
        *self.store.get().expect("the store has been set")
    }
}
