//! Shadow tables as a tree: what each page of the arena is used for.

use alloc::vec::Vec;

use arch::dat::{PAGE_TABLE_ENTRIES, PageEntry, SegmentEntry};
use arch::{Frame, PAGE_SHIFT, PAGE_SIZE, translation};

use super::arena::{Arena, WORDS};
use super::chain::{self, Chains, EntryId};
use super::followers::Followers;
use crate::mem::walk;

/// What a page of the arena is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Use {
    /// Nothing.
    Free,
    /// Part of the table that begins in front of it.
    Rest,
    /// A page table.
    Pages,
    /// A table of this type: 0 for segments, 1 to 3 for regions.
    Upper(u32),
}

/// A table, by its first page.
///
/// Region and segment tables have up to four quarters of a page each; only those are there that the
/// guest uses.
#[derive(Clone, Copy, Debug)]
pub(super) struct Table {
    pub(super) kind: Use,
    /// The first of its quarters that is there.
    first: u8,
    /// How many quarters, hence pages, there are.
    pub(super) pages: u8,
    /// The space that it belongs to.
    pub(super) space: u16,
    /// Entries that are valid.
    pub(super) used: u16,
    /// The table whose entry names this one; the root's is itself.
    parent: u32,
    /// The first virtual address that it would translate if all of it were there.
    base: u64,
    /// The guest's page table that this one follows.
    pub(super) origin: Option<u64>,
    /// When something was mapped by it last.
    pub(super) stamp: u64,
}

impl Table {
    const FREE: Self = Self {
        kind: Use::Free,
        first: 0,
        pages: 0,
        space: 0,
        used: 0,
        parent: 0,
        base: 0,
        origin: None,
        stamp: 0,
    };
}

/// What a page of tables takes of the quota: itself, what is known of it, and its places among the followers.
pub(super) const COST: u64 = (PAGE_SIZE + size_of::<Table>() + 2 * size_of::<u32>()) as u64;

/// All tables of a guest's shadow spaces.
pub(super) struct Tables {
    pub(super) arena: Arena,
    pub(super) all: Vec<Table>,
    pub(super) chains: Chains,
    pub(super) followers: Followers,
}

impl Tables {
    /// No tables, `pages` of storage for them, and no translations of so many pages of a guest.
    pub(super) fn new(pages: usize, guest_pages: usize) -> Self {
        Self {
            arena: Arena::new(pages),
            all: alloc::vec![Table::FREE; pages],
            chains: Chains::new(guest_pages),
            followers: Followers::new(pages),
        }
    }

    fn table(&mut self, page: u32) -> &mut Table {
        &mut self.all[page as usize]
    }

    /// Where `count` pages in a row are free.
    fn find_room(&self, count: usize) -> Option<u32> {
        let is_free = |run: &[Table]| run.iter().all(|table| table.kind == Use::Free);
        let at = self.all.windows(count).position(is_free)?;
        Some(at as u32)
    }

    /// A table that maps nothing and that no entry names, if there is room for it: these quarters of it.
    pub(super) fn allocate(
        &mut self,
        kind: Use,
        quarters: core::ops::RangeInclusive<u8>,
        space: u16,
        address: u64,
    ) -> Option<u32> {
        let pages = quarters.end() - quarters.start() + 1;
        let page = self.find_room(pages.into())?;
        let (whole, invalid) = match kind {
            Use::Upper(kind) => (walk::shift(kind + 1), SegmentEntry::INVALID.0),
            _ => (walk::shift(0), PageEntry::INVALID.0),
        };
        for rest in 1..u32::from(pages) {
            self.table(page + rest).kind = Use::Rest;
        }
        *self.table(page) = Table {
            kind,
            first: *quarters.start(),
            pages,
            space,
            parent: page,
            base: address & u64::MAX.checked_shl(whole).unwrap_or(0),
            ..Table::FREE
        };
        for word in 0..usize::from(pages) * WORDS {
            self.arena.set(page, word, invalid);
        }
        Some(page)
    }

    /// What an address-space-control element or an entry says of a table of regions or segments, the
    /// part about its quarters apart.
    fn designation(&self, page: u32) -> u64 {
        let table = self.all[page as usize];
        let Use::Upper(kind) = table.kind else {
            return self.arena.address(page);
        };
        let origin = self.arena.address(page) - u64::from(table.first) * PAGE_SIZE as u64;
        origin | u64::from(kind) << 2
    }

