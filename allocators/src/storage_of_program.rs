//! Storage for arenas and descriptors, on the build machine.

use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::mem::MaybeUninit;
use std::slice;

use arch::PAGE_SIZE;

/// Storage in one piece, given back when dropped.
pub(crate) struct Storage {
    start: *mut u8,
    layout: Layout,
}

impl Storage {
    /// So many bytes, starting at a page.
    pub(crate) fn new(bytes: usize) -> Self {
        assert!(bytes > 0, "somebody wants storage");
        let layout = Layout::from_size_align(bytes, PAGE_SIZE).expect("less than all memory");
        // SAFETY: the size is not zero.
        let start = unsafe { alloc_zeroed(layout) };
        if start.is_null() {
            handle_alloc_error(layout);
        }
        Self { start, layout }
    }

    /// Its address.
    pub(crate) fn start(&self) -> *mut u8 {
        self.start
    }

    /// The storage as places for values, as many as it was made for at most.
    pub(crate) fn places<T>(&mut self, count: usize) -> &mut [MaybeUninit<T>] {
        assert!(count * size_of::<T>() <= self.layout.size() && align_of::<T>() <= PAGE_SIZE);
        // SAFETY: the storage is ours as long as `self` is borrowed, large enough, and starts at a
        // page; places that may be uninitialized need no content.
        unsafe { slice::from_raw_parts_mut(self.start.cast(), count) }
    }
}

impl Drop for Storage {
    fn drop(&mut self) {
        // SAFETY: allocated with this layout, and nobody uses it any more.
        unsafe { dealloc(self.start, self.layout) }
    }
}
