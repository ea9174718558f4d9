//! A machine and its model, and all that can happen to spaces.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use arch::sim::{self, Entered, Eviction, Machine};
use arch::translation::{self, UserFault};
use arch::{Frame, PAGE_SIZE};
use kernel::mm::{Area, Backing, Hinting, Key, Lookup, MapError, Mm, Page, Space};
use rand_core::Rng;
use rand_pcg::Pcg64Mcg;

use super::device::Device;
use super::model::{Files, ModelSpace, OFFSETS};

/// Frames of the machine.
const FRAMES: usize = 72;
/// Slots of the swap area.
const SLOTS: u32 = 300;
/// Pages of a space.
const PAGES: usize = 256;
/// Most spaces at a time.
const SPACES: usize = 4;
/// Pages of each file.
pub(super) const FILE_PAGES: u32 = 24;
/// Pages of the shared memory.
const MEMORY_PAGES: usize = 4;

/// A machine and its model, side by side.
pub(super) struct Pair {
    pub(super) machine: Machine,
    pub(super) mm: &'static Mm<'static>,
    pub(super) device: &'static Device,
    spaces: Vec<(Arc<Space>, ModelSpace)>,
    files: Files,
    /// Ranges that were remapped.
    pub(super) remapped: u64,
    random: Pcg64Mcg,
    _entered: Entered,
}

impl Pair {
    pub(super) fn new(hinting: Hinting, eviction: Eviction, seed: u64) -> Self {
        let simulated = match hinting {
            Hinting::Off => sim::Hinting::None,
            Hinting::Unused => sim::Hinting::Unused,
            Hinting::Full => sim::Hinting::Full,
        };
        let machine = Machine::new(FRAMES, simulated);
        let entered = machine.enter();
        machine.set_eviction(eviction, seed);
        let pages: Vec<Page> = (0..FRAMES).map(|_| Page::reserved()).collect();
        let mm: &Mm<'_> = Box::leak(Box::new(Mm::new(pages.leak(), hinting)));
        mm.add_free(Frame(1), FRAMES as u32 - 1);
        let device: &Device = Box::leak(Box::default());
        let _ = device.mm.set(mm);
        mm.set_store(device);
        mm.add_swap(SLOTS).unwrap();
        let mut pair = Self {
            machine,
            mm,
            device,
            spaces: Vec::new(),
            files: Files::default(),
            remapped: 0,
            random: Pcg64Mcg::new(u128::from(seed) << 1 | 1),
            _entered: entered,
        };
        pair.files.memories.push(mm.new_shared_memory());
        pair
    }

    fn below(&mut self, bound: usize) -> usize {
        self.random.next_u64() as usize % bound
    }

    fn any_space(&mut self) -> Option<usize> {
        (!self.spaces.is_empty()).then(|| self.below(self.spaces.len()))
    }

    /// A page of a space, mostly one that is mapped.
    fn any_page(&mut self, space: usize) -> usize {
        let mut mapped: Vec<_> = self.spaces[space].1.areas.keys().copied().collect();
        mapped.sort_unstable();
        if mapped.is_empty() || self.below(50) == 0 {
            return self.below(PAGES);
        }
        mapped[self.below(mapped.len())]
    }

    /// What the problem state does: the access, and the interruptions that it takes until it is done.
    fn access<T>(
        &self,
        space: &Space,
        page: usize,
        mut access: impl FnMut() -> Result<T, UserFault>,
    ) -> Result<T, MapError> {
        let (mut store, mut discarded, mut held) = (false, 0, None);
        for _ in 0..100 {
            store = match access() {
                Ok(value) => return Ok(value),
                Err(UserFault::Discarded(address)) => {
                    self.mm.discard_fault(address.frame());
                    discarded += 1;
                    if discarded > 1 {
                        held = Some(self.mm.hold_page(space, page, store)?);
                    }
                    continue;
                }
                Err(UserFault::NotMapped) => false,
                Err(UserFault::Protected) => true,
            };
            // What is held may not be what a store needs.
            drop(held.take());
            self.mm.map_page(space, page, store)?;
        }
        panic!("an access is not done after a hundred interruptions");
    }

