//! Anonymous memory: swapping out and in, children, and freeing slots, under every schedule.

use std::sync::Arc;

use explore::{Rig, fails_without, holds, play};
use kernel::mm::{Guard, Space};

/// A space whose only page was written and is in the swap cache, volatile.
fn swapped(rig: &Rig) -> Arc<Space> {
    rig.now(|cpu| {
        let space = cpu.memory(1);
        cpu.store(&space, 0, 1);
        cpu.swap_out();
        cpu.load_byte(&space, 0, 1);
        space
    })
}

/// A space whose only page was written and is in its slot alone. Who brings it in keeps it in a batch of two.
fn swapped_out(rig: &Rig) -> Arc<Space> {
    rig.mm.set_release_batch(2);
    rig.now(|cpu| {
        let space = cpu.memory(1);
        cpu.store(&space, 0, 1);
        cpu.swap_out();
        space
    })
}

/// The last user of a page in the swap cache writes to it, while the host discards it.
mod discard_against_freeing_the_slot {
    use super::*;

    fn scenario(rig: &Rig) {
        let space = swapped(rig);
        let its = space.clone();
        let writing = rig.cpu(move |cpu| {
            cpu.store_beside(&its, 0, 2);
            cpu.load_byte(&its, 0, 1);
        });
        play([writing, rig.host(3)]);
        rig.now(|cpu| cpu.mm.end_space(&space));
    }

    #[test]
    fn holds_with_the_page_made_stable() {
        holds(scenario);
    }

    #[test]
    fn fails_without_the_page_made_stable() {
        fails_without(
            Guard::StableBeforeSlot,
            &["not in the page cache"],
            scenario,
        );
    }
}

/// A parent writes after a child was made: the child has what was there before.
mod writing_after_a_copy {
    use super::*;

    fn scenario(rig: &Rig) {
        let space = rig.now(|cpu| {
            let space = cpu.memory(1);
            cpu.store(&space, 0, 1);
            space
        });
        let child = rig.now(|cpu| cpu.mm.copy_space(&space).unwrap());
        let (parents, childs) = (space.clone(), child.clone());
        play([
            rig.cpu(move |cpu| cpu.store(&parents, 0, 2)),
            rig.cpu(move |cpu| cpu.load_byte(&childs, 0, 1)),
        ]);
        rig.now(|cpu| {
            cpu.load_byte(&space, 0, 2);
            cpu.mm.end_space(&child);
            cpu.mm.end_space(&space);
        });
    }

    #[test]
    fn holds_with_the_parent_protected() {
        holds(scenario);
    }

    #[test]
    fn fails_without_the_parent_protected() {
        fails_without(Guard::ProtectParent, &["memory has changed"], scenario);
    }
}

/// A page of the swap cache is discarded while it is copied for a child: so far one space owned it.
mod discard_against_a_copy {
    use super::*;

    fn scenario(rig: &Rig) {
        let space = swapped(rig);
        let (parents, its) = (space.clone(), space.clone());
        let copying = rig.cpu(move |cpu| {
            let child = cpu.mm.copy_space(&parents).unwrap();
            cpu.load_byte(&child, 0, 1);
            cpu.mm.end_space(&child);
        });
        let removing = rig.cpu(move |cpu| cpu.load_byte(&its, 0, 1));
        play([copying, removing, rig.host(3)]);
        rig.now(|cpu| cpu.mm.end_space(&space));
    }

    #[test]
    fn holds_with_the_owner_noted_first() {
        holds(scenario);
    }

    #[test]
    fn fails_without_the_owner_noted_first() {
        fails_without(Guard::OwnerFirst, &["hundred interruptions"], scenario);
    }
}

/// A page is swapped out while its parent copies it, and while the child and the parent use it.
mod swapping_out_against_a_copy {
    use super::*;

    fn scenario(rig: &Rig) {
        let space = rig.now(|cpu| {
            let space = cpu.memory(1);
            cpu.store(&space, 0, 1);
            space
        });
        let its = space.clone();
        let copying = rig.cpu(move |cpu| {
            let child = cpu.mm.copy_space(&its).unwrap();
            cpu.load_byte(&child, 0, 1);
            cpu.store(&child, 0, 3);
            cpu.load_byte(&its, 0, 1);
            cpu.mm.end_space(&child);
        });
        play([copying, rig.cpu(|cpu| cpu.swap_out()), rig.host(2)]);
        rig.now(|cpu| {
            cpu.load_byte(&space, 0, 1);
            cpu.mm.end_space(&space);
        });
    }

    #[test]
    fn holds() {
        super::holds(scenario);
    }
}

/// Two CPUs swap the same page in, one of them to write it, while it is swapped out again.
mod two_cpus_swap_in {
    use super::*;

    fn scenario(rig: &Rig) {
        let space = swapped(rig);
        let child = rig.now(|cpu| cpu.mm.copy_space(&space).unwrap());
        let (parents, childs) = (space.clone(), child.clone());
        play([
            rig.cpu(move |cpu| cpu.store(&parents, 0, 2)),
            rig.cpu(move |cpu| cpu.load_byte(&childs, 0, 1)),
            rig.cpu(|cpu| cpu.swap_out()),
            rig.host(2),
        ]);
        rig.now(|cpu| {
            cpu.load_byte(&space, 0, 2);
            cpu.load_byte(&child, 0, 1);
            cpu.mm.end_space(&child);
            cpu.mm.end_space(&space);
        });
    }

    #[test]
    fn holds() {
        super::holds(scenario);
    }
}

/// A page that was swapped in waits in a batch, which has no reference to it, and has gone when somebody looks: its frame
/// is another one's, who frees it without expecting anybody.
mod gone_before_its_batch {
    use super::*;

    fn scenario(rig: &Rig) {
        let space = swapped_out(rig);
        let its = space.clone();
        let ending = rig.cpu(move |cpu| {
            cpu.load_byte(&its, 0, 1);
            cpu.mm.end_space(&its);
            for _ in 0..2 {
                let page = cpu.mm.allocate_reclaiming(0).expect("there is memory");
                cpu.mm.free_allocated(page);
            }
        });
        let emptying = rig.cpu(|cpu| {
            cpu.mm.shrink_cache();
        });
        play([ending, emptying, rig.host(2)]);
    }

    #[test]
    fn holds_with_a_look_at_the_list() {
        holds(scenario);
    }
}

/// Pages that were swapped in wait in batches, while the host discards what it can and all are used on.
mod swapped_in_by_batches {
    use super::*;

    fn scenario(rig: &Rig) {
        let space = swapped_out(rig);
        let child = rig.now(|cpu| cpu.mm.copy_space(&space).unwrap());
        let (parents, childs) = (space.clone(), child.clone());
        play([
            rig.cpu(move |cpu| {
                cpu.load_byte(&parents, 0, 1);
                cpu.store(&parents, 0, 2);
            }),
            rig.cpu(move |cpu| {
                cpu.load_byte(&childs, 0, 1);
                cpu.swap_out();
            }),
            rig.host(2),
        ]);
        rig.now(|cpu| {
            cpu.load_byte(&space, 0, 2);
            cpu.load_byte(&child, 0, 1);
            cpu.mm.end_space(&child);
            cpu.mm.end_space(&space);
        });
    }

    #[test]
    fn holds() {
        super::holds(scenario);
    }
}
