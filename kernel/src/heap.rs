//! The kernel's heap: regions taken from the buddy allocator as they are needed.
//!
//! When memory is out, who wants much is told so (`mm::try_vec`, a thread's stack) and gives up. What is
//! small, and allocated without such a question, comes from a reserve then: there are few such pieces for
//! each large one.

use core::alloc::{GlobalAlloc, Layout};
use core::ops::Range;
use core::ptr::{NonNull, null_mut, with_exposed_provenance_mut};

use arch::{PAGE_SHIFT, PAGE_SIZE};
use arrayvec::ArrayVec;
use linked_list_allocator::Heap;
use spin::{Mutex, Once};

use crate::mm::{MAX_ORDER, Mm, OutOfMemory};

/// Most regions.
const REGIONS: usize = 128;
/// The region that is taken if there is such a block, as an order: 256 KiB.
const REGION_ORDER: u32 = 6;
/// The reserve, as an order: 32 KiB.
const RESERVE_ORDER: u32 = 3;
/// The largest piece that comes from the reserve, in bytes.
const SMALL: usize = 1024;

/// A piece of storage that the heap has.
struct Region {
    addresses: Range<usize>,
    heap: Heap,
}

/// The allocator.
pub struct KernelHeap {
    regions: Mutex<ArrayVec<Region, REGIONS>>,
    reserve: Mutex<Option<Region>>,
    source: Once<&'static Mm<'static>>,
}

#[global_allocator]
static HEAP: KernelHeap = KernelHeap {
    regions: Mutex::new(ArrayVec::new_const()),
    reserve: Mutex::new(None),
    source: Once::new(),
};

impl Region {
    /// # Safety
    /// Nobody else uses that storage, ever.
    unsafe fn new(start: usize, size: usize) -> Self {
        Self {
            addresses: start..start + size,
            // SAFETY: the caller's promise.
            heap: unsafe { Heap::new(with_exposed_provenance_mut(start), size) },
        }
    }

    fn allocate(&mut self, layout: Layout) -> Option<NonNull<u8>> {
        self.heap.allocate_first_fit(layout).ok()
    }

    fn has(&self, block: *mut u8) -> bool {
        self.addresses.contains(&block.addr())
    }
}

/// Gives the heap its first region.
///
/// # Safety
/// Nobody else uses that storage, ever.
pub unsafe fn add_region(start: u64, size: usize) {
    // SAFETY: the caller's promise.
    let region = unsafe { Region::new(start as usize, size) };
    HEAP.regions.lock().push(region);
}

/// From now on the heap grows by blocks of this memory manager.
///
/// # Errors
/// There is no memory for the reserve.
pub fn grow_from(mm: &'static Mm<'static>) -> Result<(), OutOfMemory> {
    let block = mm.allocate_pages(RESERVE_ORDER).ok_or(OutOfMemory)?;
    mm.keep(RESERVE_ORDER);
    let (start, size) = (block.frame.address().0, PAGE_SIZE << RESERVE_ORDER);
    // SAFETY: the block is ours, and it is never given back.
    *HEAP.reserve.lock() = Some(unsafe { Region::new(start as usize, size) });
    HEAP.source.call_once(|| mm);
    Ok(())
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
    let usually = || mm.allocate_pages(usual).map(|block| (usual, block));
    // Where memory is short and in pieces, a smaller one must do.
    let else_least = || mm.allocate_reclaiming(least).map(|block| (least, block));
    let mut block = mm.may_keep(usual).then(usually).flatten();
    if block.is_none() {
        block = mm.may_keep(least).then(else_least).flatten();
    }
    let Some((order, block)) = block else {
        return false;
    };
    mm.keep(order);
    // SAFETY: the block is ours, and it is never given back.
    unsafe { add_region(block.frame.address().0, 1 << (order + PAGE_SHIFT)) }
    true
}

impl KernelHeap {
    fn try_allocate(&self, layout: Layout) -> Option<NonNull<u8>> {
        let mut regions = self.regions.lock();
        // The latest region first: it has the most room.
        regions
            .iter_mut()
            .rev()
            .find_map(|region| region.allocate(layout))
    }

    fn allocate_of_reserve(&self, layout: Layout) -> Option<NonNull<u8>> {
        if layout.size() > SMALL {
            return None;
        }
        self.reserve.lock().as_mut()?.allocate(layout)
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
                let block = self.allocate_of_reserve(layout);
                return block.map_or(null_mut(), NonNull::as_ptr);
            }
        }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        let start = NonNull::new(block).expect("a block that was handed out is not null");
        let mut reserve = self.reserve.lock();
        let mut regions;
        let region = match &mut *reserve {
            Some(reserve) if reserve.has(block) => reserve,
            _ => {
                regions = self.regions.lock();
                let region = regions.iter_mut().find(|region| region.has(block));
                region.expect("a block lies in the region that it came from")
            }
        };
        // SAFETY: the caller's promise: a block of this region with this layout.
        unsafe { region.heap.deallocate(start, layout) }
    }
}
