//! Which shadow page tables follow a guest's: an invalidation names the guest's.

use alloc::vec::Vec;

/// No table.
const NONE: u32 = u32::MAX;

/// Lists of tables, by origins that have the same remainder.
pub(super) struct Followers {
    first: Vec<u32>,
    /// By table: the one behind it.
    next: Vec<u32>,
}

fn some(table: u32) -> Option<u32> {
    (table != NONE).then_some(table)
}

impl Followers {
    /// Empty lists, for so many tables.
    pub(super) fn new(tables: usize) -> Self {
        Self {
            first: alloc::vec![NONE; tables],
            next: alloc::vec![NONE; tables],
        }
    }

    fn list(&self, origin: u64) -> usize {
        (origin >> 11) as usize % self.first.len()
    }

    /// The first table that may follow the guest's at an origin.
    pub(super) fn first(&self, origin: u64) -> Option<u32> {
        some(self.first[self.list(origin)])
    }

    /// The next one behind a table.
    pub(super) fn next(&self, table: u32) -> Option<u32> {
        some(self.next[table as usize])
    }

    /// A table that follows no other follows the one at this origin.
    pub(super) fn insert(&mut self, table: u32, origin: u64) {
        let list = self.list(origin);
        self.next[table as usize] = core::mem::replace(&mut self.first[list], table);
    }

    /// A table follows the one at this origin no more.
    pub(super) fn remove(&mut self, table: u32, origin: u64) {
        let (list, behind) = (self.list(origin), self.next[table as usize]);
        if self.first[list] == table {
            self.first[list] = behind;
            return;
        }
        let mut front = self.first[list] as usize;
        while self.next[front] != table {
            front = self.next[front] as usize;
        }
        self.next[front] = behind;
    }
}
