//! Resident pages in the order of their last use, as far as it is known.
//!
//! A sweep over all of them that resets reference bits ends a *generation*: pages that were used meanwhile belong to it. Each
//! generation is a queue. A page that is found used only notes that, which is what a sweep has time for; it moves when
//! its turn has come. So pages that came together, and were used together, stay neighbours.
//!
//! ```text
//!   front ─► oldest ─► next ─►  ...  ─► newest ◄─ pages that come, and those used right now
//!              └─────────►─┘ one that was used since, to the end of the generation that it belongs to
//! ```

use alloc::vec;
use alloc::vec::Vec;

use super::PageId;

/// Most generations: what a link has bits for.
const GENERATIONS: u32 = 64;
const GENERATION_SHIFT: u32 = 26;

/// The page behind a page, which is the page itself at the end of a queue; and the generation that it belongs to in
/// front of that.
#[derive(Clone, Copy, Debug)]
struct Link(u32);

impl Link {
    fn new(next: PageId, generation: u32) -> Self {
        Self(next.bits() | ((generation % GENERATIONS) << GENERATION_SHIFT))
    }

    fn next(self) -> PageId {
        PageId::from_bits(self.0 & ((1 << GENERATION_SHIFT) - 1))
    }

    fn generation(self) -> u32 {
        self.0 >> GENERATION_SHIFT
    }
}

/// The first page of a queue and the last.
type Queue = Option<(PageId, PageId)>;

/// The list.
#[derive(Debug)]
pub struct Resident {
    /// By page of each guest.
    links: Vec<Link>,
    /// How many each guest has.
    pages: usize,
    queues: [Queue; GENERATIONS as usize],
    len: usize,
    oldest: u32,
    newest: u32,
    /// The page that the sweep comes to next, and in which queue; none at the end of the list.
    swept: Option<(PageId, u32)>,
    /// Pages that have been added since the sweep last went on.
    pub added: usize,
}

impl Resident {
    /// An empty list for so many guests of so many pages.
    #[must_use]
    pub fn new(guests: usize, pages: usize) -> Self {
        Self {
            links: vec![Link(0); guests * pages],
            pages,
            queues: [None; GENERATIONS as usize],
            len: 0,
            oldest: 0,
            newest: 0,
            swept: None,
            added: 0,
        }
    }

    /// How many pages stand in it.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether it is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Where the link of a page is.
    #[inline]
    fn at(&self, page: PageId) -> usize {
        page.guest() * self.pages + page.page() as usize
    }

    #[inline]
    fn link(&self, page: PageId) -> Link {
        self.links[self.at(page)]
    }

    #[inline]
    fn set(&mut self, page: PageId, link: Link) {
        let at = self.at(page);
        self.links[at] = link;
    }

    fn queue(&mut self, generation: u32) -> &mut Queue {
        &mut self.queues[(generation % GENERATIONS) as usize]
    }

    /// Adds a page that is being used.
    pub fn push(&mut self, page: PageId) {
        self.append(page, self.newest);
        self.len += 1;
        self.added += 1;
    }

    /// Adds a page that nobody has asked for: it goes with those that were not used for long.
    pub fn push_unasked(&mut self, page: PageId) {
        self.settle();
        self.append(page, self.oldest);
        self.len += 1;
        self.added += 1;
    }

    /// Puts a page at the end of a generation.
    fn append(&mut self, page: PageId, generation: u32) {
        self.set(page, Link::new(page, generation));
        let queue = self.queue(generation);
        let Some((_, last)) = queue else {
            *queue = Some((page, page));
            return;
        };
        let before = core::mem::replace(last, page);
        self.set(before, Link::new(page, self.link(before).generation()));
    }

    /// Puts the page that was taken last back.
    pub fn put_back(&mut self, page: PageId) {
        let generation = self.oldest;
        let queue = self.queue(generation);
        let (first, last) = queue.unwrap_or((page, page));
        *queue = Some((page, last));
        self.set(page, Link::new(first, generation));
        self.len += 1;
    }

