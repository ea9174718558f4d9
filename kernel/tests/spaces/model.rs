//! What address spaces show, without caches, states, tables or swap: plain bytes.

use std::collections::HashMap;
use std::ops::Range;

use kernel::mm::{Area, Backing, Key};

/// What is looked at of a page: bytes at these offsets.
pub(crate) const OFFSETS: [usize; 3] = [0, 1717, 4095];
/// The bytes there.
pub(crate) type Content = [u8; OFFSETS.len()];

/// What a page of a file holds as long as nobody has written it.
pub(crate) fn original(key: Key) -> Content {
    let mixed =
        (u64::from(key.file) << 32 | u64::from(key.index)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    [mixed as u8, (mixed >> 20) as u8, (mixed >> 40) as u8]
}

/// Files and shared memory.
#[derive(Default)]
pub(crate) struct Files {
    written: HashMap<Key, Content>,
    /// Files that are shared memory: zero at first.
    pub(crate) memories: Vec<u32>,
}

impl Files {
    pub(crate) fn get(&self, key: Key) -> Content {
        let first = if self.memories.contains(&key.file) {
            Content::default()
        } else {
            original(key)
        };
        self.written.get(&key).copied().unwrap_or(first)
    }

    pub(crate) fn set(&mut self, key: Key, at: usize, byte: u8) {
        let mut content = self.get(key);
        content[at] = byte;
        self.written.insert(key, content);
    }

    /// The file is again as nobody had written it.
    pub(crate) fn forget(&mut self, key: Key) {
        self.written.remove(&key);
    }
}

/// What one space shows.
#[derive(Clone, Default)]
pub(crate) struct ModelSpace {
    /// The area of each page that has one.
    pub(crate) areas: HashMap<usize, Area>,
    /// Pages that are its own.
    own: HashMap<usize, Content>,
}

/// The page of a file that a page of an area shows.
pub(crate) fn key(area: &Area, page: usize) -> Option<Key> {
    match area.backing {
        Backing::File { file, first } | Backing::NonLinear { file, first } => Some(Key {
            file,
            index: first + (page - area.start) as u32,
        }),
        Backing::Anonymous => None,
    }
}

impl ModelSpace {
    pub(crate) fn load(&mut self, files: &Files, page: usize) -> Option<Content> {
        let area = *self.areas.get(&page)?;
        let shown = self.shown(files, &area, page);
        if area.locked && area.writable && !area.shared {
            // It is the space's own from the first access on.
            self.own.insert(page, shown);
        }
        Some(shown)
    }

    fn shown(&self, files: &Files, area: &Area, page: usize) -> Content {
        let own = self.own.get(&page).copied();
        own.unwrap_or_else(|| key(area, page).map_or_else(Content::default, |key| files.get(key)))
    }

    /// Whether the store is allowed.
    pub(crate) fn store(&mut self, files: &mut Files, page: usize, at: usize, byte: u8) -> bool {
        let Some(area) = self.areas.get(&page).copied().filter(|area| area.writable) else {
            return false;
        };
        match key(&area, page).filter(|_| area.shared) {
            Some(key) => files.set(key, at, byte),
            None => {
                let mut content = self.shown(files, &area, page);
                content[at] = byte;
                self.own.insert(page, content);
            }
        }
        true
    }

    /// Makes a range show other pages of its file, those from `first` on; returns whether that is allowed.
    pub(crate) fn remap(&mut self, range: Range<usize>, first: u32) -> bool {
        let shared = |page| self.areas.get(&page).is_some_and(|area| area.shared);
        let allowed = range.clone().all(shared);
        if allowed {
            for (page, index) in range.zip(first..) {
                let area = self.areas.get_mut(&page).expect("it is shared");
                let (Backing::File { file, .. } | Backing::NonLinear { file, .. }) = area.backing
                else {
                    panic!("only files are shared")
                };
                let (start, pages, first) = (page, 1, index);
                let backing = Backing::NonLinear { file, first };
                *area = Area {
                    start,
                    pages,
                    backing,
                    ..*area
                };
            }
        }
        allowed
    }

    pub(crate) fn unmap(&mut self, page: usize) {
        self.areas.remove(&page);
        self.own.remove(&page);
    }

    pub(crate) fn child(&self) -> Self {
        let mut child = self.clone();
        child
            .areas
            .values_mut()
            .for_each(|area| area.locked = false);
        child
    }
}
