//! The allocators, all with the same face: they hand out blocks of 4 KiB of one arena.

extern crate alloc;

use alloc::boxed::Box;
use core::alloc::Layout;
use core::ptr::{NonNull, with_exposed_provenance_mut};

use arch::{Frame, PAGE_SIZE};
use kernel::mm::{Hinting, Mm, Page, PageAllocation};

use crate::storage::Storage;

/// An allocator of single pages.
pub(crate) trait Subject {
    /// A page, under any number.
    fn allocate(&mut self) -> Option<usize>;
    /// Gives a page back.
    fn free(&mut self, page: usize);
}

/// Numbers of frames, which have 32 bits.
fn frame(number: usize) -> Frame {
    Frame(u32::try_from(number).expect("frames have numbers of 32 bits"))
}

/// A memory manager that hints nothing, of frames that nobody touches: the machine need not have them.
pub(crate) struct Manager {
    // Dropped before what it refers to. On the heap: it is a good part of a stack.
    mm: Box<Mm<'static>>,
    _descriptors: Storage,
}

impl Manager {
    pub(crate) fn new(pages: usize) -> Self {
        let mut descriptors = Storage::new(pages * size_of::<Page>());
        let places = descriptors.places::<Page>(pages);
        for place in &mut *places {
            place.write(Page::reserved());
        }
        // SAFETY: all have just been written; the storage lives longer than the manager, which has the
        // only reference.
        let table = unsafe { core::slice::from_raw_parts(places.as_ptr().cast(), pages) };
        let mm = Box::new(Mm::new(table, Hinting::Off));
        mm.add_free(frame(0), frame(pages).0);
        Self {
            mm,
            _descriptors: descriptors,
        }
    }

    #[cfg(target_os = "none")]
    pub(crate) fn mm(&self) -> &Mm<'static> {
        &self.mm
    }
}

/// Ours: the list of a CPU in front of the buddy allocator.
pub(crate) struct Ours(Manager);

impl Ours {
    pub(crate) fn new(pages: usize) -> Self {
        Self(Manager::new(pages))
    }
}

impl Subject for Ours {
    fn allocate(&mut self) -> Option<usize> {
        Some(self.0.mm.allocate_page()?.frame.index())
    }

    fn free(&mut self, page: usize) {
        let frame = frame(page);
        let zero = false;
        self.0.mm.free_allocated(PageAllocation { frame, zero });
    }
}

/// Ours without the lists of CPUs.
pub(crate) struct OursDirect(Manager);

impl OursDirect {
    pub(crate) fn new(pages: usize) -> Self {
        Self(Manager::new(pages))
    }
}

impl Subject for OursDirect {
    fn allocate(&mut self) -> Option<usize> {
        Some(self.0.mm.allocate_pages(0)?.frame.index())
    }

    fn free(&mut self, page: usize) {
        self.0.mm.free_pages(frame(page), 0);
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

/// What an allocator of bytes is asked to align a block of 4 KiB to.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Alignment {
    /// A page frame: at a multiple of its size.
    Page,
    /// Not a page frame, but less work for some.
    Word,
}

impl Alignment {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Page => "at page boundaries",
            Self::Word => "anywhere",
        }
    }

    fn layout(self) -> Layout {
        let alignment = match self {
            Self::Page => PAGE_SIZE,
            Self::Word => 8,
        };
        Layout::from_size_align(PAGE_SIZE, alignment).expect("a page is not too large")
    }
}

fn number(page: Option<NonNull<u8>>) -> Option<usize> {
    page.map(|page| page.as_ptr().expose_provenance())
}

/// `good_memory_allocator`.
pub(crate) struct GoodMemory {
    allocator: good_memory_allocator::Allocator,
    layout: Layout,
    _arena: Storage,
}

impl GoodMemory {
    pub(crate) fn new(pages: usize, alignment: Alignment) -> Self {
        let arena = Storage::new(pages * PAGE_SIZE);
        let mut allocator = good_memory_allocator::Allocator::empty();
        // SAFETY: the arena is the allocator's as long as there is one.
        unsafe { allocator.init(arena.start().expose_provenance(), pages * PAGE_SIZE) };
        Self {
            allocator,
            layout: alignment.layout(),
            _arena: arena,
        }
    }
}

impl Subject for GoodMemory {
    fn allocate(&mut self) -> Option<usize> {
        // SAFETY: the size is not zero.
        number(NonNull::new(unsafe { self.allocator.alloc(self.layout) }))
    }

    fn free(&mut self, page: usize) {
        // SAFETY: it came from there, and nobody uses it.
        unsafe { self.allocator.dealloc(with_exposed_provenance_mut(page)) };
    }
}

/// `talc`.
pub(crate) struct Talc {
    allocator: talc::base::Talc<talc::source::Manual, talc::DefaultBinning>,
    layout: Layout,
    _arena: Storage,
}

impl Talc {
    pub(crate) fn new(pages: usize, alignment: Alignment) -> Self {
        let arena = Storage::new(pages * PAGE_SIZE);
        let mut allocator = talc::base::Talc::new(talc::source::Manual);
        // SAFETY: the arena is the allocator's as long as there is one.
        let claimed = unsafe { allocator.claim(arena.start(), pages * PAGE_SIZE) };
        assert!(claimed.is_some(), "the arena is large enough");
        Self {
            allocator,
            layout: alignment.layout(),
            _arena: arena,
        }
    }
}

impl Subject for Talc {
    fn allocate(&mut self) -> Option<usize> {
        // SAFETY: the size is not zero.
        number(unsafe { self.allocator.allocate(self.layout) })
    }

    fn free(&mut self, page: usize) {
        // SAFETY: it came from there with that layout, and nobody uses it.
        unsafe {
            self.allocator
                .deallocate(with_exposed_provenance_mut(page), self.layout);
        }
    }
}

/// `linked_list_allocator`, which the kernel's heap is.
pub(crate) struct LinkedList {
    heap: linked_list_allocator::Heap,
    layout: Layout,
    _arena: Storage,
}

impl LinkedList {
    pub(crate) fn new(pages: usize, alignment: Alignment) -> Self {
        let arena = Storage::new(pages * PAGE_SIZE);
        let mut heap = linked_list_allocator::Heap::empty();
        // SAFETY: the arena is the allocator's as long as there is one.
        unsafe { heap.init(arena.start(), pages * PAGE_SIZE) };
        Self {
            heap,
            layout: alignment.layout(),
            _arena: arena,
        }
    }
}

impl Subject for LinkedList {
    fn allocate(&mut self) -> Option<usize> {
        number(self.heap.allocate_first_fit(self.layout).ok())
    }

    fn free(&mut self, page: usize) {
        let page = NonNull::new(with_exposed_provenance_mut(page)).expect("no page is at 0");
        // SAFETY: it came from there with that layout, and nobody uses it.
        unsafe { self.heap.deallocate(page, self.layout) };
    }
}
