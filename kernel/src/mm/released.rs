//! Free memory that the host has released: logically zero, stable, in no frame of the host's.
//!
//! What DIAGNOSE X'10' releases reads as zero until somebody stores into it, and costs the host nothing, as an
//! unused page does. So it need not be marked unused to be free, nor stable to be used: one instruction
//! for all memory, when the kernel starts, takes the place of two ESSA for each page.
//!
//! ```text
//!   start ── DIAGNOSE X'10' ──> Sz, Zero ── allocate ──> S, somebody's        no ESSA
//!                               ^
//!   a discarded page, Vz ───────┘ set stable, which asks what it was, too
//! ```
//!
//! Zero says so in the descriptor, page by page: blocks of both kinds merge and split as any others.

use arch::{Frame, diagnose};
use cmm::{Orc, PageState};

use super::page::PageFlags;
use super::{Hinting, Mm};

impl Mm<'_> {
    /// As [`Mm::add_free`], of frames whose content nobody wants: the host is asked to release it. Where it does
    /// not, pages are marked unused.
    ///
    /// # Panics
    /// As [`Mm::add_free`].
    pub fn add_free_released(&self, first: Frame, count: u32) {
        if self.is_released(first, count) {
            for frame in (first.0..first.0 + count).map(Frame) {
                self.page(frame).set(PageFlags::ZERO);
            }
        }
        self.add_free(first, count);
    }

    /// Asks the host to release some frames; returns whether it has released all of them. Not every host does what it
    /// answers to have done: the first and the last are looked at.
    fn is_released(&self, first: Frame, count: u32) -> bool {
        let Some(more) = count.checked_sub(1) else {
            return false;
        };
        let last = Frame(first.0 + more);
        // SAFETY: the frames are the caller's, who does not want what they hold.
        let is_done = self.hinting() != Hinting::Off
            && unsafe { diagnose::release_pages(first.address(), last.address()) }.is_ok();
        let is_zero = |frame| self.essa(Orc::GetState, frame).state() == Ok(PageState::SZ);
        is_done && is_zero(first) && is_zero(last)
    }
}