    /// The address-space-control element of a root, which begins with the first quarter.
    pub(super) fn asce(&self, root: u32) -> u64 {
        self.designation(root) | u64::from(self.all[root as usize].pages - 1)
    }

    /// Position of the entry for an address in an upper table, if that quarter is there.
    fn word(&self, page: u32, address: u64) -> Result<usize, u8> {
        let table = self.all[page as usize];
        let Use::Upper(kind) = table.kind else {
            unreachable!("page tables name no tables");
        };
        let index = walk::index(kind, address);
        let quarter = (index / WORDS) as u8;
        if (table.first..table.first + table.pages).contains(&quarter) {
            Ok(index - usize::from(table.first) * WORDS)
        } else {
            Err(quarter)
        }
    }

    /// The table that an entry of an upper table names.
    fn named_by(&self, kind: u32, entry: u64) -> Option<u32> {
        if entry & SegmentEntry::INVALID.0 != 0 {
            return None;
        }
        // The first quarter that is there; page tables are always at the start of a page.
        let skipped = if kind == 0 {
            0
        } else {
            (entry >> 6 & 3) * PAGE_SIZE as u64
        };
        Some(self.arena.page_at((entry & !0xfff) + skipped))
    }

    /// Makes an upper table's entry name a table.
    fn link(&mut self, page: u32, child: u32) {
        let Use::Upper(kind) = self.all[page as usize].kind else {
            return;
        };
        let table = self.all[child as usize];
        let (first, last) = (
            u64::from(table.first),
            u64::from(table.first + table.pages - 1),
        );
        let quarters = if kind == 0 { 0 } else { first << 6 | last };
        // The type is that of the table which the entry is in.
        let origin = self.designation(child) & !0xfff;
        let entry = origin | u64::from(kind) << 2 | quarters;
        let word = self.word(page, table.base).expect("that quarter is there");
        self.arena.set(page, word, entry);
        self.table(child).parent = page;
        self.table(page).used += 1;
    }

    /// Makes no entry name a table any more; when this returns, no CPU translates by it.
    fn unlink(&mut self, child: u32) {
        let (parent, base) = (
            self.all[child as usize].parent,
            self.all[child as usize].base,
        );
        // SAFETY: a table of ours, of which nobody relies on anything.
        unsafe { translation::invalidate_table_entry(self.designation(parent), base) }
        self.table(parent).used -= 1;
    }

    /// A table with one more quarter, in the place of this one, if there is room.
    fn extend(&mut self, old: u32, quarter: u8) -> Option<u32> {
        let before = self.all[old as usize];
        let last = (before.first + before.pages - 1).max(quarter);
        let quarters = before.first.min(quarter)..=last;
        let new = self.allocate(before.kind, quarters, before.space, before.base)?;
        self.unlink(old);
        let moved = usize::from(before.first - self.all[new as usize].first) * WORDS;
        for word in 0..self.words(old) {
            let entry = self.arena.get(old, word);
            self.arena.set(new, moved + word, entry);
            if let Some(child) = self.child(old, word) {
                self.table(child).parent = new;
            }
        }
        self.table(new).used = before.used;
        self.link(before.parent, new);
        self.give_back(old);
        Some(new)
    }

    /// The page table for an address that follows the guest's at `origin`, made if there is room.
    pub(super) fn page_table(
        &mut self,
        root: u32,
        address: u64,
        origin: Option<u64>,
    ) -> Option<u32> {
        let mut table = root;
        loop {
            let Use::Upper(kind) = self.all[table as usize].kind else {
                return Some(table);
            };
            let word = match self.word(table, address) {
                Ok(word) => word,
                Err(quarter) => {
                    table = self.extend(table, quarter)?;
                    continue;
                }
            };
            let child = match self.child(table, word) {
                Some(child) if kind > 0 || self.all[child as usize].origin == origin => child,
                other => {
                    if let Some(outdated) = other {
                        self.cut(outdated);
                    }
                    let space = self.all[table as usize].space;
                    let new = if kind == 0 {
                        self.allocate(Use::Pages, 0..=0, space, address)?
                    } else {
                        let quarter = (walk::index(kind - 1, address) / WORDS) as u8;
                        let quarters = quarter..=quarter;
                        self.allocate(Use::Upper(kind - 1), quarters, space, address)?
                    };
                    if kind == 0
                        && let Some(origin) = origin
                    {
                        self.table(new).origin = Some(origin);
                        self.followers.insert(new, origin);
                    }
                    self.link(table, new);
                    new
                }
            };
            table = child;
        }
    }

