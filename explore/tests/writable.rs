//! The races about pages with writable mappings: the flag Writable, and the change bit.

use std::sync::Arc;

use explore::{KEY, Rig, fails_without, holds, play};
use kernel::mm::{Guard, Space};

/// A space that shows a page which is in the cache, twice: two CPUs have it.
fn prepared(rig: &Rig) -> (Arc<Space>, Arc<Space>) {
    let space = rig.now(|cpu| {
        drop(cpu.fill(KEY));
        cpu.space(1, true)
    });
    (space.clone(), space)
}

/// 10. The change bit of a potentially volatile page moves while the host looks for clean pages.
mod change_bit_of_a_potentially_volatile_page {
    use super::*;

    fn scenario(rig: &Rig) {
        let writing = rig.cpu(|cpu| {
            let space = cpu.space(1, true);
            cpu.store(&space, 0, 0x99);
            cpu.mm.end_space(&space);
            cpu.expect(KEY, 0x99);
        });
        play([writing, rig.host(4)]);
    }

    #[test]
    fn holds_with_the_order() {
        holds(scenario);
    }

    #[test]
    fn fails_without_the_order() {
        fails_without(Guard::ChangeOrder, &["what was written is lost"], scenario);
    }
}

/// 10, the other half: the last writable mapping goes while a new one comes.
mod last_writable_mapping_against_a_new_one {
    use super::*;

    fn scenario(rig: &Rig) {
        let old = rig.now(|cpu| {
            let space = cpu.space(1, true);
            cpu.map(&space, 0, true);
            space
        });
        let ending = rig.cpu(move |cpu| cpu.mm.end_space(&old));
        let beginning = rig.cpu(|cpu| {
            let space = cpu.space(1, true);
            cpu.map(&space, 0, true);
            cpu.store(&space, 0, 0x22);
            // Whoever has made the page stable leaves it as volatile as it may be.
            drop(cpu.mm.lookup_stable(KEY));
            cpu.discard();
            cpu.mm.end_space(&space);
        });
        play([ending, beginning]);
        rig.now(|cpu| cpu.expect(KEY, 0x22));
    }

    #[test]
    fn holds_with_the_flag_under_state_change() {
        holds(scenario);
    }

    #[test]
    fn fails_without_it() {
        fails_without(Guard::WritableOnce, &["what was written is lost"], scenario);
    }
}

/// A store through an entry that somebody else is just establishing, while the host wants the page.
mod store_against_establishing_a_writable_entry {
    use super::*;

    fn scenario(rig: &Rig) {
        let (space, its) = prepared(rig);
        play([
            rig.cpu(move |cpu| cpu.map(&space, 0, true)),
            rig.cpu(move |cpu| {
                cpu.store(&its, 0, 0x44);
                cpu.discard();
                cpu.mm.end_space(&its);
            }),
        ]);
        rig.now(|cpu| cpu.expect(KEY, 0x44));
    }

    #[test]
    fn holds_with_the_flag_first() {
        holds(scenario);
    }

    #[test]
    fn fails_without_it() {
        fails_without(
            Guard::WritableFirst,
            &["what was written is lost"],
            scenario,
        );
    }
}

/// 13. A page is mapped to be written, and written, while reclaim takes it that found nothing in the way.
mod store_against_reclaim {
    use super::*;

    fn scenario(rig: &Rig) {
        let (space, its) = prepared(rig);
        play([
            rig.cpu(move |cpu| cpu.store(&its, 0, 0x66)),
            rig.cpu(|cpu| _ = cpu.mm.shrink_cache()),
        ]);
        rig.now(|cpu| cpu.end_with(&space, 0x66));
    }

    #[test]
    fn holds_with_a_second_look() {
        holds(scenario);
    }

    #[test]
    fn fails_without_a_second_look() {
        fails_without(
            Guard::SecondLook,
            // What the change bit says comes too late, or a page stays mapped that is in no cache any more.
            &[
                "cannot be freed: flags",
                "what was written is lost",
                "exceeded max_steps",
            ],
            scenario,
        );
    }
}

/// 10, once more: two mappings of a page end while a third begins; what was stored is known by the change bit alone.
mod change_bit_against_a_mapping_that_begins {
    use super::*;

    fn scenario(rig: &Rig) {
        let (reading, writing) = rig.now(|cpu| {
            let (reading, writing) = (cpu.space(1, false), cpu.space(1, true));
            cpu.map(&reading, 0, false);
            cpu.store(&writing, 0, 0x33);
            (reading, writing)
        });
        play([
            rig.cpu(move |cpu| cpu.mm.end_space(&reading)),
            rig.cpu(move |cpu| cpu.mm.end_space(&writing)),
            rig.cpu(|cpu| {
                let third = cpu.space(1, true);
                cpu.map(&third, 0, true);
                cpu.mm.end_space(&third);
            }),
        ]);
        rig.now(|cpu| cpu.end_with(&cpu.space(1, false), 0x33));
    }

    #[test]
    fn holds_with_both_in_one() {
        holds(scenario);
    }

    #[test]
    fn fails_without_it() {
        fails_without(
            Guard::CountWithChange,
            &["what was written is lost"],
            scenario,
        );
    }
}
