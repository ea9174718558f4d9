//! Resident pages in the order of their last use, as far as it is known.
//!
//! A sweep over all of them that resets reference bits ends a *generation*: pages that were used meanwhile belong to it. Pages
//! of a generation stand side by side, those of the oldest in front. One that is found used only notes that, which is
//! what a sweep has time for; it moves when its turn has come.
//!
//! ```text
//!   front ─► │ oldest │ next │   ...   │ newest │ ◄─ pages that come, and those used right now
//!                └──────────────►─┘ one that was used since, to the end of the generation that it belongs to
//! ```

use alloc::collections::VecDeque;

use super::PageId;

/// Most generations: what an entry has bits for.
const GENERATIONS: u32 = 64;
const GENERATION_SHIFT: u32 = 26;

/// A page, and its generation in front of it.
#[derive(Clone, Copy, Debug)]
struct Entry(u32);

impl Entry {
    fn new(page: PageId, generation: u32) -> Self {
        Self(page.bits() | ((generation % GENERATIONS) << GENERATION_SHIFT))
    }

    fn page(self) -> PageId {
        PageId::from_bits(self.0 & ((1 << GENERATION_SHIFT) - 1))
    }
}

/// The list.
#[derive(Debug)]
pub struct Resident {
    pages: VecDeque<Entry>,
    /// Pages that have left it in front: with it, a place is known by its number although others leave.
    left: usize,
    oldest: u32,
    newest: u32,
    /// Where each generation but the newest ends.
    ends: [usize; GENERATIONS as usize],
    /// The place that the sweep has got to.
    swept: usize,
    /// Pages that have been added since the sweep last went on.
    pub added: usize,
}

impl Resident {
    /// An empty list with room for so many pages.
    #[must_use]
    pub fn new(pages: usize) -> Self {
        Self {
            pages: VecDeque::with_capacity(pages),
            left: 0,
            oldest: 0,
            newest: 0,
            ends: [0; GENERATIONS as usize],
            swept: 0,
            added: 0,
        }
    }

    /// How many pages stand in it.
    #[must_use]
    pub fn len(&self) -> usize {
        self.pages.len()
    }

    /// Whether it is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.pages.is_empty()
    }

    fn end(&self, generation: u32) -> usize {
        if generation == self.newest {
            self.left + self.pages.len()
        } else {
            self.ends[(generation % GENERATIONS) as usize]
        }
    }

    /// Adds a page that is being used.
    pub fn push(&mut self, page: PageId) {
        self.pages.push_back(Entry::new(page, self.newest));
        self.added += 1;
    }

    /// Puts the page that was taken last back.
    pub fn put_back(&mut self, page: PageId) {
        self.left -= 1;
        self.pages.push_front(Entry::new(page, self.oldest));
    }

    /// Takes a page of the oldest generation.
    pub fn pop(&mut self) -> Option<PageId> {
        loop {
            let entry = self.pages.pop_front()?;
            self.left += 1;
            while self.end(self.oldest) < self.left {
                self.oldest += 1;
            }
            let behind = (entry.0 >> GENERATION_SHIFT).wrapping_sub(self.oldest) % GENERATIONS;
            if behind == 0 {
                return Some(entry.page());
            }
            self.insert(entry, self.oldest + behind);
        }
    }

    /// Puts a page at the end of its generation: the first one of each newer one makes room, and becomes its last.
    fn insert(&mut self, entry: Entry, generation: u32) {
        self.pages.push_back(entry);
        let mut hole = self.pages.len() - 1;
        for newer in (generation + 1..=self.newest).rev() {
            let end = &mut self.ends[((newer - 1) % GENERATIONS) as usize];
            let first = *end - self.left;
            *end += 1;
            self.pages.swap(first, hole);
            hole = first;
        }
    }

    /// Pages of the oldest generation, the next one first.
    pub fn oldest(&self) -> impl Iterator<Item = PageId> {
        let count = self.end(self.oldest).saturating_sub(self.left);
        self.pages.iter().take(count).map(|entry| entry.page())
    }

    /// Pages that the sweep comes to next; at the end of the list a generation has ended, and it begins again.
    pub fn next_swept(&mut self) -> impl Iterator<Item = PageId> {
        self.swept = self.swept.max(self.left);
        let end = self.left + self.pages.len();
        if self.swept >= end {
            self.swept = self.left;
            if self.newest - self.oldest < GENERATIONS - 1 {
                self.ends[(self.newest % GENERATIONS) as usize] = end;
                self.newest += 1;
            }
        }
        let range = self.swept - self.left..;
        self.pages.range(range).map(|entry| entry.page())
    }

    /// The sweep has seen the next page, which was used or not.
    pub fn sweep(&mut self, is_used: bool) {
        let entry = &mut self.pages[self.swept - self.left];
        if is_used {
            *entry = Entry::new(entry.page(), self.newest);
        }
        self.swept += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(number: u32) -> PageId {
        PageId::new(0, number)
    }

    /// Sweeps over all; those of some numbers were used.
    fn sweep(list: &mut Resident, used: &[u32]) {
        for _ in 0..list.len() {
            let next = list.next_swept().next().unwrap();
            list.sweep(used.contains(&next.page()));
        }
        // The next one begins.
        let _ = list.next_swept().next();
    }

    fn drain(list: &mut Resident) -> Vec<u32> {
        core::iter::from_fn(|| list.pop())
            .map(PageId::page)
            .collect()
    }

    #[test]
    fn pages_go_by_the_sweep_that_has_seen_them_used_last() {
        let mut list = Resident::new(16);
        (0..8).for_each(|number| list.push(page(number)));
        let _ = list.next_swept().next();
        sweep(&mut list, &[]);
        sweep(&mut list, &[0, 1, 2, 3, 4, 5]);
        (8..10).for_each(|number| list.push(page(number)));
        sweep(&mut list, &[0, 1]);
        sweep(&mut list, &[4]);
        list.push(page(10));
        let order = drain(&mut list);
        let generations = [&[6, 7][..], &[2, 3, 5], &[0, 1, 8, 9], &[4], &[10]];
        let mut found = &order[..];
        for generation in generations {
            let (mut part, rest) = (
                found[..generation.len()].to_vec(),
                &found[generation.len()..],
            );
            part.sort_unstable();
            assert_eq!(part, generation, "{order:?}");
            found = rest;
        }
    }

    #[test]
    fn nothing_is_lost_or_doubled_in_many_generations() {
        let mut list = Resident::new(64);
        (0..50).for_each(|number| list.push(page(number)));
        for round in 0..1000_u32 {
            for _ in 0..list.len() {
                let next = list.next_swept().next().unwrap();
                list.sweep((next.page() * 7 + round).is_multiple_of(5));
            }
            for _ in 0..round % 14 {
                let taken = list.pop().unwrap();
                match round % 3 {
                    0 => list.put_back(taken),
                    _ => list.push(taken),
                }
            }
        }
        let mut all = drain(&mut list);
        all.sort_unstable();
        assert!(all.into_iter().eq(0..50));
    }
}
