//! What a descriptor counts.

use arch::Frame;

use super::super::{Hinting, Page};
use super::Rig;

#[test]
#[should_panic(expected = "a reference is dropped that nobody has")]
fn a_reference_that_nobody_has_is_not_dropped() {
    let rig = Rig::new(32, Hinting::Full);
    rig.mm.page(Frame(20)).put();
}

#[test]
fn the_last_reference_and_the_last_mapping_are_told_from_others() {
    let page = Page::reserved();
    page.get();
    assert_eq!([(); 2].map(|()| page.put()), [false, true]);
    assert!(!page.get_unless_zero());
    (0..3).for_each(|_| page.add_mapping());
    let last = [(); 3].map(|()| page.remove_mapping());
    assert_eq!(last, [false, false, true]);
    assert_eq!(page.mappings(), 0);
}

#[test]
fn what_the_probe_has_executed_counts_with_the_rest() {
    let rig = Rig::new(32, Hinting::Off);
    (0..2).for_each(|_| rig.mm.stats.count_essa(&[1, 0, 2, 0, 3, 0, 4, 5]));
    let counted = rig.mm.stats.essa.each_ref().map(|counter| counter.get());
    assert_eq!(counted, [2, 0, 4, 0, 6, 0, 8, 10]);
}
