//! Counts by function code.

use alloc::vec::Vec;

/// How often each code was asked for, in the order of the codes. They are few: a map of nodes would be more code
/// than all that counts.
#[derive(Clone, Default, Debug)]
pub struct Codes(Vec<(u16, u64)>);

impl Codes {
    /// Counts one.
    pub fn count(&mut self, code: u16) {
        let at = self.0.partition_point(|(known, _)| *known < code);
        match self.0.get_mut(at) {
            Some((known, count)) if *known == code => *count += 1,
            _ => self.0.insert(at, (code, 1)),
        }
    }

    /// Codes that there were, with their counts.
    pub fn iter(&self) -> impl Iterator<Item = (u16, u64)> {
        self.0.iter().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_counted_in_their_order() {
        let mut codes = Codes::default();
        for code in [0x250, 0x44, 0x500, 0x250] {
            codes.count(code);
        }
        let all: Vec<_> = codes.iter().collect();
        assert_eq!(all, [(0x44, 1), (0x250, 2), (0x500, 1)]);
    }
}
