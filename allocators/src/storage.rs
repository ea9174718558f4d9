//! Storage for arenas and descriptors, more in one piece than the heap has.

use core::mem::MaybeUninit;
use core::ptr::with_exposed_provenance_mut;
use core::slice;

use arch::{Frame, PAGE_SIZE};
use arrayvec::ArrayVec;
use kernel::mm::MAX_ORDER;
use kernel::smp;

/// Pages of a largest block.
const BLOCK: u32 = 1 << MAX_ORDER;
/// Most of them that the machine has: 2 GiB.
const MOST: usize = 128;

/// Storage in one piece, given back when dropped.
pub(crate) struct Storage {
    first: Frame,
    blocks: u32,
}

impl Storage {
    /// So many bytes, starting at a page.
    ///
    /// # Panics
    /// If the machine has too little memory in one piece: it was made for this.
    pub(crate) fn new(bytes: usize) -> Self {
        let wanted = bytes.div_ceil(BLOCK as usize * PAGE_SIZE);
        let mut all = ArrayVec::<Frame, MOST>::new();
        while !all.is_full()
            && let Some(block) = smp::mm().allocate_pages(MAX_ORDER)
        {
            all.push(block.frame);
        }
        all.sort_unstable();
        let in_a_row = |run: &[Frame]| run.windows(2).all(|pair| pair[0].0 + BLOCK == pair[1].0);
        let run = all.windows(wanted).position(in_a_row);
        let run = run.expect("the machine has enough memory");
        for (place, frame) in all.iter().enumerate() {
            if !(run..run + wanted).contains(&place) {
                smp::mm().free_pages(*frame, MAX_ORDER);
            }
        }
        Self {
            first: all[run],
            blocks: wanted as u32,
        }
    }

    /// Its address.
    pub(crate) fn start(&self) -> *mut u8 {
        with_exposed_provenance_mut(self.first.address().0 as usize)
    }

    /// The storage as places for values, as many as it was made for at most.
    pub(crate) fn places<T>(&mut self, count: usize) -> &mut [MaybeUninit<T>] {
        assert!(
            count * size_of::<T>() <= self.blocks as usize * BLOCK as usize * PAGE_SIZE
                && align_of::<T>() <= PAGE_SIZE
        );
        // SAFETY: the storage is ours as long as `self` is borrowed, large enough, and starts at a
        // page; places that may be uninitialized need no content.
        unsafe { slice::from_raw_parts_mut(self.start().cast(), count) }
    }
}

impl Drop for Storage {
    fn drop(&mut self) {
        for block in 0..self.blocks {
            smp::mm().free_pages(Frame(self.first.0 + block * BLOCK), MAX_ORDER);
        }
    }
}
