//! The reverse map: from a page to all places where it may be mapped.
//!
//! ```text
//!   page of a file      ──> areas that show it        by file and index
//!   anonymous page      ──> the space that owns it    by owner and place
//!                           or the family, as soon as a second space maps it
//! ```
//!
//! Both are intervals, in trees of their own. An area that is not linear shows all of its file as far as
//! this map knows: each of its places is looked at.
//!
//! An area is here before it is in its space's list, and as long as anything of it may be mapped: so who
//! removes a page takes the lock of every table in which somebody could enter it.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::cmp::{Ordering, Reverse};
use core::ops::Range;
use core::sync::atomic::Ordering::Relaxed;

use super::super::hash::Key;
use super::super::page::{Page, PageFlags};
use super::super::{Mm, OutOfMemory, with_capacity};
use super::intervals::{Interval, Node, Tree};
use super::{Area, Backing, Space, areas};

/// How places of a space show pages.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Order {
    /// One after the other.
    Linear,
    /// Each its own page: which one, the table says.
    NonLinear,
}

/// Pages of a file, or of memory, that places of a space show.
struct Shown {
    first: u64,
    last: u64,
    space: Arc<Space>,
    places: Range<usize>,
    order: Order,
}

impl Shown {
    /// What they are ordered by.
    fn rank(&self) -> impl Ord {
        // The latest space first: a child before its parent.
        let space = Reverse(self.space.number);
        let Range { start, end } = self.places;
        (self.first, space, self.last, start, end)
    }

    /// An area that shows a file.
    fn of_area(space: &Arc<Space>, area: &Area) -> Option<Self> {
        let (file, first, last, order) = match area.backing {
            Backing::File { file, first } => {
                (file, first, first + (area.pages - 1) as u32, Order::Linear)
            }
            Backing::NonLinear { file, .. } => (file, 0, u32::MAX, Order::NonLinear),
            Backing::Anonymous => return None,
        };
        Some(Self {
            first: point(file, first),
            last: point(file, last),
            space: space.clone(),
            places: area.pages(),
            order,
        })
    }

    /// All of a space, for pages of this owner.
    fn of_owner(space: &Arc<Space>, owner: u32) -> Self {
        let pages = space.tables.page_count();
        Self {
            first: point(owner, 0),
            last: point(owner, pages as u32 - 1),
            space: space.clone(),
            places: 0..pages,
            order: Order::Linear,
        }
    }

    /// Where a page may be mapped that is at this point.
    fn places_of(&self, point: u64) -> Range<usize> {
        match self.order {
            Order::Linear => {
                let place = self.places.start + (point - self.first) as usize;
                place..place + 1
            }
            Order::NonLinear => self.places.clone(),
        }
    }
}

impl Interval for Shown {
    fn first(&self) -> u64 {
        self.first
    }

    fn last(&self) -> u64 {
        self.last
    }
}

impl Ord for Shown {
    fn cmp(&self, other: &Self) -> Ordering {
        self.rank().cmp(&other.rank())
    }
}

impl PartialOrd for Shown {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Shown {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Shown {}

/// One number for a page of a file, or of an owner's memory.
fn point(number: u32, index: u32) -> u64 {
    u64::from(number) << 32 | u64::from(index)
}

/// Where pages may be mapped.
pub(in crate::mm) struct ReverseMap {
    files: Tree<Shown>,
    owners: Tree<Shown>,
}

impl ReverseMap {
    pub(in crate::mm) const fn new() -> Self {
        Self {
            files: Tree::new(),
            owners: Tree::new(),
        }
    }

