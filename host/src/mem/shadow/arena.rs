//! The pages that a guest's shadow tables are made of, and nothing else is.

use alloc::boxed::Box;
use core::cell::UnsafeCell;

use arch::{Absolute, PAGE_SHIFT, PAGE_SIZE};

/// Doublewords of a page.
pub(super) const WORDS: usize = PAGE_SIZE / size_of::<u64>();

#[repr(C, align(4096))]
struct Page(UnsafeCell<[u64; WORDS]>);

/// Pages by number. The machine reads them at any time as tables; all changes go through here.
pub(super) struct Arena(Box<[Page]>);

// SAFETY: whoever has the arena alone changes it, word by word; the machine only reads it.
unsafe impl Send for Arena {}

impl Arena {
    /// So many pages.
    pub(super) fn new(pages: usize) -> Self {
        let pages = Box::<[Page]>::new_zeroed_slice(pages);
        // SAFETY: words of zeroes. They are not made on the stack, which has no room for what is aligned so.
        Self(unsafe { pages.assume_init() })
    }

    /// Where a page is in storage.
    pub(super) fn address(&self, page: u32) -> u64 {
        Absolute::of(self.0[page as usize].0.get()).0
    }

    /// The page at an address that [`Arena::address`] has returned.
    pub(super) fn page_at(&self, address: u64) -> u32 {
        ((address - self.address(0)) >> PAGE_SHIFT) as u32
    }

    /// A doubleword, counted from the start of a page; it may be in a page behind it.
    fn place(&self, page: u32, word: usize) -> *mut u64 {
        let page = &self.0[page as usize + word / WORDS];
        page.0.get().cast::<u64>().wrapping_add(word % WORDS)
    }

    pub(super) fn get(&self, page: u32, word: usize) -> u64 {
        // SAFETY: a word of ours.
        unsafe { self.place(page, word).read_volatile() }
    }

    pub(super) fn set(&mut self, page: u32, word: usize, value: u64) {
        // SAFETY: a word of ours, which nobody else changes meanwhile.
        unsafe { self.place(page, word).write_volatile(value) }
    }
}
