//! How far one looks for the mappings of a page.

use super::super::{Area, Backing, Hinting};
use super::space::Device;
use super::{Rig, key};

/// Relatives, and areas of other pages of the file.
const MANY: usize = 40;

/// A machine with a store and room in its swap area.
fn rig() -> Rig {
    let rig = Rig::new(256, Hinting::Full);
    rig.mm.set_store(&Device);
    rig.mm.add_swap(8).unwrap();
    rig
}

impl Rig {
    /// Looks at nodes and places, for each walk, while `work` is done.
    fn steps(&self, work: impl FnOnce()) -> u64 {
        let now = || {
            (
                self.mm.stats.reverse_map_steps.get(),
                self.mm.stats.reverse_map_walks.get(),
            )
        };
        let before = now();
        work();
        (now().0 - before.0) / (now().1 - before.1)
    }
}

#[test]
fn a_page_of_one_space_is_not_looked_for_in_its_relatives() {
    let rig = rig();
    let parent = rig.mm.new_space(1, &[Area::memory(0, 1)]).unwrap();
    rig.mm.map_page(&parent, 0, true).unwrap();
    let child = |_| rig.mm.copy_space(&parent).unwrap();
    let children: Vec<_> = (0..MANY).map(child).collect();
    let shared = rig.steps(|| while rig.mm.shrink_cache() > 0 {});
    assert!(shared > MANY as u64, "all of the family have it: {shared}");
    // The parent has a copy of its own from now on, and the last child takes over what is left.
    rig.mm.map_page(&parent, 0, true).unwrap();
    children[1..]
        .iter()
        .for_each(|child| rig.mm.end_space(child));
    rig.mm.map_page(&children[0], 0, true).unwrap();
    let own = rig.steps(|| while rig.mm.shrink_cache() > 0 {});
    assert!(own <= 8, "two spaces are left: {own}");
    let more: Vec<_> = (0..MANY).map(child).collect();
    rig.mm.map_page(&children[0], 0, true).unwrap();
    more.iter()
        .for_each(|child| rig.mm.unmap_range(child, 0..1).unwrap());
    rig.mm.map_page(&parent, 0, true).unwrap();
    let own = rig.steps(|| while rig.mm.shrink_cache() > 0 {});
    assert!(own < MANY as u64 / 2, "they have not mapped it: {own}");
}

#[test]
fn areas_of_other_pages_are_not_looked_at() {
    let rig = rig();
    let area = |number: usize| Area {
        start: number,
        pages: 1,
        backing: Backing::File {
            file: key(0).file,
            first: number as u32,
        },
        writable: false,
        shared: true,
        locked: false,
    };
    for number in 1..MANY {
        rig.mm.new_space(MANY, &[area(number)]).unwrap();
    }
    let space = rig.mm.new_space(1, &[area(0)]).unwrap();
    rig.mm.map_page(&space, 0, false).unwrap();
    let steps = rig.steps(|| rig.mm.truncate(key(0).file, 0..1));
    assert_eq!(space.tables().get(0).frame(), None, "it was found");
    assert!(steps < MANY as u64 / 2, "{steps}");
}
