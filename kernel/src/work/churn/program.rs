//! What a task does, in the problem state.
//!
//! The table has a word for each page: the state in which the task knows it to be. States are numbers
//! that grow with each store, with the number of who stored in the right digits. A page that is all zero
//! has the state [`ZERO`] more, or none at all.

mod copies;
mod shuffle;

use arch::call::supervisor_call;

pub(super) use copies::{READ, REFUSED, WRITE};
pub(super) use shuffle::REMAP;

use super::plan::{PLACES, Part, Plan, WORDS, identity, word};
use crate::work::tasks::{EXIT, FORK, next_random};

/// Call: the range of pages in register 2 is dropped and mapped anew.
pub(super) const RENEW: u16 = 2;
/// Call: a range of pages must not be written from now on.
pub(super) const PROTECT: u16 = 3;
/// Call: and may be written again.
pub(super) const ALLOW: u16 = 4;
/// Call: a range of pages is locked in memory. The answer is 0 if there was memory for it.
pub(super) const LOCK: u16 = 5;
/// Call: and unlocked.
pub(super) const UNLOCK: u16 = 6;
/// Call: the task's file is cut in front of this page.
pub(super) const CUT: u16 = 7;
/// Call: this page of the task's file is written to the disk.
pub(super) const SYNC: u16 = 8;
/// Call: which number has this task, which nobody else has?
pub(super) const WHO: u16 = 9;
/// Call: the length and the checksum of a page of the archive's file.
pub(super) const SUM: u16 = 10;
/// Call: this page of the task's file must hold this in the end.
pub(super) const FINAL: u16 = 11;
/// Call: at this page and place stands this word, which is wrong. The kernel says so.
pub(super) const WRONG: u16 = 12;

/// Flag of a state: the page was cut off since, and is zero.
const ZERO: u64 = 1 << 63;
/// States of a page that one writer makes are so far apart, which leaves room for writers' numbers.
const STEP: u64 = 1 << 12;
/// Most pages that a call is about.
const MOST: u64 = 6;
/// Pages that are written again with what is there, and how often at a time.
const FAVOURITES: u64 = 4;
const REWRITES: u64 = 3;
/// Generations of children.
const GENERATIONS: u64 = 2;

/// A range of pages for a call.
pub(super) const fn range(first: u64, count: u64) -> u64 {
    first << 16 | count
}

struct Churn {
    plan: Plan,
    seed: u64,
    random: u64,
    start: *mut u64,
    /// Number of this task, and how many parents it has.
    who: u64,
    generation: u64,
    locked: u64,
    checked: u64,
    wrong: u64,
}

impl Churn {
    fn random(&mut self, below: u64) -> u64 {
        (next_random(&mut self.random) >> 33) % below
    }

    /// Some of the pages of a part: the first, and how many.
    fn some(&mut self) -> (u64, u64) {
        let first = self.random(self.plan.pages);
        let count = 1 + self.random(MOST.min(self.plan.pages - first));
        (first, count)
    }

    fn at(&self, page: u64, place: u64) -> *mut u64 {
        self.start.wrapping_add((page * WORDS + place) as usize)
    }

    /// A word of the page that begins there.
    fn load(&mut self, at: *mut u64, place: u64) -> u64 {
        self.checked += 1;
        // SAFETY: mapped; volatile, so that each access is made.
        unsafe { at.wrapping_add(place as usize).read_volatile() }
    }

    fn state_at(&self, part: Part, page: u64) -> *mut u64 {
        let entry = part as u64 * self.plan.pages + page;
        self.at(entry / WORDS, entry % WORDS)
    }

    fn state(&self, part: Part, page: u64) -> u64 {
        // SAFETY: the table is mapped, for this task alone.
        unsafe { self.state_at(part, page).read_volatile() }
    }

    fn set_state(&mut self, part: Part, page: u64, state: u64) {
        // SAFETY: as in `state`.
        unsafe { self.state_at(part, page).write_volatile(state) }
    }

    fn complain(&mut self, part: Part, page: u64, place: u64, found: u64) {
        self.wrong += 1;
        let page = self.plan.start(part) + page;
        supervisor_call::<WRONG>(page << 16 | place, found);
    }

    fn identity(&self, part: Part) -> u64 {
        let number = match part {
            Part::Neighbour => self.plan.neighbour,
            _ => self.plan.file,
        };
        identity(self.seed, part, number)
    }

