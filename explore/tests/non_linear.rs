//! Pages of a file that are mapped out of their order, under every schedule.

use explore::{Rig, fails_without, holds, key, play};
use kernel::mm::Guard;

/// The page of the file that the only page of the spaces shows: not the first.
const SHOWN: kernel::mm::Key = key(5);

/// A discard against copying a table for a child: what the child's entry keeps is which page it was.
mod discard_against_copying_a_table {
    use super::*;

    fn scenario(rig: &Rig) {
        rig.now(|cpu| drop(cpu.fill(SHOWN)));
        let copying = rig.cpu(|cpu| {
            let parent = cpu.space_of(SHOWN);
            cpu.load_of(&parent, 0, SHOWN);
            let child = cpu.mm.copy_space(&parent).unwrap();
            cpu.load_of(&child, 0, SHOWN);
            cpu.load_of(&parent, 0, SHOWN);
            cpu.mm.end_space(&child);
            cpu.mm.end_space(&parent);
        });
        play([copying, rig.cpu(|cpu| cpu.try_read(SHOWN)), rig.host(3)]);
    }

    #[test]
    fn holds_with_the_check() {
        holds(scenario);
    }

    #[test]
    fn fails_without_the_check() {
        fails_without(Guard::CopyCheck, &["hundred interruptions"], scenario);
    }
}

/// A discard against establishing an entry: the walk takes the lock for every place of the area.
mod discard_against_establishing_an_entry {
    use super::*;

    fn scenario(rig: &Rig) {
        rig.now(|cpu| drop(cpu.fill(SHOWN)));
        let mapping = rig.cpu(|cpu| {
            let space = cpu.space_of(SHOWN);
            cpu.load_of(&space, 0, SHOWN);
            cpu.mm.end_space(&space);
        });
        play([mapping, rig.cpu(|cpu| cpu.try_read(SHOWN)), rig.host(2)]);
    }

    #[test]
    fn holds_with_both_halves() {
        holds(scenario);
    }

    #[test]
    fn fails_without_the_check_under_the_lock() {
        fails_without(Guard::EstablishCheck, &["hundred interruptions"], scenario);
    }

    #[test]
    fn fails_without_the_lock_of_the_walk() {
        fails_without(Guard::WalkLock, &["hundred interruptions"], scenario);
    }
}

/// A page that is mapped is discarded while its place gets another page to show.
mod discard_against_remapping {
    use super::*;

    fn scenario(rig: &Rig) {
        let space = rig.now(|cpu| {
            let space = cpu.space(2, false);
            cpu.load(&space, 0);
            cpu.load(&space, 1);
            space
        });
        let its = space.clone();
        let remapping = rig.cpu(move |cpu| {
            cpu.mm.remap_range(&its, 0..1, SHOWN.index).unwrap();
            cpu.load_of(&its, 0, SHOWN);
            cpu.load(&its, 1);
            cpu.mm.remap_range(&its, 0..2, 1).unwrap();
            cpu.load_of(&its, 0, key(1));
            cpu.load_of(&its, 1, key(2));
        });
        let removing = rig.cpu(|cpu| {
            cpu.try_read(key(0));
            cpu.try_read(key(1));
        });
        play([remapping, removing, rig.host(3)]);
        rig.now(|cpu| cpu.mm.end_space(&space));
    }

    #[test]
    fn holds() {
        super::holds(scenario);
    }
}
