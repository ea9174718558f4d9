//! A split virtqueue with one request under way at a time.

use alloc::boxed::Box;
use core::cell::{Cell, UnsafeCell};
use core::sync::atomic::{Ordering, fence};

use arch::Absolute;
use virtio_spec::virtq::{Desc, DescF};
use virtio_spec::{le16, le32, le64};

/// Entries of the rings; a power of two.
pub(super) const SIZE: u16 = 8;

#[repr(C, align(4096))]
struct Rings {
    descriptors: [Desc; SIZE as usize],
    available: Available,
    used: Used,
}

#[repr(C, align(2))]
struct Available {
    flags: le16,
    index: le16,
    ring: [le16; SIZE as usize],
}

#[repr(C, align(4))]
struct Used {
    flags: le16,
    index: le16,
    ring: [[le32; 2]; SIZE as usize],
}

/// A piece of storage in a request.
#[derive(Clone, Copy)]
pub(super) struct Piece {
    pub(super) address: Absolute,
    pub(super) length: u32,
    /// Whether the device writes it.
    pub(super) to_driver: bool,
}

/// The queue; the device reads and writes its rings.
pub(super) struct Queue {
    rings: Box<UnsafeCell<Rings>>,
    next: Cell<u16>,
}

impl Queue {
    pub(super) fn new() -> Self {
        let empty = Desc {
            addr: le64::from(0),
            len: le32::from(0),
            flags: DescF::empty(),
            next: le16::from(0),
        };
        let zero = le16::from(0);
        let rings = Rings {
            descriptors: [empty; SIZE as usize],
            available: Available {
                flags: zero,
                index: zero,
                ring: [zero; SIZE as usize],
            },
            used: Used {
                flags: zero,
                index: zero,
                ring: [[le32::from(0); 2]; SIZE as usize],
            },
        };
        Self {
            rings: Box::new(UnsafeCell::new(rings)),
            next: Cell::new(0),
        }
    }

    /// Addresses of descriptors, available ring and used ring.
    pub(super) fn parts(&self) -> [Absolute; 3] {
        let rings = self.rings.get();
        // SAFETY: only addresses are taken.
        unsafe {
            [
                Absolute::of(&raw const (*rings).descriptors),
                Absolute::of(&raw const (*rings).available),
                Absolute::of(&raw const (*rings).used),
            ]
        }
    }

    /// Offers a request: a chain of pieces, those that the device writes last.
    pub(super) fn offer(&self, pieces: &[Piece]) {
        let rings = self.rings.get();
        for (at, piece) in pieces.iter().enumerate() {
            let last = at + 1 == pieces.len();
            let mut flags = DescF::empty();
            flags.set(DescF::WRITE, piece.to_driver);
            flags.set(DescF::NEXT, !last);
            let descriptor = Desc {
                addr: le64::from(piece.address.0),
                len: le32::from(piece.length),
                flags,
                next: le16::from(at as u16 + 1),
            };
            // SAFETY: no request is under way, so the device does not read the descriptors.
            unsafe { (&raw mut (*rings).descriptors[at]).write_volatile(descriptor) }
        }
        let slot = usize::from(self.next.get() % SIZE);
        self.next.set(self.next.get().wrapping_add(1));
        // SAFETY: the slot is not yet visible to the device; its index makes it so, after the rest.
        unsafe {
            (&raw mut (*rings).available.ring[slot]).write_volatile(le16::from(0));
            fence(Ordering::SeqCst);
            (&raw mut (*rings).available.index).write_volatile(le16::from(self.next.get()));
        }
        fence(Ordering::SeqCst);
    }

    /// Whether the device has used what was offered last.
    pub(super) fn is_complete(&self) -> bool {
        fence(Ordering::SeqCst);
        // SAFETY: the device writes the index; a volatile read sees it.
        let used = unsafe { (&raw const (*self.rings.get()).used.index).read_volatile() };
        u16::from(used) == self.next.get()
    }
}
