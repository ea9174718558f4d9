//! Pages that even the worst host spares, so that guests get on that cannot help themselves.
//!
//! An instruction that needs two pages never gets both from a host that takes each as soon as the guest has
//! brought it back. So a page that a CPU faulted on stays until the CPU has executed the instruction: it is
//! entered at the instruction, and comes out somewhere else.

/// Most pages of a CPU that are spared: so many one instruction needs.
const MOST: usize = 8;
/// No page.
const NONE: u32 = u32::MAX;

/// Where a CPU is: its PSW's address, and whether it is in the problem state.
pub type At = (u64, bool);

/// A page that an instruction faulted on.
#[derive(Clone, Copy, Debug)]
struct Page {
    number: u32,
    /// The instruction.
    at: At,
    /// Whether the CPU was entered at the instruction last.
    is_next: bool,
}

/// The pages that a CPU faulted on last.
#[derive(Debug)]
pub struct Spared {
    pages: [Page; MOST],
    /// The place of the oldest.
    oldest: usize,
}

impl Default for Spared {
    fn default() -> Self {
        let none = Page {
            number: NONE,
            at: (0, false),
            is_next: false,
        };
        Self {
            pages: [none; MOST],
            oldest: 0,
        }
    }
}

impl Spared {
    /// Whether a page is spared.
    #[must_use]
    pub fn contains(&self, page: u32) -> bool {
        self.pages.iter().any(|spared| spared.number == page)
    }

    /// An instruction gets a discard fault for a page, and is not executed.
    pub fn fault(&mut self, page: u32, at: At) {
        let mut place = self.oldest;
        for (number, spared) in self.pages.iter_mut().enumerate() {
            if spared.at == at {
                spared.is_next = false;
            }
            if spared.number == page {
                place = number;
            }
        }
        if place == self.oldest {
            self.oldest = (self.oldest + 1) % MOST;
        }
        self.pages[place] = Page {
            number: page,
            at,
            is_next: false,
        };
    }

    /// The CPU is going to execute the instruction there.
    pub fn enter(&mut self, at: At) {
        for spared in &mut self.pages {
            spared.is_next = spared.at == at;
        }
    }

    /// The CPU has come out and stands there: what it was entered at is executed, unless it still is.
    pub fn leave(&mut self, at: At) {
        for spared in &mut self.pages {
            if spared.is_next && spared.at != at {
                spared.number = NONE;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INSTRUCTION: At = (0x1000, true);
    const HANDLER: At = (0x300, false);

    #[test]
    fn pages_stay_until_the_instruction_is_executed() {
        let mut spared = Spared::default();
        for page in [7, 8] {
            spared.enter(INSTRUCTION);
            spared.fault(page, INSTRUCTION);
            spared.leave(HANDLER);
            spared.enter(HANDLER);
            spared.leave((0x308, false));
        }
        assert!(spared.contains(7) && spared.contains(8));
        spared.enter(INSTRUCTION);
        // Something else has interrupted it.
        spared.leave(INSTRUCTION);
        assert!(spared.contains(7) && spared.contains(8));
        spared.enter(INSTRUCTION);
        spared.leave((0x1006, true));
        assert!(!spared.contains(7) && !spared.contains(8));
    }

    #[test]
    fn a_fault_of_the_handler_ends_nothing() {
        let mut spared = Spared::default();
        spared.fault(7, INSTRUCTION);
        spared.enter(HANDLER);
        spared.fault(8, HANDLER);
        spared.leave((0x400, false));
        spared.enter(HANDLER);
        spared.leave((0x308, false));
        assert!(spared.contains(7) && !spared.contains(8));
    }

    #[test]
    fn the_oldest_page_goes_first() {
        let mut spared = Spared::default();
        (0..9).for_each(|page| spared.fault(page, INSTRUCTION));
        assert!(!spared.contains(0) && (1..9).all(|page| spared.contains(page)));
        // One that is there already takes no other's place.
        spared.fault(5, INSTRUCTION);
        assert!((1..9).all(|page| spared.contains(page)));
    }
}
