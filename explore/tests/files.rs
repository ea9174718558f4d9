//! Files that change: truncation, under every schedule.

use explore::{KEY, Rig, fails_without, holds};
use kernel::mm::Guard;

/// A page is read from the device while the file is truncated: what was there must not come back.
mod reading_against_truncation {
    use super::*;

    fn scenario(rig: &Rig) {
        let space = rig.now(|cpu| cpu.space(1, false));
        let its = space.clone();
        let reader = rig.cpu(move |cpu| {
            cpu.look(&its, 0);
        });
        let writer = rig.cpu(|cpu| cpu.truncate(KEY));
        reader.join().unwrap();
        writer.join().unwrap();
        rig.now(|cpu| {
            let found = cpu.look(&space, 0);
            assert_eq!(found, 0, "what was truncated has come back");
            cpu.mm.end_space(&space);
        });
    }

    #[test]
    fn holds_with_the_truncation_seen() {
        holds(scenario);
    }

    #[test]
    fn fails_without_the_truncation_seen() {
        fails_without(
            Guard::TruncationSeen,
            &["what was truncated has come back"],
            scenario,
        );
    }
}
