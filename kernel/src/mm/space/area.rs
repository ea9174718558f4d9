//! Areas: what ranges of pages of a space show.

use core::ops::Range;

use alloc::sync::Arc;
use alloc::vec::Vec;

use super::super::Mm;
use super::super::hash::Key;
use super::Space;

/// Files with this number or a higher one, but for the swap area, are shared anonymous memory: zeroes
/// at first, and on no device.
const FIRST_SHARED_MEMORY: u32 = 0x8000_0000;

/// What an area shows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Backing {
    /// A file, from one of its pages on.
    File {
        /// Number of the file.
        file: u32,
        /// The first page of the file that is shown.
        first: u32,
    },
    /// Memory that is zero at first.
    Anonymous,
}

/// A range of pages of a space.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Area {
    /// The first page of the space.
    pub start: usize,
    /// How many pages.
    pub pages: usize,
    /// What they show.
    pub backing: Backing,
    /// Whether it may be written.
    pub writable: bool,
    /// Whether what is written is the file's; else it is this space's alone.
    pub shared: bool,
    /// Whether its pages stay in memory.
    pub locked: bool,
}

impl Area {
    /// Memory of this space alone, which may be written.
    #[must_use]
    pub const fn memory(start: usize, pages: usize) -> Self {
        Self {
            start,
            pages,
            backing: Backing::Anonymous,
            writable: true,
            shared: false,
            locked: false,
        }
    }

    pub(super) fn contains(&self, page: usize) -> bool {
        self.pages().contains(&page)
    }

    /// The pages of the space.
    pub(super) fn pages(&self) -> Range<usize> {
        self.start..self.start + self.pages
    }

    /// What a page of the space shows of a file.
    pub(super) fn key(&self, page: usize) -> Option<Key> {
        match self.backing {
            Backing::File { file, first } => Some(Key {
                file,
                index: first + (page - self.start) as u32,
            }),
            Backing::Anonymous => None,
        }
    }

    /// The page of the space that shows a page of a file.
    pub(super) fn page_of(&self, key: Key) -> Option<usize> {
        let Backing::File { file, first } = self.backing else {
            return None;
        };
        let offset = key.index.checked_sub(first)? as usize;
        (key.file == file && offset < self.pages).then(|| self.start + offset)
    }

    /// The part of the area that lies in a range of pages of the space.
    fn part(&self, range: &Range<usize>) -> Option<Self> {
        let start = self.start.max(range.start);
        let end = self.pages().end.min(range.end);
        let skipped = (start - self.start) as u32;
        let backing = match self.backing {
            Backing::File { file, first } => Backing::File {
                file,
                first: first + skipped,
            },
            Backing::Anonymous => Backing::Anonymous,
        };
        (start < end).then(|| Self {
            start,
            pages: end - start,
            backing,
            ..*self
        })
    }
}

impl Key {
    /// Whether this is a page of shared anonymous memory.
    pub(in crate::mm) const fn is_shared_memory(self) -> bool {
        self.file >= FIRST_SHARED_MEMORY && self.file != Self::SWAP
    }
}

/// # Panics
/// If an area is not within the space, two overlap, or one is shared and shows nothing that could be.
pub(super) fn check(areas: &[Area], pages: usize) {
    let fits = |area: &Area| {
        area.pages().end <= pages && !(area.shared && area.backing == Backing::Anonymous)
    };
    assert!(areas.iter().all(fits), "areas lie within the space");
    for (number, area) in areas.iter().enumerate() {
        let overlaps = |other: &Area| area.part(&other.pages()).is_some();
        assert!(!areas[..number].iter().any(overlaps), "areas overlap");
    }
}

/// The areas with a range changed by `change`, which takes the part in the range away by `None`.
fn changed(
    areas: &[Area],
    range: &Range<usize>,
    change: impl Fn(Area) -> Option<Area>,
) -> Vec<Area> {
    let mut new = Vec::new();
    for area in areas {
        let Some(part) = area.part(range) else {
            new.push(*area);
            continue;
        };
        new.extend(area.part(&(area.start..part.start)));
        new.extend(change(part));
        new.extend(area.part(&(part.pages().end..area.pages().end)));
    }
    new
}

impl Mm<'_> {
    /// The number of a new shared anonymous memory, to be mapped like a file.
    pub fn new_shared_memory(&self) -> u32 {
        FIRST_SHARED_MEMORY + self.new_number()
    }

    /// Maps one area more.
    ///
    /// # Panics
    /// If it is not within the space, or overlaps another one.
    pub fn map_area(&self, space: &Space, area: Area) {
        self.replace_areas(space, |areas| {
            let mut new = areas.to_vec();
            new.push(area);
            check(&new, space.tables.page_count());
            new
        });
    }

    /// Replaces the areas. Nothing is allocated or freed while they are locked, as in
    /// [`Mm::new_space`].
    fn replace_areas(&self, space: &Space, new: impl Fn(&[Area]) -> Vec<Area>) {
        loop {
            let seen = space.areas();
            let changed = Arc::new(new(&seen));
            let mut areas = space.areas.lock();
            if Arc::ptr_eq(&areas, &seen) {
                let old = core::mem::replace(&mut *areas, changed);
                drop(areas);
                drop(old);
                return;
            }
        }
    }

    /// Takes all areas in a range of pages away, and what is mapped there.
    pub fn unmap_range(&self, space: &Space, range: Range<usize>) {
        self.change_areas(space, &range, |_| None);
        range.for_each(|page| self.unmap(space, page));
    }

    /// Allows or forbids to write a range of pages.
    pub fn protect_range(&self, space: &Space, range: Range<usize>, writable: bool) {
        self.change_areas(space, &range, |area| Some(Area { writable, ..area }));
        if !writable {
            range.for_each(|page| self.protect(space, page));
        }
    }

    pub(super) fn change_areas(
        &self,
        space: &Space,
        range: &Range<usize>,
        change: impl Fn(Area) -> Option<Area>,
    ) {
        self.replace_areas(space, |areas| changed(areas, range, &change));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AREA: Area = Area {
        start: 10,
        pages: 10,
        backing: Backing::File { file: 1, first: 5 },
        writable: true,
        shared: false,
        locked: false,
    };

    #[test]
    fn a_change_in_the_middle_makes_three_of_one() {
        let read_only = |area| {
            Some(Area {
                writable: false,
                ..area
            })
        };
        let new = changed(&[AREA], &(12..15), read_only);
        let shown: Vec<_> = new
            .iter()
            .map(|area| (area.pages(), area.writable))
            .collect();
        assert_eq!(shown, [(10..12, true), (12..15, false), (15..20, true)]);
        for page in 10..20 {
            let area = new.iter().find(|area| area.contains(page)).unwrap();
            assert_eq!(area.key(page), AREA.key(page));
        }
    }

    #[test]
    fn what_lies_outside_stays() {
        assert_eq!(changed(&[AREA], &(0..10), |_| None), [AREA]);
        assert_eq!(changed(&[AREA], &(0..30), |_| None), []);
    }
}
