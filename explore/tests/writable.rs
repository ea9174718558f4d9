//! The races about pages with writable mappings: the flag Writable, and the change bit.

use explore::{KEY, Rig, fails_without, holds, play};
use kernel::mm::Guard;

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
        let space = rig.now(|cpu| {
            drop(cpu.fill(KEY));
            cpu.space(1, true)
        });
        let its = space.clone();
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