    /// Takes a table out of its tree, with all that it names.
    pub(super) fn cut(&mut self, table: u32) {
        self.unlink(table);
        self.free(table);
    }

    /// Takes a page table out of its tree, with the tables above that are there for it only.
    pub(super) fn prune(&mut self, page_table: u32) {
        let mut top = page_table;
        loop {
            let parent = self.all[top as usize].parent;
            let above = self.all[parent as usize];
            if above.used > 1 || above.parent == parent {
                return self.cut(top);
            }
            top = parent;
        }
    }

    /// Cuts all that a table names.
    pub(super) fn cut_children(&mut self, table: u32) {
        for word in 0..self.words(table) {
            if let Some(child) = self.child(table, word) {
                self.cut(child);
            }
        }
    }

    /// Entries that an upper table has.
    fn words(&self, table: u32) -> usize {
        usize::from(self.all[table as usize].pages) * WORDS
    }

    /// The table that an entry of an upper table names, by its position.
    fn child(&self, table: u32, word: usize) -> Option<u32> {
        let Use::Upper(kind) = self.all[table as usize].kind else {
            return None;
        };
        self.named_by(kind, self.arena.get(table, word))
    }

    /// Gives back a table that no CPU translates by, with all that it names.
    pub(super) fn free(&mut self, page: u32) {
        if self.all[page as usize].kind == Use::Pages {
            for index in 0..PAGE_TABLE_ENTRIES {
                if PageEntry(self.arena.get(page, index)).frame().is_some() {
                    let entry = chain::entry_at(page, index);
                    self.chains.remove(&mut self.arena, entry);
                }
            }
        } else {
            for word in 0..self.words(page) {
                if let Some(child) = self.child(page, word) {
                    self.free(child);
                }
            }
        }
        self.give_back(page);
    }

    fn give_back(&mut self, page: u32) {
        let Table { pages, origin, .. } = self.all[page as usize];
        if let Some(origin) = origin {
            self.followers.remove(page, origin);
        }
        for page in page..page + u32::from(pages) {
            *self.table(page) = Table::FREE;
        }
    }

    /// The entry of a page table for an address.
    pub(super) fn entry(&self, table: u32, address: u64) -> (EntryId, PageEntry) {
        let index = (address >> PAGE_SHIFT) as usize % PAGE_TABLE_ENTRIES;
        (
            chain::entry_at(table, index),
            PageEntry(self.arena.get(table, index)),
        )
    }

    /// Makes an invalid entry map a guest page.
    pub(super) fn map(&mut self, entry: EntryId, page: u32, frame: Frame, protected: bool) {
        let (table, index) = chain::place(entry);
        self.chains.insert(&mut self.arena, entry, page);
        self.arena
            .set(table, index, PageEntry::new(frame, protected).0);
        self.table(table).used += 1;
    }

    /// Marks an entry invalid; when this returns, no CPU translates by it.
    fn invalidate(&self, entry: EntryId) {
        let (table, index) = chain::place(entry);
        let address = self.all[table as usize].base + ((index as u64) << PAGE_SHIFT);
        let origin = arch::Absolute(self.arena.address(table));
        // SAFETY: a page table of ours; nobody relies on what it maps.
        unsafe { translation::invalidate_page(origin, address) }
    }

    /// Makes an entry map nothing.
    pub(super) fn unmap(&mut self, entry: EntryId) {
        let (table, index) = chain::place(entry);
        if PageEntry(self.arena.get(table, index)).frame().is_some() {
            self.invalidate(entry);
            self.chains.remove(&mut self.arena, entry);
            self.table(table).used -= 1;
        }
    }

    /// Makes a valid entry read-only.
    pub(super) fn protect(&mut self, entry: EntryId) {
        let (table, index) = chain::place(entry);
        let old = PageEntry(self.arena.get(table, index));
        if let Some(frame) = old.frame().filter(|_| !old.is_protected()) {
            self.invalidate(entry);
            self.arena.set(table, index, PageEntry::new(frame, true).0);
        }
    }
}
