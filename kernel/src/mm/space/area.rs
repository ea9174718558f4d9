//! Areas: what ranges of pages of a space show.

use core::ops::Range;
use core::sync::atomic::Ordering;

use alloc::sync::Arc;
use alloc::vec::Vec;

use super::super::Mm;
use super::super::hash::Key;
use super::Space;
use super::reverse::{self, Leaving, Order};

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
    /// A file, each page of the space its own page of it: the one that its table entry says, or, as long
    /// as it says none, as for [`Backing::File`].
    NonLinear {
        /// Number of the file.
        file: u32,
        /// The page of the file that the first page of the space shows if nothing else is said.
        first: u32,
    },
    /// Memory that is zero at first.
    Anonymous,
}

impl Backing {
    /// The same, so far, where each page can show another page of the file.
    pub(super) fn non_linear(self) -> Self {
        match self {
            Self::File { file, first } => Self::NonLinear { file, first },
            other => other,
        }
    }

    /// What is shown so many pages behind.
    fn behind(self, pages: usize) -> Self {
        let on = |first| first + pages as u32;
        match self {
            Self::File { file, first } => {
                let first = on(first);
                Self::File { file, first }
            }
            Self::NonLinear { file, first } => {
                let first = on(first);
                Self::NonLinear { file, first }
            }
            Self::Anonymous => Self::Anonymous,
        }
    }
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

    /// What a page of the space shows of a file, unless its table entry says another page.
    pub(super) fn key(&self, page: usize) -> Option<Key> {
        match self.backing.behind(page - self.start) {
            Backing::File { file, first } | Backing::NonLinear { file, first } => {
                Some(Key { file, index: first })
            }
            Backing::Anonymous => None,
        }
    }

    pub(super) fn order(&self) -> Order {
        match self.backing {
            Backing::NonLinear { .. } => Order::NonLinear,
            Backing::File { .. } | Backing::Anonymous => Order::Linear,
        }
    }

    /// Both areas as one, if the other follows this one in every respect.
    fn with_next(&self, next: &Self) -> Option<Self> {
        let following = Self {
            start: self.pages().end,
            pages: next.pages,
            backing: self.backing.behind(self.pages),
            ..*self
        };
        (following == *next).then(|| Self {
            pages: self.pages + next.pages,
            ..*self
        })
    }

    /// The part of the area that lies in a range of pages of the space.
    fn part(&self, range: &Range<usize>) -> Option<Self> {
        let start = self.start.max(range.start);
        let end = self.pages().end.min(range.end);
        (start < end).then(|| Self {
            start,
            pages: end - start,
            backing: self.backing.behind(start - self.start),
            ..*self
        })
    }
}

/// The area of a page of the space.
pub(super) fn find(areas: &[Area], page: usize) -> Option<Area> {
    let behind = areas.partition_point(|area| area.start <= page);
    let area = areas[..behind].last()?;
    area.contains(page).then_some(*area)
}

impl Key {
    /// Whether this is a page of shared anonymous memory.
    pub(in crate::mm) const fn is_shared_memory(self) -> bool {
        self.file >= FIRST_SHARED_MEMORY && self.file != Self::SWAP
    }
}

/// The areas of a space of so many pages, in the order of their pages.
///
/// # Panics
/// If an area is not within the space, two overlap, or one is shared and shows nothing that could be.
pub(super) fn in_order(mut areas: Vec<Area>, pages: usize) -> Vec<Area> {
    let fits = |area: &Area| {
        area.pages().end <= pages && !(area.shared && area.backing == Backing::Anonymous)
    };
    assert!(areas.iter().all(fits), "areas lie within the space");
    areas.retain(|area| area.pages > 0);
    areas.sort_unstable_by_key(|area| area.start);
    let apart = |pair: &[Area]| pair[0].pages().end <= pair[1].start;
    assert!(areas.windows(2).all(apart), "areas overlap");
    areas
}

/// The areas with a range changed by `change`, which takes the part in the range away by `None`.
/// Neighbours that are alike become one.
fn changed(
    areas: &[Area],
    range: &Range<usize>,
    change: impl Fn(Area) -> Option<Area>,
) -> Vec<Area> {
    let mut new = Vec::new();
    for area in areas {
        let Some(part) = area.part(range) else {
            append(&mut new, *area);
            continue;
        };
        let before = area.part(&(area.start..part.start));
        let behind = area.part(&(part.pages().end..area.pages().end));
        for area in [before, change(part), behind].into_iter().flatten() {
            append(&mut new, area);
        }
    }
    new
}

