//! Files that change: truncation, under every schedule.

use explore::{KEY, Rig, fails_without, holds, key};
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

/// Two read a page that nobody has read so far.
mod reading_by_two {
    use super::*;

    fn scenario(rig: &Rig) {
        let read = || rig.cpu(|cpu| cpu.read(KEY));
        for cpu in [read(), read(), rig.host(1)] {
            cpu.join().unwrap();
        }
    }

    #[test]
    fn holds_with_complete_pages_only() {
        holds(scenario);
    }

    #[test]
    fn fails_without_looking_whether_it_is_complete() {
        fails_without(
            Guard::CompleteFirst,
            &["a stable page has somebody else's content"],
            scenario,
        );
    }
}

/// One waits for a page that another reads, in vain.
mod reading_that_fails {
    use super::*;

    fn scenario(rig: &Rig) {
        let failing = rig.cpu(|cpu| cpu.fill_in_vain(KEY));
        let reading = || {
            rig.cpu(|cpu| {
                cpu.read(KEY);
                cpu.try_read(KEY);
            })
        };
        for cpu in [failing, reading(), reading(), rig.host(1)] {
            cpu.join().unwrap();
        }
    }

    #[test]
    fn holds_whoever_waits() {
        holds(scenario);
    }
}

/// Pages are read ahead while somebody wants them, and while they are cut off.
mod reading_ahead {
    use super::*;

    fn scenario(rig: &Rig) {
        rig.mm.set_read_ahead(3);
        let space = rig.now(|cpu| cpu.space(3, false));
        let (one, other) = (space.clone(), space.clone());
        let reader = rig.cpu(move |cpu| {
            cpu.load(&one, 0);
            cpu.look(&one, 1);
        });
        let second = rig.cpu(move |cpu| {
            cpu.look(&other, 1);
            cpu.load(&other, 2);
        });
        let writer = rig.cpu(|cpu| cpu.truncate(key(1)));
        for cpu in [reader, second, writer, rig.host(1)] {
            cpu.join().unwrap();
        }
        rig.now(|cpu| {
            let found = cpu.look(&space, 1);
            assert_eq!(found, 0, "what was truncated has come back");
            cpu.mm.end_space(&space);
        });
    }

    #[test]
    fn holds_whoever_comes_meanwhile() {
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

/// A page is written to its device, which records that, while it becomes inactive.
mod recording_against_deactivation {
    use super::*;

    fn scenario(rig: &Rig) {
        rig.now(|cpu| {
            cpu.read(KEY);
            // Used again: it becomes active when it is written.
            for _ in 0..2 {
                let page = cpu.fill(KEY).expect("there is memory");
                page.set_dirty();
            }
        });
        let writer = rig.cpu(|cpu| cpu.write_back(KEY));
        let reclaim = rig.cpu(|cpu| {
            cpu.mm.shrink_cache();
        });
        for cpu in [writer, reclaim, rig.host(1)] {
            cpu.join().unwrap();
        }
    }

    #[test]
    fn holds_with_active_pages_only() {
        holds(scenario);
    }

    #[test]
    fn fails_without_looking_whether_it_is_active() {
        fails_without(
            Guard::ActiveRecord,
            &["an inactive page has a record"],
            scenario,
        );
    }
}

/// Pages wait in batches to become volatile, while others use them, discard them and take them away.
mod releasing_in_batches {
    use super::*;

    fn scenario(rig: &Rig) {
        rig.mm.set_release_batch(2);
        let reader = rig.cpu(|cpu| {
            cpu.read(KEY);
            cpu.read(key(1));
            cpu.read(KEY);
        });
        let other = rig.cpu(|cpu| {
            cpu.read(KEY);
            cpu.mm.shrink_cache();
            cpu.try_read(KEY);
        });
        let host = rig.host(2);
        for cpu in [reader, other, host] {
            cpu.join().unwrap();
        }
    }

    #[test]
    fn holds_whoever_comes_meanwhile() {
        holds(scenario);
    }
}