    fn load(&mut self) {
        let Some(number) = self.any_space() else {
            return;
        };
        let (page, at) = (self.any_page(number), self.below(OFFSETS.len()));
        let space = self.spaces[number].0.clone();
        let found = self.access(&space, page, || {
            translation::load(space.tables(), page, OFFSETS[at])
        });
        let expected = self.spaces[number].1.load(&self.files, page);
        let expected = expected.map(|content| content[at]).ok_or(MapError::NoArea);
        assert_eq!(found, expected, "page {page} of space {number}");
    }

    fn store(&mut self) {
        let Some(number) = self.any_space() else {
            return;
        };
        let (page, at) = (self.any_page(number), self.below(OFFSETS.len()));
        let byte = self.random.next_u64() as u8;
        let space = self.spaces[number].0.clone();
        let done = self.access(&space, page, || {
            translation::store(space.tables(), page, OFFSETS[at], byte)
        });
        let allowed = self.spaces[number].1.store(&mut self.files, page, at, byte);
        assert_eq!(
            done.is_ok(),
            allowed,
            "page {page} of space {number}: {done:?}"
        );
    }

    fn begin_space(&mut self) {
        if self.spaces.len() < SPACES {
            let space = self.mm.new_space(PAGES, &[]).unwrap();
            self.spaces.push((space, ModelSpace::default()));
        }
    }

    fn map_area(&mut self) {
        let Some(number) = self.any_space() else {
            return;
        };
        let (start, pages) = (self.below(PAGES - 12), 1 + self.below(12));
        let taken = |page| self.spaces[number].1.areas.contains_key(&page);
        if (start..start + pages).any(taken) || self.spaces[number].1.areas.len() > 60 {
            return;
        }
        let first = self.below(FILE_PAGES as usize - pages) as u32;
        let (backing, shared) = match self.below(4) {
            0 => (Backing::Anonymous, false),
            1 if first < 4 => {
                let file = self.files.memories[0];
                (Backing::File { file, first: 0 }, true)
            }
            _ => {
                let file = 1 + self.below(3) as u32;
                (Backing::File { file, first }, self.below(2) == 0)
            }
        };
        let is_memory = matches!(backing, Backing::File { file, .. } if file > 1000);
        let area = Area {
            start,
            pages: if is_memory {
                pages.min(MEMORY_PAGES)
            } else {
                pages
            },
            backing,
            writable: self.below(4) > 0,
            shared,
            locked: false,
        };
        self.mm.map_area(&self.spaces[number].0, area).unwrap();
        let areas = &mut self.spaces[number].1.areas;
        areas.extend((start..start + area.pages).map(|page| (page, area)));
    }

    fn unmap(&mut self) {
        let Some(number) = self.any_space() else {
            return;
        };
        let (start, pages) = (self.any_page(number), 1 + self.below(6));
        let range = start..(start + pages).min(PAGES);
        let (space, model) = &mut self.spaces[number];
        self.mm.unmap_range(space, range.clone()).unwrap();
        range.for_each(|page| model.unmap(page));
    }

    fn protect(&mut self) {
        let Some(number) = self.any_space() else {
            return;
        };
        let (start, pages) = (self.any_page(number), 1 + self.below(6));
        let (range, writable) = (start..(start + pages).min(PAGES), self.below(2) == 0);
        let (space, model) = &mut self.spaces[number];
        self.mm
            .protect_range(space, range.clone(), writable)
            .unwrap();
        for page in range {
            if let Some(area) = model.areas.get_mut(&page) {
                area.writable = writable;
            }
        }
    }

    /// Shows pages of a file out of their order.
    fn remap(&mut self) {
        let Some(number) = self.any_space() else {
            return;
        };
        let (start, pages) = (self.any_page(number), 1 + self.below(6));
        let range = start..(start + pages).min(PAGES);
        let is_memory = |area: &Area| match area.backing {
            Backing::File { file, .. } | Backing::NonLinear { file, .. } => file > 1000,
            Backing::Anonymous => false,
        };
        let areas = &self.spaces[number].1.areas;
        let in_memory = range
            .clone()
            .filter_map(|page| areas.get(&page))
            .any(is_memory);
        let most = if in_memory {
            MEMORY_PAGES
        } else {
            FILE_PAGES as usize
        };
        let first = self.below((most + 1).saturating_sub(range.len()).max(1)) as u32;
        let (space, model) = &mut self.spaces[number];
        let remapped = self.mm.remap_range(space, range.clone(), first);
        assert_eq!(
            remapped.is_ok(),
            model.remap(range.clone(), first),
            "{range:?}"
        );
        self.remapped += u64::from(remapped.is_ok());
    }

