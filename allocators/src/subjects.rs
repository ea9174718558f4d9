//! The allocators, all with the same face: they hand out page frames of one arena.

use std::alloc::{Layout, alloc};
use std::ptr::NonNull;

use arch::Frame;
use kernel::mm::{Hinting, Mm, Page, PageAllocation};

/// Size and alignment of a page frame.
const PAGE: usize = 4096;

/// An allocator of single page frames.
pub(crate) trait Subject {
    /// A page, under any number.
    fn allocate(&mut self) -> Option<usize>;
    /// Gives a page back.
    fn free(&mut self, page: usize);
}

/// Ours: the list of a CPU in front of the buddy allocator.
pub(crate) struct Ours(&'static Mm<'static>);

/// A memory manager that hints nothing, and its page descriptors; neither is ever given back.
pub(crate) fn manager(pages: usize) -> &'static Mm<'static> {
    let descriptors: Vec<Page> = (0..pages).map(|_| Page::reserved()).collect();
    let mm: &Mm<'_> = Box::leak(Box::new(Mm::new(descriptors.leak(), Hinting::Off)));
    mm.add_free(
        Frame(0),
        u32::try_from(pages).expect("frames have numbers of 32 bits"),
    );
    mm
}

impl Ours {
    pub(crate) fn new(pages: usize) -> Self {
        Self(manager(pages))
    }
}

impl Subject for Ours {
    fn allocate(&mut self) -> Option<usize> {
        Some(self.0.allocate_page()?.frame.index())
    }

    fn free(&mut self, page: usize) {
        let frame = Frame(page as u32);
        self.0.free_allocated(PageAllocation { frame, zero: false });
    }
}

/// Ours without the lists of CPUs.
pub(crate) struct OursDirect(&'static Mm<'static>);

impl OursDirect {
    pub(crate) fn new(pages: usize) -> Self {
        Self(manager(pages))
    }
}

impl Subject for OursDirect {
    fn allocate(&mut self) -> Option<usize> {
        Some(self.0.allocate_pages(0)?.frame.index())
    }

    fn free(&mut self, page: usize) {
        self.0.free_pages(Frame(page as u32), 0);
    }
}

/// `buddy_system_allocator`, which like ours knows frames by their numbers.
pub(crate) struct BuddySystem(buddy_system_allocator::FrameAllocator);

impl BuddySystem {
    pub(crate) fn new(pages: usize) -> Self {
        let mut allocator = buddy_system_allocator::FrameAllocator::new();
        allocator.add_frame(0, pages);
        Self(allocator)
    }
}

impl Subject for BuddySystem {
    fn allocate(&mut self) -> Option<usize> {
        self.0.alloc(1)
    }

    fn free(&mut self, page: usize) {
        self.0.dealloc(page, 1);
    }
}

/// What the allocators of bytes are asked for.
fn layout(pages: usize) -> Layout {
    Layout::from_size_align(pages * PAGE, PAGE).expect("an arena is smaller than all storage")
}

/// Memory for the allocators that keep their lists in it; it is never given back.
fn arena(pages: usize) -> *mut u8 {
    // SAFETY: an arena has pages.
    let start = unsafe { alloc(layout(pages)) };
    assert!(!start.is_null(), "there is memory for an arena");
    start
}

fn pointer(page: usize) -> *mut u8 {
    std::ptr::with_exposed_provenance_mut(page)
}

/// `good_memory_allocator`.
pub(crate) struct GoodMemory(good_memory_allocator::Allocator);

impl GoodMemory {
    pub(crate) fn new(pages: usize) -> Self {
        let mut allocator = good_memory_allocator::Allocator::empty();
        // SAFETY: the arena is the allocator's from now on.
        unsafe { allocator.init(arena(pages).expose_provenance(), pages * PAGE) };
        Self(allocator)
    }
}

impl Subject for GoodMemory {
    fn allocate(&mut self) -> Option<usize> {
        // SAFETY: the size is not zero.
        let page = unsafe { self.0.alloc(layout(1)) };
        NonNull::new(page).map(|page| page.as_ptr().expose_provenance())
    }

    fn free(&mut self, page: usize) {
        // SAFETY: it came from there, and nobody uses it.
        unsafe { self.0.dealloc(pointer(page)) };
    }
}

/// `talc`.
pub(crate) struct Talc(talc::base::Talc<talc::source::Manual, talc::DefaultBinning>);

impl Talc {
    pub(crate) fn new(pages: usize) -> Self {
        let mut allocator = talc::base::Talc::new(talc::source::Manual);
        // SAFETY: the arena is the allocator's from now on.
        let claimed = unsafe { allocator.claim(arena(pages), pages * PAGE) };
        assert!(claimed.is_some(), "the arena is large enough");
        Self(allocator)
    }
}

impl Subject for Talc {
    fn allocate(&mut self) -> Option<usize> {
        // SAFETY: the size is not zero.
        let page = unsafe { self.0.allocate(layout(1)) };
        page.map(|page| page.as_ptr().expose_provenance())
    }

    fn free(&mut self, page: usize) {
        // SAFETY: it came from there with that layout, and nobody uses it.
        unsafe { self.0.deallocate(pointer(page), layout(1)) };
    }
}

/// `linked_list_allocator`, which the kernel's heap is.
pub(crate) struct LinkedList(linked_list_allocator::Heap);

impl LinkedList {
    pub(crate) fn new(pages: usize) -> Self {
        let mut heap = linked_list_allocator::Heap::empty();
        // SAFETY: the arena is the allocator's from now on.
        unsafe { heap.init(arena(pages), pages * PAGE) };
        Self(heap)
    }
}

impl Subject for LinkedList {
    fn allocate(&mut self) -> Option<usize> {
        let page = self.0.allocate_first_fit(layout(1)).ok();
        page.map(|page| page.as_ptr().expose_provenance())
    }

    fn free(&mut self, page: usize) {
        let page = NonNull::new(pointer(page)).expect("no page is at address 0");
        // SAFETY: it came from there with that layout, and nobody uses it.
        unsafe { self.0.deallocate(page, layout(1)) };
    }
}
