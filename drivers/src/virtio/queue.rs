//! A split virtqueue (Virtual I/O Device specification 1.2, "Split Virtqueues").
//!
//! Several requests can be under way, and the device may complete them in any order. Each has a slot:
//! a fixed chain of descriptors of its own, so that nothing has to be allocated.

use alloc::boxed::Box;
use core::cell::{Cell, UnsafeCell};
use core::fmt;
use core::sync::atomic::{Ordering, fence};

use arch::{Absolute, PAGE_SIZE};
use virtio_spec::virtq::{AvailF, Desc, DescF, UsedElem, UsedF};
use virtio_spec::{le16, le32, le64};

/// Number of a slot.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Slot(u16);

impl Slot {
    /// The slot as an index below [`Queue::SLOTS`].
    pub(super) const fn index(self) -> usize {
        self.0 as usize
    }
}

/// A piece of storage in a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Piece {
    pub(super) address: Absolute,
    pub(super) length: u32,
    /// Whether the device writes it.
    pub(super) to_driver: bool,
}

/// The device says that it has completed a request that is not under way.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Bogus;

impl fmt::Display for Bogus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the device completed a request that is not under way")
    }
}

#[repr(C, align(4096))]
struct Rings<const SIZE: usize> {
    descriptors: [Desc; SIZE],
    available: Available<SIZE>,
    used: Used<SIZE>,
}

#[repr(C, align(2))]
struct Available<const SIZE: usize> {
    flags: AvailF,
    index: le16,
    ring: [le16; SIZE],
}

#[repr(C, align(4))]
struct Used<const SIZE: usize> {
    flags: UsedF,
    index: le16,
    ring: [UsedElem; SIZE],
}

/// The queue. The device reads and writes the rings, so they are accessed through volatile pointers.
///
/// `SIZE` is the number of entries of the rings, a power of two, and `CHAIN` the most pieces that a
/// request has.
pub(super) struct Queue<const SIZE: usize, const CHAIN: usize> {
    rings: Box<UnsafeCell<Rings<SIZE>>>,
    /// How many requests were offered, modulo 2^16: the available ring's index.
    offered: Cell<u16>,
    /// How many completed requests were taken, modulo 2^16.
    taken: Cell<u16>,
    /// One bit a slot.
    under_way: Cell<u32>,
}

impl<const SIZE: usize, const CHAIN: usize> Queue<SIZE, CHAIN> {
    /// Entries, as the device is told.
    pub(super) const ENTRIES: u16 = {
        assert!(SIZE.is_power_of_two() && SIZE <= 1 << 15);
        SIZE as u16
    };
    /// Most requests under way.
    pub(super) const SLOTS: usize = {
        assert!(CHAIN > 0 && SIZE / CHAIN > 0 && SIZE / CHAIN <= u32::BITS as usize);
        SIZE / CHAIN
    };

    pub(super) fn new() -> Self {
        let descriptor = Desc {
            addr: le64::from(0),
            len: le32::from(0),
            flags: DescF::empty(),
            next: le16::from(0),
        };
        let element = UsedElem {
            id: le32::from(0),
            len: le32::from(0),
        };
        let rings = Rings {
            descriptors: [descriptor; SIZE],
            available: Available {
                flags: AvailF::empty(),
                index: le16::from(0),
                ring: [le16::from(0); SIZE],
            },
            used: Used {
                flags: UsedF::empty(),
                index: le16::from(0),
                ring: [element; SIZE],
            },
        };
        Self {
            rings: Box::new(UnsafeCell::new(rings)),
            offered: Cell::new(0),
            taken: Cell::new(0),
            under_way: Cell::new(0),
        }
    }