    /// Takes a page of the oldest generation.
    pub fn pop(&mut self) -> Option<PageId> {
        loop {
            self.settle();
            let (first, last) = (*self.queue(self.oldest))?;
            if self.swept == Some((first, self.oldest)) {
                self.step();
            }
            let link = self.link(first);
            *self.queue(self.oldest) = (first != last).then(|| (link.next(), last));
            let behind = link.generation().wrapping_sub(self.oldest) % GENERATIONS;
            if behind == 0 {
                self.len -= 1;
                return Some(first);
            }
            self.append(first, self.oldest + behind);
        }
    }

    /// Generations of which no page is left in front are no more.
    fn settle(&mut self) {
        while self.oldest != self.newest && self.queue(self.oldest).is_none() {
            self.oldest += 1;
        }
    }

    /// The page behind one in a queue, or the first one of the next queue.
    fn behind(&self, (page, generation): (PageId, u32)) -> Option<(PageId, u32)> {
        let next = self.link(page).next();
        if next != page {
            return Some((next, generation));
        }
        self.first(generation + 1)
    }

    /// The first page of a generation or of those behind it.
    fn first(&self, generation: u32) -> Option<(PageId, u32)> {
        let mut generations = generation..=self.newest;
        generations.find_map(|generation| {
            let queue = self.queues[(generation % GENERATIONS) as usize];
            queue.map(|(first, _)| (first, generation))
        })
    }

    /// The sweep goes on to the next page.
    fn step(&mut self) {
        self.swept = self.swept.and_then(|at| self.behind(at));
    }

    /// Pages that [`Resident::pop`] takes next, none of those that it only moves.
    pub fn oldest(&mut self) -> impl Iterator<Item = PageId> {
        self.settle();
        let (list, generation) = (&*self, self.oldest % GENERATIONS);
        let first = list.queues[generation as usize].map(|(first, _)| first);
        let all = core::iter::successors(first, |page| {
            let next = list.link(*page).next();
            (next != *page).then_some(next)
        });
        all.filter(move |page| list.link(*page).generation() == generation)
    }

    /// Pages that the sweep comes to next; at the end of the list a generation has ended, and it begins again.
    pub fn next_swept(&mut self) -> impl Iterator<Item = PageId> {
        if self.swept.is_none() {
            if self.newest - self.oldest < GENERATIONS - 1 {
                self.newest += 1;
            }
            self.swept = self.first(self.oldest);
        }
        let list = &*self;
        core::iter::successors(list.swept, |at| list.behind(*at)).map(|(page, _)| page)
    }

    /// The sweep has seen the next page, which was used or not.
    pub fn sweep(&mut self, is_used: bool) {
        if let Some((page, _)) = self.swept {
            if is_used {
                self.set(page, Link::new(self.link(page).next(), self.newest));
            }
            self.step();
        }
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
        let mut list = Resident::new(1, 16);
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
    fn pages_that_move_stay_neighbours_and_mingle_with_none_that_come() {
        let mut list = Resident::new(1, 64);
        (0..16).for_each(|number| list.push(page(number)));
        let _ = list.next_swept().next();
        sweep(&mut list, &[4, 5, 6, 7, 8, 9, 10, 11]);
        // Those that are used no more go, and as many come.
        for number in 16..24 {
            let looked_at = list.oldest().next();
            assert_eq!(list.pop(), looked_at);
            list.push(page(number));
        }
        assert!(drain(&mut list).into_iter().eq((4..12).chain(16..24)));
    }

    #[test]
    fn nothing_is_lost_or_doubled_in_many_generations() {
        let mut list = Resident::new(1, 64);
        (0..50).for_each(|number| list.push(page(number)));
        for round in 0..1000_u32 {
            for _ in 0..list.len() {
                let next = list.next_swept().next().unwrap();
                list.sweep((next.page() * 7 + round).is_multiple_of(5));
            }
            for _ in 0..round % 14 {
                let next = list.oldest().next();
                let taken = list.pop().unwrap();
                assert!(next.is_none_or(|next| next == taken));
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
