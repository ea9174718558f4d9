//! What the host records while it works, for a look at when what happened: see [`drivers::recorder`].

use cmm::{EssaResult, Orc, PageState};
use drivers::recorder;

/// Kinds of events. Of each the recorded `who` is a guest's number above that of one of its CPUs, 8 bits each, and the
/// `value` a page of it unless it says otherwise.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Kind {
    /// A virtual CPU gets a CPU of the machine.
    Run,
    /// It gives it up.
    Leave,
    /// ESSA; the value is a page, the operation request code and the old state, see [`essa`].
    Essa,
    /// A page is discarded, or dropped if it was unused; the value is as for ESSA, without a code.
    Evict,
    /// The frame of a page was taken whose content is kept.
    PageOut,
    /// A page was read that a CPU waited for.
    PageIn,
    /// A page was supplied as zeroes.
    ZeroFill,
    /// A CPU got a discard fault.
    DiscardFault,
    /// A CPU got an addressing exception.
    AddressingFault,
    /// A CPU waits for a page, or is told of it; [`ANY`] if for any frame.
    Wait,
    /// What was waited for is there.
    WaitOver,
}

/// The value of an event about no page.
pub const ANY: u32 = u32::MAX;

impl Kind {
    /// All of them, by their codes.
    pub const ALL: [Self; 11] = [
        Self::Run,
        Self::Leave,
        Self::Essa,
        Self::Evict,
        Self::PageOut,
        Self::PageIn,
        Self::ZeroFill,
        Self::DiscardFault,
        Self::AddressingFault,
        Self::Wait,
        Self::WaitOver,
    ];
}

/// Something has happened to a CPU of a guest.
#[inline]
pub fn note(kind: Kind, guest: usize, cpu: usize, value: u32) {
    recorder::note(kind as u8, (guest << 8 | cpu) as u16, value);
}

/// The value of an event that is about a page, its state before and an operation request code.
#[must_use]
pub const fn essa(page: u32, orc: u8, old: EssaResult) -> u32 {
    page << 8 | (orc as u32) << 4 | old.into_bits() as u32 & 15
}

/// The value of an event that is about a page and the state that it was in.
#[must_use]
pub const fn evicted(page: u32, old: PageState) -> u32 {
    essa(page, 15, EssaResult::new(old))
}

/// Page, code and old state of such a value, if it is one.
#[must_use]
pub fn parse_essa(value: u32) -> Option<(u32, Option<Orc>, PageState)> {
    let old = EssaResult::from_bits((value & 15).into()).state().ok()?;
    let orc = Orc::try_from((value >> 4 & 15) as u8).ok();
    Some((value >> 8, orc, old))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_the_places_in_the_list() {
        for (code, kind) in Kind::ALL.iter().enumerate() {
            assert_eq!(*kind as usize, code);
        }
    }

    #[test]
    fn what_is_told_of_a_page_can_be_read() {
        for state in PageState::ALL {
            assert_eq!(parse_essa(evicted(7, state)), Some((7, None, state)));
            for orc in 0..8 {
                let value = essa(0x7_ffff, orc, EssaResult::new(state));
                let orc = Orc::try_from(orc).ok();
                assert_eq!(parse_essa(value), Some((0x7_ffff, orc, state)));
            }
        }
    }
}