    /// Enters areas.
    pub(super) fn enter(&mut self, areas: &mut Areas) {
        areas.0.drain(..).for_each(|node| self.files.insert(node));
    }
}

/// Areas that are about to come into the map: made before it is locked.
#[expect(clippy::vec_box, reason = "in the tree, a node is where it was made")]
pub(super) struct Areas(Vec<Box<Node<Shown>>>);

/// Areas on their way out of it.
#[must_use = "nothing of them may be mapped any more when they go, and then they must"]
pub(super) struct Leaving(Vec<Shown>);

/// What `areas` show of files that `others` do not show in the same way; both in their order.
fn missing(space: &Arc<Space>, areas: &[Area], others: &[Area]) -> impl Iterator<Item = Shown> {
    let place = |area: Area| (area.start, area.pages, area.backing);
    let is_new = move |area: &&Area| {
        let other = areas::find(others, area.start);
        other.map(place) != Some(place(**area))
    };
    let shown = |area: &Area| Shown::of_area(space, area);
    areas.iter().filter(is_new).filter_map(shown)
}

/// What comes into the map and what goes when a space has other areas.
///
/// # Errors
/// There is no memory for the lists of them.
pub(super) fn changes(
    space: &Arc<Space>,
    old: &[Area],
    new: &[Area],
) -> Result<(Areas, Leaving), OutOfMemory> {
    let mut entering = with_capacity(missing(space, new, old).count())?;
    entering.extend(missing(space, new, old).map(Node::new));
    let mut leaving = with_capacity(missing(space, old, new).count())?;
    leaving.extend(missing(space, old, new));
    Ok((Areas(entering), Leaving(leaving)))
}

impl Mm<'_> {
    /// Enters a space: before anything is mapped in it, or who removes a page does not find it there.
    ///
    /// # Errors
    /// There is no memory.
    pub(super) fn enter_space(&self, space: &Arc<Space>) -> Result<(), OutOfMemory> {
        let owners = space
            .owners()
            .map(|owner| Node::new(Shown::of_owner(space, owner)));
        let (mut areas, _) = changes(space, &[], &space.areas())?;
        let mut map = self.reverse_map.lock();
        map.enter(&mut areas);
        owners.into_iter().for_each(|node| map.owners.insert(node));
        Ok(())
    }

    /// Takes a space out in which nothing is mapped any more. Allocates nothing: a space can always end.
    pub(super) fn leave_space(&self, space: &Arc<Space>) {
        missing(space, &space.areas(), &[]).for_each(|shown| self.leave_one(&shown));
        let owners = space.owners().map(|owner| Shown::of_owner(space, owner));
        let removed = {
            let mut map = self.reverse_map.lock();
            owners.each_ref().map(|owner| map.owners.remove(owner))
        };
        drop(removed);
    }

    /// Takes areas out of which nothing is mapped any more.
    pub(super) fn leave(&self, areas: &Leaving) {
        areas.0.iter().for_each(|shown| self.leave_one(shown));
    }

    fn leave_one(&self, shown: &Shown) {
        // Dropped when the map is not locked any more.
        let removed = self.reverse_map.lock().files.remove(shown);
        assert!(removed.is_some(), "an area leaves the map that is in it");
    }

    /// Does something for each place where a page may be mapped, and says whether what a place shows
    /// stands in its table. Allocates nothing: memory may be short.
    pub(super) fn each_place(&self, page: &Page, mut work: impl FnMut(&Space, usize, Order)) {
        // Read when everybody sees that the page is going: see `share`.
        let owner = page.owner();
        let is_owned = page.flags().contains(PageFlags::ANON) && owner != Page::NOBODY;
        let map = self.reverse_map.lock();
        let (tree, point) = if is_owned {
            (&map.owners, point(owner, page.place.load(Relaxed)))
        } else {
            let key = Key::of(page);
            (&map.files, point(key.file, key.index))
        };
        let (mut places, mut non_linear) = (0, 0);
        let nodes = tree.each_at(point, &mut |shown| {
            let range = shown.places_of(point);
            match shown.order {
                Order::Linear => places += range.len(),
                Order::NonLinear => non_linear += range.len(),
            }
            range.for_each(|place| work(&shown.space, place, shown.order));
        });
        drop(map);
        self.stats.reverse_map_walks.add(1);
        self.stats.reverse_map_steps.add(nodes + places as u64);
        self.stats.non_linear_steps.add(non_linear as u64);
    }

    /// An anonymous page is about to be mapped in a space: if it is another one than so far, its owner
    /// is the family from now on.
    ///
    /// Whoever maps it does this first and looks at Discarded then; whoever removes it sets Discarded
    /// first and looks for its owner then. So either the one sees the flag, or the other finds the space.
    pub(super) fn share(&self, page: &Page, space: &Space) {
        let owner = page.owner();
        if page.flags().contains(PageFlags::ANON)
            && owner != Page::NOBODY
            && !space.owners().contains(&owner)
        {
            page.set_owner(space.family);
        }
    }
}
