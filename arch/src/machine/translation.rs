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

/// Flushes this CPU's TLB.
pub fn purge_tlb() {
    // SAFETY: translations are found again in the tables.
    unsafe { asm!("ptlb", options(nostack)) }
}
