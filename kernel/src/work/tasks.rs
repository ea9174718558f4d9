//! Running tasks to their ends, with their children.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use arch::PAGE_SIZE;

use crate::mm::{Mm, OutOfMemory};
use crate::task::{self, Join};
use crate::user::{Event, Task};

/// Call: the task has ended; it has checked so many words, of which so many were wrong.
pub const EXIT: u16 = 0;
/// Call: a second task goes on from here; the answer is 1 in the first and 0 in the second. There may be
/// none, if there are enough tasks.
pub const FORK: u16 = 1;

/// Words of a page.
pub const WORDS: u64 = PAGE_SIZE as u64 / 8;
/// Where a page of a task carries what it must, in words.
pub const PLACES: [u64; 3] = [0, 255, 511];

/// The next random number of a task.
pub fn next_random(random: &mut u64) -> u64 {
    *random = random
        .wrapping_mul(0x5851_f42d_4c95_7f2d)
        .wrapping_add(0x1405_7b7e_f767_814f);
    *random
}

/// What the tasks of a kind of work may call besides.
pub trait Calls: Send + Sized + 'static {
    /// What a child may call; `None` if there are enough tasks.
    fn fork(&self) -> Option<Self>;

    /// Does what a task has called; the answer is for the task.
    ///
    /// # Errors
    /// The task cannot go on.
    fn call(&mut self, mm: &'static Mm<'static>, task: &Task, number: u16) -> Result<u64, String>;
}

/// How tasks ended.
#[derive(Default)]
pub struct Done {
    /// Words checked.
    pub checked: u64,
    /// Those that were wrong.
    pub wrong: u64,
    /// Why a task did not come to its end.
    pub reason: Option<String>,
}

impl Done {
    /// Adds what another task has come to.
    pub fn add(&mut self, other: Self) {
        self.checked += other.checked;
        self.wrong += other.wrong;
        self.reason = self.reason.take().or(other.reason);
    }

    /// As this, and some tasks were not started.
    #[must_use]
    pub fn and(mut self, started: Result<(), OutOfMemory>) -> Self {
        let reason = started
            .err()
            .map(|error| format!("a task cannot start: {error}"));
        self.reason = self.reason.take().or(reason);
        self
    }

    /// What is wrong when all tasks have ended, if anything is.
    #[must_use]
    pub fn complaint(&self, mm: &Mm<'_>) -> Option<String> {
        if let Some(reason) = &self.reason {
            return Some(reason.clone());
        }
        if self.wrong > 0 {
            return Some(format!("mismatch in {} words of tasks", self.wrong));
        }
        let (slots, free) = mm.swap_slots();
        (slots != free).then(|| format!("{} swap slots were not given back", slots - free))
    }
}

/// Runs a task to its end, and those that it forks, each on a thread of its own.
pub fn run<C: Calls>(mm: &'static Mm<'static>, mut task: Task, mut calls: C) -> Done {
    let mut children: Vec<Join<Done>> = Vec::new();
    let mut done = loop {
        let reason = match task.run(mm) {
            Event::Call(EXIT) => {
                let [checked, wrong] = task.arguments();
                break Done {
                    checked,
                    wrong,
                    reason: None,
                };
            }
            Event::Call(FORK) => {
                if let Some(its) = calls.fork()
                    && let Ok(stack) = task::Stack::new()
                    && let Ok(mut child) = task.fork(mm)
                {
                    child.answer(0);
                    children.push(task::spawn_on(stack, move || run(mm, child, its)));
                }
                task.answer(1);
                continue;
            }
            Event::Call(number) => match calls.call(mm, &task, number) {
                Ok(answer) => {
                    task.answer(answer);
                    continue;
                }
                Err(reason) => reason,
            },
            Event::Failed(reason) => reason,
        };
        break Done {
            reason: Some(reason),
            ..Done::default()
        };
    };
    task.end(mm);
    for child in children {
        done.add(child.join());
    }
    done
}
