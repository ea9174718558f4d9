//! Pages of files that a CPU has just finished with: they become volatile a batch at a time.
//!
//! What was used is likely to be used again soon. Until its batch is complete a page stays stable, and a
//! user that comes meanwhile finds it so: neither of the two changes of its state has taken place. Of a
//! batch that is complete the older half goes: what was used last stays. A batch keeps a reference to each
//! of its pages, so nobody else can make one volatile meanwhile or take its frame; who is short of memory
//! empties the batches first, and so does a CPU that goes idle.
//!
//! A page of the swap cache waits as well, for who has brought it in is likely to store into it, and then it leaves
//! that cache. Its references say who may reuse it, so the batch has none; when its time comes it may have gone.

use core::sync::atomic::Ordering::Relaxed;

use arch::Frame;
use arrayvec::ArrayVec;

use super::page::{Page, PageFlags};
use super::{Hinting, MOST_CPUS, Mm};
use crate::sync::{self, Mutex};

/// Most pages of a batch.
pub const MOST_PENDING: usize = 64;

type Batch = ArrayVec<Frame, MOST_PENDING>;

/// Said in a batch of a frame of which it has no reference.
const UNHELD: u32 = 1 << 31;

/// One batch a CPU.
pub(super) struct Pending([Mutex<Batch>; MOST_CPUS]);

impl Pending {
    pub(super) const fn new() -> Self {
        Self([const { Mutex::new(Batch::new_const()) }; MOST_CPUS])
    }
}

impl Mm<'_> {
    /// From now on batches have so many pages; 0 is each page for itself. What waits becomes volatile.
    pub fn set_release_batch(&self, pages: usize) {
        self.empty_all_batches();
        self.release_batch.store(pages.min(MOST_PENDING), Relaxed);
    }

    /// Drops a user's reference; a page of a cache becomes volatile now or later, unless something stands
    /// against it.
    // As in `make_stable`.
    #[inline]
    pub(super) fn put_user(&self, frame: Frame) {
        let page = self.page(frame);
        if page.flags().contains(PageFlags::READ_AHEAD) {
            self.note_first_use(frame);
        }
        self.put_page_of_reader(frame, page);
    }

    /// As [`Mm::put_user`], of who has read the page and not used it.
    pub(super) fn put_reader(&self, frame: Frame) {
        self.put_page_of_reader(frame, self.page(frame));
    }

    #[inline]
    fn put_page_of_reader(&self, frame: Frame, page: &Page) {
        // Most pages are volatile or are going to be, where they are not made stable to be read.
        if self.hinting() == Hinting::Full && page.is_kept_stable() {
            self.release(frame);
        } else if page.flags().contains(PageFlags::SWAP_CACHE) {
            self.put_anonymous(frame);
        } else {
            self.put_page(frame);
        }
    }

    #[inline(never)]
    fn release(&self, frame: Frame) {
        let batch = self.release_batch.load(Relaxed);
        if batch == 0 {
            self.make_volatile(frame, 2);
            self.put_anonymous(frame);
        } else {
            let complete = self.join_batch(frame, batch);
            self.put_anonymous(frame);
            self.release_all(&complete);
        }
    }

    /// Puts a page into this CPU's batch, to which the caller has a reference. If that completes the batch,
    /// its older half is returned: those pages can become volatile when the caller's reference is gone.
    fn join_batch(&self, frame: Frame, most: usize) -> Batch {
        let page = self.page(frame);
        let entry = if page.flags().contains(PageFlags::ANON) {
            Frame(frame.0 | UNHELD)
        } else if page.test_and_set(PageFlags::PENDING) {
            return Batch::new();
        } else {
            page.get();
            frame
        };
        let mut pending = self.pending.0[sync::this_cpu()].lock();
        pending.push(entry);
        if pending.len() < most {
            return Batch::new();
        }
        pending.drain(..most.div_ceil(2)).collect()
    }

    fn release_all(&self, batch: &[Frame]) {
        for entry in batch {
            let frame = Frame(entry.0 & !UNHELD);
            let page = self.page(frame);
            if *entry == frame {
                // Whoever drops the page from now on puts it into the next batch.
                page.reset(PageFlags::PENDING);
            } else if !self.is_found_again(page) {
                continue;
            }
            self.make_volatile(frame, 2);
            self.put_anonymous(frame);
        }
    }

    /// Takes a reference to a page of which there was none, if it is still one that could be volatile. On the LRU
    /// list it has somebody's, which cannot go before ours is there; anywhere else it may be its owner's alone, who
    /// need not expect another one.
    fn is_found_again(&self, page: &Page) -> bool {
        let wanted = PageFlags::LRU | PageFlags::SWAP_CACHE;
        // Most have been stored into, and need no lock to be left alone.
        let is_there = || page.flags().contains(wanted);
        is_there() && {
            let _lru = self.lru.lock();
            is_there() && page.get_unless_zero()
        }
    }

    /// Makes a CPU's batch volatile as it is.
    pub(super) fn empty_batch(&self, cpu: usize) {
        let batch = core::mem::take(&mut *self.pending.0[cpu].lock());
        self.release_all(&batch);
    }

    /// As [`Mm::empty_batch`], of all CPUs: memory is short.
    pub(super) fn empty_all_batches(&self) {
        if self.release_batch.load(Relaxed) != 0 {
            (0..MOST_CPUS).for_each(|cpu| self.empty_batch(cpu));
        }
    }

    /// Pages in the batches of all CPUs.
    #[must_use]
    pub fn pending_page_count(&self) -> usize {
        self.pending.0.iter().map(|batch| batch.lock().len()).sum()
    }
}
