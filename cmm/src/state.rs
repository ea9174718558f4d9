//! The page state: usage state × content state.
//!
//! [`PageState`] can only be built for the combinations that exist; the tables of the other modules
//! therefore never meet a state that nobody has defined.

use core::fmt;
use core::str::FromStr;

use crate::extended;

/// Usage state, the half of a page state that the guest owns.
///
/// The discriminants are the architected encoding, bits 60-61 of the ESSA result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Usage {
    /// The content is needed; the host must keep it.
    Stable = 0,
    /// The content is useless; the host may drop it.
    Unused = 1,
    /// The content is useful and re-creatable; the host may drop it if the page is unchanged.
    PotentiallyVolatile = 2,
    /// The content is useful, re-creatable and clean; the host may drop it at any time.
    Volatile = 3,
}

impl Usage {
    /// Every usage state, in the order of the encoding.
    pub const ALL: [Self; 4] = [
        Self::Stable,
        Self::Unused,
        Self::PotentiallyVolatile,
        Self::Volatile,
    ];

    /// Returns the two-bit architected encoding.
    pub const fn encoding(self) -> u8 {
        self as u8
    }

    /// Decodes the low two bits of `bits`; all four values are assigned.
    pub const fn from_encoding(bits: u8) -> Self {
        Self::ALL[(bits & 3) as usize]
    }

    /// Returns the letter used in state names: `S`, `U`, `P` or `V`.
    pub const fn letter(self) -> char {
        match self {
            Self::Stable => 'S',
            Self::Unused => 'U',
            Self::PotentiallyVolatile => 'P',
            Self::Volatile => 'V',
        }
    }
}

impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.letter(), f)
    }
}

/// Content state, the half of a page state that the host owns.
///
/// The discriminants are the architected encoding, bits 62-63 of the ESSA result; 1 is reserved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Content {
    /// In real memory.
    Resident = 0,
    /// On the paging device (or in expanded storage).
    Preserved = 2,
    /// Nowhere: the page is logically zero.
    Zero = 3,
}

impl Content {
    /// Every content state, in the order of the encoding.
    pub const ALL: [Self; 3] = [Self::Resident, Self::Preserved, Self::Zero];

    /// Returns the two-bit architected encoding.
    pub const fn encoding(self) -> u8 {
        self as u8
    }

    /// Decodes the low two bits of `bits`; `None` for the reserved value 1.
    pub const fn from_encoding(bits: u8) -> Option<Self> {
        match bits & 3 {
            0 => Some(Self::Resident),
            2 => Some(Self::Preserved),
            3 => Some(Self::Zero),
            _ => None,
        }
    }

    /// Returns the letter used in state names: `r`, `p` or `z`.
    pub const fn letter(self) -> char {
        match self {
            Self::Resident => 'r',
            Self::Preserved => 'p',
            Self::Zero => 'z',
        }
    }
}

impl fmt::Display for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.letter(), f)
    }
}

/// Usage and content state of one page.
///
/// [`PageState::new`] gives the eight states of the model, [`extended::state`] those and three
/// more; there is no third way to make one, and neither makes "Pz".
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PageState {
    usage: Usage,
    content: Content,
}

// The host keeps one for every page of every guest.
const _: () = assert!(size_of::<PageState>() == 2 && size_of::<Option<PageState>>() == 2);

impl PageState {
    /// Stable, resident: the state of a page after IPL and first use.
    pub const SR: Self = Self::unchecked(Usage::Stable, Content::Resident);
    /// Stable, preserved: paged out by the host.
    pub const SP: Self = Self::unchecked(Usage::Stable, Content::Preserved);
    /// Stable, zero: never touched, or reused after being dropped.
    pub const SZ: Self = Self::unchecked(Usage::Stable, Content::Zero);
    /// Unused, resident: the cheapest page for the host to take.
    pub const UR: Self = Self::unchecked(Usage::Unused, Content::Resident);
    /// Unused, zero: taken by the host.
    pub const UZ: Self = Self::unchecked(Usage::Unused, Content::Zero);
    /// Volatile, resident: the host may discard it.
    pub const VR: Self = Self::unchecked(Usage::Volatile, Content::Resident);
    /// Volatile, zero: *discarded*.
    pub const VZ: Self = Self::unchecked(Usage::Volatile, Content::Zero);
    /// Potentially volatile, resident: the host may discard it if it is unchanged.
    pub const PR: Self = Self::unchecked(Usage::PotentiallyVolatile, Content::Resident);

