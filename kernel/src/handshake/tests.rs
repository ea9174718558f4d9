//! Who waits is woken once, whatever comes when.

use proptest::prelude::*;

use super::*;

const CPU: usize = 0;

#[test]
fn who_waits_goes_on_when_the_page_is_there() {
    let tasks = Handshake::new();
    let (first, second) = (tasks.enter(1), tasks.enter(2));
    assert!(tasks.initial(first, "first", CPU) && tasks.initial(second, "second", CPU));
    assert_eq!(tasks.complete(second), Some("second"));
    assert_eq!(tasks.complete(first), Some("first"));
    assert!(tasks.initial(following(first), "first", CPU));
}

#[test]
fn nobody_waits_for_a_page_that_is_there_already() {
    let tasks = Handshake::new();
    let token = tasks.enter(1);
    assert_eq!(tasks.complete(token), None);
    assert!(!tasks.initial(token, (), CPU));
    assert!(
        tasks.initial(following(token), (), CPU),
        "that was another page"
    );
}

#[test]
fn what_is_said_late_or_twice_or_of_nobody_means_nothing() {
    let tasks = Handshake::new();
    let token = tasks.enter(1);
    assert!(tasks.initial(token, (), CPU));
    assert_eq!(tasks.complete(token), Some(()));
    for other in [token, token ^ 1 << 20, u64::MAX] {
        assert_eq!(tasks.complete(other), None);
    }
    assert!(
        tasks.initial(following(token), (), CPU),
        "it is still missing"
    );
    tasks.leave(following(token));
    assert_eq!(tasks.complete(following(token)), None);
}

#[test]
fn who_was_told_by_a_cpu_that_goes_looks_again() {
    let tasks = Handshake::new();
    let tokens: Vec<_> = (1..4).map(|task| tasks.enter(task)).collect();
    for (cpu, token) in tokens.iter().enumerate() {
        assert!(tasks.initial(*token, cpu, cpu % 2));
    }
    let mut woken: Vec<_> = core::iter::from_fn(|| tasks.give_up(0)).collect();
    woken.sort_unstable();
    assert_eq!(woken, [0, 2]);
    assert_eq!(tasks.complete(tokens[1]), Some(1));
    // What they were told is complete at last, and not what they will be told.
    assert_eq!(tasks.complete(tokens[0]), None);
    assert!(tasks.initial(following(tokens[0]), 0, 1));
}

#[test]
fn tokens_of_a_task_come_again_after_a_long_time() {
    let tasks = Handshake::<()>::new();
    let first = tasks.enter(7);
    let mut token = first;
    for _ in 0..1 << COUNT_BITS {
        assert_eq!(token >> COUNT_BITS, 7);
        tasks.complete(token);
        assert!(!tasks.initial(token, (), CPU));
        token = following(token);
    }
    assert_eq!(token, first);
}

proptest! {
    /// Each of some tasks gets pages missing one after the other, told of in any order on any CPU.
    #[test]
    fn every_wait_ends_once(
        steps in prop::collection::vec((0..4_usize, any::<bool>()), 1..200),
    ) {
        let tasks = Handshake::new();
        let mut tokens: Vec<_> = (0..4).map(|task| tasks.enter(task)).collect();
        // By task: which of the two has been said of its page.
        let mut said = [(false, false, false); 4];
        for (task, is_initial) in steps {
            let (initial, complete, waits) = &mut said[task];
            let token = tokens[task];
            if is_initial && !*initial {
                *initial = true;
                *waits = tasks.initial(token, task, CPU);
                prop_assert_eq!(*waits, !*complete);
            } else if !is_initial && !*complete {
                *complete = true;
                prop_assert_eq!(tasks.complete(token), waits.then_some(task));
            }
            if (*initial, *complete) == (true, true) {
                tokens[task] = following(token);
                said[task] = (false, false, false);
            }
        }
    }
}
