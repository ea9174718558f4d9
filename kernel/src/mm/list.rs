//! Lists of pages, linked through their descriptors.

use core::sync::atomic::Ordering::Relaxed;

use arch::Frame;

use super::page::{NOWHERE, Page};

/// A doubly linked list of pages. A page is on one list at most.
///
/// Whoever owns the list, by its lock, owns the links of the pages on it.
#[derive(Debug)]
pub(super) struct List {
    first: u32,
    last: u32,
    length: usize,
}

fn link(number: u32) -> Option<Frame> {
    (number != NOWHERE).then_some(Frame(number))
}

impl List {
    pub(super) const fn new() -> Self {
        Self {
            first: NOWHERE,
            last: NOWHERE,
            length: 0,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.length
    }

    pub(super) fn first(&self) -> Option<Frame> {
        link(self.first)
    }

    pub(super) fn last(&self) -> Option<Frame> {
        link(self.last)
    }

    /// Puts a page that is on no list in front.
    pub(super) fn push(&mut self, pages: &[Page], frame: Frame) {
        let page = &pages[frame.index()];
        page.previous.store(NOWHERE, Relaxed);
        page.next.store(self.first, Relaxed);
        match self.first() {
            Some(first) => pages[first.index()].previous.store(frame.0, Relaxed),
            None => self.last = frame.0,
        }
        self.first = frame.0;
        self.length += 1;
    }

    /// Takes a page of this list off it.
    pub(super) fn remove(&mut self, pages: &[Page], frame: Frame) {
        let page = &pages[frame.index()];
        // Its own links stay as they are: of a page that is on no list nobody reads them.
        let previous = page.previous.load(Relaxed);
        let next = page.next.load(Relaxed);
        match link(previous) {
            None => self.first = next,
            Some(previous) => pages[previous.index()].next.store(next, Relaxed),
        }
        match link(next) {
            None => self.last = previous,
            Some(next) => pages[next.index()].previous.store(previous, Relaxed),
        }
        self.length -= 1;
    }

    /// Moves all pages of another list behind those of this one.
    pub(super) fn append(&mut self, pages: &[Page], other: &mut Self) {
        let Some(first) = other.first() else {
            return;
        };
        match self.last() {
            Some(last) => {
                pages[last.index()].next.store(first.0, Relaxed);
                pages[first.index()].previous.store(last.0, Relaxed);
            }
            None => self.first = first.0,
        }
        self.last = other.last;
        self.length += other.length;
        *other = Self::new();
    }

    /// Moves a page of this list to the front.
    pub(super) fn rotate(&mut self, pages: &[Page], frame: Frame) {
        self.remove(pages, frame);
        self.push(pages, frame);
    }
}
