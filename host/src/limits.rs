//! What a guest may use before it is stopped: for guests that nobody trusts to come to an end.

use arch::tod::UNITS_PER_MICROSECOND;

/// What guests from some number on may use.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Exits.
    exits: u64,
    /// CPU time, in milliseconds.
    time: u64,
    /// The first guest that this is for.
    first: u16,
}

impl Limits {
    /// What a parameter's value, `EXITS:MS` or `EXITS:MS:FIRST`, names.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut words = text.split(':');
        let mut number = || words.next().map(|word| word.parse::<u32>().ok());
        let (exits, time) = (number()??, number()??);
        let first = number().unwrap_or(Some(0))?;
        (words.next().is_none() && exits > 0 && time > 0).then_some(Self {
            exits: exits.into(),
            time: time.into(),
            first: first.try_into().ok()?,
        })
    }

    /// What guest `id` may use.
    #[must_use]
    pub fn of(limits: Option<Self>, id: u16) -> Allowance {
        match limits.filter(|limits| id >= limits.first) {
            Some(limits) => Allowance {
                exits: limits.exits as i64,
                time: (limits.time * 1000 * UNITS_PER_MICROSECOND) as i64,
            },
            // What nobody uses up: as time it is 71 years.
            None => Allowance {
                exits: i64::MAX,
                time: i64::MAX,
            },
        }
    }
}

/// What is left to a guest.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Allowance {
    exits: i64,
    /// In TOD units.
    time: i64,
}

impl Allowance {
    /// Takes one exit, and the time up to it; returns whether the guest may go on.
    #[inline]
    pub fn take(&mut self, time: u64) -> bool {
        self.exits -= 1;
        self.time = self.time.wrapping_sub_unsigned(time);
        self.exits > 0 && self.time > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guest_goes_on_until_its_exits_or_its_time_are_used_up() {
        let limits = Limits::parse("3:2:1");
        assert!(limits.is_some());
        let mut exits = Limits::of(limits, 1);
        assert_eq!(
            [exits.take(0), exits.take(0), exits.take(0)],
            [true, true, false]
        );
        let mut time = Limits::of(limits, 2);
        assert!(time.take(1999 * UNITS_PER_MICROSECOND) && !time.take(UNITS_PER_MICROSECOND));
        let mut free = Limits::of(limits, 0);
        assert!(free.take(1 << 62));
    }

    #[test]
    fn all_guests_are_meant_if_none_is_named() {
        assert!(!Limits::of(Limits::parse("1:1"), 0).take(0));
        assert!(Limits::of(None, 0).take(0));
    }

    #[test]
    fn what_is_no_limit_is_none() {
        for text in [
            "",
            "1",
            "0:1",
            "1:0",
            "1:1:x",
            "1:1:1:1",
            "a:1",
            "1:1:65536",
        ] {
            assert_eq!(Limits::parse(text), None, "{text}");
        }
    }
}