    /// What only this task writes must be as it has left it, wherever it is and whatever part shows it.
    fn check_own(&mut self, at: *mut u64, shown: Part, part: Part, page: u64) {
        let identity = self.identity(part);
        let state = self.state(part, page);
        for place in PLACES {
            let expected = match state {
                0 | ZERO.. => 0,
                state => word(identity, page, place, state as u32),
            };
            let found = self.load(at, place);
            if found != expected {
                self.complain(shown, page, place, found);
            }
        }
    }

    /// What another task writes, a parent or a neighbour, was there after what was seen before; or it is
    /// zero, because it was never written, or cut off. `shown` is the part that shows it.
    fn check_others(&mut self, at: *mut u64, shown: Part, part: Part, page: u64) {
        let identity = self.identity(part);
        let mut latest = 0;
        let before = self.state(part, page) & !ZERO;
        for place in PLACES {
            let found = self.load(at, place);
            let state = found & 0xffff_ffff;
            let is_whole = found == 0 || found == word(identity, page, place, state as u32);
            if !is_whole || (found != 0 && state < before) {
                self.complain(shown, page, place, found);
                return;
            }
            // In the end that of the last place: the others were written before.
            latest = state;
        }
        if latest > before {
            self.set_state(part, page, latest);
        }
    }

    fn is_parent(&self) -> bool {
        self.generation == 0
    }

    fn check(&mut self, part: Part, page: u64) {
        self.check_at(self.at(self.plan.start(part) + page, 0), part, page);
    }

    /// Checks a page of a part that is there, or has been read to there.
    fn check_at(&mut self, at: *mut u64, part: Part, page: u64) {
        match part {
            Part::Memory => self.check_own(at, part, part, page),
            Part::Copy if self.state(part, page) != 0 => self.check_own(at, part, part, page),
            // Nothing was written to the copy: it shows what the file has.
            Part::File | Part::Copy if self.is_parent() => {
                self.check_own(at, part, Part::File, page);
            }
            Part::File | Part::Copy => self.check_others(at, part, Part::File, page),
            Part::Neighbour => self.check_others(at, part, part, page),
            Part::Shuffled => self.check_shuffled(at, page),
            Part::Archive => self.check_archive(at, page),
        }
    }

    fn check_archive(&mut self, at: *mut u64, page: u64) {
        if page >= self.plan.archive.1 {
            return;
        }
        let answer = supervisor_call::<SUM>(page, 0);
        let length = (answer >> 32) as usize;
        // SAFETY: mapped, and nobody writes it.
        let bytes = unsafe { core::slice::from_raw_parts(at.cast::<u8>(), length) };
        self.checked += 1;
        let sum = boot::bundle::crc32().checksum(bytes);
        if sum != answer as u32 {
            self.complain(Part::Archive, page, 0, sum.into());
        }
    }

    /// The next state of a page that this task writes, and whose the page is.
    fn next_state(&self, part: Part, page: u64) -> (u64, u64) {
        let before = self.state(part, page) & !ZERO;
        let state = (before / STEP + 1) * STEP + self.who;
        (self.identity(part), state)
    }

    /// Writes a new state of a page.
    fn write(&mut self, part: Part, page: u64) {
        self.write_at(self.at(self.plan.start(part) + page, 0), part, page);
    }

    /// Writes a new state of a page that is there.
    fn write_at(&mut self, at: *mut u64, part: Part, page: u64) {
        let (identity, state) = self.next_state(part, page);
        for place in PLACES {
            let at = at.wrapping_add(place as usize);
            // SAFETY: mapped, and nobody else writes it; volatile, so that each access is made.
            unsafe { at.write_volatile(word(identity, page, place, state as u32)) }
        }
        self.set_state(part, page, state);
    }

    fn any(&mut self) -> (Part, u64) {
        let part = self.random(Part::ALL.len() as u64) as usize;
        (Part::ALL[part], self.random(self.plan.pages))
    }

    fn write_any(&mut self) {
        let page = self.random(self.plan.pages);
        match self.random(3) {
            0 => self.write(Part::Memory, page),
            1 => self.write(Part::Copy, page),
            _ if self.is_parent() => self.write(Part::File, page),
            _ => self.check(Part::File, page),
        }
    }

    /// Writes what is there already to one of a few pages, as programs do, and has it written to the file.
    fn rewrite(&mut self) {
        let page = self.random(self.plan.pages.min(FAVOURITES));
        for _ in 0..REWRITES {
            let at = self.at(self.plan.start(Part::File) + page, 0);
            // SAFETY: mapped, and nobody else writes it; volatile, so that each access is made.
            unsafe { at.write_volatile(at.read_volatile()) }
            supervisor_call::<SYNC>(page, 0);
        }
        self.check(Part::File, page);
    }

