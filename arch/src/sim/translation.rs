//! Translations of the simulated machine. An access through a table is one step, so that an entry is
//! never invalidated in the middle of one, as on the machine.

use core::sync::atomic::{AtomicU64, Ordering};

use super::machine::with_host;
use crate::addr::{Absolute, PAGE_SHIFT};
use crate::dat::{PAGE_TABLE_ENTRIES, PageEntry, SegmentEntry};
use crate::table::PageTables;

/// Why an access of the problem state was not done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum UserFault {
    /// Page-translation exception.
    NotMapped,
    /// Protection exception: a store through a read-only entry.
    Protected,
    /// Discard fault, with the absolute address of the page.
    Discarded(Absolute),
}

/// Invalidations, each of which is over at once here.
pub struct Invalidations(());

impl Invalidations {
    /// Begins them.
    #[must_use]
    pub fn begin() -> Self {
        Self(())
    }

    /// Marks an entry invalid.
    ///
    /// # Safety
    /// As on the machine: the table must be one.
    pub unsafe fn page(&self, page_table: Absolute, virtual_address: u64) {
        // SAFETY: the caller's promise.
        unsafe { invalidate_page(page_table, virtual_address) }
    }
}

/// Marks an entry invalid.
///
/// # Safety
/// As on the machine: the table must be one.
pub unsafe fn invalidate_page(page_table: Absolute, virtual_address: u64) {
    let number = (virtual_address >> PAGE_SHIFT) as usize % PAGE_TABLE_ENTRIES;
    let table = core::ptr::with_exposed_provenance::<AtomicU64>(page_table.0 as usize);
    // SAFETY: the caller's table.
    let entry = unsafe { &*table.add(number) };
    with_host(|_| entry.fetch_or(PageEntry::INVALID.0, Ordering::SeqCst));
}

/// Marks a region- or segment-table entry invalid.
///
/// # Safety
/// As on the machine: it must designate a table.
pub unsafe fn invalidate_table_entry(designation: u64, virtual_address: u64) {
    let (origin, kind) = (designation & !0xfff, designation >> 2 & 3);
    let number = virtual_address >> (20 + 11 * kind) & 0x7ff;
    let at = (origin + 8 * number) as usize;
    // SAFETY: the caller's table.
    let entry = unsafe { &*core::ptr::with_exposed_provenance::<AtomicU64>(at) };
    with_host(|_| entry.fetch_or(SegmentEntry::INVALID.0, Ordering::SeqCst));
}

/// Flushes the translations of an address space: nothing is kept here.
pub fn flush_space(_: u64) {
    with_host(|_| ());
}

/// Loads a byte of the problem state's storage.
///
/// # Errors
/// What the access is for the program.
pub fn load(table: &PageTables, page: usize, offset: usize) -> Result<u8, UserFault> {
    with_host(|host| {
        let frame = table.get(page).frame().ok_or(UserFault::NotMapped)?;
        let mut byte = [0];
        host.load(frame.address() + offset as u64, &mut byte)
            .map_err(|_| UserFault::Discarded(frame.address()))?;
        Ok(byte[0])
    })
}

/// Stores a byte into the problem state's storage.
///
/// # Errors
/// What the access is for the program.
pub fn store(table: &PageTables, page: usize, offset: usize, byte: u8) -> Result<(), UserFault> {
    with_host(|host| {
        let entry = table.get(page);
        let frame = entry.frame().ok_or(UserFault::NotMapped)?;
        if entry.is_protected() {
            return Err(UserFault::Protected);
        }
        host.store(frame.address() + offset as u64, &[byte])
            .map_err(|_| UserFault::Discarded(frame.address()))
    })
}
