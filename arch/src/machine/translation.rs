//! Changing translations (Principles of Operation, "INVALIDATE PAGE TABLE ENTRY").

use core::arch::asm;

use super::exclusion;
use crate::addr::Absolute;

/// Invalidations of page-table entries that are over together: when this is dropped.
pub struct Invalidations {
    _invalidating: exclusion::Invalidating,
}

impl Invalidations {
    /// Begins them.
    #[must_use]
    pub fn begin() -> Self {
        Self {
            _invalidating: exclusion::Invalidating::begin(),
        }
    }

    /// Marks a page-table entry invalid and flushes the translation of `virtual_address` from the TLBs
    /// of all CPUs; emulators flush by the complete address.
    ///
    /// # Safety
    /// `page_table` must be the origin of a page table that stays allocated, and nobody may rely on the
    /// translation.
    pub unsafe fn page(&self, page_table: Absolute, virtual_address: u64) {
        // SAFETY: changes one entry of a table that the caller owns.
        unsafe {
            asm!(
                "ipte {table}, {address}",
                table = in(reg) page_table.0,
                address = in(reg) virtual_address,
                options(nostack),
            );
        }
    }
}

impl Drop for Invalidations {
    fn drop(&mut self) {
        let mut old = 0_u8;
        // SAFETY: the mask is or-ed with nothing. Emulators flush on other CPUs only when this one has left its
        // block of instructions, which that makes it do.
        unsafe { asm!("stosm 0({old}), 0x00", old = in(reg_addr) &raw mut old, options(nostack)) }
    }
}

/// Marks a page-table entry invalid and flushes its translation, as [`Invalidations`] do.
///
/// # Safety
/// As for [`Invalidations::page`].
pub unsafe fn invalidate_page(page_table: Absolute, virtual_address: u64) {
    // SAFETY: the caller's promise.
    unsafe { Invalidations::begin().page(page_table, virtual_address) }
}

/// Marks a region- or segment-table entry invalid and flushes all translations by way of it from the
/// TLBs of all CPUs. The designation is origin and type of the table, as in an address-space-control
/// element; the virtual address is any that the entry translates.
///
/// # Safety
/// It must designate a table that stays allocated, and nobody may rely on the translations.
pub unsafe fn invalidate_table_entry(designation: u64, virtual_address: u64) {
    /// The bits that are no index of a region or segment say what else to do: nothing.
    const INDEXES: u64 = !0xf_ffff;
    let mut old = 0_u8;
    // SAFETY: changes one entry of a table that the caller owns; the mask is or-ed with nothing. No
    // register for an address-space-control element: all spaces are meant.
    exclusion::invalidate(|| unsafe {
        asm!(
            "idte {table}, %r0, {address}",
            "stosm 0({old}), 0x00",
            table = in(reg) designation,
            address = in(reg) virtual_address & INDEXES,
            old = in(reg_addr) &raw mut old,
            options(nostack),
        );
    });
}

/// Flushes the translations of an address space from the TLBs of all CPUs.
pub fn flush_space(asce: u64) {
    /// Bit 52: nothing is marked, translations of a space are flushed.
    const CLEARING_BY_ASCE: u64 = 0x800;
    let mut old = 0_u8;
    // SAFETY: translations are found again in the tables; the mask is or-ed with nothing.
    exclusion::invalidate(|| unsafe {
        asm!(
            "idte %r0, {asce}, {option}",
            "stosm 0({old}), 0x00",
            asce = in(reg_addr) asce,
            option = in(reg) CLEARING_BY_ASCE,
            old = in(reg_addr) &raw mut old,
            options(nostack),
        );
    });
}

/// Flushes this CPU's TLB.
pub fn purge_tlb() {
    // SAFETY: translations are found again in the tables.
    unsafe { asm!("ptlb", options(nostack)) }
}
