//! Reading any frame, whoever it belongs to and whether it is there: for looking at a machine's memory.

use core::fmt;

use arch::{Frame, PAGE_SIZE, program, storage};

use super::Mm;

/// Why a frame cannot be read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unreadable {
    /// The machine has nothing there: it is unused and the host has taken it, or there is no such frame.
    Absent,
    /// The host has discarded its content.
    Discarded,
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Absent => "there is nothing at this address",
            Self::Discarded => "the host has discarded the page",
        })
    }
}

impl Mm<'_> {
    /// Reads a frame as it is, without a reference and without a change of its state. Who uses the page may
    /// write it meanwhile, so what is read need not be of one moment.
    ///
    /// # Errors
    /// There is nothing to be read; what is in `buffer` is void. A page that was discarded stays for its
    /// user to find.
    ///
    /// # Panics
    /// On a fault that nothing explains.
    pub fn read_frame(&self, frame: Frame, buffer: &mut [u8; PAGE_SIZE]) -> Result<(), Unreadable> {
        // SAFETY: the bytes mean nothing here, so it does not matter who writes them meanwhile; what cannot
        // be read makes the copy end.
        match unsafe { storage::try_copy_out(frame.address(), buffer) } {
            Ok(()) => Ok(()),
            Err(fault) if fault.code == program::ADDRESSING => Err(Unreadable::Absent),
            Err(fault) if fault.code == program::BLOCK_VOLATILITY => {
                self.count_discard_fault(frame);
                Err(Unreadable::Discarded)
            }
            Err(fault) => panic!("reading {frame}: {fault}"),
        }
    }
}
