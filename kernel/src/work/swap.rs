//! Anonymous memory beyond what is there: tasks that write, check, fork, and are swapped out and in.
//!
//! Each page of a task carries its task, its number and its version in three places; a table of the
//! versions, in the task's memory too, says what must be there. Half way through, a task forks: the
//! child checks that it has what the parent had, and changes all of it.

use alloc::format;
use alloc::string::String;

use arch::call::supervisor_call;

use crate::mm::{Area, Mm};
use crate::smp;
use crate::task;
use crate::user::{STACK_PAGES, Task};
use crate::work::tasks::{self, Calls, Done, EXIT, FORK, PLACES, WORDS, next_random};

/// What a version of a page holds; version 0 is memory that was never written.
fn content(seed: u64, page: u64, version: u64) -> u64 {
    if version == 0 {
        return 0;
    }
    (seed ^ page << 32 ^ version).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1
}

/// A task's memory behind the table of its versions, used in the problem state.
pub(super) struct Memory {
    seed: u64,
    pages: u64,
    versions: *mut u64,
    data: *mut u64,
    checked: u64,
    wrong: u64,
}

impl Memory {
    /// So many pages, whose table begins there; nothing was written yet.
    pub(super) fn new(start: u64, pages: u64, seed: u64) -> Self {
        let versions = core::ptr::with_exposed_provenance_mut::<u64>(start as usize);
        Self {
            seed,
            pages,
            versions,
            data: versions.wrapping_add((pages.div_ceil(WORDS) * WORDS) as usize),
            checked: 0,
            wrong: 0,
        }
    }

    /// The address behind it.
    pub(super) fn end(&self) -> u64 {
        self.word(self.pages, 0).addr() as u64
    }

    fn word(&self, page: u64, place: u64) -> *mut u64 {
        self.data.wrapping_add((page * WORDS + place) as usize)
    }

    fn version(&self, page: u64) -> *mut u64 {
        self.versions.wrapping_add(page as usize)
    }

    pub(super) fn check(&mut self, page: u64) {
        // SAFETY: both areas are mapped for this task alone; volatile, so that each access is made.
        let right = unsafe {
            let expected = content(self.seed, page, self.version(page).read_volatile());
            PLACES
                .iter()
                .all(|place| self.word(page, *place).read_volatile() == expected)
        };
        self.checked += PLACES.len() as u64;
        self.wrong += u64::from(!right);
    }

    pub(super) fn write(&mut self, page: u64) {
        // SAFETY: as in `check`.
        unsafe {
            let version = self.version(page).read_volatile() + 1;
            let new = content(self.seed, page, version);
            for place in PLACES {
                self.word(page, place).write_volatile(new);
            }
            self.version(page).write_volatile(version);
        }
    }

    pub(super) fn check_all(&mut self) {
        (0..self.pages).for_each(|page| self.check(page));
    }

    pub(super) fn write_all(&mut self) {
        (0..self.pages).for_each(|page| self.write(page));
    }

    /// Adds what was checked of another memory.
    pub(super) fn add(&mut self, other: &Self) {
        self.checked += other.checked;
        self.wrong += other.wrong;
    }

    pub(super) fn exit(&self) -> ! {
        loop {
            supervisor_call::<EXIT>(self.checked, self.wrong);
        }
    }
}

/// What a task does, in the problem state.
extern "C" fn program(start: u64, pages: u64, rounds: u64, seed: u64) -> ! {
    let mut memory = Memory::new(start, pages, seed);
    let mut random = seed | 1;
    for round in 0..rounds {
        let page = (next_random(&mut random) >> 33) % pages;
        memory.check(page);
        if random >> 32 & 1 == 0 {
            memory.write(page);
        }
        if round == rounds / 2 && supervisor_call::<FORK>(0, 0) == 0 {
            memory.checked = 0;
            memory.check_all();
            memory.write_all();
            memory.check_all();
            memory.exit();
        }
    }
    memory.check_all();
    memory.exit();
}

/// Nothing else is called.
struct NoCalls;

impl Calls for NoCalls {
    fn fork(&self) -> Option<Self> {
        Some(Self)
    }

    fn call(&mut self, _: &'static Mm<'static>, _: &Task, number: u16) -> Result<u64, String> {
        Err(format!("a task calls {number}, which is nothing"))
    }
}

/// Tasks with half as much memory again as is free, which write and check each page `passes` times.
pub fn run(mm: &'static Mm<'static>, passes: u64, seed: u64) -> Done {
    let tasks = smp::all().count().max(2);
    let pages = (mm.free_page_count() as u64 * 3 / 2 / tasks as u64).max(16);
    let all = pages + pages.div_ceil(WORDS);
    let start = |number: usize| {
        let area = Area::memory(STACK_PAGES, all as usize);
        let seed = seed
            .wrapping_add(number as u64)
            .wrapping_mul(0x2545_f491_4f6c_dd1d)
            & !0xfff;
        let arguments = [Task::address(0), pages, passes * pages, seed];
        let stack = task::Stack::new()?;
        let task = Task::new(mm, all as usize, [area].into(), program, arguments)?;
        Ok(task::spawn_on(stack, move || tasks::run(mm, task, NoCalls)))
    };
    let mut done = Done::default();
    let started = task::run_all(tasks, start, |its| done.add(its));
    done.and(started)
}
