//! DIAGNOSE of the simulated machine.

use super::machine::with_host;
use crate::addr::{Absolute, Frame};
use crate::fault::Fault;

/// DIAGNOSE X'10': releases the pages from `first` to `last`, both included.
///
/// # Errors
/// None here; the signature is the machine's.
///
/// # Safety
/// As on the machine: the content of the pages is lost.
pub unsafe fn release_pages(first: Absolute, last: Absolute) -> Result<(), Fault> {
    with_host(|host| {
        for frame in first.frame().0..=last.frame().0 {
            host.release(Frame(frame));
        }
    });
    Ok(())
}
