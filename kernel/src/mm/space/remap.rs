//! Showing pages of a file out of their order.

use core::ops::Range;

use arch::dat::Kept;

use super::super::Mm;
use super::{Area, Backing, MapError, Space};

impl Mm<'_> {
    /// Makes a range of pages show other pages of the file that they show already: those from `first` on.
    /// No area more is needed for it, however small the range is and wherever they are in the file.
    ///
    /// # Errors
    /// Part of the range shows no file, or shows it privately, or a page that is locked in memory cannot
    /// be had.
    pub fn remap_range(
        &self,
        space: &Space,
        range: Range<usize>,
        first: u32,
    ) -> Result<(), MapError> {
        let is_of_file = |area: &Area| area.shared && area.backing != Backing::Anonymous;
        let can_be = |page| space.area(page).as_ref().is_some_and(is_of_file);
        let fits = u32::try_from(range.len()).is_ok_and(|pages| first.checked_add(pages).is_some());
        if !fits || !range.clone().all(can_be) {
            return Err(MapError::NoArea);
        }
        let leaving = self.change_areas(space, &range, &|area| {
            Some(Area {
                backing: area.backing.non_linear(),
                ..area
            })
        })?;
        self.stats.remapped.add(range.len() as u64);
        for (page, index) in range.clone().zip(first..) {
            self.unmap(space, page, Some(Kept::Index(index)));
        }
        // The places are found in the other way now.
        self.leave(&leaving);
        for (page, area) in range.filter_map(|page| Some((page, space.area(page)?))) {
            if area.locked {
                self.lock_one(space, page, &area)?;
            }
        }
        Ok(())
    }
}