    /// The eight states of the model.
    pub const ALL: [Self; 8] = [
        Self::SR,
        Self::SP,
        Self::SZ,
        Self::UR,
        Self::UZ,
        Self::VR,
        Self::VZ,
        Self::PR,
    ];

    /// Makes a state of the model; `None` for Up, Vp, Pp and Pz.
    pub const fn new(usage: Usage, content: Content) -> Option<Self> {
        match (usage, content) {
            (_, Content::Resident)
            | (Usage::Stable, _)
            | (Usage::Unused | Usage::Volatile, Content::Zero) => {
                Some(Self::unchecked(usage, content))
            }
            _ => None,
        }
    }

    /// Pairs the halves as they are; callers see to it that the pair exists.
    pub(crate) const fn unchecked(usage: Usage, content: Content) -> Self {
        Self { usage, content }
    }

    /// Returns the guest's half.
    pub const fn usage(self) -> Usage {
        self.usage
    }

    /// Returns the host's half.
    pub const fn content(self) -> Content {
        self.content
    }

    /// Tells whether the host has discarded content that the guest would have liked to keep.
    pub const fn is_discarded(self) -> bool {
        matches!((self.usage, self.content), (Usage::Volatile, Content::Zero))
    }

    /// Returns this state with logically zero content: P becomes V, as there is no Pz.
    pub(crate) const fn zeroed(self) -> Self {
        let usage = match self.usage {
            Usage::PotentiallyVolatile => Usage::Volatile,
            other => other,
        };
        Self::unchecked(usage, Content::Zero)
    }

    /// Returns this state with resident content.
    pub(crate) const fn resident(self) -> Self {
        Self::unchecked(self.usage, Content::Resident)
    }

    /// Returns this state with preserved content.
    pub(crate) const fn preserved(self) -> Self {
        Self::unchecked(self.usage, Content::Preserved)
    }
}

impl PageState {
    /// Returns the name: the letters of both halves, such as "Vz".
    pub const fn name(self) -> &'static str {
        match (self.usage, self.content) {
            (Usage::Stable, Content::Resident) => "Sr",
            (Usage::Stable, Content::Preserved) => "Sp",
            (Usage::Stable, Content::Zero) => "Sz",
            (Usage::Unused, Content::Resident) => "Ur",
            (Usage::Unused, Content::Preserved) => "Up",
            (Usage::Unused, Content::Zero) => "Uz",
            (Usage::PotentiallyVolatile, Content::Resident) => "Pr",
            (Usage::PotentiallyVolatile, Content::Preserved) => "Pp",
            (Usage::PotentiallyVolatile, Content::Zero) => "Pz",
            (Usage::Volatile, Content::Resident) => "Vr",
            (Usage::Volatile, Content::Preserved) => "Vp",
            (Usage::Volatile, Content::Zero) => "Vz",
        }
    }
}

impl fmt::Display for PageState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

// Test failures and logs read better with "Vz" than with two field names.
impl fmt::Debug for PageState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The text is no name of a page state of the mode asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParseStateError;

impl fmt::Display for ParseStateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a page state (one of S, U, P, V and one of r, p, z)")
    }
}

impl core::error::Error for ParseStateError {}

impl FromStr for PageState {
    type Err = ParseStateError;

    /// Parses the name of one of the eight states of the model, such as "Sr".
    fn from_str(text: &str) -> Result<Self, ParseStateError> {
        extended::parse(text)
            .ok()
            .filter(|state| !extended::is_extended(*state))
            .ok_or(ParseStateError)
    }
}