fn append(areas: &mut Vec<Area>, area: Area) {
    let joined = areas.last().and_then(|last| last.with_next(&area));
    match (areas.last_mut(), joined) {
        (Some(last), Some(joined)) => *last = joined,
        _ => areas.push(area),
    }
}

impl Mm<'_> {
    /// The number of a new shared anonymous memory, to be mapped like a file.
    pub fn new_shared_memory(&self) -> u32 {
        FIRST_SHARED_MEMORY + self.memories.fetch_add(1, Ordering::Relaxed)
    }

    /// Maps one area more.
    ///
    /// # Panics
    /// If it is not within the space, or overlaps another one.
    pub fn map_area(&self, space: &Space, area: Area) {
        let leaving = self.replace_areas(space, |areas| {
            let mut new = areas.to_vec();
            new.push(area);
            in_order(new, space.tables.page_count())
        });
        self.leave(&leaving);
    }

    /// Replaces the areas, in the reverse map first. What is not there any more is for the caller to take
    /// out of it, when nothing of it is mapped any more.
    fn replace_areas(&self, space: &Space, new: impl Fn(&[Area]) -> Vec<Area>) -> Leaving {
        let itself = space.itself.upgrade().expect("its user has it");
        loop {
            let seen = space.areas();
            let changed = Arc::new(new(&seen));
            let (mut entering, leaving) = reverse::changes(&itself, &seen, &changed);
            let mut map = self.reverse_map.lock();
            let mut areas = space.areas.lock();
            if Arc::ptr_eq(&areas, &seen) {
                map.enter(&mut entering);
                let old = core::mem::replace(&mut *areas, changed);
                drop(areas);
                drop(map);
                drop(old);
                return leaving;
            }
        }
    }

    /// Takes all areas in a range of pages away, and what is mapped there.
    pub fn unmap_range(&self, space: &Space, range: Range<usize>) {
        let leaving = self.change_areas(space, &range, |_| None);
        range.for_each(|page| self.unmap(space, page, None));
        self.leave(&leaving);
    }

    /// Allows or forbids to write a range of pages.
    pub fn protect_range(&self, space: &Space, range: Range<usize>, writable: bool) {
        let leaving = self.change_areas(space, &range, |area| Some(Area { writable, ..area }));
        self.leave(&leaving);
        if !writable {
            range.for_each(|page| self.protect(space, page));
        }
    }

    pub(super) fn change_areas(
        &self,
        space: &Space,
        range: &Range<usize>,
        change: impl Fn(Area) -> Option<Area>,
    ) -> Leaving {
        self.replace_areas(space, |areas| changed(areas, range, &change))
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
    fn parts_that_are_alike_again_become_one() {
        let writable = |writable| move |area| Some(Area { writable, ..area });
        let parts = changed(&[AREA], &(12..15), writable(false));
        assert_eq!(changed(&parts, &(12..15), writable(true)), [AREA]);
        let linear = |file, first| Area {
            backing: Backing::File { file, first },
            ..AREA
        };
        for other in [linear(1, 16), linear(2, 15)] {
            let pair = [AREA, Area { start: 20, ..other }];
            assert_eq!(changed(&pair, &(0..0), |_| None), pair);
        }
    }

    #[test]
    fn pages_are_found_in_their_areas() {
        let other = Area { start: 30, ..AREA };
        let areas = in_order(vec![other, AREA], 64);
        let found = [9, 10, 19, 20, 29, 30, 39, 40].map(|page| find(&areas, page));
        let expected = [None, Some(AREA), Some(AREA), None];
        assert_eq!(found[..4], expected);
        assert_eq!(found[4..], expected.map(|area| area.map(|_| other)));
    }

    #[test]
    fn what_lies_outside_stays() {
        assert_eq!(changed(&[AREA], &(0..10), |_| None), [AREA]);
        assert_eq!(changed(&[AREA], &(0..30), |_| None), []);
    }
}
