//! Vectors for which there may be no memory.

use alloc::vec::Vec;
use core::fmt;

/// Memory is out, and nothing can go.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OutOfMemory;

impl fmt::Display for OutOfMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("out of memory, and nothing can go")
    }
}

/// An empty vector with room for so many.
///
/// # Errors
/// There is no memory for that.
pub fn with_capacity<T>(count: usize) -> Result<Vec<T>, OutOfMemory> {
    let mut vector = Vec::new();
    match vector.try_reserve_exact(count) {
        Ok(()) => Ok(vector),
        Err(_) => Err(OutOfMemory),
    }
}

/// What comes, in a vector.
///
/// # Errors
/// There is no memory for all of it.
pub fn collect<T>(all: impl ExactSizeIterator<Item = T>) -> Result<Vec<T>, OutOfMemory> {
    let mut vector = with_capacity(all.len())?;
    vector.extend(all);
    Ok(vector)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_there_is_room_for_is_there_and_all_else_is_an_error() {
        assert!(with_capacity::<u64>(5).unwrap().capacity() >= 5);
        assert_eq!(collect([3, 1, 2].into_iter()), Ok(vec![3, 1, 2]));
        assert_eq!(with_capacity::<u64>(usize::MAX), Err(OutOfMemory));
    }
}