    fn lock(&mut self) {
        let Some(number) = self.any_space() else {
            return;
        };
        let locked = self
            .spaces
            .iter()
            .flat_map(|(_, model)| model.areas.values());
        if locked.filter(|area| area.locked).count() > 6 {
            let (space, model) = &mut self.spaces[number];
            self.mm.unlock_range(space, 0..PAGES).unwrap();
            model
                .areas
                .values_mut()
                .for_each(|area| area.locked = false);
            return;
        }
        let start = self.any_page(number);
        let range = start..(start + 3).min(PAGES);
        let (space, model) = &mut self.spaces[number];
        assert_eq!(self.mm.lock_range(space, range.clone()), Ok(()));
        for page in range {
            if let Some(area) = model.areas.get_mut(&page) {
                area.locked = true;
                model.load(&self.files, page);
            }
        }
    }

    fn fork(&mut self) {
        let Some(number) = self.any_space() else {
            return;
        };
        if self.spaces.len() < SPACES {
            let (parent, model) = &self.spaces[number];
            let child = (self.mm.copy_space(parent).unwrap(), model.child());
            self.spaces.push(child);
        }
    }

    fn end_space(&mut self) {
        if let Some(number) = self.any_space() {
            let (space, _) = self.spaces.swap_remove(number);
            self.mm.end_space(&space);
        }
    }

    fn any_file_page(&mut self) -> Key {
        Key {
            file: 1 + self.below(3) as u32,
            index: self.below(FILE_PAGES as usize) as u32,
        }
    }

    /// Writes a page to the device, and sometimes once more, with the same content.
    fn write_back(&mut self) {
        let key = self.any_file_page();
        self.write_page_back(key);
        for _ in 0..self.below(4) {
            if let Lookup::Hit(page) = self.mm.lookup_stable(key) {
                page.set_dirty();
                drop(page);
                self.write_page_back(key);
            }
        }
    }

    fn write_page_back(&mut self, key: Key) {
        let written = self.mm.write_back(key);
        if written.is_err() && self.device.fails.load(Relaxed) > 0 {
            return;
        }
        assert!(written.is_ok());
        let (device, model) = (self.device.content(key), self.files.get(key));
        assert_eq!(device, model, "{key:?} is not on the device");
    }

    fn truncate(&mut self) {
        let key = self.any_file_page();
        self.mm.truncate(key.file, key.index..key.index + 1);
        self.device.pages.lock().unwrap().remove(&key);
        self.files.forget(key);
    }

    pub(super) fn step(&mut self) {
        match self.below(1000) {
            0..450 => self.load(),
            450..850 => self.store(),
            850..870 => self.begin_space(),
            870..900 => self.map_area(),
            900..910 => self.unmap(),
            910..917 => self.protect(),
            917..920 => self.remap(),
            920..926 => self.lock(),
            926..936 => self.fork(),
            936..940 => self.end_space(),
            940..960 => self.write_back(),
            960..965 => self.truncate(),
            965..975 => drop(self.mm.shrink_cache()),
            975..985 => drop(self.machine.evict_all()),
            _ => self.mm.sign_off(0),
        }
    }

    /// Nothing is lost: when all spaces have ended and all files are dropped, all is free.
    pub(super) fn end(mut self) {
        while !self.spaces.is_empty() {
            self.end_space();
        }
        for (key, page) in self.device.pages.lock().unwrap().iter() {
            assert!(key.file == Key::SWAP || page.len() == PAGE_SIZE);
        }
        for file in [1, 2, 3, self.files.memories[0]] {
            self.mm.truncate(file, 0..FILE_PAGES);
        }
        while self.mm.shrink_cache() > 0 {}
        let (slots, free) = self.mm.swap_slots();
        assert_eq!(slots, free, "a slot has a user that is gone");
        assert_eq!(self.mm.cached_page_count(), 0);
        assert_eq!(self.mm.free_page_count(), FRAMES - 1, "pages are lost");
    }
}