    /// Lets a range be read only for a while.
    fn protect(&mut self) {
        let (first, count) = self.some();
        let pages = range(self.plan.start(Part::Memory) + first, count);
        supervisor_call::<PROTECT>(pages, 0);
        (first..first + count).for_each(|page| self.check(Part::Memory, page));
        supervisor_call::<ALLOW>(pages, 0);
        self.write(Part::Memory, first);
    }

    /// Locks a range in memory, or unlocks the one that is locked.
    fn lock(&mut self) {
        if self.locked != 0 {
            supervisor_call::<UNLOCK>(self.locked, 0);
            self.locked = 0;
            return;
        }
        let (first, count) = self.some();
        // All pages of a file stay stable when one was locked once: only every other task does that.
        let of_files = self.plan.file % 2 == 1;
        let part = match self.random(3) {
            0 if of_files => Part::File,
            1 if of_files => Part::Copy,
            _ => Part::Memory,
        };
        self.locked = range(self.plan.start(part) + first, count);
        let is_locked = supervisor_call::<LOCK>(self.locked, 0) == 0;
        for page in first..first + count {
            match part {
                // Locking has made a copy of it, of what the file had at that moment.
                Part::Copy => self.write(part, page),
                _ if is_locked => self.check(part, page),
                _ => {}
            }
        }
    }

    fn renew(&mut self) {
        let part = if self.random(2) == 0 {
            Part::Memory
        } else {
            Part::Copy
        };
        let (first, count) = self.some();
        supervisor_call::<RENEW>(range(self.plan.start(part) + first, count), 0);
        for page in first..first + count {
            self.set_state(part, page, 0);
            self.check(part, page);
        }
    }

    fn cut(&mut self) {
        let pages = self.plan.pages;
        let from = pages - 1 - self.random(pages.min(MOST));
        supervisor_call::<CUT>(from, 0);
        for page in from..pages {
            let state = self.state(Part::File, page);
            self.set_state(Part::File, page, state | ZERO);
            self.check(Part::File, page);
        }
    }

    fn fork(&mut self) {
        if self.generation < GENERATIONS && supervisor_call::<FORK>(0, 0) == 0 {
            self.generation += 1;
            self.who = supervisor_call::<WHO>(0, 0) % STEP;
            self.random ^= self.who << 33;
            self.checked = 0;
            self.wrong = 0;
            // What was locked is the parent's.
            self.locked = 0;
        }
    }

    fn step(&mut self) {
        match self.random(1000) {
            0..360 => self.write_any(),
            360..380 => self.protect(),
            380..400 => self.lock(),
            400..415 => self.renew(),
            415..420 => self.shuffle(),
            420..426 if self.is_parent() => self.cut(),
            426..440 if self.is_parent() => {
                let page = self.random(self.plan.pages);
                supervisor_call::<SYNC>(page, 0);
                self.check(Part::File, page);
            }
            440..450 if self.is_parent() => self.rewrite(),
            450..453 => self.fork(),
            453..560 => self.read_file(),
            560..590 if self.is_parent() => self.write_file(),
            _ => {
                let (part, page) = self.any();
                self.check(part, page);
            }
        }
    }

    fn finish(&mut self) -> ! {
        for part in Part::ALL {
            (0..self.plan.pages).for_each(|page| self.check(part, page));
        }
        if self.is_parent() {
            for page in 0..self.plan.pages {
                let state = self.state(Part::File, page);
                supervisor_call::<FINAL>(page, if state & ZERO == 0 { state } else { 0 });
            }
        }
        loop {
            supervisor_call::<EXIT>(self.checked, self.wrong);
        }
    }
}

/// The task: from `start` on lies what the plan says; so many steps.
pub(super) extern "C" fn program(start: u64, plan: u64, steps: u64, seed: u64) -> ! {
    let plan = Plan::unpack(plan);
    let mut churn = Churn {
        plan,
        seed,
        random: seed ^ u64::from(plan.file) << 40 | 1,
        start: core::ptr::with_exposed_provenance_mut(start as usize),
        who: supervisor_call::<WHO>(0, 0) % STEP,
        generation: 0,
        locked: 0,
        checked: 0,
        wrong: 0,
    };
    // Children go on from where they are.
    for _ in 0..steps {
        churn.step();
    }
    churn.finish()
}
