//! Lists of free pages of CPUs: against one another, against discards, and with CPUs that go idle or
//! offline.

use explore::{KEY, Rig, User, fails_without, holds, key, play};
use kernel::mm::Guard;

/// Pages that are used at the same time: with one that comes and goes elsewhere, nearly all there are.
const USED: u32 = 9;

/// One page, allocated and freed: what it comes with stays on the list.
fn come_and_go(user: &User) {
    for _ in 0..3 {
        let page = user.mm.allocate_reclaiming(0).expect("there is memory");
        user.mm.free_allocated(page);
    }
}

/// Uses pages that nobody else may have, and holds them all.
fn fill(user: &User) {
    let held: Vec<_> = (0..USED)
        .map(|index| user.fill(key(index)).expect("there is memory"))
        .collect();
    (0..USED).for_each(|index| user.read(key(index)));
    drop(held);
}

fn short_of_memory(rig: &Rig) {
    play([rig.cpu(come_and_go), rig.cpu(fill)]);
}

/// What is on a list of one CPU goes when memory is short on another, which takes it away.
#[test]
fn what_a_list_has_is_not_missed() {
    holds(short_of_memory);
}

#[test]
fn an_allocation_that_does_not_wait_for_moves_fails() {
    fails_without(Guard::AwaitMoves, &["there is memory"], short_of_memory);
}

/// Lists are filled and emptied by their CPUs, by others, and when CPUs go idle and offline: the end
/// shows that no page is lost or there twice.
fn everybody(rig: &Rig) {
    let idle = |user: &User| {
        come_and_go(user);
        user.mm.drain_page_list();
        come_and_go(user);
    };
    play([
        rig.cpu(idle),
        rig.cpu(|user| {
            (0..4).for_each(|index| user.read(key(index)));
            user.swap_out();
        }),
        rig.host(3),
    ]);
}

#[test]
fn no_page_is_lost_or_there_twice() {
    holds(everybody);
}

/// A volatile page goes from the cache to a list, and from there to the next who fills a page.
fn freed_while_volatile(rig: &Rig) {
    rig.now(|user| drop(user.fill(KEY)));
    let user = |user: &User| {
        user.swap_out();
        let held: Vec<_> = (1..4)
            .map(|index| user.fill(key(index)).expect("there is memory"))
            .collect();
        user.discard();
        for page in &held {
            let mut byte = [0];
            page.read(0, &mut byte);
        }
        drop(held);
        (1..4).for_each(|index| user.read(key(index)));
    };
    play([rig.cpu(user), rig.host(2)]);
}

#[test]
fn what_is_freed_is_not_volatile_any_more() {
    holds(freed_while_volatile);
}

#[test]
fn a_volatile_page_on_a_list_is_lost() {
    fails_without(
        Guard::UnusedFirst,
        &["discard fault", "somebody else's content"],
        freed_while_volatile,
    );
}

/// One CPU idles and gives what is on its list; another one needs it.
fn given_while_needed(rig: &Rig) {
    let idle = |user: &User| {
        come_and_go(user);
        user.mm.drain_page_list();
    };
    play([rig.cpu(idle), rig.cpu(fill), rig.host(2)]);
}

#[test]
fn pages_are_given_unused() {
    holds(given_while_needed);
}

#[test]
fn a_page_marked_unused_when_it_has_been_found_is_lost() {
    fails_without(
        Guard::UnusedBeforeFound,
        &["addressing exception", "somebody else's content"],
        given_while_needed,
    );
}
