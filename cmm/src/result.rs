//! The result register of ESSA (R1).

use core::fmt;

use bitfield_struct::bitfield;

use crate::extended;
use crate::state::{Content, PageState, Usage};

/// Result of ESSA: the state before the operation, as the guest finds it in R1.
///
/// ```text
/// 0                              57   58     59       60-61    62-63
/// |              zero             | NODAT | exception | usage | content |
/// ```
///
/// Raw value both ways by `u64::from` and `EssaResult::from`, which keep bits 0-57 as they are.
#[bitfield(u64, order = Msb, new = false)]
#[derive(PartialEq, Eq, Hash)]
pub struct EssaResult {
    #[bits(58)]
    __: u64,
    /// The page is marked as no DAT table (facility 147 only).
    pub nodat: bool,
    /// The page address could not be handled (KVM); the other fields mean nothing then.
    pub exception: bool,
    /// Usage state.
    #[bits(2, from = Usage::from_encoding, into = Usage::encoding)]
    pub usage: Usage,
    /// Content state as encoded: 1 is reserved.
    #[bits(2)]
    content_code: u8,
}

impl EssaResult {
    /// Encodes `state`, NODAT and exception off.
    pub const fn new(state: PageState) -> Self {
        Self::from_bits(0)
            .with_usage(state.usage())
            .with_content_code(state.content().encoding())
    }

    /// Returns the content state; `None` for the reserved encoding 1.
    #[inline]
    pub const fn content(self) -> Option<Content> {
        Content::from_encoding(self.content_code())
    }

    /// Decodes the page state, one of the eleven: foreign hosts report extended ones.
    ///
    /// # Errors
    ///
    /// [`DecodeError`] says what makes the fields no state.
    pub const fn state(self) -> Result<PageState, DecodeError> {
        if self.exception() {
            return Err(DecodeError::Exception);
        }
        let Some(content) = self.content() else {
            return Err(DecodeError::ReservedContent);
        };
        match extended::state(self.usage(), content) {
            Some(state) => Ok(state),
            None => Err(DecodeError::PotentiallyVolatileZero),
        }
    }

    /// Tells whether the page was discarded (V and z) and the result says anything at all.
    #[inline]
    pub const fn is_discarded(self) -> bool {
        matches!(self.state(), Ok(state) if state.is_discarded())
    }
}

/// Why a result register holds no page state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecodeError {
    /// Bit 59 is one: the host could not handle the address.
    Exception,
    /// The content field holds the reserved value 1.
    ReservedContent,
    /// Potentially volatile with logically zero content, which no host has.
    PotentiallyVolatileZero,
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Exception => "the host could not handle the page address",
            Self::ReservedContent => "reserved content state 1",
            Self::PotentiallyVolatileZero => "potentially volatile with zero content",
        })
    }
}

impl core::error::Error for DecodeError {}
