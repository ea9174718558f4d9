//! What this machine's hypervisor does with hints, found out on one page.

use arch::{Frame, diagnose, essa, program, storage};
use cmm::{Content, Orc};

/// What becomes of a volatile page whose content has gone.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Discards {
    /// An access is a discard fault: the whole scheme is there.
    Faults,
    /// It reads as zeroes.
    Zero,
    /// The content did not go, or an access ended otherwise.
    None,
    /// Not asked: no ESSA, or not to be found out.
    NotProbed,
}

impl Discards {
    /// The word for it in reports.
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
    /// What becomes of discarded pages.
    pub discards: Discards,
    /// How many ESSA that took, by operation request code.
    pub essa_counts: [u64; 8],
}

/// The page of the probe, and what was executed on it.
struct ProbePage {
    frame: Frame,
    counts: [u64; 8],
}

/// Asks with a page that nobody uses; it is stable afterwards, its content is lost.
///
/// There is no facility bit for ESSA: it is executed, once, on that page. Whether the host delivers
/// discard faults is found out only if `look_for_discards`: DIAGNOSE X'10' releases the content, the
/// page is made volatile, and then it is read.
#[must_use]
pub fn probe(frame: Frame, look_for_discards: bool) -> Probe {
    let mut page = ProbePage {
        frame,
        counts: [0; 8],
    };
    let essa = page.is_essa_there();
    let mut discards = Discards::NotProbed;
    if essa && look_for_discards {
        discards = page.provoke();
        // Whatever it is now: its content does not matter.
        let _ = page.essa(Orc::SetStable);
    }
    Probe {
        essa,
        discards,
        essa_counts: page.counts,
    }
}

impl ProbePage {
    fn is_essa_there(&mut self) -> bool {
        let found = essa::try_essa(Orc::GetState, self.frame.address()).is_ok();
        self.counts[usize::from(Orc::GetState.code())] += u64::from(found);
        found
    }

    /// Executes an operation and returns the content state before.
    fn essa(&mut self, orc: Orc) -> Option<Content> {
        self.counts[usize::from(orc.code())] += 1;
        essa::essa(orc, self.frame.address()).content()
    }

    /// Brings about a discarded page and reads it.
    fn provoke(&mut self) -> Discards {
        let address = self.frame.address();
        // SAFETY: the caller's page, which nobody uses.
        if unsafe { diagnose::release_pages(address, address) }.is_err() {
            return Discards::None;
        }
        if self.essa(Orc::SetVolatile) != Some(Content::Zero) {
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
}
