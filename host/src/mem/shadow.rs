//! Shadow tables: guest virtual address to frame, for guests with DAT on.
//!
//! A space is known by prefix and address-space-control element, as what a virtual address leads to
//! depends on both, and stays when a CPU loads another one. Its tables are made entry by entry, when
//! an access faults, and follow the guest's: what the guest invalidates, or the host takes away, goes.
//!
//! ```text
//!   space ──> root ──> ... ──> page table ──> entry ──> frame
//!                              follows the     │ ▲
//!                              guest's at      ▼ │
//!                              an origin      list of the entries that map a guest page
//! ```
//!
//! The tables have a fixed number of pages. When there is no room, the page table goes that was used
//! longest ago.

mod arena;
mod chain;
mod followers;
mod table;
#[cfg(test)]
mod tests;

use alloc::vec::Vec;

use arch::{Frame, PAGE_SHIFT, PAGE_SIZE, translation};

use super::walk::{self, Space, Translation};
use chain::Chains;
use table::{Tables, Use};

/// The least that the tables of a guest may take, in bytes.
const LEAST: u64 = 256 << 10;
/// What part of the guest's memory they may take if that is more.
const PART: u64 = 64;

/// What the tables of a guest with so much memory may take, in bytes.
#[must_use]
pub fn quota(memory: u64) -> u64 {
    (memory / PART)
        .max(LEAST)
        .next_multiple_of(PAGE_SIZE as u64)
}

/// How often room is made for one translation before other CPUs get their turn.
const MOST_ATTEMPTS: u32 = 64;
/// How many translations to one page are taken away one by one. All of a guest's are cheaper then.
const MOST_ALIASES: u32 = 256;

/// The page with a table that maps nothing: for spaces that have not been used.
const NOTHING: u32 = 0;

/// No space.
const NOWHERE: u16 = u16::MAX;

/// By what a space is known.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Key {
    /// Prefix of the CPU.
    pub prefix: u32,
    /// Where its translations begin.
    pub space: Space,
}

/// A space that has tables.
#[derive(Clone, Copy, Debug)]
struct Known {
    key: Key,
    root: u32,
    /// When a CPU was last given it.
    stamp: u64,
}

/// What a CPU was given when it was entered last.
#[derive(Clone, Copy, Debug)]
struct Loaded {
    keys: [Key; 3],
    spaces: [u16; 3],
    /// Whether it still runs: these spaces keep their roots.
    is_running: bool,
    /// Which spaces there were then.
    generation: u32,
}

/// The shadow tables of one guest.
///
/// CPUs of the guest translate by them while they change, as they do by the tables of a guest with
/// DAT off: whatever takes a translation away returns when no CPU can use it any more.
pub struct Shadow {
    tables: Tables,
    spaces: Vec<Option<Known>>,
    /// By CPU of the guest.
    loaded: Vec<Option<Loaded>>,
    /// Counts spaces that come and go.
    generation: u32,
    /// Counts uses.
    now: u64,
    /// Page tables that went because there was no room.
    pub recycled: u64,
}

impl Shadow {
    /// No translations of `memory` bytes of guest storage, for so many CPUs, in at most `bytes`.
    #[must_use]
    pub fn new(memory: u64, cpus: usize, bytes: u64) -> Self {
        let pages = (bytes / table::COST) as usize;
        let mut tables = Tables::new(pages, (memory >> PAGE_SHIFT) as usize);
        let nothing = tables.allocate(Use::Upper(0), 0..=0, NOWHERE, 0);
        debug_assert_eq!(nothing, Some(NOTHING));
        Self {
            tables,
            spaces: Vec::new(),
            loaded: alloc::vec![None; cpus],
            generation: 0,
            now: 0,
            recycled: 0,
        }
    }

    /// For spaces that map nothing.
    #[must_use]
    pub fn nothing(&self) -> [u64; 3] {
        [self.tables.asce(NOTHING); 3]
    }

