//! The reverse map: for each guest absolute page the shadow entries that map it, as a list.
//!
//! A page table has 256 entries and fills half of its page. The other half has a link for each entry,
//! so the lists take no storage that the tables do not have already.

use alloc::vec::Vec;

use arch::dat::PAGE_TABLE_ENTRIES;

use super::arena::Arena;

/// Number of an entry: that of the page of its table, then its index.
pub(super) type EntryId = u32;

/// No entry.
const NONE: u32 = u32::MAX;
/// In front of the first entry of a list stands the guest page.
const FIRST: u32 = 1 << 31;

/// The page table that an entry is in, and its index.
pub(super) fn place(entry: EntryId) -> (u32, usize) {
    let entries = PAGE_TABLE_ENTRIES as u32;
    (entry / entries, (entry % entries) as usize)
}

/// The entry at a place.
pub(super) fn entry_at(table: u32, index: usize) -> EntryId {
    table * PAGE_TABLE_ENTRIES as u32 + index as u32
}

/// Behind and in front of an entry.
fn link(arena: &Arena, entry: EntryId) -> (u32, u32) {
    let (table, index) = place(entry);
    let word = arena.get(table, PAGE_TABLE_ENTRIES + index);
    ((word >> 32) as u32, word as u32)
}

fn set_link(arena: &mut Arena, entry: EntryId, (next, previous): (u32, u32)) {
    let (table, index) = place(entry);
    let word = u64::from(next) << 32 | u64::from(previous);
    arena.set(table, PAGE_TABLE_ENTRIES + index, word);
}

// What is known of a page of a guest: its entry, and where its list begins.
const _: () = assert!(size_of::<crate::mem::PageEntry>() + size_of::<EntryId>() <= 16);

/// The lists of all guest pages.
pub(super) struct Chains(Vec<u32>);

impl Chains {
    /// Empty lists for so many guest pages.
    pub(super) fn new(pages: usize) -> Self {
        Self(alloc::vec![NONE; pages])
    }

    /// The first entry that maps a guest page.
    pub(super) fn first(&self, page: u32) -> Option<EntryId> {
        Some(self.0[page as usize]).filter(|entry| *entry != NONE)
    }

    /// The entry behind this one that maps the same page.
    pub(super) fn next(arena: &Arena, entry: EntryId) -> Option<EntryId> {
        Some(link(arena, entry).0).filter(|entry| *entry != NONE)
    }

    /// An entry that is in no list maps a guest page from now on.
    pub(super) fn insert(&mut self, arena: &mut Arena, entry: EntryId, page: u32) {
        let next = core::mem::replace(&mut self.0[page as usize], entry);
        set_link(arena, entry, (next, FIRST | page));
        if next != NONE {
            let behind = link(arena, next).0;
            set_link(arena, next, (behind, entry));
        }
    }

    /// An entry maps nothing any more.
    pub(super) fn remove(&mut self, arena: &mut Arena, entry: EntryId) {
        let (next, previous) = link(arena, entry);
        if previous & FIRST != 0 {
            self.0[(previous & !FIRST) as usize] = next;
        } else {
            let front = link(arena, previous).1;
            set_link(arena, previous, (next, front));
        }
        if next != NONE {
            let behind = link(arena, next).0;
            set_link(arena, next, (behind, previous));
        }
    }
}
