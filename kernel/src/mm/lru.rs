//! The pages that reclaim may take, in two parts by how they were used.
//!
//! ```text
//!   new ──> inactive ── used again since it came, or since reclaim saw it ──> active
//!               │  <──────────── the oldest, when there are more of these ──────┘
//!               └── reclaimed
//! ```
//!
//! A page that is read once, as most are of a file that is read from end to end, never becomes active,
//! and does not displace what is used again and again.
//!
//! An active page may carry a record of its file system (`record`), which keeps it stable; with the active
//! list it loses that.

use arch::Frame;

use super::list::List;
use super::page::{Page, PageFlags};

/// The two lists; the one that a page is on is in its flags.
pub(super) struct Lru {
    active: List,
    inactive: List,
}

impl Lru {
    pub(super) const fn new() -> Self {
        Self {
            active: List::new(),
            inactive: List::new(),
        }
    }

    /// Pages on both lists.
    pub(super) fn len(&self) -> usize {
        self.active.len() + self.inactive.len()
    }

    /// Puts a page on the inactive list that is on none.
    pub(super) fn push(&mut self, pages: &[Page], frame: Frame) {
        self.inactive.push(pages, frame);
        pages[frame.index()].set(PageFlags::LRU);
    }

    /// Takes a page off its list, if it is on one.
    pub(super) fn remove(&mut self, pages: &[Page], frame: Frame) {
        let of_list = PageFlags::LRU | PageFlags::ACTIVE | PageFlags::PRIVATE;
        let flags = pages[frame.index()].reset(of_list);
        if flags.contains(PageFlags::ACTIVE) {
            self.active.remove(pages, frame);
        } else if flags.contains(PageFlags::LRU) {
            self.inactive.remove(pages, frame);
        }
    }

    /// The inactive page that came first.
    pub(super) fn coldest(&self) -> Option<Frame> {
        self.inactive.last()
    }

    /// An inactive page that is not to be taken this time.
    pub(super) fn rotate(&mut self, pages: &[Page], frame: Frame) {
        self.inactive.rotate(pages, frame);
    }

    /// An inactive page becomes active.
    pub(super) fn activate(&mut self, pages: &[Page], frame: Frame) {
        self.inactive.remove(pages, frame);
        self.active.push(pages, frame);
        pages[frame.index()].set(PageFlags::ACTIVE);
    }

    /// Whether more pages are active than not.
    pub(super) fn is_top_heavy(&self) -> bool {
        self.active.len() > self.inactive.len()
    }

    /// The active page that became so first becomes inactive; to stay, it has to be used once more.
    pub(super) fn deactivate(&mut self, pages: &[Page]) -> Option<Frame> {
        let frame = self.active.last()?;
        self.active.remove(pages, frame);
        self.inactive.push(pages, frame);
        let of_active = PageFlags::ACTIVE | PageFlags::PRIVATE | PageFlags::REFERENCED;
        pages[frame.index()].reset(of_active);
        Some(frame)
    }
}
