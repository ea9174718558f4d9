//! Changing translations (Principles of Operation, "INVALIDATE PAGE TABLE ENTRY").

use core::arch::asm;

use super::exclusion;
use crate::addr::Absolute;

/// Marks a page-table entry invalid and flushes the translation of `virtual_address` from the TLBs
/// of all CPUs.
///
/// Emulators flush by the complete address, and on other CPUs only when this CPU has left its
/// block of instructions, which the mask-setting instruction at the end makes it do.
///
/// # Safety
/// `page_table` must be the origin of a page table that stays allocated, and nobody may rely on the
/// translation.
pub unsafe fn invalidate_page(page_table: Absolute, virtual_address: u64) {
    let mut old = 0_u8;
    // SAFETY: changes one entry of a table that the caller owns; the mask is or-ed with nothing.
    exclusion::invalidate(|| unsafe {
        asm!(
            "ipte {table}, {address}",
            "stosm 0({old}), 0x00",
            table = in(reg) page_table.0,
            address = in(reg) virtual_address,
            old = in(reg_addr) &raw mut old,
            options(nostack),
        );
    });
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
