//! The races between make volatile, make stable, discards, removal and sign-off, each with its guard in
//! place and with it taken out.

use explore::{KEY, Rig, fails_without, holds, key, play};
use kernel::mm::Guard;

/// Brings the page into the cache, volatile, before the CPUs start.
fn prepared(rig: &Rig) {
    rig.now(|cpu| drop(cpu.fill(KEY)));
}

/// 1. One CPU makes the page volatile, another stable: the latter must win.
mod make_stable_overtakes_make_volatile {
    use super::*;

    fn scenario(rig: &Rig) {
        prepared(rig);
        play([
            rig.cpu(|cpu| cpu.read(KEY)),
            rig.cpu(|cpu| cpu.read(KEY)),
            rig.host(3),
        ]);
    }

    #[test]
    fn holds_with_state_change() {
        holds(scenario);
    }

    #[test]
    fn fails_without_state_change() {
        fails_without(
            Guard::StateChange,
            &["supervisor state", "somebody else's"],
            scenario,
        );
    }
}

/// 2. A discard fault is pending while the page is removed, freed and reused.
mod page_reused_while_a_discard_fault_is_pending {
    use super::*;

    fn scenario(rig: &Rig) {
        let mapped = rig.now(|cpu| {
            let space = cpu.space(1, false);
            cpu.load(&space, 0);
            space
        });
        rig.discard();
        let space = mapped.clone();
        let removing = rig.cpu(|cpu| {
            cpu.try_read(KEY);
            // The frame, if it is free, is reused for another page.
            drop(cpu.fill(key(1)));
            cpu.tick(1);
            drop(cpu.fill(key(2)));
        });
        play([rig.cpu(move |cpu| cpu.load(&space, 0)), removing]);
        rig.now(|cpu| cpu.mm.end_space(&mapped));
    }

    #[test]
    fn holds_with_sign_off() {
        holds(scenario);
    }

    #[test]
    fn fails_without_sign_off() {
        fails_without(
            Guard::SignOff,
            &[
                "somebody else's by now",
                "not in the page cache",
                "hundred interruptions",
            ],
            scenario,
        );
    }
}

/// 2, without the problem state: the kernel itself reads without a reference.
mod page_reused_during_an_optimistic_copy {
    use super::*;

    fn scenario(rig: &Rig) {
        prepared(rig);
        let removing = rig.cpu(|cpu| {
            cpu.try_read(KEY);
            let reused: Vec<_> = (1..3).map(|index| cpu.fill(key(index))).collect();
            drop(reused);
            cpu.tick(1);
        });
        play([
            rig.cpu(|cpu| cpu.read_optimistic(KEY)),
            removing,
            rig.host(2),
        ]);
    }

    #[test]
    fn holds_with_sign_off() {
        holds(scenario);
    }

    #[test]
    fn fails_without_sign_off() {
        fails_without(
            Guard::SignOff,
            &["somebody else's by now", "not in the page cache"],
            scenario,
        );
    }
}

/// 3. Two CPUs fault on the same page.
mod two_cpus_fault_on_the_same_page {
    use super::*;

    fn scenario(rig: &Rig) {
        prepared(rig);
        rig.discard();
        play([
            rig.cpu(|cpu| cpu.try_read(KEY)),
            rig.cpu(|cpu| cpu.try_read(KEY)),
        ]);
    }

    #[test]
    fn holds_with_one_remover() {
        holds(scenario);
    }

    #[test]
    fn fails_without_one_remover() {
        fails_without(
            Guard::RemoveOnce,
            &[
                "not in the page cache",
                "dropped that nobody has",
                "cannot be freed",
            ],
            scenario,
        );
    }
}

/// 4. A discard against removal with the end of a file: the page would be freed twice.
mod discard_against_normal_removal {
    use super::*;

    fn scenario(rig: &Rig) {
        prepared(rig);
        play([
            rig.cpu(|cpu| cpu.try_read(KEY)),
            rig.cpu(|cpu| cpu.mm.truncate(KEY.file, 0..1)),
            rig.host(2),
        ]);
    }

    #[test]
    fn holds_with_one_remover() {
        holds(scenario);
    }

    #[test]
    fn fails_without_one_remover() {
        fails_without(
            Guard::RemoveOnce,
            &[
                "not in the page cache",
                "dropped that nobody has",
                "cannot be freed",
            ],
            scenario,
        );
    }
}

/// What is printed of a failure is enough to see it again.
#[test]
fn a_failing_schedule_replays_exactly() {
    fn scenario(rig: &Rig) {
        prepared(rig);
        rig.discard();
        play([
            rig.cpu(|cpu| cpu.try_read(KEY)),
            rig.cpu(|cpu| cpu.try_read(KEY)),
        ]);
    }
    explore::replays(Guard::RemoveOnce, scenario);
}

/// 5. A discard against establishing a table entry.
mod discard_against_establishing_an_entry {
    use super::*;

