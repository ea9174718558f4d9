//! Which pages the host takes, and when.

#[cfg(target_os = "none")]
mod apply;
#[cfg(any(test, target_os = "none"))]
mod delay;
mod random;
mod spare;
mod turns;

use core::fmt;

#[cfg(target_os = "none")]
pub use apply::Evictor;
pub use random::Gaps;
pub use spare::{At, Spared};
pub use turns::Turns;

/// Longest time after which pages are taken, in milliseconds.
const MOST_DELAY: u32 = 10_000;

/// When pages are evicted that cost no I/O.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Policy {
    /// When frames run short: the least recently used first, by reference bits (second chance).
    Lru,
    /// Random pages at random times, so many a second of a guest's CPU time on average, and when
    /// frames run short.
    Random(u32),
    /// Every page that may be taken, at every exit: the worst host that is allowed.
    Steal,
    /// As `Steal`, but those stay that a CPU faulted on until it has executed the instruction.
    StealSpare,
    /// As `Steal`, so many milliseconds after a page may be taken: what finds guests that count on it
    /// at once.
    StealAfter(u32),
    /// As `Steal`, and a CPU that got a discard fault is not dispatched for a while: what a busy host
    /// does, and what finds guests that count on time.
    Hold,
}

impl Policy {
    /// The policy that a parameter's value names.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "lru" => Some(Self::Lru),
            "steal" => Some(Self::Steal),
            "steal:spare" => Some(Self::StealSpare),
            "hold" => Some(Self::Hold),
            _ => {
                let (name, number) = text.split_once(':')?;
                let number = number.parse().ok()?;
                match name {
                    "random" if (1..=1_000_000).contains(&number) => Some(Self::Random(number)),
                    "steal" if (1..=MOST_DELAY).contains(&number) => Some(Self::StealAfter(number)),
                    _ => None,
                }
            }
        }
    }
}

impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lru => f.write_str("lru"),
            Self::Random(rate) => write!(f, "random:{rate}"),
            Self::Steal => f.write_str("steal"),
            Self::StealSpare => f.write_str("steal:spare"),
            Self::StealAfter(delay) => write!(f, "steal:{delay}"),
            Self::Hold => f.write_str("hold"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policies_are_read_as_they_are_printed() {
        for text in [
            "lru",
            "steal",
            "steal:spare",
            "steal:20",
            "hold",
            "random:2000",
        ] {
            assert_eq!(
                Policy::parse(text)
                    .map(|policy| policy.to_string())
                    .as_deref(),
                Some(text)
            );
        }
        for text in [
            "",
            "random",
            "random:",
            "random:0",
            "random:-1",
            "fifo",
            "steal:0",
            "steal:",
            "steal:10001",
            "steal:all",
            "hold:1",
        ] {
            assert_eq!(Policy::parse(text), None, "{text}");
        }
    }
}