    /// A CPU is going to translate by these spaces; returns what its control registers must hold.
    pub fn enter(&mut self, cpu: usize, keys: [Key; 3]) -> [u64; 3] {
        self.now += 1;
        let before = self.loaded[cpu]
            .filter(|loaded| loaded.generation == self.generation && loaded.keys == keys);
        let spaces = match before {
            Some(loaded) => loaded.spaces,
            None => [0, 1, 2].map(|at: usize| self.find(&keys[at]).unwrap_or(NOWHERE)),
        };
        self.loaded[cpu] = Some(Loaded {
            keys,
            spaces,
            is_running: true,
            generation: self.generation,
        });
        let mut asces = self.nothing();
        for (asce, number) in asces.iter_mut().zip(spaces) {
            if let Some(known) = self.spaces.get_mut(usize::from(number))
                && let Some(known) = known
            {
                known.stamp = self.now;
                let private = known.key.space.asce & walk::PRIVATE_SPACE;
                *asce = self.tables.asce(known.root) | private;
            }
        }
        asces
    }

    /// A CPU translates by no space now.
    pub fn leave(&mut self, cpu: usize) {
        if let Some(loaded) = &mut self.loaded[cpu] {
            loaded.is_running = false;
        }
    }

    #[inline]
    fn is_loaded(&self, number: u16) -> bool {
        let mut running = self
            .loaded
            .iter()
            .flatten()
            .filter(|loaded| loaded.is_running);
        running.any(|loaded| loaded.spaces.contains(&number))
    }

    fn find(&self, key: &Key) -> Option<u16> {
        let is_it = |known: &Option<Known>| known.is_some_and(|known| known.key == *key);
        self.spaces.iter().position(is_it).map(|at| at as u16)
    }

    /// The space with a key, made if there is room for its root.
    fn find_or_make(&mut self, key: &Key) -> Option<u16> {
        if let Some(number) = self.find(key) {
            return Some(number);
        }
        let free = self.spaces.iter().position(Option::is_none);
        let number = free.unwrap_or(self.spaces.len());
        // The root is as long as the guest's; real space is what one segment table can map.
        let (kind, last) = if key.space.is_real() {
            (0, 3)
        } else {
            (walk::table_type(key.space.asce), key.space.asce as u8 & 3)
        };
        let root = self
            .tables
            .allocate(Use::Upper(kind), 0..=last, number as u16, 0)?;
        if number == self.spaces.len() {
            self.spaces.push(None);
        }
        self.generation += 1;
        self.spaces[number] = Some(Known {
            key: *key,
            root,
            stamp: self.now,
        });
        Some(number as u16)
    }

    fn page_table(&mut self, key: &Key, address: u64, origin: Option<u64>) -> Option<u32> {
        let number = self.find_or_make(key)?;
        let root = self.spaces[usize::from(number)]?.root;
        self.tables.page_table(root, address, origin)
    }

    /// Makes a virtual address of a space lead to a frame, that of a guest absolute page.
    ///
    /// Returns false if there is no room because of what other CPUs translate by at the moment, or too
    /// much is to go for it: the access is to be done again.
    pub fn map(
        &mut self,
        key: &Key,
        address: u64,
        to: &Translation,
        page: u32,
        frame: Frame,
        protected: bool,
    ) -> bool {
        self.now += 1;
        let mut attempts = 0;
        let table = loop {
            if let Some(table) = self.page_table(key, address, to.page_table) {
                break table;
            }
            attempts += 1;
            if attempts > MOST_ATTEMPTS || !self.make_room(key) {
                return false;
            }
        };
        self.tables.all[table as usize].stamp = self.now;
        let (entry, old) = self.tables.entry(table, address);
        if old.frame() == Some(frame) && old.is_protected() == protected {
            return true;
        }
        self.tables.unmap(entry);
        self.tables.map(entry, page, frame, protected);
        true
    }