    fn scenario(rig: &Rig) {
        prepared(rig);
        let mapping = rig.cpu(|cpu| {
            let space = cpu.space(1, false);
            cpu.load(&space, 0);
            cpu.mm.end_space(&space);
        });
        play([mapping, rig.cpu(|cpu| cpu.try_read(KEY)), rig.host(2)]);
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

/// 6. A discard against copying a table for a child.
mod discard_against_copying_a_table {
    use super::*;

    fn scenario(rig: &Rig) {
        prepared(rig);
        let copying = rig.cpu(|cpu| {
            let parent = cpu.space(1, false);
            cpu.load(&parent, 0);
            let child = cpu.mm.copy_space(&parent).unwrap();
            cpu.load(&child, 0);
            cpu.mm.end_space(&child);
            cpu.mm.end_space(&parent);
        });
        play([copying, rig.cpu(|cpu| cpu.try_read(KEY)), rig.host(3)]);
    }

    #[test]
    fn holds_with_the_check() {
        holds(scenario);
    }

    #[test]
    fn fails_without_the_check() {
        fails_without(Guard::CopyCheck, &["hundred interruptions"], scenario);
    }

    #[test]
    fn fails_without_the_child_in_the_map() {
        fails_without(Guard::EnterFirst, &["hundred interruptions"], scenario);
    }
}

/// 7. A CPU goes offline during a sign-off round, with pages on its list.
mod offline_during_a_round {
    use super::*;

    fn scenario(rig: &Rig) {
        prepared(rig);
        rig.discard();
        play([
            rig.cpu(|cpu| {
                cpu.read(KEY);
                cpu.tick(1);
            }),
            rig.cpu(|cpu| cpu.read(KEY)),
            rig.cpu(|cpu| cpu.tick(1)),
        ]);
    }

    #[test]
    fn holds_with_leaving_the_round() {
        holds(scenario);
    }

    #[test]
    fn fails_without_leaving_the_round() {
        fails_without(Guard::LeaveRound, &["never comes"], scenario);
    }
}

/// 8. A CPU goes idle while a round begins: nobody must wait for it, and it must not be forgotten.
mod idle_against_a_round {
    use super::*;

    fn scenario(rig: &Rig) {
        prepared(rig);
        rig.discard();
        let sleeping = rig.cpu(|cpu| {
            cpu.mm.enter_idle();
            // It sleeps until all others have ended; only then does it go offline.
            while cpu.mm.online_cpus().count_ones() > 1 {
                kernel::sync::relax();
            }
            assert_eq!(
                cpu.mm.sign_off_stats().waiting(),
                0,
                "pages wait for a CPU that sleeps"
            );
            cpu.mm.leave_idle();
        });
        play([
            sleeping,
            rig.cpu(|cpu| {
                cpu.read(KEY);
                cpu.tick(1);
                cpu.tick(2);
            }),
        ]);
    }

    #[test]
    fn holds_with_the_order() {
        holds(scenario);
    }

    #[test]
    fn fails_without_the_order() {
        fails_without(Guard::IdleOrder, &["a CPU that sleeps"], scenario);
    }
}

/// 9. The last reference goes between a fault and its handler.
mod last_reference_goes_before_the_handler {
    use super::*;

    fn scenario(rig: &Rig) {
        let mapped = rig.now(|cpu| {
            let space = cpu.space(1, false);
            cpu.load(&space, 0);
            space
        });
        rig.discard();
        let space = mapped.clone();
        play([
            rig.cpu(move |cpu| cpu.load(&space, 0)),
            rig.cpu(|cpu| cpu.try_read(KEY)),
        ]);
        rig.now(|cpu| cpu.mm.end_space(&mapped));
    }

    #[test]
    fn holds_with_get_unless_zero() {
        holds(scenario);
    }

    #[test]
    fn fails_without_get_unless_zero() {
        fails_without(
            Guard::GetUnlessZero,
            &[
                "not in the page cache",
                "cannot be freed",
                "lost or there twice",
                "somebody else's by now",
            ],
            scenario,
        );
    }
}

/// 11. A discard against reclaim that has taken the page off the LRU list.
mod discard_against_isolation {
    use super::*;

    fn scenario(rig: &Rig) {
        prepared(rig);
        play([
            rig.cpu(|cpu| {
                cpu.mm.shrink_cache();
            }),
            rig.cpu(|cpu| cpu.try_read(KEY)),
            rig.host(2),
        ]);
    }

    #[test]
    fn holds_with_the_check() {
        holds(scenario);
    }

    #[test]
    fn fails_without_the_check() {
        fails_without(
            Guard::PutBackCheck,
            &["cannot be freed", "in the page cache"],
            scenario,
        );
    }
}

/// 12. Somebody raises an obstacle and drops his reference while another looks for obstacles.
mod obstacle_after_the_check {
    use super::*;

    fn scenario(rig: &Rig) {
        let held = rig.now(|cpu| cpu.fill(KEY).unwrap());
        play([
            rig.cpu(move |cpu| cpu.write(held, 0x77)),
            rig.cpu(|cpu| drop(cpu.mm.lookup_no_discard(KEY))),
        ]);
        rig.discard();
        rig.now(|cpu| cpu.expect(KEY, 0x77));
    }

    #[test]
    fn holds_with_flags_after_references() {
        holds(scenario);
    }

    #[test]
    fn fails_without_flags_after_references() {
        fails_without(
            Guard::ObstaclesLast,
            &[
                "what was written is lost",
                // Because of a flag, then: it is dirty.
                "0 references, 0 mappings",
            ],
            scenario,
        );
    }
}
