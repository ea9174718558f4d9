//! The short way to a guest's storage: by the translation that the CPU has just run with.
//!
//! What the tables of a virtual CPU map, the guest could access itself at this moment: the state of the page
//! allows it, and nothing needs to be noted. Most operands, and nearly all instructions, are found so.
//!
//! The machine could be asked (LOAD REAL ADDRESS), but emulators do not translate for it while DAT is off.

use arch::dat::{PAGE_TABLE_ENTRIES, PageEntry, SegmentEntry};
use arch::{Absolute, PAGE_SHIFT, PAGE_SIZE, control};

use super::machine::{Machine, PRIMARY};
use crate::mem::walk;
use crate::vcpu::backend::Chosen;

impl Machine<'_> {
    /// Where a logical address is, if the CPU has come from the guest just now and could access it there.
    #[inline(never)]
    pub(super) fn mapped(&self, control: u8, address: u64, store: bool) -> Option<Absolute> {
        if !self.is_loaded || control != PRIMARY {
            return None;
        }
        let is_low = address < 2 * PAGE_SIZE as u64;
        if store && is_low && self.vcpu().has_low_protection() {
            return None;
        }
        let address = match self.guest.backend {
            Chosen::Trap => address,
            // By tables for absolute addresses.
            Chosen::Interpret => self.guest.memory.absolute(self.cpu, address),
        };
        let entry = page_entry(control::get::<1>(), address)?;
        if store && entry.is_protected() {
            return None;
        }
        let offset = address & (PAGE_SIZE as u64 - 1);
        Some(entry.frame()?.address() + offset)
    }
}

/// The page-table entry for an address in tables that the host has made. They are as well-formed as simple: no large
/// frames, and protection in page tables only.
fn page_entry(asce: u64, address: u64) -> Option<PageEntry> {
    let mut kind = walk::table_type(asce);
    if kind == 0 {
        // As of all CPUs with DAT off.
        let is_there = address >> walk::shift(1) == 0;
        let page_table = is_there.then(|| entry(asce, 0, walk::index(0, address)))??;
        return Some(in_page_table(page_table, address));
    }
    if kind < 3 && address >> walk::shift(kind + 1) != 0 {
        return None;
    }
    let (mut designation, mut first) = (asce, 0);
    while kind > 0 {
        designation = entry(designation, first, walk::index(kind, address))?;
        first = designation >> 6 & 3;
        kind -= 1;
    }
    let page_table = entry(designation, first, walk::index(0, address))?;
    Some(in_page_table(page_table, address))
}

fn in_page_table(page_table: u64, address: u64) -> PageEntry {
    let index = address >> PAGE_SHIFT & (PAGE_TABLE_ENTRIES as u64 - 1);
    PageEntry(read(page_table + 8 * index))
}

/// The entry of a table of regions or segments of which the quarters from `first` to the last one that the
/// designation names are there.
#[inline(always)]
fn entry(designation: u64, first: u64, index: usize) -> Option<u64> {
    let quarter = index as u64 >> 9;
    if quarter < first || quarter > designation & 3 {
        return None;
    }
    let entry = read((designation & !0xfff) + 8 * index as u64);
    (entry & SegmentEntry::INVALID.0 == 0).then_some(entry)
}

fn read(at: u64) -> u64 {
    let entry = core::ptr::with_exposed_provenance::<u64>(at as usize);
    // SAFETY: an entry of tables of the host's.
    unsafe { entry.read_volatile() }
}
