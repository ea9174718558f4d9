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
                let candidate = group.fold(self.found.clone(), |less, dimension| {
                    less.plain(dimension)
                });
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