    /// Addresses of descriptors, available ring and used ring, which have a page to themselves.
    pub(super) fn parts(&self) -> [Absolute; 3] {
        const { assert!(size_of::<Rings<SIZE>>() == PAGE_SIZE) };
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

    /// A slot for another request, if there is one.
    pub(super) fn free_slot(&self) -> Option<Slot> {
        let free = self.under_way.get().trailing_ones();
        ((free as usize) < Self::SLOTS).then_some(Slot(free as u16))
    }

    /// Number of the first descriptor of a slot's chain, by which the device knows the request.
    const fn head(slot: Slot) -> u16 {
        slot.0 * CHAIN as u16
    }

    /// The slot whose chain starts with a descriptor.
    fn slot_of(head: u32) -> Option<Slot> {
        (0..Self::SLOTS as u16)
            .map(Slot)
            .find(|slot| u32::from(Self::head(*slot)) == head)
    }

    /// Offers a request in a free slot: one to [`CHAIN`] pieces, those that the device writes last.
    ///
    /// # Panics
    /// If the slot is not free, or the number of pieces is another.
    pub(super) fn offer(&self, slot: Slot, pieces: &[Piece]) {
        assert!(self.mark(slot, true), "the slot comes from `free_slot`");
        assert!((1..=CHAIN).contains(&pieces.len()), "a chain has room");
        let rings = self.rings.get();
        let head = Self::head(slot);
        for (number, piece) in (head..).zip(pieces) {
            let last = usize::from(number - head) + 1 == pieces.len();
            let mut flags = DescF::empty();
            flags.set(DescF::WRITE, piece.to_driver);
            flags.set(DescF::NEXT, !last);
            let descriptor = Desc {
                addr: le64::from(piece.address.0),
                len: le32::from(piece.length),
                flags,
                next: le16::from(if last { 0 } else { number + 1 }),
            };
            // SAFETY: the slot's descriptors are not offered, so the device does not read them.
            unsafe {
                (&raw mut (*rings).descriptors[usize::from(number)]).write_volatile(descriptor);
            }
        }
        let entry = usize::from(self.offered.get() % Self::ENTRIES);
        self.offered.set(self.offered.get().wrapping_add(1));
        // SAFETY: the device reads the entry only after the index has said that it is there, and the
        // fence keeps this order.
        unsafe {
            (&raw mut (*rings).available.ring[entry]).write_volatile(le16::from(head));
            fence(Ordering::SeqCst);
            (&raw mut (*rings).available.index).write_volatile(le16::from(self.offered.get()));
        }
        fence(Ordering::SeqCst);
    }

    /// Takes the next completed request, if there is one; its slot is free then.
    ///
    /// # Errors
    /// The device does not keep to the protocol.
    pub(super) fn take(&self) -> Result<Option<Slot>, Bogus> {
        if !self.has_complete() {
            return Ok(None);
        }
        let rings = self.rings.get();
        // What the index announces, and what the device stored for the request, is read after it.
        fence(Ordering::SeqCst);
        let entry = usize::from(self.taken.get() % Self::ENTRIES);
        // SAFETY: the index says that the device has written the entry.
        let element = unsafe { (&raw const (*rings).used.ring[entry]).read_volatile() };
        let slot = Self::slot_of(element.id.into()).ok_or(Bogus)?;
        if !self.mark(slot, false) {
            return Err(Bogus);
        }
        self.taken.set(self.taken.get().wrapping_add(1));
        Ok(Some(slot))
    }

    /// Whether a request is complete that was not taken.
    pub(super) fn has_complete(&self) -> bool {
        // SAFETY: the device writes the index, so it is read by itself.
        let index = unsafe { (&raw const (*self.rings.get()).used.index).read_volatile() };
        u16::from(index) != self.taken.get()
    }

    /// Marks a slot as under way or free; returns whether that changed it.
    fn mark(&self, slot: Slot, busy: bool) -> bool {
        let (all, bit) = (self.under_way.get(), 1 << slot.index());
        self.under_way
            .set(if busy { all | bit } else { all & !bit });
        (all & bit != 0) != busy
    }
}

#[cfg(test)]
mod tests;
