//! What the machine's hypervisor does with hints, found out on one page.

use arch::{Frame, diagnose, essa, program, storage};
use cmm::{Content, Orc};

/// What an access to a volatile page without content is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Discards {
    /// A discard fault: the whole scheme is there.
    Faults,
    /// A page of zeroes.
    Zero,
    /// The content did not go, or the access ended otherwise.
    None,
    /// Not asked: no ESSA, or hinting is limited by the user.
    NotProbed,
}

impl Discards {
    /// The word for it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Faults => "faults",
            Self::Zero => "zero",
            Self::None => "none",
            Self::NotProbed => "not probed",
        }
    }
}

/// What was found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Probe {
    /// Whether ESSA is installed.
    pub essa: bool,
    /// What becomes of volatile pages.
    pub discards: Discards,
}

/// Asks with a page that nobody uses; it is stable afterwards.
///
/// Its content is released by DIAGNOSE X'10', then it is made volatile, then read.
#[must_use]
pub fn probe(frame: Frame, look_for_discards: bool) -> Probe {
    let address = frame.address();
    if essa::try_essa(Orc::GetState, address).is_err() {
        return Probe {
            essa: false,
            discards: Discards::NotProbed,
        };
    }
    if !look_for_discards {
        return Probe {
            essa: true,
            discards: Discards::NotProbed,
        };
    }
    let discards = provoke(frame);
    // Stable without a condition: what was in it does not matter.
    let _ = essa::essa(Orc::SetStable, address);
    Probe {
        essa: true,
        discards,
    }
}

fn provoke(frame: Frame) -> Discards {
    let address = frame.address();
    // SAFETY: the caller's page, which nobody uses.
    if unsafe { diagnose::release_pages(address, address) }.is_err() {
        return Discards::None;
    }
    if essa::essa(Orc::SetVolatile, address).content() != Some(Content::Zero) {
        return Discards::None;
    }
    let mut byte = [u8::MAX];
    // SAFETY: nobody writes the page.
    match unsafe { storage::try_copy_out(address, &mut byte) } {
        Err(fault) if fault.code == program::BLOCK_VOLATILITY => Discards::Faults,
        Ok(()) if byte == [0] => Discards::Zero,
        _ => Discards::None,
    }
}
