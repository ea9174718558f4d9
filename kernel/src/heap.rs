//! The kernel's heap: regions taken from the buddy allocator as they are needed.

use core::alloc::{GlobalAlloc, Layout};
use core::ptr::{NonNull, null_mut, with_exposed_provenance_mut};

use arch::{PAGE_SHIFT, PAGE_SIZE};
use arrayvec::ArrayVec;
use linked_list_allocator::Heap;
use spin::{Mutex, Once};

use crate::mm::{MAX_ORDER, Mm};

/// Most regions.
const REGIONS: usize = 128;
/// The region that is taken if there is such a block, as an order: 256 KiB.
const REGION_ORDER: u32 = 6;

/// The allocator.
pub struct KernelHeap {
    regions: Mutex<ArrayVec<(usize, usize, Heap), REGIONS>>,
    source: Once<&'static Mm<'static>>,
}

#[global_allocator]
static HEAP: KernelHeap = KernelHeap {
    regions: Mutex::new(ArrayVec::new_const()),
    source: Once::new(),
};

/// Gives the heap its first region.
///
/// # Safety
/// Nobody else uses that storage, ever.
pub unsafe fn add_region(start: u64, size: usize) {
    // SAFETY: the caller's promise.
    let heap = unsafe { Heap::new(with_exposed_provenance_mut(start as usize), size) };
    HEAP.regions
        .lock()
        .push((start as usize, start as usize + size, heap));
}

/// From now on the heap grows by blocks of this memory manager.
pub fn grow_from(mm: &'static Mm<'static>) {
    HEAP.source.call_once(|| mm);
}

/// Takes a region that has room for an allocation; returns whether there was one.
fn grow(layout: Layout) -> bool {
    let Some(mm) = HEAP.source.get() else {
        return false;
    };
    // Room for the allocator's own words, and for alignment.
    let pages = (layout.size() + layout.align() + 64).div_ceil(PAGE_SIZE);
    let least = pages.next_power_of_two().trailing_zeros();
    if least > MAX_ORDER || HEAP.regions.lock().is_full() {
        return false;
    }
    let usual = least.max(REGION_ORDER);
    // Where memory is short and in pieces, a smaller one must do.
    let block = mm
        .allocate_pages(usual)
        .map(|block| (usual, block))
        .or_else(|| Some((least, mm.allocate_reclaiming(least)?)));
    let Some((order, block)) = block else {
        return false;
    };
    mm.keep(order);
    // SAFETY: the block is ours, and it is never given back.
    unsafe { add_region(block.frame.address().0, 1 << (order + PAGE_SHIFT)) }
    true
}

/// Whether there is room for a piece of so many bytes; takes a region if need be. What is going to
/// allocate in many steps, none of which can fail, asks this first.
pub fn has_room(bytes: usize) -> bool {
    let Ok(layout) = Layout::from_size_align(bytes, align_of::<u64>()) else {
        return false;
    };
    // SAFETY: the layout has a size.
    let piece = unsafe { HEAP.alloc(layout) };
    if !piece.is_null() {
        // SAFETY: allocated right now.
        unsafe { HEAP.dealloc(piece, layout) }
    }
    !piece.is_null()
}

impl KernelHeap {
    fn try_allocate(&self, layout: Layout) -> Option<NonNull<u8>> {
        let mut regions = self.regions.lock();
        // The latest region first: it has the most room.
        regions
            .iter_mut()
            .rev()
            .find_map(|(_, _, heap)| heap.allocate_first_fit(layout).ok())
    }
}

// SAFETY: blocks come from disjoint regions, each of which `Heap` hands out without overlap; the lock
// makes it one caller at a time, and no interruption handler allocates.
unsafe impl GlobalAlloc for KernelHeap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        loop {
            if let Some(block) = self.try_allocate(layout) {
                return block.as_ptr();
            }
            if !grow(layout) {
                return null_mut();
            }
        }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        let mut regions = self.regions.lock();
        let region = regions
            .iter_mut()
            .find(|(start, end, _)| (*start..*end).contains(&block.addr()));
        let (_, _, heap) = region.expect("a block lies in the region that it came from");
        let block = NonNull::new(block).expect("a block that was handed out is not null");
        // SAFETY: the caller's promise: a block of this region with this layout.
        unsafe { heap.deallocate(block, layout) }
    }
}
