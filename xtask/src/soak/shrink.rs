//! Makes what fails smaller, as long as it still fails.
//!
//! First whole groups of dimensions are made plain, halves of them first (delta debugging); what is left is taken
//! down dimension by dimension, boldest step first, until no step is left after which it fails.

use anyhow::Result;

/// What can be made smaller.
pub trait Shrink: Sized + Clone + PartialEq {
    /// How many dimensions it has.
    const DIMENSIONS: usize;

    /// This with one dimension as plain as it can be.
    #[must_use]
    fn plain(&self, dimension: usize) -> Self;

    /// Smaller ones in one dimension, the smallest first; no chain of them goes on for ever.
    #[must_use]
    fn smaller(&self, dimension: usize) -> Vec<Self>;

    /// Whether it can be tried at all.
    #[must_use]
    fn is_valid(&self) -> bool;
}

/// What came of a try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tried {
    /// It fails as the original does.
    Fails,
    /// It does not.
    Passes,
    /// No more tries: time or patience is at an end.
    Enough,
}

/// The smallest that was found and fails.
///
/// # Errors
/// What `fails` reports.
pub fn shrink<T: Shrink>(start: T, fails: &mut dyn FnMut(&T) -> Result<Tried>) -> Result<T> {
    let mut search = Search {
        found: start,
        passed: Vec::new(),
        is_over: false,
        fails,
    };
    search.groups()?;
    while search.steps()? {}
    Ok(search.found)
}

struct Search<'a, T> {
    /// The smallest so far that fails.
    found: T,
    /// What did not fail: it is not tried again.
    passed: Vec<T>,
    is_over: bool,
    fails: &'a mut dyn FnMut(&T) -> Result<Tried>,
}

impl<T: Shrink> Search<'_, T> {
    /// Takes a candidate if it fails; returns whether it was taken.
    fn take(&mut self, candidate: T) -> Result<bool> {
        let is_new = candidate != self.found && !self.passed.contains(&candidate);
        if self.is_over || !is_new || !candidate.is_valid() {
            return Ok(false);
        }
        match (self.fails)(&candidate)? {
            Tried::Fails => {
                self.found = candidate;
                return Ok(true);
            }
            Tried::Passes => self.passed.push(candidate),
            Tried::Enough => self.is_over = true,
        }
        Ok(false)
    }

    /// Makes groups of dimensions plain: all of them, halves, quarters, and so on.
    fn groups(&mut self) -> Result<()> {
        let mut size = T::DIMENSIONS;
        while size > 0 && !self.is_over {
            for first in (0..T::DIMENSIONS).step_by(size) {
                let group = first..(first + size).min(T::DIMENSIONS);
                let candidate =
                    group.fold(self.found.clone(), |less, dimension| less.plain(dimension));
                self.take(candidate)?;
            }
            size /= 2;
        }
        Ok(())
    }

    /// One step after another in each dimension; returns whether any was taken.
    fn steps(&mut self) -> Result<bool> {
        let mut any = false;
        for dimension in 0..T::DIMENSIONS {
            let mut again = true;
            while again && !self.is_over {
                again = false;
                for candidate in self.found.smaller(dimension) {
                    if self.take(candidate)? {
                        (again, any) = (true, true);
                        break;
                    }
                }
            }
        }
        Ok(any && !self.is_over)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Eight numbers, of which the last may not be larger than the first.
    #[derive(Clone, Debug, PartialEq)]
    struct Numbers([u64; 8]);

    impl Shrink for Numbers {
        const DIMENSIONS: usize = 8;

        fn plain(&self, dimension: usize) -> Self {
            let mut less = self.clone();
            less.0[dimension] = 0;
            less
        }

        fn smaller(&self, dimension: usize) -> Vec<Self> {
            let number = self.0[dimension];
            let steps = if number == 0 {
                vec![]
            } else {
                vec![0, number / 2, number - 1]
            };
            let with = |step| {
                let mut less = self.clone();
                less.0[dimension] = step;
                less
            };
            steps.into_iter().map(with).collect()
        }

        fn is_valid(&self) -> bool {
            self.0[7] <= self.0[0]
        }
    }

    const START: Numbers = Numbers([900, 33, 7, 120, 5, 64, 1, 800]);

    /// What is found for a cause, and after how many tries.
    fn found(cause: impl Fn(&[u64; 8]) -> bool) -> ([u64; 8], u32) {
        let mut tries = 0;
        let found = shrink(START, &mut |candidate: &Numbers| {
            assert!(candidate.is_valid(), "{candidate:?}");
            tries += 1;
            Ok(if cause(&candidate.0) {
                Tried::Fails
            } else {
                Tried::Passes
            })
        });
        (found.unwrap().0, tries)
    }

    #[test]
    fn the_smallest_cause_is_found() {
        let (all, tries) = found(|_| true);
        assert_eq!((all, tries), ([0; 8], 1));
        let (one, _) = found(|numbers| numbers[3] >= 17);
        assert_eq!(one, [0, 0, 0, 17, 0, 0, 0, 0]);
        let (two, tries) = found(|numbers| numbers[1] >= 3 && numbers[5] >= 40);
        assert_eq!(two, [0, 3, 0, 0, 0, 40, 0, 0]);
        assert!(tries < 100, "{tries} tries");
        let (sum, _) = found(|numbers| numbers[1] + numbers[2] > 20);
        assert_eq!(sum.iter().sum::<u64>(), 21, "{sum:?}");
    }

    #[test]
    fn what_one_needs_for_the_other_stays() {
        let (pair, _) = found(|numbers| numbers[7] >= 100);
        assert_eq!(pair, [100, 0, 0, 0, 0, 0, 0, 100]);
    }

    #[test]
    fn what_cannot_be_smaller_stays_as_it_is() {
        assert_eq!(found(|numbers| *numbers == START.0).0, START.0);
    }

    #[test]
    fn enough_is_enough_and_has_what_was_found() {
        let mut tries = 0;
        let found = shrink(START, &mut |candidate: &Numbers| {
            tries += 1;
            Ok(match tries {
                1..=20 if candidate.0[3] >= 17 => Tried::Fails,
                1..=20 => Tried::Passes,
                _ => Tried::Enough,
            })
        });
        let found = found.unwrap();
        assert!(found.0[3] >= 17 && found != START, "{found:?}");
        assert_eq!(tries, 21, "nothing is tried afterwards");
    }

    #[test]
    fn an_error_ends_it() {
        let error = shrink(START, &mut |_: &Numbers| anyhow::bail!("no machine"));
        assert_eq!(error.unwrap_err().to_string(), "no machine");
    }
}
