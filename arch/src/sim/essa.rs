//! EXTRACT AND SET STORAGE ATTRIBUTES of the simulated machine.

use cmm::{EssaResult, Orc};

use super::machine::with_host;
use crate::addr::Absolute;
use crate::fault::Fault;

/// Executes ESSA with `orc` on the page at `page`; the result is the state before.
///
/// # Errors
/// An operation exception where the instruction is not offered.
pub fn try_essa(orc: Orc, page: Absolute) -> Result<EssaResult, Fault> {
    with_host(|host| host.essa(orc, page))
}

/// Executes ESSA on a page of which the caller knows that the host takes it.
///
/// # Panics
/// If the machine does not offer the instruction.
#[must_use]
pub fn essa(orc: Orc, page: Absolute) -> EssaResult {
    match try_essa(orc, page) {
        Ok(result) => result,
        Err(fault) => panic!("ESSA {orc:?} on page {page}: {fault}"),
    }
}
