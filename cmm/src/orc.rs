//! Operation request codes of ESSA.

use core::fmt;

/// Operation request code (M3 field of ESSA): what the guest asks for.
///
/// Names after CP Programming Services and the 2008 guest page hinting series.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Orc {
    /// Extracts the state and changes nothing.
    GetState = 0,
    /// Makes the page stable, whatever it was; content lost before stays lost.
    SetStable = 1,
    /// Makes the page unused.
    SetUnused = 2,
    /// Makes the page volatile.
    SetVolatile = 3,
    /// Makes the page potentially volatile.
    SetPotentiallyVolatile = 4,
    /// Makes the page stable and resident.
    SetStableMakeResident = 5,
    /// Makes the page stable unless it was discarded.
    SetStableIfNotDiscarded = 6,
    /// Makes the page stable and marks it as no DAT table (facility 147 only).
    SetStableNodat = 7,
}

impl Orc {
    /// Every code, indexed by its value.
    pub const ALL: [Self; 8] = [
        Self::GetState,
        Self::SetStable,
        Self::SetUnused,
        Self::SetVolatile,
        Self::SetPotentiallyVolatile,
        Self::SetStableMakeResident,
        Self::SetStableIfNotDiscarded,
        Self::SetStableNodat,
    ];

    /// Returns the value of the M3 field, 0-7.
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// Returns the name for people, such as "set stable".
    pub const fn name(self) -> &'static str {
        match self {
            Self::GetState => "get state",
            Self::SetStable => "set stable",
            Self::SetUnused => "set unused",
            Self::SetVolatile => "set volatile",
            Self::SetPotentiallyVolatile => "set potentially volatile",
            Self::SetStableMakeResident => "set stable make resident",
            Self::SetStableIfNotDiscarded => "set stable if not discarded",
            Self::SetStableNodat => "set stable nodat",
        }
    }

    /// Returns what the code sets the NODAT attribute to; `None` if it leaves it.
    ///
    /// NODAT is an attribute of the page beside its state: it takes part in no transition, so
    /// [`PageState`](crate::PageState) does not hold it.
    pub const fn nodat(self) -> Option<bool> {
        match self {
            Self::SetStable => Some(false),
            Self::SetStableNodat => Some(true),
            _ => None,
        }
    }
}

impl fmt::Display for Orc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl From<Orc> for u8 {
    fn from(orc: Orc) -> Self {
        orc.code()
    }
}

/// A value of the M3 field that is no operation request code: a specification exception.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidOrc(pub u8);

impl fmt::Display for InvalidOrc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "operation request code {} is not one of 0-7", self.0)
    }
}

impl core::error::Error for InvalidOrc {}

impl TryFrom<u8> for Orc {
    type Error = InvalidOrc;

    fn try_from(code: u8) -> Result<Self, InvalidOrc> {
        Self::ALL
            .get(usize::from(code))
            .copied()
            .ok_or(InvalidOrc(code))
    }
}
