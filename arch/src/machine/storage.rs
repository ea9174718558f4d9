//! Copying and clearing storage by absolute address, with and without a guard against faults.
//!
//! DAT is off or maps storage one to one, so an absolute address is a pointer.

use core::arch::asm;
use core::ptr;

use crate::addr::{Absolute, PAGE_SIZE};
use crate::fault::Fault;
use crate::machine::guard;

fn pointer(address: Absolute) -> *mut u8 {
    ptr::with_exposed_provenance_mut(address.0 as usize)
}

/// Copies out of storage.
///
/// # Safety
/// `source` and the bytes behind it must be storage that no Rust object owns exclusively meanwhile
/// and that is not discarded: outside a guarded copy a discard fault is fatal.
pub unsafe fn copy_out(source: Absolute, destination: &mut [u8]) {
    // SAFETY: the caller vouches for the source; the destination is a slice.
    unsafe {
        ptr::copy_nonoverlapping(pointer(source), destination.as_mut_ptr(), destination.len())
    }
}

/// Copies into storage.
///
/// # Safety
/// As for [`copy_out`], and nobody else may read or write the destination meanwhile.
pub unsafe fn copy_in(destination: Absolute, source: &[u8]) {
    // SAFETY: the caller vouches for the destination; the source is a slice.
    unsafe { ptr::copy_nonoverlapping(source.as_ptr(), pointer(destination), source.len()) }
}

/// Copies out of storage that may be discarded at any moment.
///
/// # Errors
/// The program interruption that ended the copy: a discard fault, or an addressing exception for a
/// page that is unused or does not exist. `destination` is then partly written.
///
/// # Safety
/// Nobody may write the source meanwhile, except the host by discarding it.
pub unsafe fn try_copy_out(source: Absolute, destination: &mut [u8]) -> Result<(), Fault> {
    let (code, identification): (u64, u64);
    // SAFETY: the destination is a slice; a source that cannot be read makes the guarded MVC end in
    // the fix-up. Lengths: whole blocks of 256 first, then EXECUTE RELATIVE LONG puts length - 1
    // of the rest (1 to 256 bytes) into the length field of the MVC at label 5.
    unsafe {
        asm!(
            "lghi %r0, 0",
            "aghi {length}, -1",            // MVC wants length - 1
            "j 4f",
            "2: mvc 0(256,{to}), 0({from})",
            "la {to}, 256({to})",
            "la {from}, 256({from})",
            "aghi {length}, -256",
            "4: cghi {length}, 255",
            "jnl 2b",
            "cgijl {length}, 0, 8f",
            "j 6f",
            "5: mvc 0(1,{to}), 0({from})",
            "6: exrl {length}, 5b",
            "8:",
            extable!("2b", "8b"),
            extable!("6b", "8b"),
            length = inout(reg_addr) destination.len() => _,
            to = inout(reg_addr) destination.as_mut_ptr() => _,
            from = inout(reg_addr) pointer(source) => _,
            out("r0") code,
            out("r1") identification,
            options(nostack),
        );
    }
    guard::outcome(code, identification)
}

/// Clears a page.
///
/// # Safety
/// As for [`copy_in`] with a whole page.
pub unsafe fn clear_page(page: Absolute) {
    // SAFETY: the caller owns the page.
    unsafe { ptr::write_bytes(pointer(page), 0, PAGE_SIZE) }
}

/// Copies a page with MOVE PAGE.
///
/// # Safety
/// As for [`copy_out`] and [`copy_in`] with whole pages.
pub unsafe fn copy_page(destination: Absolute, source: Absolute) {
    // SAFETY: the caller owns the destination and may read the source; with register 0 zero, MOVE
    // PAGE uses the PSW key and raises access exceptions instead of setting a condition code.
    unsafe {
        asm!(
            "mvpg {to}, {from}",
            to = in(reg_addr) pointer(destination),
            from = in(reg_addr) pointer(source),
            in("r0") 0,
            options(nostack),
        );
    }
}