    /// Gives back a page table, or what else can be: the longest unused first. Space `own` stays.
    fn make_room(&mut self, own: &Key) -> bool {
        let own = self.find(own).unwrap_or(NOWHERE);
        let used = |at: &usize| {
            let table = self.tables.all[*at];
            let known = self.spaces.get(usize::from(table.space)).copied().flatten();
            (known.map_or(0, |known| known.stamp), table.stamp)
        };
        let is_page_table = |at: &usize| self.tables.all[*at].kind == Use::Pages;
        let page_tables = (0..self.tables.all.len()).filter(is_page_table);
        if let Some(victim) = page_tables.min_by_key(used) {
            self.recycled += 1;
            let space = self.tables.all[victim].space;
            self.tables.prune(victim as u32);
            if space != own && self.is_empty(space) && !self.is_loaded(space) {
                self.forget(space);
            }
            return true;
        }
        // What is left are tables above page tables, in spaces that nobody uses or in others.
        for number in 0..self.spaces.len() as u16 {
            let is_used = number == own || self.is_loaded(number);
            if self.spaces[usize::from(number)].is_some() && !(is_used && self.is_empty(number)) {
                self.drop_space(number, own);
                return true;
            }
        }
        false
    }

    fn is_empty(&self, number: u16) -> bool {
        let known = self.spaces.get(usize::from(number)).copied().flatten();
        known.is_none_or(|known| self.tables.all[known.root as usize].used == 0)
    }

    /// Drops all translations of a space; its root too unless a CPU translates by it or it is to stay.
    fn drop_space(&mut self, number: u16, stays: u16) {
        if number == stays || self.is_loaded(number) {
            if let Some(known) = self.spaces[usize::from(number)] {
                self.tables.cut_children(known.root);
            }
        } else {
            self.forget(number);
        }
    }

    /// Forgets a space that no CPU translates by.
    fn forget(&mut self, number: u16) {
        if let Some(known) = self.spaces[usize::from(number)].take() {
            self.generation += 1;
            let asce = self.tables.asce(known.root);
            self.tables.free(known.root);
            // Before anybody gets the pages, or the frames that they named.
            translation::flush_space(asce);
        }
    }

    /// Drops all translations of the spaces of which this is true.
    pub fn purge(&mut self, is_meant: &dyn Fn(&Key) -> bool) {
        for number in 0..self.spaces.len() {
            if self.spaces[number].is_some_and(|known| is_meant(&known.key)) {
                self.drop_space(number as u16, NOWHERE);
            }
        }
    }

    /// The guest has invalidated an entry of its page table at `origin`.
    pub fn invalidate(&mut self, origin: u64, address: u64) {
        let mut next = self.tables.followers.first(origin);
        while let Some(table) = next {
            next = self.tables.followers.next(table);
            if self.tables.all[table as usize].origin == Some(origin) {
                let (entry, _) = self.tables.entry(table, address);
                self.tables.unmap(entry);
            }
        }
    }

    /// Takes all translations to a guest absolute page away.
    pub fn unmap(&mut self, page: u32) {
        for _ in 0..MOST_ALIASES {
            match self.tables.chains.first(page) {
                Some(entry) => self.tables.unmap(entry),
                None => return,
            }
        }
        self.purge(&|_| true);
    }

    /// Takes all translations to some guest absolute pages away.
    pub fn unmap_batch(&mut self, pages: &[u32]) {
        if self.spaces.is_empty() {
            // The guest has never turned DAT on.
            return;
        }
        for page in pages {
            if self.tables.chains.first(*page).is_some() {
                self.unmap(*page);
            }
        }
    }

    /// Makes all translations to a guest absolute page read-only.
    pub fn protect(&mut self, page: u32) {
        let mut next = self.tables.chains.first(page);
        for _ in 0..MOST_ALIASES {
            let Some(entry) = next else {
                return;
            };
            self.tables.protect(entry);
            next = Chains::next(&self.tables.arena, entry);
        }
        self.purge(&|_| true);
    }
}
