//! Reading and writing files by calls, instead of through mappings.

use arch::PAGE_SIZE;
use arch::call::supervisor_call;

use super::super::plan::{PLACES, Part, WORDS, word};
use super::Churn;

/// Call: a piece of a page of a file is read to an address. The answer is the length, or [`REFUSED`].
pub(in super::super) const READ: u16 = 13;
/// Call: a piece of a page of a file that may be written is written from an address; answered likewise.
pub(in super::super) const WRITE: u16 = 14;
/// The answer if the task may not use that address.
pub(in super::super) const REFUSED: u64 = u64::MAX;

/// Bytes of a word.
const WORD: u64 = 8;
/// What is mapped at no task's address: it is behind the largest space.
const NOWHERE: u64 = 1 << 40;
/// One call in so many is one that must be refused.
const BAD_ONE_IN: u64 = 16;

/// A piece of a page for a call: the page, behind the stack; where in it; how many bytes.
pub(in super::super) const fn piece(page: u64, offset: u64, length: u64) -> u64 {
    page << 32 | offset << 16 | length
}

impl Churn {
    /// A page of a part that shows a file, and is not private.
    fn any_of_file(&mut self) -> (Part, u64) {
        match self.random(3) {
            0 => (Part::File, self.random(self.plan.pages)),
            1 => (Part::Neighbour, self.random(self.plan.pages)),
            _ => (Part::Archive, self.random(self.plan.archive.1.max(1))),
        }
    }

    fn page_piece(&self, part: Part, page: u64, place: u64, length: u64) -> u64 {
        piece(self.plan.start(part) + page, place * WORD, length)
    }

    /// What was answered must be this.
    fn expect(&mut self, part: Part, page: u64, answer: u64, expected: u64) {
        self.checked += 1;
        if answer != expected {
            self.complain(part, page, 0, answer);
        }
    }

    /// Reads a page of a file, and checks what came.
    pub(super) fn read_file(&mut self) {
        let (part, page) = self.any_of_file();
        if part == Part::Archive && self.plan.archive.1 == 0 {
            return;
        }
        let request = self.page_piece(part, page, 0, PAGE_SIZE as u64);
        if self.random(BAD_ONE_IN) == 0 {
            self.read_badly(part, page, request);
        } else if self.random(2) == 0 {
            // On the stack, where it lies in two pages.
            let mut buffer = [0_u64; WORDS as usize];
            let at = buffer.as_mut_ptr();
            self.read_to(at, part, page, request);
        } else {
            let memory = self.random(self.plan.pages);
            let at = self.at(self.plan.start(Part::Memory) + memory, 0);
            self.read_to(at, part, page, request);
            self.write(Part::Memory, memory);
        }
    }

    fn read_to(&mut self, at: *mut u64, part: Part, page: u64, request: u64) {
        let answer = supervisor_call::<READ>(request, at.expose_provenance() as u64);
        self.expect(part, page, answer, PAGE_SIZE as u64);
        self.check_at(at, part, page);
    }

    /// Reads to where nothing is, to what the task may not write, and to where only the beginning is its own.
    fn read_badly(&mut self, part: Part, page: u64, request: u64) {
        let image = Self::read_badly as *const () as usize as u64;
        let archive = self.at(self.plan.start(Part::Archive), 0);
        let end = self.at(self.plan.all(), 0).wrapping_sub(1);
        for address in [
            NOWHERE,
            u64::MAX - WORD,
            image,
            archive.expose_provenance() as u64,
            end.expose_provenance() as u64,
        ] {
            let answer = supervisor_call::<READ>(request, address);
            self.expect(part, page, answer, REFUSED);
        }
    }

    /// Writes a new state of a page of the task's file from a page of its memory.
    pub(super) fn write_file(&mut self) {
        let page = self.random(self.plan.pages);
        let (identity, state) = self.next_state(Part::File, page);
        let memory = self.random(self.plan.pages);
        for place in PLACES {
            let at = self.at(self.plan.start(Part::Memory) + memory, place);
            // SAFETY: mapped, and nobody else writes it.
            unsafe { at.write_volatile(word(identity, page, place, state as u32)) }
        }
        // Some time for the page to go.
        for _ in 0..2 {
            let (part, page) = self.any_of_file();
            self.check(part, page);
        }
        // Word by word, because whoever reads meanwhile relies on the order.
        for place in PLACES {
            let from = self.at(self.plan.start(Part::Memory) + memory, place);
            let request = self.page_piece(Part::File, page, place, WORD);
            let answer = supervisor_call::<WRITE>(request, from.expose_provenance() as u64);
            self.expect(Part::File, page, answer, WORD);
        }
        self.set_state(Part::File, page, state);
        if self.random(BAD_ONE_IN) == 0 {
            let request = self.page_piece(Part::File, page, 0, PAGE_SIZE as u64);
            let answer = supervisor_call::<WRITE>(request, NOWHERE);
            self.expect(Part::File, page, answer, REFUSED);
        }
        self.check(Part::File, page);
        self.write(Part::Memory, memory);
    }
}
