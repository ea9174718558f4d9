// Threads of the build machine: under `explore` there is a scheduler instead.
#![cfg(not(feature = "explore"))]

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use super::witness::{USERS, Witness};
use super::*;
use crate::sync::become_cpu;

/// How often everybody does what he does.
const TIMES: usize = if cfg!(miri) { 30 } else { 20_000 };

#[test]
fn notifiers_come_and_go_while_others_walk() {
    let witness = Witness::new(thread::yield_now);
    let are_there = AtomicBool::new(true);
    thread::scope(|scope| {
        let users: Vec<_> = (0..2)
            .map(|user| {
                let witness = &witness;
                scope.spawn(move || {
                    become_cpu(user);
                    for _ in 0..TIMES / 10 {
                        (user..USERS)
                            .step_by(2)
                            .for_each(|number| witness.come_and_go(number));
                    }
                })
            })
            .collect();
        for cpu in 2..4 {
            let (witness, are_there) = (&witness, &are_there);
            scope.spawn(move || {
                become_cpu(cpu);
                while are_there.load(Ordering::Relaxed) {
                    witness.walk();
                    witness.walk_for_batches();
                }
            });
        }
        // A failed one has said why.
        let ends: Vec<_> = users.into_iter().map(|user| user.join()).collect();
        are_there.store(false, Ordering::Relaxed);
        ends.into_iter().for_each(|end| end.unwrap());
    });
    witness.check();
}

/// Writes down what it is told.
#[derive(Default)]
struct Diary {
    lines: Mutex<Vec<String>>,
    is_used: bool,
    is_pinned: bool,
}

impl Diary {
    fn note(&self, line: String) -> Result<(), Pinned> {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.push(line);
        if self.is_pinned { Err(Pinned) } else { Ok(()) }
    }

    fn take(&self) -> Vec<String> {
        core::mem::take(&mut self.lines.lock().unwrap())
    }
}

impl Notifier for Diary {
    fn age_page(&self, page: u32) -> bool {
        let _ = self.note(format!("age {page}"));
        self.is_used
    }

    fn invalidate_range(&self, pages: Range<u32>, right: Right) -> Result<(), Pinned> {
        self.note(format!("{right:?} {pages:?}"))
    }

    fn release(&self) {
        let _ = self.note("release".into());
    }
}

fn diary(is_used: bool, is_pinned: bool) -> (Arc<Diary>, Arc<dyn Notifier>) {
    let diary = Arc::new(Diary {
        is_used,
        is_pinned,
        ..Diary::default()
    });
    (diary.clone(), diary)
}

#[test]
fn every_call_reaches_every_notifier() {
    let all = Notifiers::default();
    let ((first, as_first), (second, as_second)) = (diary(true, false), diary(false, false));
    assert!(!all.age_page(1));
    all.register(&as_first);
    all.register(&as_second);
    assert!(all.age_page(1), "one of them has used it");
    assert_eq!(all.invalidate_page(2, Right::Store), Ok(()));
    assert_eq!(all.invalidate_range(&(3..5), Right::Access), Ok(()));
    let told = ["age 1", "Store 2..3", "Access 3..5"];
    assert_eq!(
        (first.take(), second.take()),
        (told.map(Into::into).into(), told.map(Into::into).into())
    );
    all.unregister(&as_first);
    assert!(!all.age_page(6));
    all.release();
    assert!(!all.age_page(7), "nobody is left");
    assert_eq!(
        (first.take(), second.take().join(", ")),
        (vec![], "age 6, release".into())
    );
}

#[test]
fn a_pinned_page_stays() {
    let all = Notifiers::default();
    all.register(&diary(false, false).1);
    all.register(&diary(false, true).1);
    assert_eq!(all.invalidate_page(2, Right::Store), Err(Pinned));
    assert_eq!(all.invalidate_range(&(3..5), Right::Access), Err(Pinned));
}
