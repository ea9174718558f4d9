//! The areas of a space, in the order of their pages, and changes of them.

use core::ops::Range;

use alloc::sync::Arc;
use alloc::vec::Vec;

use super::super::{Mm, OutOfMemory, with_capacity};
use super::reverse::{self, Leaving};
use super::{Area, Backing, Space};

/// Areas of a space, if there is memory for the list.
type Areas = Result<Vec<Area>, OutOfMemory>;

/// The area of a page of the space.
pub(super) fn find(areas: &[Area], page: usize) -> Option<Area> {
    let behind = areas.partition_point(|area| area.start <= page);
    let area = areas[..behind].last()?;
    area.contains(page).then_some(*area)
}

/// Areas of a space of so many pages, in the order of their pages.
///
/// # Errors
/// There is no memory for the list.
///
/// # Panics
/// If an area is not within the space, two overlap, or one is shared and shows nothing that could be.
pub(super) fn in_order(areas: impl ExactSizeIterator<Item = Area>, pages: usize) -> Areas {
    let mut all = with_capacity(areas.len())?;
    for area in areas {
        insert(&mut all, area, pages);
    }
    Ok(all)
}

fn insert(areas: &mut Vec<Area>, area: Area, pages: usize) {
    let end = area.pages().end;
    let shows_nothing = area.shared && area.backing == Backing::Anonymous;
    assert!(end <= pages && !shows_nothing, "areas lie within the space");
    let place = areas.partition_point(|other| other.start < end);
    let before = areas[..place].last();
    let is_apart = before.is_none_or(|before| before.pages().end <= area.start);
    assert!(is_apart, "areas overlap");
    if area.pages > 0 {
        areas.insert(place, area);
    }
}

/// The areas with a range changed by `change`, which takes the part in the range away by `None`.
/// Neighbours that are alike become one.
fn changed(areas: &[Area], range: &Range<usize>, change: &dyn Fn(Area) -> Option<Area>) -> Areas {
    // One may become three, or the first and the last of a range two each.
    let mut new = with_capacity(areas.len() + 2)?;
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
    Ok(new)
}

fn append(areas: &mut Vec<Area>, area: Area) {
    let joined = areas.last().and_then(|last| last.with_next(&area));
    match (areas.last_mut(), joined) {
        (Some(last), Some(joined)) => *last = joined,
        _ => areas.push(area),
    }
}

impl Mm<'_> {
    /// Maps one area more.
    ///
    /// # Errors
    /// There is no memory for the list of areas.
    ///
    /// # Panics
    /// If it is not within the space, or overlaps another one.
    pub fn map_area(&self, space: &Space, area: Area) -> Result<(), OutOfMemory> {
        let leaving = self.replace_areas(space, &|areas| {
            let mut all = with_capacity(areas.len() + 1)?;
            all.extend_from_slice(areas);
            insert(&mut all, area, space.tables.page_count());
            Ok(all)
        })?;
        self.leave(&leaving);
        Ok(())
    }

    /// Replaces the areas, in the reverse map first. What is not there any more is for the caller to take
    /// out of it, when nothing of it is mapped any more.
    #[inline(never)]
    fn replace_areas(
        &self,
        space: &Space,
        new: &dyn Fn(&[Area]) -> Areas,
    ) -> Result<Leaving, OutOfMemory> {
        let itself = space.itself.upgrade().expect("its user has it");
        loop {
            let seen = space.areas();
            let changed = Arc::new(new(&seen)?);
            let (mut entering, leaving) = reverse::changes(&itself, &seen, &changed)?;
            let mut map = self.reverse_map.lock();
            let mut areas = space.areas.lock();
            if Arc::ptr_eq(&areas, &seen) {
                map.enter(&mut entering);
                let old = core::mem::replace(&mut *areas, changed);
                drop(areas);
                drop(map);
                drop(old);
                return Ok(leaving);
            }
        }
    }

    /// Takes all areas in a range of pages away, and what is mapped there.
    ///
    /// # Errors
    /// There is no memory for the list of areas: nothing has changed.
    pub fn unmap_range(&self, space: &Space, range: Range<usize>) -> Result<(), OutOfMemory> {
        let leaving = self.change_areas(space, &range, &|_| None)?;
        range.for_each(|page| self.unmap(space, page, None));
        self.leave(&leaving);
        Ok(())
    }

    /// Allows or forbids to write a range of pages.
    ///
    /// # Errors
    /// There is no memory for the list of areas: nothing has changed.
    pub fn protect_range(
        &self,
        space: &Space,
        range: Range<usize>,
        writable: bool,
    ) -> Result<(), OutOfMemory> {
        let leaving = self.change_areas(space, &range, &|area| Some(Area { writable, ..area }))?;
        self.leave(&leaving);
        if !writable {
            range.for_each(|page| self.protect(space, page));
        }
        Ok(())
    }

    /// Changes the areas in a range, as [`changed`] does.
    pub(super) fn change_areas(
        &self,
        space: &Space,
        range: &Range<usize>,
        change: &dyn Fn(Area) -> Option<Area>,
    ) -> Result<Leaving, OutOfMemory> {
        self.replace_areas(space, &|areas| changed(areas, range, change))
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
        let new = changed(&[AREA], &(12..15), &read_only).unwrap();
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
        let parts = changed(&[AREA], &(12..15), &writable(false)).unwrap();
        let again = changed(&parts, &(12..15), &writable(true));
        assert_eq!(again.unwrap(), [AREA]);
        let linear = |file, first| Area {
            backing: Backing::File { file, first },
            ..AREA
        };
        for other in [linear(1, 16), linear(2, 15)] {
            let pair = [AREA, Area { start: 20, ..other }];
            assert_eq!(changed(&pair, &(0..0), &|_| None).unwrap(), pair);
        }
    }

    #[test]
    fn pages_are_found_in_their_areas() {
        let other = Area { start: 30, ..AREA };
        let areas = in_order([other, AREA].into_iter(), 64).unwrap();
        let found = [9, 10, 19, 20, 29, 30, 39, 40].map(|page| find(&areas, page));
        let expected = [None, Some(AREA), Some(AREA), None];
        assert_eq!(found[..4], expected);
        assert_eq!(found[4..], expected.map(|area| area.map(|_| other)));
    }

    #[test]
    fn an_area_without_pages_is_none() {
        let empty = Area { pages: 0, ..AREA };
        assert_eq!(in_order([empty].into_iter(), 64).unwrap(), []);
    }

    #[test]
    fn what_lies_outside_stays() {
        assert_eq!(changed(&[AREA], &(0..10), &|_| None).unwrap(), [AREA]);
        assert_eq!(changed(&[AREA], &(0..30), &|_| None).unwrap(), []);
    }
}
